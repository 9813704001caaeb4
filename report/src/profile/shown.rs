//! The stacks that a report of the largest live ones prints. Where nothing else is asked for, only they need names.
//!
//! Invariant: a superset of what `views::rows` chooses: of stacks that sort equal, which names alone put in order,
//! all are taken.

use std::collections::HashMap;

use super::sites::sites;
use super::stacks::Stacks;
use crate::recording::Process;
use crate::views::{Numbers, Sort};

/// By number of the stack, whether it may be among the `top` largest, or is that of a fault.
pub fn stacks(process: &Process, stacks: &Stacks, top: usize) -> Vec<bool> {
    let mut sums: HashMap<u32, Numbers> = HashMap::new();
    for site in sites(process, stacks) {
        sums.entry(site.stack).or_default().add(&Numbers::of(&site));
    }
    let mut shown = vec![false; stacks.count()];
    let mut mark = |stack: u32| {
        if let Some(shown) = shown.get_mut(stack as usize) {
            *shown = true;
        }
    };
    let mut keys: Vec<_> = sums.values().map(|numbers| numbers.key(Sort::Live)).filter(|&key| key != (0, 0)).collect();
    keys.sort_unstable();
    let least = match top {
        0 => None,
        _ => keys.get(keys.len().saturating_sub(top)),
    };
    let is_large = |numbers: &Numbers| least.is_some_and(|least| numbers.key(Sort::Live) >= *least);
    sums.iter().filter(|(_, numbers)| is_large(numbers)).for_each(|(&stack, _)| mark(stack));
    process.faults.iter().filter_map(|fault| stacks.number(fault.node.get())).for_each(mark);
    shown
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
            let shown = stacks(process, &all, top);
            assert_eq!(shown.iter().filter(|&&shown| shown).count(), count, "{top}");
            for row in rows(&profile.processes[0], &Choice { top: Some(top), ..Choice::default() }).rows {
                assert!(shown[row.stack.unwrap() as usize], "{top}: {row:?}");
            }
        }
    }
}
