//! Live blocks without a cell of their own: of 4 GiB and more, and those that share 32 bytes with another block
//! (allocators other than glibc's have classes of 8 and 16 bytes); and blocks that the program gives from its own pools.
//!
//! Invariant: a block of a pool is found by its pool alone, so a free of what lies at the same address does not see it.

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::layout::{SIDE_PER_WINDOW, Side, WindowKind};
use memtrace_wire::map::{Region, U32, U64};

use crate::live::Block;
use crate::lock::Lock;
use crate::map::Table;
use crate::store::Store;

/// Chains: a private table of heads, made when the first block comes.
const HEADS: u64 = 1 << 16;

/// The half of `Side::next` that is no link.
const HIGH: u64 = 0xffff_ffff_0000_0000;

/// See above.
pub struct Sides {
    records: Table<Side, { WindowKind::Sides as u32 }, 16384, { SIDE_PER_WINDOW.trailing_zeros() }>,
    heads: AtomicPtr<u8>,
    /// First unused record + 1; unused ones are chained like used ones.
    free: U32,
    lock: Lock,
}

impl Sides {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            records: Table::new(),
            heads: AtomicPtr::new(core::ptr::null_mut()),
            free: U32::new(0),
            lock: Lock::new(),
        }
    }

    /// Forgets all blocks, in a fork child.
    pub fn forget(&self, shared: bool) {
        self.records.forget(shared);
        self.free.set(0);
        self.lock.reset();
        let heads = self.heads.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if !heads.is_null() {
            // SAFETY: the child has one thread, and it is here.
            unsafe { crate::own::unmap(heads, HEADS as usize * 4) };
        }
    }

    /// Adds a block. `may_wait`: false in a hook that interrupted another. False: no memory, or the lock is taken.
    pub fn insert(&self, store: &Store, block: Block, may_wait: bool) -> bool {
        self.insert_of(store, block, 0, may_wait)
    }

    /// Adds a block of a pool; of none, if that is 0.
    pub fn insert_of(&self, store: &Store, block: Block, pool: u64, may_wait: bool) -> bool {
        let guard = if may_wait { Some(self.lock.enter()) } else { self.lock.try_enter() };
        if guard.is_none() {
            return false;
        }
        let Some(head) = self.head(block.address, true) else { return false };
        let Some((number, record)) = self.unused(store, may_wait) else { return false };
        record.address.set(block.address);
        record.bytes.set(block.bytes);
        record.site.set(block.site);
        record.pool.set(pool as u32);
        record.next.set(pool & HIGH | u64::from(head.get()));
        head.set(number + 1);
        true
    }

    /// Takes a block out.
    pub fn take(&self, address: u64, may_wait: bool) -> Option<Block> {
        self.take_of(address, 0, may_wait)
    }

    /// Takes a block of a pool out; of none, if that is 0.
    pub fn take_of(&self, address: u64, pool: u64, may_wait: bool) -> Option<Block> {
        let guard = if may_wait { Some(self.lock.enter()) } else { self.lock.try_enter() };
        guard.as_ref()?;
        let head = self.head(address, false)?;
        let mut before: Option<&U64> = None;
        let mut at = head.get();
        while at != 0 {
            let record = self.records.get(u64::from(at - 1))?;
            if record.address.get() == address && record.pool_of() == pool {
                let next = record.next.get() as u32;
                match before {
                    Some(before) => before.set(before.get() & HIGH | u64::from(next)),
                    None => head.set(next),
                }
                let block = Block { address, bytes: record.bytes.get(), site: record.site.get() };
                record.address.set(1);
                record.pool.set(0);
                record.next.set(u64::from(self.free.get()));
                self.free.set(at);
                return Some(block);
            }
            before = Some(&record.next);
            at = record.next.get() as u32;
        }
        None
    }

    /// All blocks, each with its pool or 0.
    pub fn blocks<'a>(&'a self, store: &'a Store) -> impl Iterator<Item = (Block, u64)> + 'a {
        let count = store.process().map_or(0, |process| process.side_count.acquire());
        let used = (0..count).filter_map(|number| self.records.get(number)).filter(|record| record.address.get() > 1);
        used.map(|record| {
            let block = Block { address: record.address.get(), bytes: record.bytes.get(), site: record.site.get() };
            (block, record.pool_of())
        })
    }

    /// The window of records that starts with this number, as memory.
    pub fn region(&self, index: u64) -> Option<Region> {
        self.records.region(index)
    }

    fn unused(&self, store: &Store, may_wait: bool) -> Option<(u32, &'static Side)> {
        let free = self.free.get();
        if free != 0 {
            let record = self.records.get(u64::from(free - 1))?;
            self.free.set(record.next.get() as u32);
            return Some((free - 1, record));
        }
        let process = store.process()?;
        let number = process.side_count.get();
        let record = self.records.make_now(store, number, may_wait)?;
        process.side_count.publish(number + 1);
        Some((u32::try_from(number).ok()?, record))
    }

    fn head(&self, address: u64, make: bool) -> Option<&'static U32> {
        let mut base = self.heads.load(Ordering::Acquire);
        if base.is_null() {
            if !make {
                return None;
            }
            base = crate::map::map(HEADS as usize * 4)?.base();
            self.heads.store(base, Ordering::Release);
        }
        let place = (address >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HEADS.trailing_zeros());
        // SAFETY: mapped above with room for every head, and only unmapped by `forget`.
        unsafe { Region::new(base, HEADS as usize * 4) }.at(place as usize * 4)
    }
}

impl Default for Sides {
    fn default() -> Self {
        Self::new()
    }
}
