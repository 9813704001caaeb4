//! Captures the stack of a hook: new frames by their rules, the rest by verifying the last stack.

use memtrace_wire::layout::frame;
use memtrace_wire::loss::Loss;

use super::chain::{Chain, Frame, Word};
use super::rule::{self, BY_SP, NONE, REALIGNED, Rule};
use super::{Entry, FRAMES_MAX, word};
use crate::Hot;
use crate::thread::Body;

/// Why a walk stopped without meeting the last stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The outermost frame.
    End,
    /// A frame mark (`frame::CUT_*`) and the loss that it counts as.
    Cut(u64, Loss),
    /// A frame without a short rule.
    Long,
}

impl Hot {
    /// The node of the stack at a hook's entry; 0: it could not be interned.
    #[inline(always)]
    pub fn capture(&self, body: &mut Body, entry: Entry) -> u32 {
        if !body.stacks.current.holds(entry.sp) && body.stacks.switch(entry.sp) {
            body.chain.reset(0, 0);
        }
        let generation = self.generation.acquire();
        if body.chain.generation != generation {
            body.chain.generation = generation;
            body.chain.reset(0, 0);
        }
        self.walk(body, entry)
    }

    #[inline(always)]
    fn walk(&self, body: &mut Body, entry: Entry) -> u32 {
        let Body { chain, stacks, scratch, .. } = body;
        // SAFETY: `capture` made the current range hold entry.sp.
        let (mut pc, mut sp, mut bp) = unsafe { (word(entry.sp), entry.sp + 8, entry.bp) };
        let mut at = chain.top;
        // Frames above this one are known to have changed.
        let mut good = at;
        let mut fresh = 0;
        let stop = loop {
            // frames[0].sp is the largest number there is.
            while let Some(frame) = chain.frames.get(at)
                && frame.sp < sp
            {
                at -= 1;
            }
            let Some(&kept) = chain.frames.get(at) else { return 0 };
            if kept.sp == sp {
                if kept.pc == pc && at <= good && (kept.bp == bp || kept.words & 1 == 0) {
                    let changed = verify(chain, kept.words >> 1);
                    if changed == 0 {
                        if fresh == 0 {
                            chain.top = at;
                            return kept.node;
                        }
                        break None;
                    }
                    good = last_unchanged(chain, at, changed);
                }
                at = at.saturating_sub(1);
            }
            let rule = match self.rules.get(pc) {
                Some(rule) => rule,
                None => self.rule(scratch, pc),
            };
            let Some(place) = chain.fresh.get_mut(fresh) else {
                break Some(Stop::Cut(frame::CUT_DEPTH, Loss::CutDepth));
            };
            *place = Frame { sp, pc, bp, node: rule.0, words: 0 };
            fresh += 1;
            let base = if rule.form() == BY_SP { sp } else { bp };
            let mut cfa = base.wrapping_add(rule.offset());
            if rule.form() == NONE {
                break Some(match rule {
                    Rule::END => Stop::End,
                    Rule::LONG => Stop::Long,
                    _ => Stop::Cut(frame::CUT_UNWIND, Loss::CutUnwind),
                });
            }
            if rule.form() == REALIGNED {
                if !(stacks.current.holds(cfa) && stacks.current.holds(bp)) {
                    break Some(Stop::Cut(frame::CUT_BOUNDS, Loss::CutBounds));
                }
                // SAFETY: both were shown to be readable.
                (cfa, bp) = unsafe { (word(cfa), word(bp)) };
            }
            // A caller's frame is above its callee's, and its words are on the same stack.
            let saved = cfa.wrapping_sub(rule.saved());
            let back = cfa.wrapping_sub(8);
            if cfa <= sp || saved < stacks.current.low || !(stacks.current.holds(back) || stacks.grow_to(back)) {
                break Some(Stop::Cut(frame::CUT_BOUNDS, Loss::CutBounds));
            }
            if rule.saved() != 0 {
                // SAFETY: between the range's low end and `back`, which is in the range.
                bp = unsafe { word(saved) };
            }
            // SAFETY: shown to be readable.
            pc = unsafe { word(back) };
            sp = cfa;
            if pc == 0 {
                break Some(Stop::End);
            }
        };
        match stop {
            None if at + fresh <= FRAMES_MAX && !is_cut_by_depth(self, chain) => self.push(chain, at, fresh),
            None => self.walk_whole(body, entry),
            Some(Stop::Long) => self.capture_slowly(body, entry),
            Some(Stop::End) => {
                chain.reset(0, 0);
                self.push(chain, 0, fresh)
            }
            Some(Stop::Cut(mark, loss)) => {
                self.store.lose(loss);
                let (node, hash) = self.mark(mark);
                chain.reset(node, hash);
                self.push(chain, 0, fresh)
            }
        }
    }

    /// Walks without the last stack: it was too deep to be joined.
    #[cold]
    #[inline(never)]
    fn walk_whole(&self, body: &mut Body, entry: Entry) -> u32 {
        body.chain.reset(0, 0);
        self.walk_again(body, entry)
    }

    #[inline(never)]
    fn walk_again(&self, body: &mut Body, entry: Entry) -> u32 {
        self.walk(body, entry)
    }

    /// The node and path hash of a mark at the outer end of a stack.
    #[cold]
    pub fn mark(&self, mark: u64) -> (u32, u64) {
        let hash = crate::trie::roll(0, mark);
        (self.child(0, mark, hash), hash)
    }

    /// Puts the fresh frames on top of the kept ones, outermost first, and interns each.
    #[inline(always)]
    fn push(&self, chain: &mut Chain, at: usize, fresh: usize) -> u32 {
        let (Some(&first), Some(&first_hash)) = (chain.frames.get(at), chain.hashes.get(at)) else { return 0 };
        let mut outer = first;
        let mut hash = first_hash;
        let mut top = at;
        for place in (0..fresh).rev() {
            let Some(&frame) = chain.fresh.get(place) else { return 0 };
            let rule = Rule(frame.node);
            hash = crate::trie::roll(hash, frame.pc);
            let node = self.child(outer.node, frame.pc, hash);
            let mut words = (outer.words >> 1) as usize;
            if top != 0 {
                let mut keep = |address: u64, value: u64| {
                    if let Some(word) = chain.words.get_mut(words) {
                        *word = Word { address, value };
                        words += 1;
                    }
                };
                keep(outer.sp - 8, outer.pc);
                if rule.form() == REALIGNED {
                    keep(frame.bp.wrapping_add(rule.offset()), outer.sp);
                    keep(frame.bp, outer.bp);
                } else if rule.saved() != 0 && outer.words & 1 != 0 {
                    keep(outer.sp - rule.saved(), outer.bp);
                }
            }
            // The callers depend on this frame's rbp if its rule uses it, or if it hands it on unchanged.
            let depends = match rule.form() {
                BY_SP => rule.saved() == 0 && outer.words & 1 != 0,
                form => form != NONE,
            };
            top += 1;
            outer = Frame { node, words: (words as u32) << 1 | u32::from(depends), ..frame };
            let (Some(kept), Some(kept_hash)) = (chain.frames.get_mut(top), chain.hashes.get_mut(top)) else {
                return 0;
            };
            *kept = outer;
            *kept_hash = hash;
        }
        chain.top = top;
        outer.node
    }

    /// The rule for a return address that the cache does not have.
    #[cold]
    #[inline(never)]
    fn rule(&self, scratch: &mut super::cfi::Scratch, pc: u64) -> Rule {
        if !(4096..1 << 47).contains(&pc) {
            return Rule::UNKNOWN;
        }
        // Not kept for code outside all modules: one may be loaded there later.
        let Some(object) = self.objects.find(pc - 1) else { return Rule::UNKNOWN };
        self.notice(&object);
        let rule = match rule::compile(&object, pc, scratch) {
            // The loader's first instructions have no unwind data, and no caller.
            Rule::UNKNOWN if self.objects.is_loader(pc) => Rule::END,
            rule => rule,
        };
        self.rules.set(pc, rule);
        rule
    }
}

/// Whether the kept stack's outer end is not its real one, so that deeper or shallower stacks have another.
#[inline(always)]
fn is_cut_by_depth(hot: &Hot, chain: &Chain) -> bool {
    let [end, ..] = &chain.frames;
    end.node != 0 && hot.nodes.get(u64::from(end.node)).is_none_or(|node| node.frame.get() == frame::CUT_DEPTH)
}

/// Reads the first `count` words again, innermost first. 0: all unchanged; else one of the four below it changed.
#[inline(always)]
fn verify(chain: &Chain, count: u32) -> u32 {
    let mut left = count;
    while left >= 4 {
        let Some(group) = chain.words.get(left as usize - 4..left as usize) else { return left };
        // SAFETY: a kept word's address was readable on this stack, and the chain is reset when the stack changes.
        let difference = group.iter().fold(0, |sum, kept| sum | (unsafe { word(kept.address) } ^ kept.value));
        if difference != 0 {
            return left;
        }
        left -= 4;
    }
    let Some(group) = chain.words.get(..left as usize) else { return left };
    // SAFETY: as above.
    let difference = group.iter().fold(0, |sum, kept| sum | (unsafe { word(kept.address) } ^ kept.value));
    if difference != 0 { left } else { 0 }
}

/// The innermost frame at or below `at` whose words do not include the changed one.
#[cold]
#[inline(never)]
fn last_unchanged(chain: &Chain, at: usize, changed: u32) -> usize {
    let mut last = changed as usize;
    while last > 0 {
        let Some(kept) = chain.words.get(last - 1) else { return 0 };
        // SAFETY: as in `verify`.
        if unsafe { word(kept.address) } != kept.value {
            break;
        }
        last -= 1;
    }
    let mut frame = at;
    while frame > 0 && chain.frames.get(frame).is_some_and(|kept| (kept.words >> 1) as usize >= last) {
        frame -= 1;
    }
    frame
}
