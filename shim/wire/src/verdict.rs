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
mod tests;
