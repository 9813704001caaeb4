//! From a recording to a profile: stacks first, then all names at once, then the processes.

use std::collections::HashMap;

use super::hidden::Book;
use super::model::{FORMAT, Profile, Tool, VERSION};
use super::process;
use super::shown;
use super::stacks::Stacks;
use super::verdicts::Verdicts;
use super::{DAMAGED, EndStatus, Options, bundled, checks, heap, paths, sizes};
use crate::names::{self, ModuleKey, Places, Wanted};
use crate::recording::{Process, Recording};

/// The whole profile.
pub fn profile(recording: &Recording, options: &Options, places: &Places) -> Profile {
    let stacks: Vec<Stacks> = recording.processes.iter().map(Stacks::of).collect();
    let verdicts: Vec<Verdicts> = recording.processes.iter().map(Verdicts::of).collect();
    let mut book = Book::of(recording, options.suppress.as_deref());
    let mut requests: HashMap<ModuleKey, Wanted> = HashMap::new();
    for (place, ((process, stacks), verdicts)) in recording.processes.iter().zip(&stacks).zip(&verdicts).enumerate() {
        let shown = options
            .largest
            .map(|top| shown::stacks(process, stacks, verdicts, top, options.kinds, book.has_rules(place)));
        stacks.ask(shown.as_deref(), &mut requests);
        if shown.is_none() {
            paths::ask(process, stacks, verdicts, &mut requests);
        }
    }
    if book.has_any_rule() {
        requests.values_mut().for_each(|wanted| wanted.symbols = true);
    }
    let answers = names::resolve(requests, places);
    // Only a profile of everything has ways.
    let of_ways = options.largest.is_none().then_some(&answers);
    let ends = ends(recording, options);
    let mut processes = Vec::new();
    for (((process, mut stacks), verdicts), end) in recording.processes.iter().zip(stacks).zip(verdicts).zip(ends) {
        let place = processes.len();
        let mut built = process::build(process, &mut stacks, &answers, end, &options.pasts);
        // A report of the largest has no use for it.
        built.live_sizes = options.largest.is_none().then(|| sizes::of_live(process)).flatten();
        built.warnings.extend(book.warning(place).cloned());
        let (checks, damaged) = checks::build(process, &stacks, &verdicts, of_ways, book.hiding(place, &built));
        built.checks = checks;
        let errors = std::mem::take(&mut built.heap_errors).into_iter();
        built.heap_errors = errors.filter(|error| !heap::is_of_own_operator(&built, error)).collect();
        if damaged > 0 {
            let sum = built.losses.entry(DAMAGED.into()).or_default();
            *sum = sum.saturating_add(damaged);
        }
        processes.push(built);
    }
    bundled::note(&mut processes);
    Profile { processes_lost: recording.process_lost, suppressions: book.into_suppressions(), processes, ..empty() }
}

/// The modules that names of a recording come from.
pub fn modules(recording: &Recording) -> Vec<ModuleKey> {
    let mut requests: HashMap<ModuleKey, Wanted> = HashMap::new();
    for process in &recording.processes {
        let (stacks, verdicts) = (Stacks::of(process), Verdicts::of(process));
        stacks.ask(None, &mut requests);
        paths::ask(process, &stacks, &verdicts, &mut requests);
    }
    let is_wanted = |wanted: &Wanted| !wanted.code.is_empty() || !wanted.data.is_empty();
    let mut keys: Vec<ModuleKey> =
        requests.into_iter().filter(|(_, wanted)| is_wanted(wanted)).map(|entry| entry.0).collect();
    keys.sort();
    keys
}

/// A profile without processes.
pub fn empty() -> Profile {
    Profile {
        format: FORMAT.into(),
        version: VERSION,
        tool: Tool { name: "memtrace".into(), version: env!("CARGO_PKG_VERSION").into() },
        processes_lost: 0,
        suppressions: Vec::new(),
        processes: Vec::new(),
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
