//! Modules that have an allocator linked in: what it gives never comes by malloc, so a report without it says nothing.

use std::collections::HashMap;
use std::path::Path;

use super::model::{Module, Process};
use crate::names;

/// Before the allocator's name among the flags of a module.
const FLAG: &str = "allocator:";
/// Where a system's own libraries are: the allocators there are modules of their own.
const SYSTEM: [&str; 3] = ["/usr/lib/", "/lib/", "/lib64/"];

/// The allocator that is linked into a module.
pub fn allocator(module: &Module) -> Option<&str> {
    module.flags.iter().find_map(|flag| flag.strip_prefix(FLAG))
}

/// Looks at each file once: executables, and libraries that are not the system's. Whose malloc is the real one is meant
/// to be there.
pub fn note(processes: &mut [Process]) {
    let mut known: HashMap<String, Option<&'static str>> = HashMap::new();
    for process in processes.iter_mut().filter(|process| process.passive.is_none()) {
        let allocator = process.allocator.clone();
        // A program that never came by malloc has no module on any stack, and is the one that is looked for.
        let is_added = !process.modules.iter().any(is_program);
        if is_added {
            process.modules.push(program(&process.exe));
        }
        for module in &mut process.modules {
            let is_executable = is_program(module);
            let is_other = module.flags.is_empty() && !SYSTEM.iter().any(|place| module.path.starts_with(place));
            if !(is_executable || is_other) || module.path == allocator || !module.path.starts_with('/') {
                continue;
            }
            let find = || names::linked_in(Path::new(&module.path));
            if let Some(name) = *known.entry(module.path.clone()).or_insert_with(find) {
                module.flags.push(format!("{FLAG}{name}"));
            }
        }
        // It stays for its allocator alone.
        if is_added && process.modules.last().is_none_or(|module| self::allocator(module).is_none()) {
            process.modules.pop();
        }
    }
}

fn is_program(module: &Module) -> bool {
    module.flags.iter().any(|flag| flag == "executable")
}

/// The executable, where nothing is known of it but its path.
fn program(path: &str) -> Module {
    Module {
        path: path.to_owned(),
        build_id: String::new(),
        start: 0,
        end: 0,
        bias: 0,
        flags: vec!["executable".to_owned()],
        unloaded: false,
        names: "unused".to_owned(),
    }
}

/// The program's own: what it has linked in, if anything.
pub fn of_program(process: &Process) -> Option<&str> {
    process.modules.iter().find(|module| is_program(module)).and_then(allocator)
}

/// All that a process has, with the modules, in their order.
pub fn all(process: &Process) -> impl Iterator<Item = (&Module, &str)> {
    process.modules.iter().filter_map(|module| Some((module, allocator(module)?)))
}
