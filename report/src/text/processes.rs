//! The tree of a run's processes, which heads its report.

use std::collections::HashMap;
use std::io::{self, Write};

use super::number::count;
use super::{summary, title};
use crate::profile::{Process, Profile};

/// Deeper descendants are not set further to the right.
const INDENT_MAX: usize = 20;

/// One line a process, children under their parents, an image that exec started under the one before it.
pub fn tree(profile: &Profile, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "memtrace: {}", count(profile.processes.len() as u64, "process"))?;
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    let (roots, children) = families(&profile.processes);
    waiting.extend(roots.iter().rev().map(|&root| (root, 0)));
    while let Some((place, depth)) = waiting.pop() {
        if let Some(process) = profile.processes.get(place) {
            let indent = 2 + 2 * depth.min(INDENT_MAX);
            writeln!(to, "{:indent$}{}{}: {}", "", title(process), end(process), summary::line(process))?;
        }
        let children = children.get(&place).into_iter().flatten();
        waiting.extend(children.rev().map(|&child| (child, depth + 1)));
    }
    if profile.processes_lost > 0 {
        writeln!(to, "  {} not recorded: no room in the recording", count(profile.processes_lost, "process"))?;
    }
    Ok(())
}

/// Processes without a parent here, and the children of each. A parent stands before its children, so there is no loop.
fn families(processes: &[Process]) -> (Vec<usize>, HashMap<usize, Vec<usize>>) {
    let (mut roots, mut children) = (Vec::new(), HashMap::<usize, Vec<usize>>::new());
    let mut latest: HashMap<u32, usize> = HashMap::new();
    for (place, process) in processes.iter().enumerate() {
        match latest.get(&process.pid).or_else(|| latest.get(&process.ppid)) {
            Some(&parent) => children.entry(parent).or_default().push(place),
            None => roots.push(place),
        }
        latest.insert(process.pid, place);
    }
    (roots, children)
}

fn end(process: &Process) -> String {
    match (process.end.signal, process.end.status, process.end.how.as_str()) {
        (Some(signal), _, _) => format!(", signal {signal}"),
        (None, Some(status), _) => format!(", exit {status}"),
        (None, None, "exec") => ", exec".into(),
        (None, None, "abort" | "assert" | "stack-smash") => ", abort".into(),
        _ => String::new(),
    }
}
