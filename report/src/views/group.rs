//! Sites put together: by stack, or by what the frame says that names the site.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::filter::{Filter, base_name};
use super::{By, Numbers, Row};
use crate::profile::{Frame, Process, Site};
use crate::site::Sites;

/// The groups of all wanted sites, in no order.
pub fn groups(process: &Process, filter: &Filter, by: By) -> Vec<Row> {
    let mut groups: HashMap<(String, Option<u32>), Numbers> = HashMap::new();
    let sites = Sites::of(process);
    for site in process.sites.iter().filter(|site| filter.takes(site.stack)) {
        let key = match by {
            By::Stack => (String::new(), Some(site.stack)),
            _ => (name(process, &sites, site, by), None),
        };
        groups.entry(key).or_default().add(&Numbers::of(site));
    }
    groups.into_iter().map(|((name, stack), numbers)| Row { name, stack, numbers }).collect()
}

/// The order of rows that are stacks.
pub fn compare_stacks(process: &Process, one: &Row, other: &Row) -> Ordering {
    match (one.stack, other.stack) {
        (Some(one), Some(other)) => compare(process, one, other),
        _ => Ordering::Equal,
    }
}

/// An order of stacks that depends on their names and places alone.
pub fn compare(process: &Process, one: u32, other: u32) -> Ordering {
    let frames = |stack: u32| {
        let places = process.stacks.get(stack as usize).into_iter().flatten();
        let frames = places.filter_map(|&frame| process.frames.get(frame as usize));
        frames.map(|frame| (&frame.function, &frame.file, frame.line, frame.module, frame.offset))
    };
    frames(one).cmp(frames(other)).then(one.cmp(&other))
}

fn name(process: &Process, sites: &Sites, site: &Site, by: By) -> String {
    if by == By::Thread {
        return thread(process, site);
    }
    if by == By::Region {
        return region(process, site.stack).map_or("(no region)", |name| name).into();
    }
    match (by, sites.frame(site.stack)) {
        (_, None) => "(no stack)".into(),
        (By::File, Some(frame)) => frame.file.clone().unwrap_or_else(|| "(no source file known)".into()),
        (By::Module, Some(frame)) => module(process, frame).map_or("(no module)", |path| path).into(),
        (_, Some(frame)) => function(process, frame),
    }
}

/// The innermost region that a stack was in.
fn region(process: &Process, stack: u32) -> Option<&str> {
    let places = process.stacks.get(stack as usize)?;
    let mut frames = places.iter().filter_map(|&frame| process.frames.get(frame as usize));
    frames.find(|frame| frame.kind == "tag")?.function.as_deref()
}

/// The frame's function, or its place in its module.
pub fn function(process: &Process, frame: &Frame) -> String {
    let place = || match (module(process, frame), &frame.file, frame.line) {
        (None, Some(file), Some(line)) => format!("{}:{line}", base_name(file)),
        (Some(path), ..) => format!("{}+{:#x}", base_name(path), frame.offset),
        (None, ..) => format!("{:#x}", frame.offset),
    };
    frame.function.clone().unwrap_or_else(place)
}

/// The path of the frame's module; of a Python function its file, which is what Python calls a module.
pub fn module<'p>(process: &'p Process, frame: &'p Frame) -> Option<&'p str> {
    match frame.module {
        Some(module) => Some(process.modules.get(module as usize)?.path.as_str()),
        None => frame.file.as_deref().filter(|_| frame.kind == "python"),
    }
}

fn thread(process: &Process, site: &Site) -> String {
    match site.thread.and_then(|number| Some((number, process.threads.get(number as usize)?))) {
        Some((_, thread)) if thread.uses <= 1 => format!("{} (tid {})", thread.name, thread.tid),
        // One slot stands for all of them: the numbers are theirs together.
        Some((number, thread)) => format!("{} and others (slot {number})", thread.name),
        None => "(no thread)".into(),
    }
}
