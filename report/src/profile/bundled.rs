//! Modules that have an allocator linked in: what it gives never comes by malloc, so a report without it says nothing.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::model::{Module, Process};
use super::process::text;
use crate::names;
use crate::recording;

/// Before the allocator's name among the flags of a module.
const FLAG: &str = "allocator:";
/// Where a system's own libraries are: the allocators there are modules of their own.
const SYSTEM: [&str; 3] = ["/usr/lib/", "/lib/", "/lib64/"];

/// What came of MEMTRACE_BUNDLED in one module.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Bundled {
    /// Its path.
    pub module: String,
    /// The allocator.
    pub allocator: String,
    /// Functions of it that are hooked; all or none.
    pub functions: u64,
    /// Why none is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What the library says of it.
pub fn of(process: &recording::Process) -> Vec<Bundled> {
    let all = process.text(&process.header.bundled).unwrap_or_default();
    let texts: Vec<String> = all.split(|&byte| byte == 0).map(text).collect();
    let rows = texts.chunks_exact(4).filter_map(|row| match row {
        [module, allocator, functions, why] => Some(Bundled {
            module: module.clone(),
            allocator: allocator.clone(),
            functions: functions.parse().ok()?,
            why: why.clone(),
        }),
        _ => None,
    });
    rows.collect()
}

/// Why an allocator is not hooked, where that was asked for, in words that follow what is said of it; else how to ask.
pub fn why_not(process: &Process, path: &str, allocator: &str) -> String {
    if let Some(row) = process.bundled.iter().find(|row| row.module == path && row.functions == 0) {
        return format!(", and cannot be hooked: {}", row.why);
    }
    let is_asked_for = process.settings.contains_key("MEMTRACE_BUNDLED");
    if is_asked_for || !["jemalloc", "mimalloc"].contains(&allocator) {
        return String::new();
    }
    " (MEMTRACE_BUNDLED=1 hooks it)".to_owned()
}

/// The allocator that is linked into a module and not hooked.
pub fn allocator(module: &Module) -> Option<&str> {
    module.flags.iter().find_map(|flag| flag.strip_prefix(FLAG))
}

/// Looks at each file once: executables, and libraries that are not the system's. Whose malloc is the real one is meant
/// to be there.
pub fn note(processes: &mut [Process]) {
    let mut known: HashMap<String, Option<&'static str>> = HashMap::new();
    for process in processes.iter_mut().filter(|process| process.passive.is_none()) {
        let allocator = process.allocator.clone();
        let hooked: Vec<String> =
            process.bundled.iter().filter(|row| row.functions > 0).map(|row| row.module.clone()).collect();
        // A program that never came by malloc has no module on any stack, and is the one that is looked for.
        let is_added = !process.modules.iter().any(is_program);
        if is_added {
            process.modules.push(program(&process.exe));
        }
        for module in &mut process.modules {
            let is_executable = is_program(module);
            let is_other = module.flags.is_empty() && !SYSTEM.iter().any(|place| module.path.starts_with(place));
            let is_seen = module.path == allocator || hooked.contains(&module.path);
            if !(is_executable || is_other) || is_seen || !module.path.starts_with('/') {
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
