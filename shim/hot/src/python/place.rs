//! Where Python frames belong among native ones: which code is the interpreter's function that runs them.
//!
//! Each call of that function (`_PyEval_EvalFrameDefault`) runs the Python frames up to one that C code has begun, and
//! leaves a mark on the C stack that the interpreter's state leads to. The native frame that has the mark inside is the
//! function's; so its code is found, its unlikely part that compilers move elsewhere included, without any symbol.

use memtrace_wire::layout::{Op, frame};

use super::layout::{Edge, Layout, Top};
use super::tables::{Calls, Tables};
use crate::Hot;
use crate::thread::Body;
use crate::unwind::{Entry, FRAMES_MAX, entries};

/// Stacks at which it is tried: a program that unwinds badly there would pay for each of its stacks.
pub const TRIES_MAX: u32 = 256;
/// Marks on one stack that are looked at.
const MARKS_MAX: usize = 128;

impl Hot {
    /// Looks for code of the interpreter's function that is not known yet, if a native stack has fewer calls of it than
    /// there are runs of Python frames on it.
    pub(super) fn look_for_interpreter(
        &self,
        body: &mut Body,
        entry: Entry,
        layout: &'static Layout,
        (native, runs): (u32, u32),
    ) {
        let tries = self.python.tries.get();
        if tries == 0 || self.calls(&mut body.python.tables, native) >= runs {
            return;
        }
        // Code that was found since then counts for what is kept, too.
        body.python.tables.forget_calls();
        if self.calls(&mut body.python.tables, native) >= runs {
            return;
        }
        self.python.tries.set(tries - 1);
        // Walked whole, so that every frame's place on the stack is there.
        body.chain.reset(0, 0);
        self.capture(body, entry, Op::Malloc);
        let mut marks = [0u64; MARKS_MAX];
        let count = self.marks(body, layout, &mut marks);
        for &mark in marks.iter().take(count) {
            let frames = body.chain.kept();
            // From the outer end inwards stack pointers fall.
            let place = frames.partition_point(|frame| frame.sp > mark);
            if let Some(frame) = frames.get(place).filter(|_| place > 1) {
                self.keep_interpreter(frame.pc);
            }
        }
    }

    /// Addresses of the marks that calls of the function have left on the stack.
    fn marks(&self, body: &mut Body, layout: &'static Layout, marks: &mut [u64; MARKS_MAX]) -> usize {
        let mut count = 0;
        let mut keep = |mark| {
            if let Some(place) = marks.get_mut(count) {
                *place = mark;
                count += 1;
            }
        };
        match (layout.edge, layout.top) {
            (Edge::Marked, Top::Record(_, _, before)) => {
                let pages = &mut body.python.pages;
                let mut at = self.python.record(pages, layout);
                for _ in 0..MARKS_MAX {
                    let Some(record) = at else { break };
                    // The last is no call's, and lies in the thread's state.
                    at = pages.word(record.wrapping_add(before)).filter(|&outer| outer != 0);
                    if at.is_some() {
                        keep(record);
                    }
                }
            }
            _ => body.python.outside(layout).for_each(keep),
        }
        count
    }

    /// Keeps the piece of code that a return address lies in.
    fn keep_interpreter(&self, pc: u64) {
        let Some(process) = self.store.process() else { return };
        let inside = pc.wrapping_sub(1);
        let range = self.objects.find(inside).and_then(|object| entries::range(&object, inside));
        let is_known = |[start, end]: &[memtrace_wire::map::U64; 2]| (start.get()..end.get()).contains(&inside);
        let Some((start, end)) = range.filter(|_| !process.interpreter.iter().any(is_known)) else { return };
        let _guard = self.node_index.lock();
        if let Some([first, last]) =
            process.interpreter.iter().find(|[first, _]| first.get() == 0 || first.get() == start)
        {
            last.set(end);
            first.publish(start);
        }
    }

    /// Calls of the function on a native stack; at the least, if some of its code was found since parts of it were counted.
    fn calls(&self, tables: &mut Tables, native: u32) -> u32 {
        let Some(process) = self.store.process() else { return 0 };
        let pieces = process.interpreter.each_ref().map(|[start, end]| (start.get(), end.get()));
        let known = pieces.iter().position(|&(start, _)| start == 0).unwrap_or(pieces.len());
        let known = pieces.get(..known).unwrap_or(&pieces);
        let is_call = |word| u32::from(is_in(known, word));
        // Outwards to a part that was counted, or to the end; then once more, to keep the count of each part on the way.
        let (mut count, mut counted) = (0, 0);
        for (node, word) in self.outwards(native) {
            let kept = tables.calls(node);
            if kept.native == node {
                count += kept.count;
                counted = node;
                break;
            }
            count += is_call(word);
        }
        let mut rest = count;
        for (node, word) in self.outwards(native).take_while(|&(node, _)| node != counted) {
            *tables.calls(node) = Calls { native: node, count: rest };
            rest = rest.saturating_sub(is_call(word));
        }
        count
    }

    /// Nodes and frames of a stack, the innermost first.
    fn outwards(&self, node: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        let mut next = node;
        let step = move || {
            let number = next;
            let node = self.nodes.get(number.into()).filter(|_| number != 0)?;
            next = node.parent.get();
            Some((number, node.frame.get()))
        };
        core::iter::from_fn(step).take(FRAMES_MAX + 1)
    }
}

/// Whether a native frame's call is in one of these pieces of code.
fn is_in(pieces: &[(u64, u64)], word: u64) -> bool {
    let inside = frame::address(word).wrapping_sub(1);
    pieces.iter().any(|&(start, end)| (start..end).contains(&inside)) && frame::kind(word) == frame::NATIVE
}
