//! The three events: a block came, a block goes, a block is moved.
//!
//! Each is told after the real allocation and before the real free, by the thread that does it. A hook that
//! interrupted another one in the same thread (a signal handler) is told too, but without a stack: the thread's
//! own state is in use.

use memtrace_wire::layout::{Family, Op};
use memtrace_wire::loss::Loss;

use crate::Hot;
use crate::live::{Block, Inserted};
use crate::site::UNKNOWN_SITE;
use crate::thread::{Body, Inside};
use crate::unwind::Entry;

/// A block that was taken out of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The block.
    pub block: Block,
    /// It was counted as temporary.
    temporary: bool,
}

impl Hot {
    /// A block came. `moved`: where a realloc took it from.
    #[inline(always)]
    pub fn allocated(&self, inside: Inside<'_>, entry: Entry, address: u64, bytes: u64, op: Op, moved: Option<u64>) {
        let body = &mut *inside.body;
        let (entry, op, bytes) = match body.pending {
            Some(pending) => take_pending(body, pending, (entry, op, bytes)),
            None => (entry, op, bytes),
        };
        let (node, caller) = self.capture(body, entry);
        #[cfg(feature = "self-check")]
        self.check(body, entry, node);
        let site = self.site_for(body, node, op);
        let family = if self.objects.is_loader(caller) { Family::Other } else { op.family() };
        let block = Block { address, bytes, site, family };
        match self.insert(block, true) {
            Inserted::New => {}
            // An allocator that calls another exported one (glibc's reallocarray calls realloc) was recorded below.
            Inserted::Replaced(old) if body.last_block == address => self.unrecord(body, old),
            Inserted::Replaced(old) => self.replaced(body, old),
            Inserted::Dropped => self.store.lose(Loss::BlockDropped),
        }
        let Some(site) = self.sites.get(u64::from(site)) else { return };
        if site.thread.get() != body.slot {
            return self.count_unknown(bytes);
        }
        self.count_in(body, site, bytes);
        body.last_block = address;
        if let Some(from) = moved {
            site.realloc_count.add(1);
            site.realloc_moved.add(u32::from(from != address));
            body.record.reallocs.add(1);
        }
    }

    /// A block goes: before the real free. `None`: we do not know it.
    #[inline(always)]
    pub fn released(&self, inside: Inside<'_>, address: u64) -> Option<Taken> {
        let body = &mut *inside.body;
        let temporary = body.last_block == address;
        let Some(block) = self.take(address, true) else {
            // The free inside an operator delete is not unknown: that took the block out.
            if body.deleting != address {
                body.record.unknown_frees.add(1);
            }
            body.last_block = 0;
            return None;
        };
        if let Some(site) = self.sites.get(u64::from(block.site)) {
            self.count_out(body, site, block.bytes, address);
        }
        body.last_block = 0;
        if block.family == Family::Other {
            self.loader_freed(address);
        }
        Some(Taken { block, temporary })
    }

    /// An operator delete was called: as `released`, and the free that it ends in is not an unknown one.
    #[inline(always)]
    pub fn deleted(&self, inside: Inside<'_>, address: u64) {
        inside.body.deleting = address;
        self.released(inside, address);
    }

    /// An operator new was called, from the target's code or from another operator new, which then stands for both.
    #[inline(always)]
    pub fn operator_entered(&self, body: &mut Body, pending: crate::thread::Pending) {
        if body.pending.is_none_or(|outer| pending.entry.sp > outer.entry.sp) {
            body.pending = Some(pending);
            body.recorded_sp = 0;
        }
    }

    /// An operator new has returned. Under jemalloc, tcmalloc and mimalloc no malloc was called below it; one that
    /// was called again by a new-handler was recorded as the operator's own.
    #[inline(always)]
    pub fn operator_left(&self, inside: Inside<'_>, entry: Entry, address: u64, bytes: u64, op: Op) {
        let body = &mut *inside.body;
        let outer = body.pending.map_or(body.recorded_sp, |pending| pending.entry.sp);
        if outer > entry.sp {
            return;
        }
        let missed = body.pending.take().is_some();
        let recorded = core::mem::take(&mut body.recorded_sp) == entry.sp;
        if address == 0 || recorded {
            return;
        }
        if !missed && let Some(block) = self.take(address, true) {
            self.unrecord(body, block);
        }
        self.allocated(inside, entry, address, bytes, op, None);
    }

    /// A realloc failed: the block that was taken out is live as before.
    #[cold]
    pub fn put_back(&self, inside: Inside<'_>, taken: Taken) {
        let Taken { block, temporary } = taken;
        let body = &mut *inside.body;
        if self.insert(block, true) == Inserted::Dropped {
            self.store.lose(Loss::BlockDropped);
        }
        let Some(site) = self.sites.get(u64::from(block.site)) else { return };
        if site.thread.get() == body.slot {
            self.settle(site);
            site.live_count.add(1);
            site.live_bytes.add(block.bytes);
            site.temporary_count.sub(u64::from(temporary));
        } else {
            site.foreign_count.fetch_sub(1);
            site.foreign_bytes.fetch_sub(block.bytes);
        }
        body.record.frees.sub(1);
        body.record.freed_bytes.sub(block.bytes);
        self.hand_back(body, block.bytes);
    }

    /// A block came in a hook that interrupted another one, or in a thread without a state.
    #[cold]
    pub fn allocated_blindly(&self, address: u64, bytes: u64, loss: Loss) {
        self.store.lose(loss);
        let block = Block { address, bytes, site: UNKNOWN_SITE, family: Family::Malloc };
        match self.insert(block, false) {
            Inserted::New => {}
            Inserted::Replaced(old) => self.count_out_blindly(old),
            Inserted::Dropped => return self.store.lose(Loss::BlockDropped),
        }
        self.count_unknown(bytes);
    }

    /// A block goes in such a hook.
    #[cold]
    pub fn released_blindly(&self, address: u64) -> Option<Taken> {
        let block = self.take(address, false)?;
        self.count_out_blindly(block);
        Some(Taken { block, temporary: false })
    }

    fn count_unknown(&self, bytes: u64) {
        let Some(site) = self.sites.get(u64::from(UNKNOWN_SITE)) else { return };
        site.total_count.fetch_add(1);
        site.total_bytes.fetch_add(bytes);
        site.live_count.fetch_add(1);
        site.live_bytes.fetch_add(bytes);
        site.largest_bytes.fetch_max(bytes);
        site.peak_bytes.fetch_max(site.live_bytes.get());
    }

    fn count_out_blindly(&self, block: Block) {
        let Some(site) = self.sites.get(u64::from(block.site)) else { return };
        site.foreign_count.fetch_add(1);
        site.foreign_bytes.fetch_add(block.bytes);
    }

    /// The record that an inner function made of the same block never was.
    #[cold]
    fn unrecord(&self, body: &mut Body, old: Block) {
        let Some(site) = self.sites.get(u64::from(old.site)) else { return };
        if site.thread.get() != body.slot {
            return self.replaced(body, old);
        }
        self.settle(site);
        site.total_count.sub(1);
        site.total_bytes.sub(old.bytes);
        site.live_count.sub(1);
        site.live_bytes.sub(old.bytes);
        body.record.allocations.sub(1);
        body.record.allocated_bytes.sub(old.bytes);
        self.hand_back(body, old.bytes.wrapping_neg());
    }

    #[cold]
    fn replaced(&self, body: &mut Body, old: Block) {
        self.store.lose(Loss::Replaced);
        if let Some(site) = self.sites.get(u64::from(old.site)) {
            self.count_out(body, site, old.bytes, 0);
        }
    }
}

/// The allocation below an operator new is recorded as made by it; an entry from outside it is another one.
#[inline(always)]
fn take_pending(body: &mut Body, pending: crate::thread::Pending, own: (Entry, Op, u64)) -> (Entry, Op, u64) {
    body.pending = None;
    if own.0.sp > pending.entry.sp {
        return own;
    }
    body.recorded_sp = pending.entry.sp;
    (pending.entry, pending.op, pending.bytes)
}
