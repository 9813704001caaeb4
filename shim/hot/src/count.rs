//! What is counted for one stack in one thread.
//!
//! Only the thread that a site belongs to writes its counters, with plain moves. Frees by other threads are counted beside,
//! atomically. So every number is exact without a lock, and a report can say which thread it was.
//!
//! The high of the whole process: a site keeps what it held then by copying its live bytes when it changes for
//! the first time after a new high (`settle`).

use memtrace_wire::layout::{ProcessHeader, Site};

use crate::Hot;
use crate::sample::Weight;
use crate::thread::Body;

/// No block's.
pub const NO_ADDRESS: u64 = u64::MAX;

impl Hot {
    /// Counts a block of `largest` bytes in; the site is this thread's.
    #[inline(always)]
    pub fn count_in(&self, body: &mut Body, site: &Site, largest: u64, weight: Weight) {
        let Weight { count, bytes } = weight;
        let process = body.process;
        let total = site.total_count.get().wrapping_add(count);
        let mut live = site.live_bytes.get().wrapping_add(bytes);
        let is_alone = self.alone.get() != 0;
        if site.epoch.get() != process.peak_epoch.get() as u32 {
            settle(process, site, is_alone);
        }
        site.total_count.set(total);
        site.total_bytes.add(bytes);
        site.live_bytes.set(live);
        if largest > site.largest_bytes.get() {
            site.largest_bytes.set(largest);
        }
        if !is_alone {
            live = live.wrapping_sub(site.foreign_bytes.get());
        }
        if live > site.peak_bytes.get() {
            site.peak_bytes.set(live);
            site.peak_count.set(total.wrapping_sub(site.freed_count.get()).wrapping_sub(site.foreign_count.get()));
        }
        if is_alone {
            let live = process.live_bytes.get().wrapping_add(bytes);
            process.live_bytes.set(live);
            if live as i64 > process.peak_bytes.get() as i64 {
                process.peak_bytes.set(live);
                process.peak_epoch.add(1);
            }
        } else {
            hand_over(body, bytes as i64);
        }
    }

    /// Counts a block out; the site may be another thread's.
    #[inline(always)]
    pub fn count_out(&self, body: &mut Body, site: &Site, weight: Weight, address: u64) {
        self.settle(body, site);
        let is_due = if site.thread.get() == body.slot {
            self.count_out_own(body, site, weight, address)
        } else {
            count_out_foreign(body, site, weight);
            self.take_off(body, weight.bytes)
        };
        if is_due {
            hand_over_now(body);
        }
    }

    /// The same for a site that is this thread's, and settled. True: what it keeps to itself is to be handed over.
    #[inline(always)]
    pub fn count_out_own(&self, body: &mut Body, site: &Site, weight: Weight, address: u64) -> bool {
        let Weight { count, bytes } = weight;
        site.freed_count.add(count);
        site.live_bytes.sub(bytes);
        if body.last_block == address {
            site.temporary_count.add(count);
        }
        body.last_block = 0;
        self.take_off(body, bytes)
    }

    /// Takes bytes off the process's sum. True: the thread keeps so many to itself that they are to be handed over.
    #[inline(always)]
    fn take_off(&self, body: &mut Body, bytes: u64) -> bool {
        if self.alone.get() != 0 {
            body.process.live_bytes.sub(bytes);
            return false;
        }
        body.pending_bytes = body.pending_bytes.wrapping_sub(bytes as i64);
        body.pending_bytes.unsigned_abs() >= SLACK_BYTES
    }

    /// Adds what a thread keeps to itself to the process's sum.
    pub fn hand_over(&self, body: &mut Body) {
        hand_over_now(body);
    }

    /// The live bytes of the process go up again: a realloc that failed.
    pub fn hand_back(&self, body: &mut Body, bytes: u64) {
        if self.alone.get() == 0 {
            return hand_over(body, bytes as i64);
        }
        body.process.live_bytes.add(bytes);
    }

    /// As `settle`, if no other thread has to be minded for it; false: one has.
    #[inline(always)]
    pub fn settles_alone(&self, body: &Body, site: &Site) -> bool {
        let epoch = body.process.peak_epoch.get() as u32;
        if site.epoch.get() == epoch {
            return true;
        }
        if self.alone.get() == 0 {
            return false;
        }
        settle_alone(site, epoch);
        true
    }

    /// Before a site's live bytes change: keeps them if the whole process stood at its high since the last change.
    #[inline(always)]
    pub fn settle(&self, body: &Body, site: &Site) {
        if site.epoch.get() != body.process.peak_epoch.get() as u32 {
            settle(body.process, site, self.alone.get() != 0);
        }
    }
}

#[cold]
#[inline(never)]
fn count_out_foreign(body: &mut Body, site: &Site, weight: Weight) {
    site.foreign_count.fetch_add(weight.count);
    site.foreign_bytes.fetch_add(weight.bytes);
    body.record.foreign_frees.add(weight.count);
    body.record.foreign_freed_bytes.add(weight.bytes);
}

/// Keeps what a site held at the high.
#[inline(always)]
fn settle(process: &ProcessHeader, site: &Site, is_alone: bool) {
    let epoch = process.peak_epoch.get() as u32;
    if is_alone {
        return settle_alone(site, epoch);
    }
    let before = site.epoch.get();
    let (bytes, count) = held(site);
    // The owner and a thread that frees may come here together: one of them keeps the numbers.
    if before != epoch && site.epoch.replace(before, epoch) {
        site.at_peak_bytes.set(bytes);
        site.at_peak_count.set(count);
    }
}

#[inline(always)]
fn settle_alone(site: &Site, epoch: u32) {
    site.epoch.set(epoch);
    let (bytes, count) = held(site);
    site.at_peak_bytes.set(bytes);
    site.at_peak_count.set(count);
}

/// Live bytes and blocks of a site.
#[inline(always)]
fn held(site: &Site) -> (u64, u64) {
    let bytes = site.live_bytes.get().wrapping_sub(site.foreign_bytes.get());
    (bytes, site.live_count().wrapping_sub(site.foreign_count.get()))
}

/// Adds to the live bytes of a process with several threads: now and then.
#[inline(always)]
fn hand_over(body: &mut Body, bytes: i64) {
    body.pending_bytes = body.pending_bytes.wrapping_add(bytes);
    if body.pending_bytes.unsigned_abs() >= SLACK_BYTES {
        hand_over_now(body);
    }
}

#[cold]
#[inline(never)]
fn hand_over_now(body: &mut Body) {
    let process = body.process;
    let pending = core::mem::take(&mut body.pending_bytes);
    let live = process.live_bytes.fetch_add(pending as u64).wrapping_add(pending as u64);
    if live as i64 > process.peak_bytes.get() as i64 {
        process.peak_bytes.fetch_max(live);
        process.peak_epoch.fetch_add(1);
    }
}

/// Bytes that a thread keeps to itself while others run: the high is exact to this many a thread.
pub const SLACK_BYTES: u64 = 32 << 10;
