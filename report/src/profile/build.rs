//! From a recording to a profile: stacks first, then all names at once, then the processes.

use std::collections::HashMap;

use super::model::{FORMAT, Profile, Tool, VERSION};
use super::process;
use super::shown;
use super::stacks::Stacks;
use super::{EndStatus, Options};
use crate::names::{self, ModuleKey, Places};
use crate::recording::{Process, Recording};

/// The whole profile.
pub fn profile(recording: &Recording, options: &Options, places: &Places) -> Profile {
    let stacks: Vec<Stacks> = recording.processes.iter().map(Stacks::of).collect();
    let mut requests: HashMap<ModuleKey, _> = HashMap::new();
    for (process, stacks) in recording.processes.iter().zip(&stacks) {
        let shown = options.largest.map(|top| shown::stacks(process, stacks, top));
        stacks.ask(shown.as_deref(), &mut requests);
    }
    let answers = names::resolve(requests, places);
    let ends = ends(recording, options);
    let processes = recording.processes.iter().zip(stacks).zip(ends);
    Profile {
        format: FORMAT.into(),
        version: VERSION,
        tool: Tool { name: "memtrace".into(), version: env!("CARGO_PKG_VERSION").into() },
        processes_lost: recording.process_lost,
        processes: processes.map(|((process, stacks), end)| process::build(process, &stacks, &answers, end)).collect(),
    }
}

/// How each image ended, if somebody waited for its process: that belongs to the last image of a pid.
fn ends(recording: &Recording, options: &Options) -> Vec<Option<EndStatus>> {
    let pid = |process: &Process| process.header.pid.get();
    let processes = recording.processes.iter().enumerate();
    let last: HashMap<u32, usize> = processes.map(|(place, process)| (pid(process), place)).collect();
    let processes = recording.processes.iter().enumerate();
    let end = |(place, process)| options.ends.get(&pid(process)).filter(|_| last.get(&pid(process)) == Some(&place));
    processes.map(|entry| end(entry).copied()).collect()
}
