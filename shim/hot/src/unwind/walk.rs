//! Captures the stack of a hook: new frames by their rules, the rest by verifying the last stack.

use memtrace_wire::layout::frame;
use memtrace_wire::loss::Loss;

use super::chain::{Chain, Frame, Word};
use super::rule::{self, BY_SP, NONE, REALIGNED, Rule};
use super::{Entry, word};
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

const CUT_DEPTH: Stop = Stop::Cut(frame::CUT_DEPTH, Loss::CutDepth);
const CUT_UNWIND: Stop = Stop::Cut(frame::CUT_UNWIND, Loss::CutUnwind);
const CUT_BOUNDS: Stop = Stop::Cut(frame::CUT_BOUNDS, Loss::CutBounds);

/// Walks before a thread begins to remember ways: most threads allocate little, and the memo's pages would be most
/// of what they cost.
const MEMO_FROM: u32 = 64;

impl Hot {
    /// The node of the stack at a hook's entry, and the return address there. Node 0: it could not be interned.
    #[inline(always)]
    pub fn capture(&self, body: &mut Body, entry: Entry) -> (u32, u64) {
        let generation = self.generation.acquire();
        if !body.stacks.current.holds(entry.sp) || body.chain.generation != generation {
            self.begin_anew(body, entry, generation);
        }
        // SAFETY: the current range holds entry.sp, now at the latest.
        let pc = unsafe { word(entry.sp) };
        let chain = &mut body.chain;
        let at = chain.at_or_above(entry.sp + 8);
        let kept = *chain.frame(at);
        let same = kept.sp == entry.sp + 8 && kept.pc == pc && (kept.bp == entry.bp || kept.words & 1 == 0);
        if same && chain.changed(kept.words >> 1) == 0 {
            chain.top = at;
            return (kept.node, pc);
        }
        if body.walks >= MEMO_FROM
            && let Some(node) = body.memo.find(chain, pc, entry)
        {
            return (node, pc);
        }
        (self.walk(body, entry, pc), pc)
    }

    /// The thread is on another stack than last time, or further down on it; or a module went.
    #[cold]
    #[inline(never)]
    fn begin_anew(&self, body: &mut Body, entry: Entry, generation: u64) {
        let switched = !body.stacks.current.holds(entry.sp) && body.stacks.switch(entry.sp);
        if switched || body.chain.generation != generation {
            body.chain.generation = generation;
            body.chain.reset(0, 0);
            body.memo.clear();
        }
    }

    #[inline(never)]
    fn walk(&self, body: &mut Body, entry: Entry, caller: u64) -> u32 {
        let Body { chain, stacks, scratch, memo, walks, .. } = body;
        *walks = walks.saturating_add(1);
        let (mut pc, mut sp, mut bp) = (caller, entry.sp + 8, entry.bp);
        let mut at = chain.top;
        // Frames above this one are known to have changed.
        let mut good = at;
        let mut fresh = 0;
        let mut range = stacks.current;
        let stop = loop {
            at = chain.at_or_above_from(at, sp);
            let kept = *chain.frame(at);
            if kept.sp == sp {
                if kept.pc == pc && at <= good && (kept.bp == bp || kept.words & 1 == 0) {
                    let changed = chain.changed(kept.words >> 1);
                    if changed == 0 {
                        break None;
                    }
                    good = chain.last_unchanged(at, changed);
                }
                // frames[0] has no stack pointer that is met, so `at` is not 0 here.
                at = at.saturating_sub(1);
            }
            let rule = match self.rules.get(pc) {
                Some(rule) => rule,
                None => self.rule(scratch, pc),
            };
            let Some(place) = chain.fresh.get_mut(fresh) else { break Some(CUT_DEPTH) };
            *place = Frame { sp, pc, bp, node: rule.0, words: 0 };
            fresh += 1;
            let base = if rule.form() == BY_SP { sp } else { bp };
            let mut cfa = base.wrapping_add(rule.offset());
            if rule.form() == NONE {
                break Some(match rule {
                    Rule::END => Stop::End,
                    Rule::LONG => Stop::Long,
                    _ => CUT_UNWIND,
                });
            }
            if rule.form() == REALIGNED {
                if !(range.holds(cfa) && range.holds(bp)) {
                    break Some(CUT_BOUNDS);
                }
                // SAFETY: both were shown to be readable.
                (cfa, bp) = unsafe { (word(cfa), word(bp)) };
            }
            // A caller's frame is above its callee's, and its words are on the same stack.
            let saved = cfa.wrapping_sub(rule.saved());
            let back = cfa.wrapping_sub(8);
            if !range.holds(back) {
                if !stacks.grow_to(back) {
                    break Some(CUT_BOUNDS);
                }
                range = stacks.current;
            }
            if cfa <= sp || saved < range.low {
                break Some(CUT_BOUNDS);
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
            None if at + fresh <= super::FRAMES_MAX && !self.is_cut_by_depth(chain) => {
                chain.top = at;
                let node = self.push(chain, fresh);
                if *walks >= MEMO_FROM {
                    memo.keep(chain, at, entry);
                }
                node
            }
            None => {
                // Too deep to be joined: the outermost frames are others.
                chain.reset(0, 0);
                self.walk(body, entry, caller)
            }
            Some(Stop::Long) => self.capture_slowly(body, entry),
            Some(Stop::End) => {
                chain.reset(0, 0);
                self.push(chain, fresh)
            }
            Some(Stop::Cut(mark, loss)) => {
                self.store.lose(loss);
                let (node, hash) = self.mark(mark);
                chain.reset(node, hash);
                self.push(chain, fresh)
            }
        }
    }

    /// The node and path hash of a mark at the outer end of a stack.
    #[cold]
    pub fn mark(&self, mark: u64) -> (u32, u64) {
        let hash = crate::trie::roll(0, mark);
        (self.child(0, mark, hash), hash)
    }

    /// Whether the kept stack's outer end is not its real one, so that deeper or shallower stacks have another.
    #[inline(always)]
    fn is_cut_by_depth(&self, chain: &Chain) -> bool {
        let end = chain.frame(0);
        end.node != 0 && self.nodes.get(u64::from(end.node)).is_none_or(|node| node.frame.get() == frame::CUT_DEPTH)
    }

    /// Puts the fresh frames on top of the kept ones, outermost first, and interns each.
    #[inline(always)]
    fn push(&self, chain: &mut Chain, fresh: usize) -> u32 {
        let mut outer = *chain.frame(chain.top);
        let mut hash = chain.hashes.get(chain.top).copied().unwrap_or(0);
        for place in (0..fresh).rev() {
            let Some(&frame) = chain.fresh.get(place) else { return 0 };
            let rule = Rule(frame.node);
            hash = crate::trie::roll(hash, frame.pc);
            let node = self.child(outer.node, frame.pc, hash);
            let mut words = (outer.words >> 1) as usize;
            if chain.top != 0 {
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
            outer = Frame { node, words: (words as u32) << 1 | u32::from(depends), ..frame };
            if !chain.push(outer, hash) {
                return outer.node;
            }
        }
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
