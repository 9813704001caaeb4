//! Whether a profile that was read is sound.

use super::leaks::Check;
use super::model::{Process, Profile};

/// The first thing that is wrong.
pub fn first_fault(profile: &Profile) -> Option<String> {
    let suppressions = profile.suppressions.len();
    let fault = |(place, process)| fault_of(process, suppressions).map(|fault| format!("process {place}: {fault}"));
    profile.processes.iter().enumerate().find_map(fault)
}

fn fault_of(process: &Process, suppression_count: usize) -> Option<String> {
    let modules = process.frames.iter().filter_map(|frame| frame.module);
    let frames = process.stacks.iter().flatten().copied();
    let stacks = process.sites.iter().map(|site| site.stack).chain(process.faults.iter().map(|fault| fault.stack));
    let errors = process.heap_errors.iter();
    let stacks = stacks.chain(errors.flat_map(|error| [error.stack, error.allocated, error.freed]).flatten());
    let threads = process.sites.iter().filter_map(|site| site.thread);
    let threads = threads.chain(process.faults.iter().filter_map(|fault| fault.thread));
    let threads = threads.chain(process.heap_errors.iter().filter_map(|error| error.thread));
    let threads = threads.chain(process.markers.iter().filter_map(|marker| marker.thread));
    let threads = threads.chain(process.regions.iter().filter_map(|region| region.thread));
    past("module", modules, process.modules.len())
        .or_else(|| past("frame", frames, process.frames.len()))
        .or_else(|| past("stack", stacks, process.stacks.len()))
        .or_else(|| past("thread", threads, process.threads.len()))
        .or_else(|| process.history.as_ref().and_then(|history| history.first_fault(process.sites.len())))
        .or_else(|| process.checks.iter().find_map(|check| fault_of_check(check, process, suppression_count)))
}

fn fault_of_check(check: &Check, process: &Process, suppression_count: usize) -> Option<String> {
    let steps = || check.held.iter().flat_map(|held| &held.path);
    let stacks = check.leaks.iter().map(|leak| leak.stack).chain(check.held.iter().map(|held| held.stack));
    let stacks = stacks.chain(steps().filter_map(|step| step.stack));
    let suppressions = check.leaks.iter().map(|leak| leak.suppression);
    let suppressions = suppressions.chain(check.held.iter().map(|held| held.suppression)).flatten();
    past("stack", stacks, process.stacks.len())
        .or_else(|| past("frame", steps().filter_map(|step| step.frame), process.frames.len()))
        .or_else(|| past("module", steps().filter_map(|step| step.module), process.modules.len()))
        .or_else(|| past("suppression", suppressions, suppression_count))
}

fn past(what: &str, mut places: impl Iterator<Item = u32>, count: usize) -> Option<String> {
    let place = places.find(|&place| place as usize >= count)?;
    Some(format!("{what} {place} is referred to, but there are {count}"))
}
