//! Whether a profile that was read is sound.

use super::model::{Process, Profile};

/// The first thing that is wrong.
pub fn first_fault(profile: &Profile) -> Option<String> {
    let fault = |(place, process)| fault_of(process).map(|fault| format!("process {place}: {fault}"));
    profile.processes.iter().enumerate().find_map(fault)
}

fn fault_of(process: &Process) -> Option<String> {
    let modules = process.frames.iter().filter_map(|frame| frame.module);
    let frames = process.stacks.iter().flatten().copied();
    let stacks = process.sites.iter().map(|site| site.stack).chain(process.faults.iter().map(|fault| fault.stack));
    let threads = process.sites.iter().filter_map(|site| site.thread);
    let threads = threads.chain(process.faults.iter().filter_map(|fault| fault.thread));
    past("module", modules, process.modules.len())
        .or_else(|| past("frame", frames, process.frames.len()))
        .or_else(|| past("stack", stacks, process.stacks.len()))
        .or_else(|| past("thread", threads, process.threads.len()))
}

fn past(what: &str, mut places: impl Iterator<Item = u32>, count: usize) -> Option<String> {
    let place = places.find(|&place| place as usize >= count)?;
    Some(format!("{what} {place} is referred to, but there are {count}"))
}
