//! The stacks that a report of the largest live ones prints. Where nothing else is asked for, only they need names.
//!
//! Invariant: a superset of what `views::rows` chooses: of stacks that sort equal, which names alone put in order,
//! all are taken.

use std::collections::HashMap;

use memtrace_wire::leaks::Kinds;
use memtrace_wire::settings;

use super::heap;
use super::leaks::Kind;
use super::sites::sites;
use super::stacks::Stacks;
use super::verdicts::{Rows, Verdicts};
use crate::recording::Process;
use crate::views::{Numbers, Sort};

/// By number of the stack, whether it may be among the `top` largest, or is that of a fault or a heap error. With
/// suppressions, which look at names, all of leaks are. `kinds`: of leaks; `None`: those of MEMTRACE_SHOW.
pub fn stacks(
    process: &Process,
    stacks: &Stacks,
    verdicts: &Verdicts,
    top: usize,
    kinds: Option<Kinds>,
    is_hidden: bool,
) -> Vec<bool> {
    let mut shown = vec![false; stacks.count()];
    let mut mark = |stack: u32| {
        if let Some(shown) = shown.get_mut(stack as usize) {
            *shown = true;
        }
    };
    match verdicts.checks.last().filter(|verdict| verdict.check.is_last_word()) {
        Some(verdict) => {
            let rows = verdict.rows(process, stacks);
            let kinds = kinds.unwrap_or_else(|| settings::parse(process.settings()).show);
            for kind in KINDS.into_iter().filter(|kind| is_hidden || kinds.has(kind.verdict())) {
                largest(sums_of(&rows, kind), if is_hidden { usize::MAX } else { top }).into_iter().for_each(&mut mark);
            }
        }
        None => largest(live(process, stacks), top).into_iter().for_each(&mut mark),
    }
    process.faults.iter().filter_map(|fault| stacks.number(fault.node.get())).for_each(&mut mark);
    heap::nodes(process).filter_map(|node| stacks.number(node)).for_each(mark);
    shown
}

type Sums = HashMap<u32, (u64, u64)>;

const KINDS: [Kind; 4] = [Kind::Definite, Kind::Possible, Kind::Indirect, Kind::Reachable];

/// The stacks with the largest sums that are not 0; of those that sort like the last, all.
fn largest(sums: Sums, top: usize) -> Vec<u32> {
    let mut keys: Vec<_> = sums.values().copied().filter(|&key| key != (0, 0)).collect();
    keys.sort_unstable();
    let least = match top {
        0 => return Vec::new(),
        _ => keys.get(keys.len().saturating_sub(top)).copied().unwrap_or((1, 0)),
    };
    sums.into_iter().filter(|&(_, key)| key >= least && key != (0, 0)).map(|(stack, _)| stack).collect()
}

fn live(process: &Process, stacks: &Stacks) -> Sums {
    let mut sums: HashMap<u32, Numbers> = HashMap::new();
    for site in sites(process, stacks).1 {
        sums.entry(site.stack).or_default().add(&Numbers::of(&site));
    }
    sums.into_iter().map(|(stack, numbers)| (stack, numbers.key(Sort::Live))).collect()
}

/// Bytes and blocks of one kind, as the rows of a report are sorted.
fn sums_of(rows: &Rows, kind: Kind) -> Sums {
    let mut sums = Sums::new();
    let mut add = |stack, bytes: u64, blocks: u64| {
        let sum: &mut (u64, u64) = sums.entry(stack).or_default();
        *sum = (sum.0.saturating_add(bytes), sum.1.saturating_add(blocks));
    };
    if kind == Kind::Reachable {
        rows.held.iter().for_each(|(held, _)| add(held.stack, held.bytes, held.blocks));
    }
    rows.leaks.iter().filter(|leak| leak.kind == kind).for_each(|leak| add(leak.stack, leak.all_bytes(), leak.blocks));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Recording;
    use crate::recording::builder::{Target, file_of, recording};
    use crate::views::{Choice, rows};

    #[test]
    fn all_that_a_report_prints_is_among_them() {
        let mut target = Target::new(1, "app");
        // Live blocks of 8 bytes; two stacks sort equal, one is freed.
        for (number, live) in [(1, 5), (2, 9), (3, 2), (4, 5), (5, 0), (6, 1)] {
            let leaf = target.stack(&[0x1000 * number, 0x50]);
            target.site(leaf, 8, 9, live);
        }
        let recording = Recording::from_file(file_of(&recording(&[target])), "x").unwrap();
        let process = &recording.processes[0];
        let all = Stacks::of(process);
        let profile = crate::profile::Profile::build(&recording, &crate::profile::Options::default()).unwrap();
        for (top, count) in [(0, 0), (1, 1), (2, 3), (3, 3), (4, 4), (5, 5), (6, 5), (usize::MAX, 5)] {
            let shown = stacks(process, &all, &Verdicts::of(process), top, None, false);
            assert_eq!(shown.iter().filter(|&&shown| shown).count(), count, "{top}");
            for row in rows(&profile.processes[0], &Choice { top: Some(top), ..Choice::default() }).rows {
                assert!(shown[row.stack.unwrap() as usize], "{top}: {row:?}");
            }
        }
    }
}
