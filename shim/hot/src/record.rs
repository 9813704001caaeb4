//! A block came, or is put back; for those that go see `release`.
//!
//! It is told after the real allocation, and before the real free, by the thread that does it. A hook that
//! interrupted another one in the same thread (a signal handler) is told too, but without a stack: the thread's
//! own state is in use.

use memtrace_wire::layout::Op;
use memtrace_wire::loss::Loss;

use crate::Hot;
use crate::count::NO_ADDRESS;
use crate::live::{Block, Inserted};
use crate::sample::Weight;
use crate::site::UNKNOWN_SITE;
use crate::source::Announced;
use crate::thread::{Body, Inside, Pending};
use crate::unwind::Entry;

/// Where an allocation was called from, what was called, and the bytes asked for.
type Call = (Entry, Op, u64);

/// A block that was taken out of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The block.
    pub block: Block,
    /// It was counted as temporary.
    pub(crate) temporary: bool,
}

impl Hot {
    /// A block came. `moved`: where a realloc took it from.
    #[inline(always)]
    pub fn allocated(&self, inside: Inside<'_>, entry: Entry, address: u64, bytes: u64, op: Op, moved: Option<u64>) {
        if let Some(pending) = inside.body.pending {
            return self.allocated_below(inside, pending, (entry, op, bytes), address, moved);
        }
        self.record::<false>(inside, entry, address, bytes, op, moved);
    }

    /// The first block below an operator new.
    #[cold]
    #[inline(never)]
    fn allocated_below(&self, inside: Inside<'_>, pending: Pending, own: Call, address: u64, moved: Option<u64>) {
        self.operator.confirm(own.0.caller());
        let (entry, op, bytes) = take_pending(inside.body, pending, own);
        match inside.body.source == Announced::NONE && inside.body.regions.is_empty() {
            true => self.record::<false>(inside, entry, address, bytes, op, moved),
            false => self.record::<true>(inside, entry, address, bytes, op, moved),
        }
    }

    #[inline(always)]
    fn record<const CAREFUL: bool>(
        &self,
        inside: Inside<'_>,
        entry: Entry,
        address: u64,
        bytes: u64,
        op: Op,
        moved: Option<u64>,
    ) {
        let body = &mut *inside.body;
        let mut known = if CAREFUL { self.capture_with_source(body, entry, op) } else { self.capture(body, entry, op) };
        #[cfg(feature = "self-check")]
        self.check(body, entry, known.node());
        if self.python.on.get() != 0 {
            known = self.with_python(body, entry, op, known);
        }
        let block = Block { address, bytes, site: known.number };
        match self.insert(block, true) {
            Inserted::New => {}
            // An allocator that calls another exported one (glibc's reallocarray calls realloc) was recorded below.
            Inserted::Replaced(old) if body.last_block == address => self.unrecord(body, old),
            Inserted::Replaced(old) => self.replaced(body, old),
            Inserted::Dropped => self.store.lose(Loss::BlockDropped),
        }
        let Some(site) = known.site else { return self.count_unknown(bytes) };
        let mut weight = Weight { count: 1, bytes };
        if CAREFUL {
            weight = Weight::of(site, address, bytes);
            self.sample.mark(address, true);
        }
        self.count_in(body, site, bytes, weight);
        body.last_block = address;
        if let Some(from) = moved {
            site.realloc_count.add(weight.count as u32);
            site.realloc_moved.add(if from == address { 0 } else { weight.count as u32 });
            body.record.reallocs.add(weight.count);
        }
    }

    /// The same where not every allocation is recorded whole: samples, or memory is short.
    #[cold]
    #[inline(never)]
    pub fn allocated_carefully(
        &self,
        inside: Inside<'_>,
        entry: Entry,
        address: u64,
        bytes: u64,
        op: Op,
        moved: Option<u64>,
    ) {
        let (entry, op, bytes) = match inside.body.pending {
            Some(pending) => {
                self.operator.confirm(entry.caller());
                take_pending(inside.body, pending, (entry, op, bytes))
            }
            None => (entry, op, bytes),
        };
        let level = self.budget.level.get();
        if level >= 3 {
            self.store.lose(Loss::MemoryCounted);
            return self.count_only(bytes);
        }
        let mean = self.sample.mean.get();
        if mean != 0 {
            if level != 0 {
                self.store.lose(Loss::MemorySampled);
            }
            if inside.body.mean != mean {
                // Its sites are for another mean, and so was the distance, if there was one.
                inside.body.mean = mean;
                inside.body.sites.forget();
                inside.body.forget_stacks();
                let first = self.draw(inside.body);
                inside.left().set(first);
            }
            if inside.passes(bytes) {
                return;
            }
            let next = self.draw(inside.body);
            inside.left().set(next);
        }
        if level != 0 {
            inside.body.chain.reset(0, 0);
        }
        self.record::<true>(inside, entry, address, bytes, op, moved);
    }

    /// An operator new was called, from the target's code or from another operator new, which then stands for both.
    #[inline(always)]
    pub fn operator_entered(&self, body: &mut Body, pending: Pending) {
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
        let missed = body.pending.take();
        if self.sample.mean.get() != 0 {
            // What malloc was called for below was a sample or not; where it never was, this is the allocation.
            let left = inside.left().get();
            if address != 0 && missed.is_some_and(|pending| pending.left == left) {
                self.allocated_carefully(inside, entry, address, bytes, op, None);
            }
            return;
        }
        let missed = missed.is_some();
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
        let Weight { count, bytes } = Weight::of(site, block.address, block.bytes);
        self.sample.mark(block.address, true);
        if site.thread.get() == body.slot {
            self.settle(body, site);
            site.freed_count.sub(count);
            site.live_bytes.add(bytes);
            site.temporary_count.sub(if temporary { count } else { 0 });
        } else {
            site.foreign_count.fetch_sub(count);
            site.foreign_bytes.fetch_sub(bytes);
            body.record.foreign_frees.sub(count);
            body.record.foreign_freed_bytes.sub(bytes);
        }
        self.hand_back(body, bytes);
    }

    /// A block came in a hook that interrupted another one, or in a thread without a state.
    #[cold]
    pub fn allocated_blindly(&self, address: u64, bytes: u64, loss: Loss) {
        self.store.lose(loss);
        let block = Block { address, bytes, site: UNKNOWN_SITE };
        match self.insert(block, false) {
            Inserted::New => {}
            Inserted::Replaced(old) => self.count_out_blindly(old),
            Inserted::Dropped => return self.store.lose(Loss::BlockDropped),
        }
        self.sample.mark(address, true);
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
        site.live_bytes.fetch_add(bytes);
        site.largest_bytes.fetch_max(bytes);
        site.peak_bytes.fetch_max(site.live_bytes.get());
    }

    fn count_only(&self, bytes: u64) {
        let Some(site) = self.sites.get(u64::from(UNKNOWN_SITE)) else { return };
        site.total_count.fetch_add(1);
        site.freed_count.fetch_add(1);
        site.total_bytes.fetch_add(bytes);
    }

    fn count_out_blindly(&self, block: Block) {
        let Some(site) = self.sites.get(u64::from(block.site)) else { return };
        let Weight { count, bytes } = Weight::of(site, block.address, block.bytes);
        self.sample.mark(block.address, false);
        site.foreign_count.fetch_add(count);
        site.foreign_bytes.fetch_add(bytes);
    }

    /// The record that an inner function made of the same block never was.
    #[cold]
    pub(crate) fn unrecord(&self, body: &mut Body, old: Block) {
        let Some(site) = self.sites.get(u64::from(old.site)) else { return };
        if site.thread.get() != body.slot {
            return self.replaced(body, old);
        }
        let Weight { count, bytes } = Weight::of(site, old.address, old.bytes);
        self.settle(body, site);
        site.total_count.sub(count);
        site.total_bytes.sub(bytes);
        site.live_bytes.sub(bytes);
        self.hand_back(body, bytes.wrapping_neg());
    }

    #[cold]
    fn replaced(&self, body: &mut Body, old: Block) {
        self.store.lose(Loss::Replaced);
        if let Some(site) = self.sites.get(u64::from(old.site)) {
            self.sample.mark(old.address, false);
            // Its free went past memtrace, so nobody knows when it was.
            self.count_out(body, site, Weight::of(site, old.address, old.bytes), NO_ADDRESS);
        }
    }
}

/// The allocation below an operator new is recorded as made by it; an entry from outside it is another one.
#[inline(always)]
fn take_pending(body: &mut Body, pending: Pending, own: Call) -> Call {
    body.pending = None;
    if own.0.sp > pending.entry.sp {
        return own;
    }
    if pending.op == Op::Unknown {
        // Not an operator's: a source site was announced for it.
        return (pending.entry, own.1, own.2);
    }
    body.recorded_sp = pending.entry.sp;
    (pending.entry, pending.op, pending.bytes)
}
