//! What kind of leak each lost block is, by Memcheck's rules (Valgrind manual, 4.2.8).
//!
//! A check gives the lost blocks, the pointers among them, and which of them roots or reachable blocks point into.
//! Blocks that are not leaks (suppressed ones) are roots here, so that what only they hold is none either.
//!
//! - *Possibly lost*: a way from a root leads to it, and somewhere on it is a pointer behind a block's start.
//! - *Definitely lost*: no such way, and no other lost block outside its own cycle points to it. Of a cycle one block,
//!   the first by address, is definitely lost.
//! - *Indirectly lost*: the rest, each counted with the first definitely lost block that leads to it.

use crate::layout::{Edge, INSIDE, Lost, lost_flags};

/// What became of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Verdict {
    /// Pointers lead to its start from a root.
    Reachable,
    /// Held by a suppressed block only.
    Suppressed,
    /// See above.
    Indirect,
    /// See above.
    Possible,
    /// See above.
    Definite,
}

/// A lost block, judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judged {
    /// Its kind.
    pub verdict: Verdict,
    /// The block that it is counted with, by number: itself unless it is indirectly lost.
    pub leader: u32,
    /// Indirectly lost blocks that are counted with it.
    pub indirect_blocks: u64,
    /// Their bytes.
    pub indirect_bytes: u64,
}

impl Judged {
    /// Not judged yet.
    pub const NEW: Judged =
        Judged { verdict: Verdict::Definite, leader: u32::MAX, indirect_blocks: 0, indirect_bytes: 0 };
}

/// Numbers of work space that `judge` needs for a block.
pub const WORK_PER_BLOCK: usize = 4;

/// The lost blocks of a check and the pointers among them.
#[derive(Clone, Copy)]
pub struct Graph<'a> {
    /// Sorted by address.
    pub lost: &'a [Lost],
    /// Each block's stand together.
    pub edges: &'a [Edge],
}

impl<'a> Graph<'a> {
    /// Judges all blocks. `is_suppressed`: by number. `judged` and `work` are as long as there are blocks, `work`
    /// `WORK_PER_BLOCK` times that. False: a slice is too short.
    pub fn judge(&self, is_suppressed: impl Fn(usize) -> bool, judged: &mut [Judged], work: &mut [u32]) -> bool {
        let count = self.lost.len();
        if judged.len() != count || work.len() < count * WORK_PER_BLOCK || count >= UNSEEN as usize {
            return false;
        }
        judged.fill(Judged::NEW);
        let (stack, work) = work.split_at_mut(count);
        let (order, work) = work.split_at_mut(count);
        let (low, place) = work.split_at_mut(count);
        let mut from_roots = Walk { graph: *self, judged, stack, depth: 0 };
        for number in 0..count {
            if is_suppressed(number) {
                from_roots.enter(number as u32, Verdict::Suppressed);
            }
        }
        from_roots.follow(Verdict::Suppressed, |edge| edge & INSIDE == 0);
        // What suppressed blocks point into, and what roots point into.
        for number in 0..count {
            if from_roots.verdict(number) == Verdict::Suppressed {
                from_roots.push(number as u32);
            } else if self.lost.get(number).is_some_and(|block| block.flags.get() & lost_flags::ENTRY != 0) {
                from_roots.enter(number as u32, Verdict::Possible);
            }
        }
        from_roots.follow(Verdict::Possible, |_| true);
        self.condense(judged, order, low, place, stack);
        self.count(judged, order, stack);
        true
    }

    fn edges(&self, number: u32) -> &'a [Edge] {
        let Some(block) = self.lost.get(number as usize) else { return &[] };
        let first = block.edge_first.get() as usize;
        self.edges.get(first..first.saturating_add(block.edge_count.get() as usize)).unwrap_or(&[])
    }

    fn bytes(&self, number: u32) -> u64 {
        self.lost.get(number as usize).map_or(0, |block| block.bytes.get())
    }

    /// Strongly connected components of what is left, by Tarjan's algorithm without recursion. Afterwards `low`
    /// names each block's component by the first of its members that was met, and a block that another component
    /// points to is indirectly lost.
    fn condense(
        &self,
        judged: &mut [Judged],
        order: &mut [u32],
        low: &mut [u32],
        place: &mut [u32],
        stack: &mut [u32],
    ) {
        // `order`: UNSEEN, or the number of the visit; `place`: which edge comes next; `stack`: Tarjan's. The path of
        // the search is kept in `leader`, which has no other use yet.
        order.fill(UNSEEN);
        place.fill(0);
        let (mut visits, mut depth) = (0u32, 0usize);
        for start in 0..self.lost.len() as u32 {
            if !is_left(judged, start) || get(order, start) != UNSEEN {
                continue;
            }
            let mut at = start;
            set_leader(judged, at, UNSEEN);
            loop {
                if get(order, at) == UNSEEN {
                    set(order, at, visits);
                    set(low, at, visits);
                    visits += 1;
                    set(stack, depth as u32, at);
                    depth += 1;
                }
                let edge = get(place, at);
                if let Some(edge) = self.edges(at).get(edge as usize) {
                    set(place, at, get(place, at) + 1);
                    let to = edge.to.get() & !INSIDE;
                    if !is_left(judged, to) || get(order, to) == DONE {
                    } else if get(order, to) == UNSEEN {
                        set_leader(judged, to, at);
                        at = to;
                    } else {
                        set(low, at, get(low, at).min(get(order, to)));
                    }
                    continue;
                }
                if get(low, at) == get(order, at) {
                    // The component is whole: it gets its lowest block's number, which is its name.
                    let from = component_start(stack, depth, at);
                    let members = stack.get(from..depth).unwrap_or(&[]);
                    let name = members.iter().copied().min().unwrap_or(at);
                    for &member in members {
                        set(order, member, DONE);
                        set(low, member, name);
                    }
                    depth = from;
                }
                let back = judged.get(at as usize).map_or(UNSEEN, |judged| judged.leader);
                if back == UNSEEN {
                    break;
                }
                if get(order, at) != DONE {
                    set(low, back, get(low, back).min(get(low, at)));
                }
                at = back;
            }
        }
        // A component that another one points to is held by it, with all its members.
        order.fill(0);
        for from in 0..self.lost.len() as u32 {
            if is_left(judged, from) {
                for edge in self.edges(from) {
                    let to = edge.to.get() & !INSIDE;
                    if is_left(judged, to) && get(low, to) != get(low, from) {
                        set(order, get(low, to), 1);
                    }
                }
            }
        }
        for number in 0..self.lost.len() as u32 {
            if is_left(judged, number) {
                let is_leader = get(low, number) == number && get(order, number) == 0;
                set_leader(judged, number, if is_leader { number } else { UNSEEN });
            }
        }
    }

    /// Counts every block that no leader is with the first leader that leads to it.
    fn count(&self, judged: &mut [Judged], next: &mut [u32], stack: &mut [u32]) {
        for leader in 0..self.lost.len() as u32 {
            if !is_left(judged, leader) || judged.get(leader as usize).is_none_or(|found| found.leader != leader) {
                continue;
            }
            let (mut blocks, mut bytes, mut depth) = (0, 0, 1);
            set(stack, 0, leader);
            set(next, leader, 0);
            while depth != 0 {
                depth -= 1;
                let at = get(stack, depth);
                for edge in self.edges(at) {
                    let to = edge.to.get() & !INSIDE;
                    let Some(found) = judged.get_mut(to as usize) else { continue };
                    if found.verdict == Verdict::Definite && found.leader == UNSEEN {
                        (found.verdict, found.leader) = (Verdict::Indirect, leader);
                        blocks += 1;
                        bytes += self.bytes(to);
                        set(stack, depth, to);
                        depth += 1;
                    }
                }
            }
            if let Some(judged) = judged.get_mut(leader as usize) {
                (judged.indirect_blocks, judged.indirect_bytes) = (blocks, bytes);
            }
        }
        for (number, judged) in judged.iter_mut().enumerate() {
            if judged.leader == UNSEEN {
                judged.leader = number as u32;
            }
        }
    }
}

const UNSEEN: u32 = u32::MAX;
const DONE: u32 = u32::MAX - 1;

/// A search from blocks that are entered first. Each block is on the stack at most once in a search.
struct Walk<'a, 'b> {
    graph: Graph<'a>,
    judged: &'b mut [Judged],
    stack: &'b mut [u32],
    depth: u32,
}

impl Walk<'_, '_> {
    fn verdict(&self, number: usize) -> Verdict {
        self.judged.get(number).map_or(Verdict::Reachable, |judged| judged.verdict)
    }

    fn push(&mut self, number: u32) {
        set(self.stack, self.depth, number);
        self.depth += 1;
    }

    /// Judges a block, if it was not judged yet, and follows its edges later.
    fn enter(&mut self, number: u32, verdict: Verdict) {
        if let Some(judged) = self.judged.get_mut(number as usize)
            && judged.verdict == Verdict::Definite
        {
            (judged.verdict, judged.leader) = (verdict, number);
            self.push(number);
        }
    }

    fn follow(&mut self, verdict: Verdict, takes: impl Fn(u32) -> bool) {
        while self.depth != 0 {
            self.depth -= 1;
            let at = get(self.stack, self.depth);
            for edge in self.graph.edges(at) {
                let to = edge.to.get();
                if takes(to) {
                    self.enter(to & !INSIDE, verdict);
                }
            }
        }
    }
}

/// Whether a block is neither suppressed nor possibly lost.
fn is_left(judged: &[Judged], number: u32) -> bool {
    judged.get(number as usize).is_some_and(|judged| judged.verdict == Verdict::Definite)
}

fn get(table: &[u32], at: u32) -> u32 {
    table.get(at as usize).copied().unwrap_or(0)
}

fn set(table: &mut [u32], at: u32, value: u32) {
    if let Some(place) = table.get_mut(at as usize) {
        *place = value;
    }
}

fn set_leader(judged: &mut [Judged], at: u32, leader: u32) {
    if let Some(judged) = judged.get_mut(at as usize) {
        judged.leader = leader;
    }
}

/// Where on the stack the component that ends with its top begins.
fn component_start(stack: &[u32], depth: usize, first: u32) -> usize {
    let mut from = depth;
    while from > 0 {
        from -= 1;
        if stack.get(from) == Some(&first) {
            break;
        }
    }
    from
}

#[cfg(test)]
mod tests {
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
}
