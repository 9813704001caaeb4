//! Where the memory of a process was, and what its blocks are like: parts of the RSS, sizes and lives.
//!
//! ```text
//!   looks at mappings, else counters of the kernel ─▶ parts of the RSS
//!   curves of sites ─▶ lives, in decades         live sizes ─▶ what rounding takes
//! ```

use std::collections::BTreeMap;

use super::base_name;
use super::over_time::highest;
use crate::profile::history::History;
use crate::profile::parts::{Mapping, Parts};
use crate::profile::{Process, SizeClass};

/// A part of the resident memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// How much.
    pub bytes: u64,
    /// What it is.
    pub what: &'static str,
}

/// The resident memory at one moment.
#[derive(PartialEq, Eq, Debug)]
pub struct Resident {
    /// All of it.
    pub rss_bytes: u64,
    /// When: nanoseconds since the recording began.
    pub time_ns: u64,
    /// What it consisted of.
    pub parts: Vec<Part>,
    /// Of what was asked for: what was never touched, is swapped out, or lies elsewhere.
    pub absent_bytes: u64,
    /// The largest mappings that are neither heap nor stack nor a module.
    pub largest: Vec<Mapping>,
}

/// What a mapping is called.
pub fn name(mapping: &Mapping) -> String {
    mapping.path.clone().unwrap_or_else(|| format!("no file, at {:#x}", mapping.start))
}

/// The resident memory at its highest, as the samples have it.
pub fn highest_moment(history: &History) -> Option<(u64, u64)> {
    let (place, rss) = highest(&history.rss_bytes)?;
    Some((rss, history.time_ns.get(place).copied().unwrap_or(0)))
}

/// What it consisted of: when most was resident, and at the last look, where that was another one.
pub fn residents(history: &History) -> Vec<Resident> {
    match history.parts.as_slice() {
        [] => by_counters(history).into_iter().collect(),
        looks => looks.iter().map(by_look).collect(),
    }
}

fn by_look(look: &Parts) -> Resident {
    let asked = look.live_bytes.min(look.heap_bytes);
    let parts = [
        (asked, "the heap, as it was asked for"),
        (look.heap_bytes - asked, "more of the allocator: rounding, and what it keeps"),
        (look.mapped_bytes, "mappings without a file, made beside the allocator"),
        (look.shared_bytes, "shared memory"),
        (look.file_bytes, "files that are mapped"),
        (look.module_bytes, "the program and its libraries, with their data"),
        (look.stack_bytes, "stacks of threads"),
        (look.own_bytes, "memtrace"),
    ];
    Resident {
        rss_bytes: look.rss_bytes,
        time_ns: look.time_ns,
        parts: parts.into_iter().filter(|part| part.0 > 0).map(|(bytes, what)| Part { bytes, what }).collect(),
        absent_bytes: look.live_bytes - asked,
        largest: look.largest.clone(),
    }
}

/// Where nobody looked at the mappings: as far as the kernel's counters tell it.
fn by_counters(history: &History) -> Option<Resident> {
    let (moment, rss_bytes) = highest(&history.rss_bytes)?;
    let at = |values: &[i64]| values.get(moment).and_then(|&value| u64::try_from(value).ok());
    let anonymous = at(&history.anonymous_bytes)?;
    let live = at(&history.live_bytes).unwrap_or(0);
    let asked = live.min(anonymous);
    let parts = [
        (asked, "the heap, as it was asked for"),
        (anonymous - asked, "more without a file: rounding, what the allocator keeps, stacks, data, mappings"),
        (at(&history.file_bytes)?, "of files: code, libraries, shared memory"),
        (at(&history.own_bytes)?, "memtrace"),
    ];
    Some(Resident {
        rss_bytes,
        time_ns: history.time_ns.get(moment).copied().unwrap_or(0),
        parts: parts.into_iter().map(|(bytes, what)| Part { bytes, what }).collect(),
        absent_bytes: live - asked,
        largest: Vec::new(),
    })
}

/// What glibc's chunks for the blocks that live at the end take, by the size classes of the blocks, and what was asked for.
pub fn rounding(process: &Process) -> Option<(u64, u64)> {
    let is_glibc = base_name(&process.allocator).starts_with("libc.so");
    let sizes = process.live_sizes.as_ref().filter(|_| is_glibc)?;
    let sum = |of: fn(&SizeClass) -> u64| sizes.iter().map(of).fold(0, u64::saturating_add);
    Some((sum(|class| class.chunk_bytes), sum(|class| class.bytes))).filter(|sums| sums.1 > 0)
}

/// How long blocks live: allocations by the mean life of their site, in decades. Each is the longest life, in nanoseconds, with
/// the number of blocks; `None`: longer than can be counted.
pub fn lives(process: &Process) -> Vec<(Option<u64>, u64)> {
    let mut classes: BTreeMap<u32, u64> = BTreeMap::new();
    for curve in process.history.iter().flat_map(|history| &history.curves) {
        if let (Some(life), Some(site)) = (curve.mean_life_ns, process.sites.get(curve.site as usize)) {
            let class = classes.entry(life.max(1).ilog10() + 1).or_default();
            *class = class.saturating_add(site.total_blocks);
        }
    }
    classes.into_iter().map(|(decade, blocks)| (10u64.checked_pow(decade), blocks)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_tells_more_than_counters_and_its_parts_are_all_of_it() {
        let mut history = History {
            time_ns: vec![0, 7],
            rss_bytes: vec![-1, 100],
            anonymous_bytes: vec![-1, 60],
            file_bytes: vec![-1, 30],
            own_bytes: vec![-1, 10],
            live_bytes: vec![0, 70],
            ..History::default()
        };
        let bytes = |resident: &Resident| -> Vec<u64> { resident.parts.iter().map(|part| part.bytes).collect() };
        let [found] = &residents(&history)[..] else { panic!() };
        assert_eq!(
            (bytes(found), found.absent_bytes, found.rss_bytes, found.time_ns),
            (vec![60, 0, 30, 10], 10, 100, 7)
        );
        assert_eq!(highest_moment(&history), Some((100, 7)));
        let look = Parts {
            time_ns: 8,
            rss_bytes: 98,
            live_bytes: 20,
            heap_bytes: 25,
            mapped_bytes: 64,
            stack_bytes: 9,
            ..Parts::default()
        };
        history.parts = vec![look.clone(), Parts { rss_bytes: 9, heap_bytes: 9, ..look }];
        let [found, last] = &residents(&history)[..] else { panic!() };
        assert_eq!((bytes(found), found.rss_bytes, found.time_ns), (vec![20, 5, 64, 9], 98, 8));
        assert_eq!((bytes(last), last.absent_bytes), (vec![9, 64, 9], 11));
        assert_eq!(residents(&History::default()), []);
    }
}
