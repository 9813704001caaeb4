//! A thread that is inside: it alone has its state, until it leaves.

use core::sync::atomic::{Ordering, compiler_fence};

use memtrace_wire::map::U64;

use crate::thread::{Body, IDLE, Thread};
use crate::unwind::Entry;

/// The way into the tables: only `enter` makes one, and leaving is dropping it.
pub struct Inside<'a> {
    pub(crate) thread: &'a Thread,
    /// The thread's own state.
    pub body: &'a mut Body,
}

impl Inside<'_> {
    /// See `Thread::passes`.
    pub fn passes(&self, bytes: u64) -> bool {
        self.thread.passes(bytes)
    }

    /// Bytes to the next sample; as a signed number.
    pub fn left(&self) -> &U64 {
        &self.thread.left
    }

    /// Keeps what `entry` needs: a register is worth more than a place in memory.
    #[inline(always)]
    pub fn keep(&self, bp: u64) {
        self.thread.bp.set(bp);
    }

    /// Where the hook was entered that is inside, if it was kept.
    pub fn entry(&self) -> Entry {
        Entry { sp: self.thread.state.get(), bp: self.thread.bp.get() }
    }
}

impl Drop for Inside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        compiler_fence(Ordering::Release);
        self.thread.state.set(IDLE);
    }
}
