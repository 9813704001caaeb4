//! The last stack of Python frames of one thread, and its node in the trie.
//!
//! ```text
//!   kept[0]  outermost frame      kept[…]      kept[count-1]  the frame that ran at the last allocation
//!            ◀── previous ──               ◀── previous ──
//! ```
//!
//! A new stack is followed from its innermost frame until a frame that is kept; from there outwards everything is read and
//! compared again, so a stack is what it is said to be. A frame's address means nothing by itself: it is used again by the
//! next call.

use super::Python;
use super::code::{Reader, Text, Types};
use super::layout::{Edge, LAYOUTS, Layout};
use super::read::{self, Frame, Pages};
use crate::Hot;
use crate::site::Known;
use crate::trie::roll;
use crate::unwind::steps::Steps;
use memtrace_wire::layout::{Op, frame};
use memtrace_wire::loss::Loss;

/// Python frames of one stack that are followed: CPython's own limit is 1,000.
pub const FRAMES_MAX: usize = 1024;
/// Kept frames below the innermost that a new stack is looked for at, after each step of it.
const NEAR: usize = 4;
/// Places of what was read of instructions, two instructions each: 256 KiB, touched as they come. To read one takes 5,000
/// instructions, so two that are executed in turn must not push each other out.
const LINES: usize = 1 << LINE_BITS;
const LINE_BITS: u32 = 12;
/// Places of pairs of stacks: 128 KiB.
const PAIRS: usize = 1 << PAIR_BITS;
const PAIR_BITS: u32 = 12;
/// Places of what is known of native stacks: 32 KiB.
const CALLS: usize = 1 << CALL_BITS;
const CALL_BITS: u32 = 12;

/// A frame of the kept stack.
#[derive(Clone, Copy)]
struct Kept {
    at: u64,
    read: Frame,
    print: u64,
    /// Hash of the path to here.
    hash: u64,
    /// Stack from here outwards.
    node: u32,
    /// Frames that C code has begun, of those from here outwards.
    runs: u32,
}

/// A frame of the stack that is followed.
#[derive(Clone, Copy)]
struct Fresh {
    at: u64,
    read: Frame,
}

/// What was read of an instruction. All zeroes: nothing.
#[derive(Clone, Copy)]
struct Line {
    code: u64,
    instruction: u64,
    print: u64,
    word: u64,
}

/// A native stack and a Python stack, and the site of both. All zeroes: none.
#[derive(Clone, Copy)]
pub struct Pair {
    /// Node of the native stack.
    pub native: u32,
    /// Node of the Python stack.
    pub python: u32,
    /// The site.
    pub site: Known,
}

/// What one thread keeps. All zeroes: nothing.
pub struct Own {
    pub(super) pages: Pages,
    count: usize,
    text: Text,
    kept: [Kept; FRAMES_MAX],
    fresh: [Fresh; FRAMES_MAX],
    lines: [[Line; 2]; LINES],
    pairs: [Pair; PAIRS],
    calls: [Calls; CALLS],
}

/// So many calls of the interpreter's function are known on a native stack. All zeroes: of none.
#[derive(Clone, Copy)]
pub struct Calls {
    /// Node of the stack.
    pub native: u32,
    /// How many.
    pub count: u32,
}

/// How a kept frame and those outside it compare with what is there now.
enum Compared {
    /// Nothing has changed.
    Same,
    /// The frame itself has gone on; all outside it is as it was.
    Moved(Frame),
    /// Something outside it has changed.
    Changed,
}

impl Own {
    /// Forgets the last stack and the sites: nodes were retired, others are wanted, or the thread is another.
    pub fn forget(&mut self) {
        self.count = 0;
        self.pairs.iter_mut().filter(|pair| pair.python != 0).for_each(|pair| pair.python = 0);
        self.forget_calls();
    }

    /// Forgets how many calls are on native stacks.
    pub fn forget_calls(&mut self) {
        self.calls.iter_mut().filter(|calls| calls.native != 0).for_each(|calls| calls.native = 0);
    }

    /// Where the calls on a native stack are kept.
    #[inline(always)]
    pub fn calls(&mut self, native: u32) -> &mut Calls {
        let place = native.wrapping_mul(0x9e37_79b9) >> (32 - CALL_BITS);
        // SAFETY: the shift leaves CALL_BITS bits.
        unsafe { self.calls.get_unchecked_mut(place as usize) }
    }

    /// Where the pair of two stacks is kept.
    #[inline(always)]
    pub fn pair(&mut self, native: u32, python: u32) -> &mut Pair {
        let place = (u64::from(native) << 32 | u64::from(python)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = place >> (64 - PAIR_BITS);
        // SAFETY: the shift leaves PAIR_BITS bits.
        unsafe { self.pairs.get_unchecked_mut(place as usize) }
    }

    /// Frames of the last stack that C code has begun.
    pub fn runs(&self) -> u32 {
        self.kept.get(..self.count).and_then(<[Kept]>::last).map_or(0, |kept| kept.runs)
    }

    /// Addresses of the kept frames that are no function's, the innermost first: they lie on the C stack.
    pub fn outside<'o>(&'o self, layout: &'o Layout) -> impl Iterator<Item = u64> + 'o {
        let kept = self.kept.iter().take(self.count).rev();
        kept.filter(|kept| kept.read.is_outside(layout)).map(|kept| kept.at)
    }

    /// Compares a kept frame, which is the one at this address now, and all outside it. Each kept frame's `previous` is the
    /// one before it, so as long as they have not changed the interpreter's pointers lead from one to the next.
    #[inline(always)]
    fn compare(&self, layout: &Layout, place: usize) -> Compared {
        let Some((kept, outside)) = self.kept.get(..=place).and_then(<[Kept]>::split_last) else {
            return Compared::Changed;
        };
        // SAFETY: it was read before, and the interpreter's pointers lead to it now; the lock is held.
        let now = unsafe { read::frame(layout, kept.at) };
        if (Frame { instruction: kept.read.instruction, ..now }) != kept.read {
            return Compared::Changed;
        }
        for outer in outside.iter().rev() {
            // SAFETY: as above, from the inner ones outwards.
            if !unsafe { read::is_frame(layout, outer.at, &outer.read) } {
                return Compared::Changed;
            }
        }
        if now.instruction == kept.read.instruction { Compared::Same } else { Compared::Moved(now) }
    }
}

impl Hot {
    /// The node of the Python stack whose innermost frame this is. 0: none, or it cannot be told.
    #[inline(always)]
    pub(super) fn python_stack<const VERSION: usize>(&self, own: &mut Own, steps: &mut Steps, top: u64) -> u32 {
        let layout = const { &LAYOUTS[VERSION] };
        // Most often nothing has changed since the last allocation, or only the innermost function has gone on.
        match own.kept.get(..own.count).and_then(<[Kept]>::last) {
            Some(last) if last.at == top => match own.compare(layout, own.count - 1) {
                Compared::Same => last.node,
                Compared::Moved(read) => self.moved_python_stack::<VERSION>(own, steps, read),
                Compared::Changed => self.changed_python_stack::<VERSION>(own, steps, top),
            },
            _ => self.changed_python_stack::<VERSION>(own, steps, top),
        }
    }

    /// The innermost frame has gone on; all outside it is as it was.
    #[inline(never)]
    fn moved_python_stack<const VERSION: usize>(&self, own: &mut Own, steps: &mut Steps, read: Frame) -> u32 {
        let Some(innermost) = own.count.checked_sub(1) else { return 0 };
        let Some(&Kept { at, print, .. }) = own.kept.get(innermost) else { return 0 };
        own.fresh[0] = Fresh { at, read };
        self.push_python(own, steps, const { &LAYOUTS[VERSION] }, (innermost, 1), Some(print))
    }

    #[inline(never)]
    fn changed_python_stack<const VERSION: usize>(&self, own: &mut Own, steps: &mut Steps, top: u64) -> u32 {
        let layout = const { &LAYOUTS[VERSION] };
        let (mut at, mut fresh, mut top_kept) = (top, 0, own.count);
        let (mut join, mut moved) = (None, None);
        while at != 0 {
            let low = top_kept.saturating_sub(NEAR);
            let found = own.kept.get(low..top_kept).and_then(|near| near.iter().rposition(|kept| kept.at == at));
            if let Some(place) = found.map(|place| low + place) {
                match own.compare(layout, place) {
                    Compared::Same => {
                        join = Some(place + 1);
                        break;
                    }
                    Compared::Moved(read) => {
                        let Some(to) = own.fresh.get_mut(fresh) else { break };
                        *to = Fresh { at, read };
                        fresh += 1;
                        join = Some(place);
                        moved = own.kept.get(place).map(|kept| kept.print);
                        break;
                    }
                    // All of it is followed now, and compared from its outer end.
                    Compared::Changed => top_kept = 0,
                }
            }
            let (Some(to), Some(read)) = (own.fresh.get_mut(fresh), own.pages.frame(layout, at)) else {
                return self.cut_python_stack(own);
            };
            *to = Fresh { at, read };
            fresh += 1;
            at = read.previous;
        }
        let join = join.unwrap_or_else(|| {
            let common = own.common(fresh);
            // The outermost of them are kept already.
            fresh -= common;
            common
        });
        self.push_python(own, steps, layout, (join, fresh), moved)
    }

    /// A frame cannot be read, or there are too many of them.
    #[cold]
    fn cut_python_stack(&self, own: &mut Own) -> u32 {
        own.count = 0;
        self.store.lose(Loss::CutPython);
        0
    }

    /// Puts the fresh frames, innermost first, on the first `join` kept ones, and interns them. `moved`: the print of the
    /// outermost's code, which has only gone on.
    #[inline(always)]
    fn push_python(
        &self,
        own: &mut Own,
        steps: &mut Steps,
        layout: &'static Layout,
        (join, fresh): (usize, usize),
        mut moved: Option<u64>,
    ) -> u32 {
        let (mut node, mut hash, mut is_edge, mut runs) = (0, SEED, false, 0);
        if let Some(kept) = join.checked_sub(1).and_then(|last| own.kept.get(last)) {
            (node, hash, is_edge, runs) = (kept.node, kept.hash, kept.read.is_outside(layout), kept.runs);
        }
        own.count = join;
        for place in (0..fresh).rev() {
            let Some(&Fresh { at, read }) = own.fresh.get(place) else { break };
            let mut print = 0;
            if read.is_outside(layout) {
                is_edge = true;
            } else {
                let word;
                (print, word) = self.python_word(own, layout, &read, moved.take());
                if word != 0 {
                    is_edge |= layout.edge == Edge::Marked && read.edge != 0;
                    let word = if is_edge { word | frame::EDGE } else { word };
                    runs += u32::from(is_edge);
                    hash = roll(hash, word);
                    node = match steps.find(node, word, hash) {
                        Some(node) => node,
                        None => self.python_child(steps, node, word, hash),
                    };
                    is_edge = false;
                }
            }
            let Some(to) = own.kept.get_mut(own.count) else { return self.cut_python_stack(own) };
            *to = Kept { at, read, print, hash, node, runs };
            own.count += 1;
        }
        node
    }

    #[cold]
    #[inline(never)]
    fn python_child(&self, steps: &mut Steps, parent: u32, word: u64, hash: u64) -> u32 {
        let node = self.child(parent, word, hash, &[]);
        steps.keep(parent, word, hash, node);
        node
    }

    /// The print of a frame's code and the word of its instruction; 0: it is no function's frame. `known`: the print.
    #[inline(always)]
    fn python_word(&self, own: &mut Own, layout: &'static Layout, read: &Frame, known: Option<u64>) -> (u64, u64) {
        let types = self.python.types();
        let print = known.or_else(|| Reader { pages: &mut own.pages, layout, types }.print(read.code)).unwrap_or(0);
        let place = (read.code ^ read.instruction << 20).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - LINE_BITS);
        // SAFETY: the shift leaves LINE_BITS bits.
        let lines = unsafe { own.lines.get_unchecked_mut(place as usize) };
        let is_it = |line: &Line| line.code == read.code && line.instruction == read.instruction && line.print == print;
        let [latest, other] = &mut *lines;
        if is_it(latest) {
            return (print, latest.word);
        }
        if is_it(other) {
            core::mem::swap(latest, other);
            return (print, latest.word);
        }
        (print, self.read_line(own, layout, types, read, print, place as usize))
    }

    #[cold]
    #[inline(never)]
    fn read_line(
        &self,
        own: &mut Own,
        layout: &'static Layout,
        types: Types,
        read: &Frame,
        print: u64,
        place: usize,
    ) -> u64 {
        let &Frame { code, instruction, .. } = read;
        let mut reader = Reader { pages: &mut own.pages, layout, types };
        let word = if print == 0 || own.text.write(&mut reader, code, instruction).is_none() {
            Python::NAMELESS
        } else if reader.is_interpreters(code, instruction) == Some(true) {
            0
        } else {
            match self.word_of_text(frame::PYTHON, own.text.as_bytes()) {
                0 => Python::NAMELESS,
                word => word,
            }
        };
        if let Some([latest, other]) = own.lines.get_mut(place) {
            *other = *latest;
            *latest = Line { code, instruction, print, word };
        }
        word
    }
}

/// Begins the hash of a Python stack.
const SEED: u64 = 0x9717;

impl Own {
    /// How many of the kept frames, from the outermost on, are the outermost of the fresh ones.
    #[cold]
    fn common(&self, fresh: usize) -> usize {
        let fresh = self.fresh.get(..fresh).unwrap_or(&[]).iter().rev();
        let kept = self.kept.get(..self.count).unwrap_or(&[]);
        kept.iter().zip(fresh).take_while(|(kept, fresh)| kept.at == fresh.at && kept.read == fresh.read).count()
    }
}

impl Pair {
    /// Whether it is of these stacks, and its blocks come from such a function.
    #[inline(always)]
    pub fn is(&self, native: u32, python: u32, op: Op) -> bool {
        self.native == native && self.python == python && self.site.is_of(op)
    }
}
