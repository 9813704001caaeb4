//! Whose frame a word of a thread's stack lies in: the stack is walked outwards from where the thread stood, when the
//! first way begins in it.
//!
//! ```text
//!   registers ─▶ sp ┌─ frame ─┐ CFA = sp ┌─ frame of the caller ─┐ CFA …
//!                   └─────────┘          └───────▲───────────────┘
//!                                           the word of the way
//! ```
//!
//! Modules are looked up, but none is noted: the target notes them itself, and goes on meanwhile.

use memtrace_hot::unwind::cfi::Scratch;
use memtrace_hot::unwind::object::Objects;
use memtrace_hot::unwind::slow::{caller, pc_of, sp_of};
use memtrace_wire::layout::frame;

use super::memory::Memory;
use super::roots::RED_ZONE;
use super::space::{Array, List};
use crate::threads::Threads;

/// Frames of one stack that are looked at: those further out are named by none.
const FRAMES_MAX: usize = 1024;
/// Frames of all stacks: 6 MiB, of which the touched pages count.
const ALL_FRAMES_MAX: usize = 1 << 18;

/// The frames of all threads.
pub struct Frames<'a, M> {
    objects: &'a Objects,
    memory: &'a M,
    threads: &'a Threads,
    /// First address, last address + 1 and code of each.
    rows: List<[u64; 3]>,
    /// By thread, its first row + 1 and the row behind its last; zeroes: it was not walked yet.
    walked: Array<[u64; 2]>,
}

impl<'a, M: Memory> Frames<'a, M> {
    /// None is walked yet. `None`: no memory.
    pub fn new(objects: &'a Objects, memory: &'a M, threads: &'a Threads) -> Option<Self> {
        let room = threads.count().saturating_mul(FRAMES_MAX).min(ALL_FRAMES_MAX);
        Some(Self { objects, memory, threads, rows: List::new(room)?, walked: Array::new(threads.count())? })
    }

    /// The code of the frame that holds an address of a thread's stack, as in `Node::frame`; 0: it is not known.
    pub fn code(&self, tid: u32, address: u64) -> u64 {
        let Some(place) = self.threads.iter().position(|thread| thread.tid == tid) else { return 0 };
        if self.walked.get(place) == [0, 0] {
            let first = self.rows.count() as u64 + 1;
            self.walk(place);
            self.walked.set(place, [first, self.rows.count() as u64]);
        }
        let [first, end] = self.walked.get(place);
        let mut rows = (first as usize - 1..end as usize).map(|row| self.rows.get(row));
        rows.find(|&[low, high, _]| (low..high).contains(&address)).map_or(0, |[.., code]| code)
    }

    /// Bytes that they take.
    pub fn work_bytes(&self) -> u64 {
        self.rows.bytes()
    }

    fn walk(&self, place: usize) {
        let Some(mut registers) = self.threads.frame(place) else { return };
        let read = |at: u64| if at.is_multiple_of(8) { self.memory.word(at) } else { None };
        let mut scratch = Scratch::new();
        let mut exact = true;
        for _ in 0..FRAMES_MAX {
            let (sp, pc) = (sp_of(&registers), pc_of(&registers));
            let Ok(is_signals) = caller(self.objects, &mut scratch, &mut registers, exact, |_| (), read) else {
                return;
            };
            // The frame of a signal is the kernel's, and the next may be on another stack.
            if !is_signals {
                let (low, code) = if exact { (sp.saturating_sub(RED_ZONE), pc | frame::EXACT) } else { (sp, pc) };
                if !self.rows.push([low, sp_of(&registers), code]) {
                    return;
                }
            }
            exact = is_signals;
        }
    }
}
