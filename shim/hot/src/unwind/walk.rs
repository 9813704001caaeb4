//! Captures the stack of a hook: new frames by their rules, the rest by verifying the last stack.

use memtrace_wire::layout::{Op, frame};
use memtrace_wire::loss::Loss;

use super::chain::{Chain, Frame, Fresh, Word, at_or_above};
use super::rule::{self, BY_SP, NONE, REALIGNED, RETURN_AT, Rule};
use super::rules::Short;
use super::steps::Steps;
use super::{Entry, readable_word, trampoline, word};
use crate::Hot;
use crate::site::Known;
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

/// No unwind data, or nothing that can be a return address.
pub const CUT_UNWIND: Stop = Stop::Cut(frame::CUT_UNWIND, Loss::CutUnwind);
/// Memory that is no stack.
pub const CUT_BOUNDS: Stop = Stop::Cut(frame::CUT_BOUNDS, Loss::CutBounds);

/// Frames of a walk from which on their nodes are looked for in a row first.
const IN_ORDER_MIN: usize = 4;

impl Body {
    /// Forgets what is known of stacks: nodes were retired, or their sites are others.
    pub(crate) fn forget_stacks(&mut self) {
        self.known.forget();
        self.memo.forget();
        self.paths.forget();
        self.python.forget();
    }
}

impl Hot {
    /// The site of the stack at a hook's entry. Node 0: it could not be interned.
    #[inline(always)]
    pub fn capture(&self, body: &mut Body, entry: Entry, op: Op) -> Known {
        let generation = self.generation.acquire();
        if !body.stacks.current.holds(entry.sp) || body.chain.generation != generation {
            self.begin_anew(body, entry, generation);
        }
        let chain = &mut body.chain;
        let sp = entry.sp + 8;
        // SAFETY: the current range holds entry.sp, now at the latest; `top` is a frame of the chain.
        let (pc, at) = unsafe { (word(entry.sp), at_or_above(chain.top, sp)) };
        // SAFETY: a frame of the chain.
        let kept = unsafe { &*at };
        if kept.sp == sp
            && kept.pc == pc
            && (kept.bp == entry.bp || kept.words & 1 == 0)
            && chain.changed(kept.words >> 1) == 0
        {
            chain.top = at;
            return self.site_for(&mut body.sites, body.slot, kept.node, op);
        }
        if let Some(known) = body.memo.find(chain, body.stacks.current.high, (pc, entry), op) {
            return known;
        }
        self.walk(body, entry, pc, op)
    }

    /// The thread is on another stack than last time, or further down on it; or a module went.
    #[cold]
    #[inline(never)]
    fn begin_anew(&self, body: &mut Body, entry: Entry, generation: u64) {
        let switched = !body.stacks.current.holds(entry.sp) && body.stacks.switch(entry.sp);
        if body.chain.generation != generation {
            body.forget_stacks();
        }
        if switched || body.chain.generation != generation {
            body.chain.generation = generation;
            body.chain.reset(0, 0);
        }
    }

    #[inline(never)]
    fn walk(&self, body: &mut Body, entry: Entry, caller: u64, op: Op) -> Known {
        let Body { chain, stacks, scratch, known, paths, memo, sites, slot, .. } = body;
        let slot = *slot;
        let (mut pc, mut sp, mut bp) = (caller, entry.sp + 8, entry.bp);
        let mut at = chain.top;
        // Frames above this one are known to have changed.
        let mut good = at;
        let first = chain.fresh.as_mut_ptr();
        // SAFETY: at most one past the end.
        let full = unsafe { first.add(self.budget.frames_max.get() as usize) };
        let mut fresh = first;
        let mut high = stacks.current.high;
        let mut hash = 0u64;
        let rules = self.rules.view();
        let stop = loop {
            // SAFETY: `at` is a frame of the chain: it comes from `top` downwards, and frames[0] has no stack pointer
            // that is met.
            unsafe {
                at = at_or_above(at, sp);
                let kept = &*at;
                if kept.sp == sp {
                    if kept.pc == pc && at <= good && (kept.bp == bp || kept.words & 1 == 0) {
                        let changed = chain.changed(kept.words >> 1);
                        if changed == 0 {
                            break None;
                        }
                        good = chain.last_unchanged(at, changed);
                    }
                    at = at.sub(1);
                }
            }
            let rule = match rules.get(pc) {
                Some(rule) => rule,
                None => self.rule(scratch, pc),
            };
            if fresh == full {
                break Some(self.cut());
            }
            // SAFETY: below `full`.
            unsafe {
                fresh.write(Fresh { sp, pc, bp, rule });
                fresh = fresh.add(1);
            }
            hash = hash.rotate_left(9) ^ pc;
            let (cfa, saved);
            if rule.is_plain() {
                cfa = (if rule.is_by_bp() { bp } else { sp }).wrapping_add(rule.offset());
                saved = rule.saved();
            } else {
                let rule = self.rules.whole(rule);
                saved = rule.saved();
                let base = if rule.form() == BY_SP { sp } else { bp };
                let place = base.wrapping_add(rule.offset());
                match rule.form() {
                    NONE => {
                        break Some(match rule {
                            // Not a return address: nobody called the frame below, or that cannot be known.
                            _ if pc.wrapping_sub(1) >> 47 != 0 => {
                                // SAFETY: written above.
                                fresh = unsafe { fresh.sub(1) };
                                if pc == 0 { Stop::End } else { CUT_UNWIND }
                            }
                            Rule::END => Stop::End,
                            Rule::LONG => Stop::Long,
                            _ => CUT_UNWIND,
                        });
                    }
                    REALIGNED => {
                        if !(stacks.current.holds(place) && stacks.current.holds(bp)) {
                            break Some(CUT_BOUNDS);
                        }
                        // SAFETY: both were shown to be readable.
                        (cfa, bp) = unsafe { (word(place), word(bp)) };
                    }
                    _ => cfa = place,
                }
            }
            // A caller's frame is above its callee's, with all that the callee saved in between, on the same stack.
            if cfa > high {
                if !stacks.grow_to(cfa - RETURN_AT) {
                    break Some(CUT_BOUNDS);
                }
                high = stacks.current.high;
            }
            // What is saved is 8 bytes and more below the CFA.
            if (cfa.wrapping_sub(sp) as i64) < saved as i64 {
                break Some(CUT_BOUNDS);
            }
            // SAFETY: from `sp`, which is in the range, up to the CFA, below which it was shown to be readable.
            unsafe {
                if saved != RETURN_AT {
                    bp = word(cfa - saved);
                }
                pc = word(cfa - RETURN_AT);
            }
            sp = cfa;
        };
        // SAFETY: both are in `fresh`.
        let count = unsafe { fresh.offset_from(first) } as usize;
        match stop {
            None if !self.is_cut_by_depth(chain) => {
                // SAFETY: a frame of the chain, which what is pushed on it leaves as it is, and the frames of this walk.
                let (join, walked) = unsafe { (&*at, core::slice::from_raw_parts(first, count)) };
                let known_path = paths.find(join.node, walked, hash, op);
                let site = match known_path.filter(|site| !paths.is_streak(site.name())) {
                    Some(site) => {
                        chain.top = at;
                        site
                    }
                    None if chain.depth(at) + count > super::FRAMES_MAX => {
                        return self.walk_whole(body, entry, caller, op);
                    }
                    None => {
                        chain.top = at;
                        let node = self.push(chain, known, count);
                        let site = self.site_for(sites, slot, node, op);
                        paths.keep(join.node, walked, hash, site);
                        site
                    }
                };
                memo.keep(entry, walked, join, site, &self.rules);
                site
            }
            None => self.walk_whole(body, entry, caller, op),
            Some(Stop::Long) => {
                let node = self.capture_slowly(body, entry);
                self.site_for(&mut body.sites, slot, node, op)
            }
            Some(Stop::End) => {
                chain.reset(0, 0);
                let node = self.push(chain, known, count);
                self.site_for(sites, slot, node, op)
            }
            Some(Stop::Cut(mark, loss)) => {
                self.store.lose(loss);
                let (node, hash) = self.mark(mark);
                chain.reset(node, hash);
                let node = self.push(chain, known, count);
                self.site_for(sites, slot, node, op)
            }
        }
    }

    /// Why a stack ends after so many frames.
    #[cold]
    pub fn cut(&self) -> Stop {
        if self.budget.level.get() == 0 {
            return Stop::Cut(frame::CUT_DEPTH, Loss::CutDepth);
        }
        Stop::Cut(frame::CUT_MEMORY, Loss::MemoryShort)
    }

    /// Where the kept stack cannot be joined: too deep, or its outermost frames are not those of this one.
    #[cold]
    #[inline(never)]
    fn walk_whole(&self, body: &mut Body, entry: Entry, caller: u64, op: Op) -> Known {
        body.chain.reset(0, 0);
        self.walk(body, entry, caller, op)
    }

    /// The node and path hash of a mark at the outer end of a stack.
    #[cold]
    pub fn mark(&self, mark: u64) -> (u32, u64) {
        let hash = crate::trie::roll(0, mark);
        (self.child(0, mark, hash, &[]), hash)
    }

    /// Whether the kept stack's outer end is not its real one, so that deeper or shallower stacks have another.
    #[inline(always)]
    fn is_cut_by_depth(&self, chain: &mut Chain) -> bool {
        // SAFETY: the first frame is always there.
        let node = unsafe { (*chain.end()).node };
        node != 0 && self.nodes.get(u64::from(node)).is_none_or(|node| node.frame.get() == frame::CUT_DEPTH)
    }

    /// Puts the first `count` fresh frames on top of the kept ones, outermost first, and interns each. Together they
    /// are at most FRAMES_MAX. Not inlined: the walk needs its registers.
    #[inline(never)]
    fn push(&self, chain: &mut Chain, steps: &mut Steps, count: usize) -> u32 {
        let mut top = chain.top;
        // SAFETY: `top` is a frame of the chain, which has room for `count` more and for their words; `fresh` holds
        // as many. The outer frame is kept in registers: read back at once, what was just stored would be waited for.
        unsafe {
            let Frame { mut sp, mut pc, mut bp, mut hash, mut node, words: end } = *top;
            let first = chain.fresh.as_ptr();
            let start = chain.word_at(0);
            let mut words = start.add((end >> 1) as usize);
            let mut depends = end & 1;
            // The outermost frame is derived from nothing.
            let mut is_outermost = top == chain.end();
            // A path that was new as a whole has its nodes in a row.
            let mut in_order = count > IN_ORDER_MIN;
            let mut fresh = first.add(count);
            while fresh != first {
                fresh = fresh.sub(1);
                let rule = (*fresh).rule;
                if !is_outermost {
                    words.write(Word { address: sp - RETURN_AT, value: pc });
                    words = words.add(1);
                }
                if rule.is_plain() {
                    // The callers depend on this frame's rbp if its rule uses it, or if it hands it on unchanged.
                    if rule.saved() != RETURN_AT {
                        if depends != 0 && !is_outermost {
                            words.write(Word { address: sp - rule.saved(), value: bp });
                            words = words.add(1);
                        }
                        depends = 0;
                    }
                    depends |= u32::from(rule.is_by_bp());
                } else if !is_outermost {
                    (words, depends) = self.words_of(&*fresh, (sp, bp, depends), words);
                }
                is_outermost = false;
                (sp, pc, bp) = ((*fresh).sp, (*fresh).pc, (*fresh).bp);
                hash = crate::trie::roll(hash, pc);
                let outer = node;
                node = if in_order && self.is_next(outer, pc) {
                    outer + 1
                } else {
                    let known = steps.find(outer, pc, hash);
                    in_order = known.is_none_or(|node| node == outer + 1);
                    match known {
                        Some(node) => node,
                        None => {
                            let below = core::slice::from_raw_parts(first, fresh.offset_from(first) as usize);
                            self.intern_slowly(steps, (outer, pc, hash), below)
                        }
                    }
                };
                top = top.add(1);
                (*top).sp = sp;
                (*top).pc = pc;
                (*top).bp = bp;
                (*top).hash = hash;
                (*top).node = node;
                (*top).words = (words.offset_from(start) as u32) << 1 | depends;
            }
            chain.top = top;
            node
        }
    }

    /// The node of a step that the thread does not know, and those of the frames below it where it is new.
    #[cold]
    #[inline(never)]
    fn intern_slowly(&self, steps: &mut Steps, (parent, pc, hash): (u32, u64, u64), below: &[Fresh]) -> u32 {
        let node = self.child(parent, pc, hash, below);
        steps.keep(parent, pc, hash, node);
        node
    }

    /// The words and the dependence on rbp of a frame whose rule is not plain. `outer`: sp and rbp of its caller, and
    /// whether the callers beyond depend on that.
    ///
    /// # Safety
    /// There is room for two words at `words`.
    #[cold]
    #[inline(never)]
    unsafe fn words_of(&self, frame: &Fresh, outer: (u64, u64, u32), mut words: *mut Word) -> (*mut Word, u32) {
        let (sp, bp, depends) = outer;
        let rule = self.rules.whole(frame.rule);
        let mut add = |address, value| {
            // SAFETY: by this function's contract; at most two are added.
            unsafe {
                words.write(Word { address, value });
                words = words.add(1);
            }
        };
        if rule.form() == REALIGNED {
            add(frame.bp.wrapping_add(rule.offset()), sp);
            add(frame.bp, bp);
        } else if rule.saved() != RETURN_AT && depends != 0 {
            add(sp - rule.saved(), bp);
        }
        let depends = match rule.form() {
            BY_SP => depends & u32::from(rule.saved() == RETURN_AT),
            form => u32::from(form != NONE),
        };
        (words, depends)
    }

    /// The rule for a return address that the cache does not have.
    #[cold]
    #[inline(never)]
    fn rule(&self, scratch: &mut super::cfi::Scratch, pc: u64) -> Short {
        if !(4096..1 << 47).contains(&pc) {
            return Short::UNKNOWN;
        }
        // Not kept for code outside all modules: one may be loaded there later.
        let Some(object) = self.objects.find(pc - 1) else {
            // To look at memory takes a system call, which only CPython's trampolines are worth.
            let is_known = self.python.on.get() != 0 && trampoline::row(pc, &mut scratch.row, readable_word).is_some();
            return if is_known { Short::plain(Rule::of(&scratch.row, false)) } else { Short::UNKNOWN };
        };
        self.notice(&object);
        let rule = match rule::compile(&object, pc, scratch) {
            // The loader's first instructions have no unwind data, and no caller.
            Rule::UNKNOWN if self.objects.is_loader(pc) => Rule::END,
            rule => rule,
        };
        self.rules.set(pc, rule)
    }
}
