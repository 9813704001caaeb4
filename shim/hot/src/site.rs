//! What is counted for one stack in one thread.
//!
//! A site belongs to the thread that allocates there, and only that thread writes its counters, with plain
//! moves. Frees by other threads are counted beside, atomically. So every number is exact without a lock, and a
//! report can say which thread it was.
//!
//! The high of the whole process: a site keeps what it held then by copying its live bytes when it changes for
//! the first time after a new high (`settle`).

use memtrace_wire::layout::{Op, Site};
use memtrace_wire::loss::Loss;

use crate::Hot;
use crate::thread::{Body, SITES_CACHED};

/// The site for what has no stack: see `Loss::Nested`, `Loss::ThreadDropped`.
pub const UNKNOWN_SITE: u32 = 1;

impl Hot {
    /// The site of a stack in this thread, made if it is new.
    #[inline(always)]
    pub fn site_for(&self, body: &mut Body, node: u32, op: Op) -> u32 {
        if let Some(known) = self.nodes.get(u64::from(node)) {
            let first = known.site.get();
            if first != 0 && self.is_site(first, node, body.slot) {
                return first;
            }
        }
        let place = node as usize % SITES_CACHED;
        if let Some(&(cached, site)) = body.sites.get(place)
            && cached == node
            && site != 0
        {
            return site;
        }
        let site = self.site_slowly(body.slot, node, op);
        if let Some(entry) = body.sites.get_mut(place) {
            *entry = (node, site);
        }
        site
    }

    #[inline(always)]
    fn is_site(&self, site: u32, node: u32, slot: u32) -> bool {
        self.sites.get(u64::from(site)).is_some_and(|site| site.thread.get() == slot && site.node.get() == node)
    }

    #[cold]
    #[inline(never)]
    fn site_slowly(&self, slot: u32, node: u32, op: Op) -> u32 {
        let hash = crate::trie::roll(crate::trie::roll(0x5173, u64::from(node)), u64::from(slot));
        let is_it = |site| self.is_site(site, node, slot);
        if let Some(site) = self.site_index.find(hash, is_it) {
            return site;
        }
        let _guard = self.site_index.lock();
        if let Some(site) = self.site_index.find(hash, is_it) {
            return site;
        }
        self.new_site(slot, node, op, hash).unwrap_or_else(|| {
            self.store.lose(Loss::SiteDropped);
            UNKNOWN_SITE
        })
    }

    fn new_site(&self, slot: u32, node: u32, op: Op, hash: u64) -> Option<u32> {
        let process = self.store.process()?;
        let number = process.site_count.get();
        if number > u64::from(memtrace_wire::live::SITE_MAX) {
            return None;
        }
        let site = self.sites.make(&self.store, number)?;
        site.node.set(node);
        site.thread.set(slot);
        site.op.set(op as u32);
        if !self.site_index.insert(hash, number as u32) {
            return None;
        }
        process.site_count.publish(number + 1);
        if let Some(known) = self.nodes.get(u64::from(node))
            && known.site.get() == 0
        {
            known.site.set(number as u32);
        }
        Some(number as u32)
    }

    /// Counts a block in; the site is this thread's.
    #[inline(always)]
    pub fn count_in(&self, body: &mut Body, site: &Site, bytes: u64) {
        self.settle(site);
        site.total_count.add(1);
        site.total_bytes.add(bytes);
        site.live_count.add(1);
        site.live_bytes.add(bytes);
        if bytes > site.largest_bytes.get() {
            site.largest_bytes.set(bytes);
        }
        let mut live = site.live_bytes.get();
        if self.alone.get() == 0 {
            live = live.wrapping_sub(site.foreign_bytes.get());
        }
        if live > site.peak_bytes.get() {
            site.peak_bytes.set(live);
            site.peak_count.set(site.live_count.get().wrapping_sub(site.foreign_count.get()));
        }
        body.record.allocations.add(1);
        body.record.allocated_bytes.add(bytes);
        self.hand_over(body, bytes as i64);
    }

    /// Counts a block out; the site may be another thread's.
    #[inline(always)]
    pub fn count_out(&self, body: &mut Body, site: &Site, bytes: u64, address: u64) {
        self.settle(site);
        if site.thread.get() == body.slot {
            site.live_count.sub(1);
            site.live_bytes.sub(bytes);
            if body.last_block == address {
                site.temporary_count.add(1);
            }
        } else {
            site.foreign_count.fetch_add(1);
            site.foreign_bytes.fetch_add(bytes);
        }
        body.record.frees.add(1);
        body.record.freed_bytes.add(bytes);
        self.hand_over(body, (bytes as i64).wrapping_neg());
    }

    /// The live bytes of the process go up again: a realloc that failed.
    pub fn hand_back(&self, body: &mut Body, bytes: u64) {
        self.hand_over(body, bytes as i64);
    }

    /// Before a site's live bytes change: keeps them if the whole process stood at its high since the last change.
    #[inline(always)]
    pub fn settle(&self, site: &Site) {
        let Some(process) = self.store.process() else { return };
        let epoch = process.peak_epoch.get();
        if site.epoch.get() != epoch {
            self.settle_now(site, epoch);
        }
    }

    #[inline(always)]
    fn settle_now(&self, site: &Site, epoch: u64) {
        if self.alone.get() != 0 {
            site.at_peak_bytes.set(site.live_bytes.get().wrapping_sub(site.foreign_bytes.get()));
            site.at_peak_count.set(site.live_count.get().wrapping_sub(site.foreign_count.get()));
            site.epoch.set(epoch);
            return;
        }
        // The owner and a thread that frees may come here together: one of them keeps the numbers.
        let before = site.epoch.get();
        let (bytes, count) = (
            site.live_bytes.get().wrapping_sub(site.foreign_bytes.get()),
            site.live_count.get().wrapping_sub(site.foreign_count.get()),
        );
        if before != epoch && site.epoch.replace(before, epoch) {
            site.at_peak_bytes.set(bytes);
            site.at_peak_count.set(count);
        }
    }

    /// Adds to the live bytes of the process: at once while there is one thread, else now and then.
    #[inline(always)]
    fn hand_over(&self, body: &mut Body, bytes: i64) {
        let Some(process) = self.store.process() else { return };
        if self.alone.get() != 0 {
            let live = process.live_bytes.get().wrapping_add(bytes as u64);
            process.live_bytes.set(live);
            if live as i64 > process.peak_bytes.get() as i64 {
                process.peak_bytes.set(live);
                process.peak_epoch.add(1);
            }
            return;
        }
        body.pending_bytes = body.pending_bytes.wrapping_add(bytes);
        if body.pending_bytes.unsigned_abs() >= SLACK_BYTES {
            let pending = core::mem::take(&mut body.pending_bytes);
            let live = process.live_bytes.fetch_add(pending as u64).wrapping_add(pending as u64);
            if live as i64 > process.peak_bytes.get() as i64 {
                process.peak_bytes.fetch_max(live);
                process.peak_epoch.fetch_add(1);
            }
        }
    }
}

/// Bytes that a thread keeps to itself while others run: the high is exact to this many a thread.
pub const SLACK_BYTES: u64 = 32 << 10;
