//! What grew from checkpoint to checkpoint: the checks that a process asked for itself, before its end.
//!
//! The first stretch is often a cache that fills. Only what grew in every one of them counts.

use std::collections::BTreeMap;

use super::fingerprint::Trail;
use crate::profile::Process;
use crate::profile::leaks::{Check, Sum};

/// A place that grew.
pub struct Grown {
    /// Its trail.
    pub trail: Trail,
    /// One of its stacks.
    pub stack: u32,
    /// Checkpoints.
    pub checkpoints: u64,
    /// What it had at the first.
    pub first: Sum,
    /// What it had at the last.
    pub last: Sum,
}

/// The places that grew by more than `limit` bytes at every checkpoint. Nothing: there are not two.
pub fn of(process: &Process, limit: u64, mut trail: impl FnMut(u32) -> (Trail, bool)) -> Option<Vec<Grown>> {
    let is_between = |check: &&Check| {
        matches!(check.cause.as_str(), "program" | "command" | "round")
            && matches!(check.rung.as_str(), "alone" | "stopped" | "waiting")
    };
    let checks: Vec<&Check> = process.checks.iter().filter(is_between).collect();
    if checks.len() < 2 {
        return None;
    }
    let mut live: BTreeMap<Trail, (u32, Vec<Sum>)> = BTreeMap::new();
    for (place, check) in checks.iter().enumerate() {
        let lost = check.leaks.iter().filter(|leak| leak.suppression.is_none());
        let lost = lost.map(|leak| (leak.stack, leak.blocks, leak.bytes));
        let held = check.held.iter().filter(|held| held.suppression.is_none());
        for (stack, blocks, bytes) in lost.chain(held.map(|held| (held.stack, held.blocks, held.bytes))) {
            let (trail, counts) = trail(stack);
            if counts {
                let none = || (stack, vec![Sum::default(); checks.len()]);
                let (_, sums) = live.entry(trail).or_insert_with(none);
                if let Some(sum) = sums.get_mut(place) {
                    sum.add(blocks, bytes);
                }
            }
        }
    }
    let grows = |sums: &[Sum]| {
        sums.iter().zip(sums.iter().skip(1)).all(|(one, next)| next.bytes.saturating_sub(one.bytes) > limit)
    };
    let grown = live.into_iter().filter(|(_, (_, sums))| grows(sums)).map(|(trail, (stack, sums))| Grown {
        trail,
        stack,
        checkpoints: checks.len() as u64,
        first: sums.first().copied().unwrap_or_default(),
        last: sums.last().copied().unwrap_or_default(),
    });
    Some(grown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::leaks::{Kind, Leak};
    use crate::profile::sample;

    fn grown(steps: &[&[(&str, u64)]], limit: u64) -> Option<Vec<String>> {
        let process = sample::process(|maker| {
            for step in steps {
                let leaks = step.iter().map(|(function, bytes)| Leak {
                    stack: maker.stack(&[function, "main"]),
                    op: "malloc".into(),
                    kind: Kind::Definite,
                    blocks: 1,
                    bytes: *bytes,
                    indirect_blocks: 0,
                    indirect_bytes: 0,
                    address: 1,
                    suppression: None,
                });
                let leaks = leaks.collect();
                let check = Check { cause: "program".into(), rung: "alone".into(), leaks, ..Check::default() };
                maker.process().checks.push(check);
            }
        });
        let grown = of(&process, limit, |stack| (Trail::of(&process, stack), true))?;
        Some(grown.into_iter().map(|grown| grown.trail.0[0].clone()).collect())
    }

    #[test]
    fn only_what_grows_at_every_checkpoint_counts() {
        let steps: [&[(&str, u64)]; 3] =
            [&[("cache", 10), ("leak", 5)], &[("cache", 90), ("leak", 8)], &[("cache", 90), ("leak", 11), ("late", 9)]];
        assert_eq!(grown(&steps, 0), Some(vec!["leak (libgarden.so)".into()]));
        assert_eq!(grown(&steps, 2), Some(vec!["leak (libgarden.so)".into()]));
        assert_eq!(grown(&steps, 3), Some(vec![]));
        assert_eq!(grown(&steps[..1], 0), None);
    }
}
