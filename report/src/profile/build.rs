//! From a recording to a profile: stacks first, then all names at once, then the processes.

use std::collections::HashMap;

use super::leaks::Suppression;
use super::model::{FORMAT, Profile, Tool, VERSION};
use super::process;
use super::shown;
use super::stacks::Stacks;
use super::verdicts::{Named, Verdicts};
use super::{DAMAGED, EndStatus, Options, checks, paths};
use crate::names::{self, ModuleKey, Places};
use crate::recording::{Process, Recording};

/// The whole profile.
pub fn profile(recording: &Recording, options: &Options, places: &Places) -> Profile {
    let stacks: Vec<Stacks> = recording.processes.iter().map(Stacks::of).collect();
    let verdicts: Vec<Verdicts> = recording.processes.iter().map(Verdicts::of).collect();
    let mut requests: HashMap<ModuleKey, _> = HashMap::new();
    for ((process, stacks), verdicts) in recording.processes.iter().zip(&stacks).zip(&verdicts) {
        let shown = options.largest.map(|top| shown::stacks(process, stacks, verdicts, top, options));
        stacks.ask(shown.as_deref(), &mut requests);
        if shown.is_none() {
            paths::ask(process, stacks, verdicts, &mut requests);
        }
    }
    let answers = names::resolve(requests, places);
    let ends = ends(recording, options);
    let names = options.suppress.iter().flat_map(|suppress| &suppress.names);
    let mut suppressions: Vec<Suppression> =
        names.map(|name| Suppression { name: name.clone(), blocks: 0, bytes: 0 }).collect();
    let mut processes = Vec::new();
    for (((process, stacks), verdicts), end) in recording.processes.iter().zip(stacks).zip(verdicts).zip(ends) {
        let mut built = process::build(process, &stacks, &answers, end);
        let named = Named { frames: &built.frames, stacks: &built.stacks, modules: &built.modules };
        let (checks, damaged) =
            checks::build(process, &stacks, &verdicts, &answers, &named, options, &mut suppressions);
        built.checks = checks;
        if damaged > 0 {
            let sum = built.losses.entry(DAMAGED.into()).or_default();
            *sum = sum.saturating_add(damaged);
        }
        processes.push(built);
    }
    Profile {
        format: FORMAT.into(),
        version: VERSION,
        tool: Tool { name: "memtrace".into(), version: env!("CARGO_PKG_VERSION").into() },
        processes_lost: recording.process_lost,
        suppressions,
        processes,
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
