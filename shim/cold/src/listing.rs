//! The live blocks of a shared recording, listed by a task of its own while the process is copied.
//!
//! ```text
//!   threads stop ─┬─▶ clone, copy on write ─────────┬─▶ threads go on
//!                 └─▶ list, on another processor ───┘
//! ```
//!
//! A shared recording is no part of a copy, so its live table is read before the threads go on.
//!
//! Invariants:
//! - what the task writes, its stack included, is common memory that was touched before the threads stopped: private
//!   pages become read only as they are copied, and who writes to them waits until all of them are;
//! - the task maps nothing, for the same reason.

use core::ffi::c_void;
use memtrace_hot::Hot;
use memtrace_wire::layout::Hindrance;
use memtrace_wire::map::U64;
use memtrace_wire::sys;

use crate::check::Blocks;
use crate::check::blocks::{self, Listed, Sides, list, sides};
use crate::check::space::Array;
use crate::{findings, task};

/// Room for a list.
pub struct Listing {
    rows: Array<[u64; 2]>,
    stack: Array<u8>,
    /// Blocks of the allocator + 1, and in the high half those of pools, once all are listed; `NEVER`. On a page that the copy sees too.
    listed: &'static U64,
}

const NEVER: u64 = u64::MAX;
const STACK_BYTES: usize = 64 << 10;
/// A table of fewer cells, 1 MiB, is read sooner than a task is made.
const CELLS_MIN: usize = 1 << 18;
/// More blocks than are live when they are counted, for threads that run until the list is made.
const MORE: u64 = 16;

/// What the task is given.
struct Work<'a> {
    hot: &'static Hot,
    sides: &'a Sides,
    rows: &'a Array<[u64; 2]>,
    listed: &'static U64,
}

impl Listing {
    /// Takes the memory that a list needs, before the threads are stopped. `None`: a list needs no task, or there is
    /// no memory. `listed`: a zero which the copy sees too.
    pub fn prepare(hot: &Hot, listed: &'static U64) -> Option<Self> {
        if !hot.store.is_shared() || hot.live.cell_count() < CELLS_MIN {
            return None;
        }
        let rows = Array::common(blocks::room(hot, &sides(hot)?))?;
        let stack = Array::common(STACK_BYTES)?;
        let live = findings::live_blocks(hot);
        rows.touch(live.saturating_add(live / MORE) as usize);
        stack.touch(STACK_BYTES);
        Some(Self { rows, stack, listed })
    }

    /// Has the blocks listed while `meanwhile` runs, and gives what that gives. `None`: there is no task, or no room any
    /// more; it did not run.
    pub fn beside<T>(&self, hot: &'static Hot, meanwhile: impl FnOnce() -> T) -> Option<T> {
        let sides = sides(hot).filter(|sides| blocks::room(hot, sides) <= self.rows.length())?;
        let work = Work { hot, sides: &sides, rows: &self.rows, listed: self.listed };
        let flags = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES;
        let top = self.stack.base() + STACK_BYTES as u64;
        let lister = task::start(flags, top, life, core::ptr::from_ref(&work).cast());
        if lister <= 0 {
            return None;
        }
        let result = meanwhile();
        task::reap(lister, false);
        if self.listed.acquire() == 0 {
            self.listed.publish(NEVER);
        }
        Some(result)
    }

    /// In the copy: what was listed, which may take a moment yet.
    pub fn blocks(self, deadline_ns: u64) -> Result<Blocks, Hindrance> {
        while self.listed.acquire() == 0 && sys::monotonic_ns() < deadline_ns {
            sys::give_way();
        }
        match self.listed.acquire() {
            0 => Err(Hindrance::Deadline),
            NEVER => Err(Hindrance::Broken),
            listed => {
                let (own, pools) = (listed as u32 as usize - 1, (listed >> 32) as usize);
                Ok(Blocks::listed(self.rows, Listed { own, pools }))
            }
        }
    }
}

/// The task's life.
extern "C" fn life(work: *const c_void) -> ! {
    // SAFETY: `beside` gave it, and waits until this task has ended.
    let Work { hot, sides, rows, listed } = unsafe { &*work.cast::<Work<'_>>() };
    let Listed { own, pools } = list(hot, sides, rows);
    listed.publish((pools as u64) << 32 | (own as u64 + 1));
    task::end_one()
}
