//! Checkpoints: what was lost when the program asked, by site, to compare with what is lost later.
//!
//! Invariants:
//! - a checkpoint is of one process: a fork child begins anew, and its sites have other numbers;
//! - the lock is held for as long as a few numbers are read, never while a check is made.

use core::cell::UnsafeCell;
use memtrace_hot::Hot;
use memtrace_hot::lock::Lock;
use memtrace_wire::layout::Cause;
use memtrace_wire::sys;

use crate::check::space::Array;
use crate::{Ending, copy, file};

/// Checkpoints that are kept: of more, the oldest goes.
const KEPT: usize = 16;
/// Tries to get at them: who holds the lock has it for microseconds.
const TRIES_MAX: u32 = 1_000_000;

/// See above.
pub struct Checkpoints {
    lock: Lock,
    rows: UnsafeCell<Rows>,
}

struct Rows {
    /// Id of the latest.
    last: u64,
    /// By id modulo `KEPT`.
    rows: [Option<Checkpoint>; KEPT],
}

struct Checkpoint {
    id: u64,
    pid: u32,
    /// Lost blocks by site.
    lost: Array<u32>,
}

// SAFETY: the rows are reached by whoever holds the lock alone.
unsafe impl Sync for Checkpoints {}

impl Checkpoints {
    /// None.
    pub const fn new() -> Self {
        Self { lock: Lock::new(), rows: UnsafeCell::new(Rows { last: 0, rows: [const { None }; KEPT] }) }
    }

    /// Checks now, and keeps what is lost: an id, from 1. `None`: nothing could be classified, or there is no memory.
    /// `into`: a file that the recording is written to with the check, in place of what it holds.
    pub fn add(&self, ending: &Ending<'_>, into: Option<i32>) -> Option<u64> {
        let lost = count(ending, into)?;
        let pid = ending.hot.store.process()?.pid.get();
        self.with(|rows| {
            rows.last += 1;
            let id = rows.last;
            let row = rows.rows.get_mut(id as usize % KEPT)?;
            *row = Some(Checkpoint { id, pid, lost });
            Some(id)
        })
    }

    /// Checks now: the blocks that are lost and were not then, by site. `None`: as above, or there is no such checkpoint.
    pub fn since(&self, ending: &Ending<'_>, id: u64) -> Option<u64> {
        let pid = ending.hot.store.process()?.pid.get();
        let is_it = |row: &&Checkpoint| row.id == id && row.pid == pid;
        self.with(|rows| rows.rows.get(id as usize % KEPT)?.as_ref().filter(is_it).map(|_| ()))?;
        let now = count(ending, None)?;
        self.with(|rows| {
            let then = rows.rows.get(id as usize % KEPT)?.as_ref().filter(is_it)?;
            let more = |site: usize| u64::from(now.get(site).saturating_sub(then.lost.get(site)));
            Some((0..now.length()).map(more).sum())
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Rows) -> Option<T>) -> Option<T> {
        for _ in 0..TRIES_MAX {
            if let Some(_guard) = self.lock.try_enter() {
                // SAFETY: the lock is held, and `look` gives no reference out.
                return look(unsafe { &mut *self.rows.get() });
            }
            sys::give_way();
        }
        None
    }
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self::new()
    }
}

/// Sites that may come until the threads stand still.
const MORE_SITES: usize = 4096;

/// Checks, and counts lost blocks by site; writes the recording into a file, if there is one.
fn count(ending: &Ending<'_>, into: Option<i32>) -> Option<Array<u32>> {
    // What stood there must not stand in the gaps.
    if !into.is_none_or(file::empty) {
        return None;
    }
    let sites = ending.hot.store.process()?.site_count.acquire() as usize;
    let lost = Array::common(sites + MORE_SITES)?;
    let mask = file::block_signals();
    let outcome = ending.check_with((Cause::Program, into), Some(&lost), ending.deadline_ns());
    let is_written = outcome.as_ref().is_some_and(|outcome| outcome.is_written);
    let is_written = is_written || into.is_none_or(|fd| copy::to_file(ending.hot, fd));
    file::restore_signals(mask);
    outcome?.sums.filter(|_| is_written).map(|_| lost)
}

/// Live blocks of the process and their bytes: exact while no other thread allocates.
pub fn live(hot: &Hot) -> (u64, u64) {
    let count = hot.store.process().map_or(0, |process| process.site_count.acquire());
    let sites = (1..count).map_while(|number| hot.sites.get(number));
    let own = sites.filter(|site| site.flags.get() & memtrace_wire::layout::IN_POOLS == 0);
    own.map(crate::findings::live).fold((0, 0), |sum, (blocks, bytes)| (sum.0 + blocks, sum.1 + bytes))
}
