//! Kinds in graphs that are drawn by hand, and in random ones.

use super::*;
use crate::map::U32;
use crate::map::U64;
use std::vec::Vec;
use std::{vec, vec::IntoIter};

/// Blocks of 16 bytes with these edges; `*` behind a number of an entry: see `ENTRY`.
fn judge(count: usize, entries: &[u32], suppressed: &[usize], edges: &[(u32, u32)]) -> Vec<Judged> {
    let mut sorted = edges.to_vec();
    sorted.sort_by_key(|&(from, _)| from);
    let lost: Vec<Lost> = (0..count as u32)
        .map(|number| {
            let first = sorted.partition_point(|&(from, _)| from < number);
            let behind = sorted.partition_point(|&(from, _)| from <= number);
            Lost {
                address: U64::new(0x1000 + u64::from(number) * 0x20),
                bytes: U64::new(16),
                site: U32::new(1),
                flags: U32::new(u32::from(entries.contains(&number))),
                edge_first: U32::new(first as u32),
                edge_count: U32::new((behind - first) as u32),
            }
        })
        .collect();
    let edges: Vec<Edge> = sorted.iter().map(|&(_, to)| Edge { to: U32::new(to) }).collect();
    let mut judged = vec![Judged::NEW; count];
    let mut work = vec![0; count * WORK_PER_BLOCK];
    let graph = Graph { lost: &lost, edges: &edges };
    assert!(graph.judge(|number| suppressed.contains(&number), &mut judged, &mut work));
    judged
}

fn kinds(judged: &[Judged]) -> std::string::String {
    let letter = |judged: &Judged| match judged.verdict {
        Verdict::Definite => 'd',
        Verdict::Indirect => 'i',
        Verdict::Possible => 'p',
        Verdict::Suppressed => 's',
        Verdict::Reachable => 'r',
    };
    judged.iter().map(letter).collect()
}

#[test]
fn a_block_held_only_by_a_lost_block_is_indirectly_lost() {
    let judged = judge(3, &[], &[], &[(2, 0), (0, 1)]);
    assert_eq!(kinds(&judged), "iid");
    assert_eq!((judged[2].indirect_blocks, judged[2].indirect_bytes), (2, 32));
    assert_eq!(judged[1].leader, 2);
}

#[test]
fn of_a_cycle_one_block_is_definitely_lost() {
    assert_eq!(kinds(&judge(2, &[], &[], &[(0, 1), (1, 0)])), "di");
    assert_eq!(kinds(&judge(1, &[], &[], &[(0, 0)])), "d");
    // A block outside that points into the cycle leads it.
    assert_eq!(kinds(&judge(3, &[], &[], &[(0, 1), (1, 0), (2, 1)])), "iid");
    // Two cycles, one pointing to the other.
    assert_eq!(kinds(&judge(4, &[], &[], &[(0, 1), (1, 0), (2, 3), (3, 2), (3, 0)])), "iidi");
}

#[test]
fn a_pointer_behind_the_start_makes_everything_behind_it_possible() {
    assert_eq!(kinds(&judge(3, &[0], &[], &[(0, 1), (2, 1)])), "ppd");
    // Among lost blocks a pointer to anywhere in a block holds it.
    assert_eq!(kinds(&judge(2, &[], &[], &[(0, 1 | INSIDE)])), "di");
}

#[test]
fn what_only_suppressed_blocks_hold_is_suppressed() {
    assert_eq!(kinds(&judge(4, &[], &[0], &[(0, 1), (1, 2), (3, 2)])), "sssd");
    assert_eq!(kinds(&judge(3, &[], &[0], &[(0, 1 | INSIDE), (1, 2)])), "spp");
}

#[test]
fn a_long_chain_takes_no_stack() {
    let chain: Vec<(u32, u32)> = (0..200_000).map(|at| (at + 1, at)).collect();
    let judged = judge(200_001, &[], &[], &chain);
    assert_eq!(judged[200_000].indirect_blocks, 200_000);
}

#[test]
fn the_kinds_are_those_of_the_plainest_search() {
    let mut state = 7u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..2000 {
        let count = 1 + random(8) as usize;
        let edges: Vec<(u32, u32)> =
            (0..random(14)).map(|_| (random(count as u64) as u32, random(count as u64) as u32)).collect();
        let entries: Vec<u32> = (0..count as u32).filter(|_| random(6) == 0).collect();
        let judged = judge(count, &entries, &[], &edges);
        let reach = |from: u32| {
            let mut seen = vec![from];
            let mut at = 0;
            while at < seen.len() {
                let more: IntoIter<(u32, u32)> =
                    edges.iter().filter(|edge| edge.0 == seen[at]).copied().collect::<Vec<_>>().into_iter();
                more.for_each(|(_, to)| {
                    if !seen.contains(&to) {
                        seen.push(to)
                    }
                });
                at += 1;
            }
            seen
        };
        let possible: Vec<u32> = entries.iter().flat_map(|&entry| reach(entry)).collect();
        for number in 0..count as u32 {
            let others = (0..count as u32).filter(|other| !possible.contains(other));
            let holders: Vec<u32> = others.filter(|&other| reach(other).contains(&number)).collect();
            // Held by nobody but those that it holds itself, of which it is the first.
            let expected = if possible.contains(&number) {
                Verdict::Possible
            } else if holders.iter().all(|&holder| reach(number).contains(&holder) && holder >= number) {
                Verdict::Definite
            } else {
                Verdict::Indirect
            };
            assert_eq!(judged[number as usize].verdict, expected, "round {round} block {number} {edges:?}");
        }
    }
}
