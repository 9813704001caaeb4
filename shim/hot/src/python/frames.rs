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
use super::tables::{Line, Tables};
use crate::Hot;
use crate::trie::roll;
use crate::unwind::steps::Steps;
use memtrace_wire::layout::frame;
use memtrace_wire::loss::Loss;

/// Python frames of one stack that are followed: CPython's own limit is 1,000.
pub const FRAMES_MAX: usize = 1024;
/// Kept frames below the innermost that a new stack is looked for at, after each step of it.
const NEAR: usize = 4;

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

/// What one thread keeps. All zeroes: nothing.
pub struct Own {
    pub(super) pages: Pages,
    /// The interpreter's state of this thread, as it was last.
    pub(super) state: u64,
    count: usize,
    text: Text,
    kept: [Kept; FRAMES_MAX],
    fresh: [Fresh; FRAMES_MAX],
    pub(super) tables: Tables,
}

/// The frames from one outwards, as its callee needs to know them.
struct Path {
    node: u32,
    hash: u64,
    /// Frames that C code has begun.
    runs: u32,
    /// The callee is begun by C code.
    is_edge: bool,
}

impl Path {
    /// From a kept frame; without one, from the outer end.
    #[inline(always)]
    fn of(kept: Option<&Kept>, layout: &Layout) -> Path {
        match kept {
            Some(kept) => {
                Path { node: kept.node, hash: kept.hash, runs: kept.runs, is_edge: kept.read.is_outside(layout) }
            }
            None => Path { node: 0, hash: SEED, runs: 0, is_edge: false },
        }
    }
}

/// How a kept frame and those outside it compare with what is there now.
enum Compared {
    /// Nothing has changed.
    Same,
    /// The frame itself has gone on, to this instruction; all outside it is as it was.
    Moved(u64),
    /// Something outside it has changed.
    Changed,
}

impl Own {
    /// Forgets the last stack and the sites: nodes were retired, others are wanted, or the thread is another.
    pub fn forget(&mut self) {
        (self.count, self.state) = (0, 0);
        self.tables.forget();
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
        if now.instruction == kept.read.instruction { Compared::Same } else { Compared::Moved(now.instruction) }
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
                Compared::Moved(to) => self.moved_python_stack::<VERSION>(own, steps, to),
                Compared::Changed => self.changed_python_stack::<VERSION>(own, steps, top),
            },
            _ => self.changed_python_stack::<VERSION>(own, steps, top),
        }
    }

    /// The innermost frame has gone on to another instruction; all outside it is as it was.
    #[inline(never)]
    fn moved_python_stack<const VERSION: usize>(&self, own: &mut Own, steps: &mut Steps, to: u64) -> u32 {
        let layout = const { &LAYOUTS[VERSION] };
        let Some((kept, outside)) = own.kept.get(..own.count).and_then(<[Kept]>::split_last) else { return 0 };
        let mut path = Path::of(outside.last(), layout);
        let read = Frame { instruction: to, ..kept.read };
        self.step_python(own, steps, layout, &mut path, &read, Some(kept.print));
        let Some(kept) = own.count.checked_sub(1).and_then(|innermost| own.kept.get_mut(innermost)) else { return 0 };
        // The rest of it is as it was.
        kept.read.instruction = to;
        (kept.hash, kept.node, kept.runs) = (path.hash, path.node, path.runs);
        path.node
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
                    Compared::Moved(instruction) => {
                        let (Some(to), Some(kept)) = (own.fresh.get_mut(fresh), own.kept.get(place)) else { break };
                        *to = Fresh { at, read: Frame { instruction, ..kept.read } };
                        fresh += 1;
                        join = Some(place);
                        moved = Some(kept.print);
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
        let mut path = Path::of(join.checked_sub(1).and_then(|last| own.kept.get(last)), layout);
        own.count = join;
        for place in (0..fresh).rev() {
            let Some(&Fresh { at, read }) = own.fresh.get(place) else { break };
            let print = self.step_python(own, steps, layout, &mut path, &read, moved.take());
            let Some(to) = own.kept.get_mut(own.count) else { return self.cut_python_stack(own) };
            *to = Kept { at, read, print, hash: path.hash, node: path.node, runs: path.runs };
            own.count += 1;
        }
        path.node
    }

    /// Goes on from a path to a frame that was called from there, and gives the print of its code. `known`: the print.
    #[inline(always)]
    fn step_python(
        &self,
        own: &mut Own,
        steps: &mut Steps,
        layout: &'static Layout,
        path: &mut Path,
        read: &Frame,
        known: Option<u64>,
    ) -> u64 {
        if read.is_outside(layout) {
            path.is_edge = true;
            return 0;
        }
        let (print, word) = self.python_word(own, layout, read, known);
        if word != 0 {
            let is_edge = path.is_edge || layout.edge == Edge::Marked && read.edge != 0;
            let word = if is_edge { word | frame::EDGE } else { word };
            path.runs += u32::from(is_edge);
            path.hash = roll(path.hash, word);
            path.node = match steps.find(path.node, word, path.hash) {
                Some(node) => node,
                None => self.python_child(steps, path.node, word, path.hash),
            };
            path.is_edge = false;
        }
        print
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
        let word = match own.tables.word(read.code, read.instruction, print) {
            Some(word) => word,
            None => self.read_line(own, layout, types, read, print),
        };
        (print, word)
    }

    #[cold]
    #[inline(never)]
    fn read_line(&self, own: &mut Own, layout: &'static Layout, types: Types, read: &Frame, print: u64) -> u64 {
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
        own.tables.keep(Line { code, instruction, print, word });
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
