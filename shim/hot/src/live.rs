//! The live blocks, by address: one store at malloc, one at free, no lock, no hash.
//!
//! ```text
//!   address  46        35 34       22 21          5 4   0
//!            └── top ───┘ └─ middle ┘ └── granule ─┘
//!            4,096 places  8,192       131,072 cells, one for 32 bytes of heap: a leaf, in the recording
//! ```
//!
//! glibc's blocks are at least 32 bytes apart, so a cell of 4 bytes is written by the thread that owns the block,
//! and plain moves are enough (`dense`). Under other allocators cells have 8 bytes, and two blocks may share one:
//! the second goes to the side table.

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::dense::{SHORT_MAX, address as dense_address, is_block};
use memtrace_wire::layout::{DENSE_BYTES, GRANULE_SHIFT, LEAF_BYTES, LEAF_GRANULES, LEAF_SHIFT, WindowKind};
use memtrace_wire::live::{self, CROWDED};
use memtrace_wire::map::U64;
use memtrace_wire::sys;

use crate::Hot;
use crate::dense::{self, Cells};
use crate::lock::Lock;

/// A live block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// What malloc gave.
    pub address: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// Where it was allocated.
    pub site: u32,
}

const TOP_SHIFT: u32 = 35;
const TOPS: usize = 1 << (47 - TOP_SHIFT);
const MIDDLES: usize = 1 << (TOP_SHIFT - LEAF_SHIFT);

/// The upper levels; leaves are windows of the recording.
pub struct Live {
    tops: [AtomicPtr<AtomicPtr<u8>>; TOPS],
    grow: Lock,
}

/// What came of an insertion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// The address was not live.
    New,
    /// It was: its free went past us.
    Replaced(Block),
    /// No memory for it, or the table is being grown by whom we interrupted.
    Dropped,
}

impl Live {
    /// Empty.
    pub const fn new() -> Self {
        Self { tops: [const { AtomicPtr::new(core::ptr::null_mut()) }; TOPS], grow: Lock::new() }
    }

    #[inline(always)]
    fn leaf(&self, address: u64) -> Option<*const u8> {
        let middle = self.tops.get((address >> TOP_SHIFT) as usize)?.load(Ordering::Acquire);
        if middle.is_null() {
            return None;
        }
        // SAFETY: a middle level has a place for every value of these bits.
        let leaf = unsafe { &*middle.add((address >> LEAF_SHIFT) as usize & (MIDDLES - 1)) }.load(Ordering::Acquire);
        (!leaf.is_null()).then_some(leaf.cast_const())
    }

    /// The cell for an address, if anything near it was ever live; not in a process of dense leaves.
    fn cell(&self, address: u64) -> Option<&'static U64> {
        // SAFETY: a leaf has a cell for every granule that these bits can name.
        Some(unsafe { &*self.leaf(address)?.cast::<U64>().add(place(address)) })
    }

    /// The same in a process of dense leaves.
    #[inline(always)]
    fn dense(&self, address: u64) -> Option<&'static Cells> {
        // SAFETY: a leaf has a cell for every granule that these bits can name, and one behind the last.
        Some(unsafe { &*self.leaf(address)?.cast::<u32>().add(place(address)).cast() })
    }

    /// Address of a block, in a process of dense leaves, that stands where another one now is.
    fn stale(&self, block: Block) -> Option<u64> {
        let granule = block.address & !31;
        let [own, next] = self.dense(block.address)?;
        if own.get() & 1 != 0 {
            let [before, _] = self.dense(granule - 32)?;
            return Some(dense_address(before.get(), granule - 32));
        }
        if own.get() != 0 {
            return Some(dense_address(own.get(), granule));
        }
        (block.bytes > SHORT_MAX && is_block(next.get())).then(|| dense_address(next.get(), granule + 32))
    }

    #[cold]
    #[inline(never)]
    fn make(&self, hot: &Hot, address: u64, may_wait: bool) -> Option<()> {
        let top = self.tops.get((address >> TOP_SHIFT) as usize)?;
        let guard = if may_wait { Some(self.grow.enter()) } else { self.grow.try_enter() };
        guard.as_ref()?;
        let mut middle = top.load(Ordering::Acquire);
        if middle.is_null() {
            middle = crate::map::map(MIDDLES * 8)?.base().cast();
            top.store(middle, Ordering::Release);
        }
        // SAFETY: as in `leaf`.
        let leaf = unsafe { &*middle.add((address >> LEAF_SHIFT) as usize & (MIDDLES - 1)) };
        if leaf.load(Ordering::Acquire).is_null() {
            let (kind, bytes) = match hot.apart.get() {
                0 => (WindowKind::Live, LEAF_BYTES),
                _ => (WindowKind::Dense, DENSE_BYTES),
            };
            let region = hot.store.window(kind, address >> LEAF_SHIFT, bytes, may_wait)?;
            leaf.store(region.base(), Ordering::Release);
        }
        Some(())
    }

    /// Forgets all blocks, in a fork child.
    pub fn forget(&self) {
        self.grow.reset();
        for top in &self.tops {
            let middle = top.swap(core::ptr::null_mut(), Ordering::AcqRel);
            if middle.is_null() {
                continue;
            }
            // Fork wiped the middle levels, so the leaves' addresses are gone with them; private leaves are
            // wiped too, and their address space stays taken until the child ends or execs.
            // SAFETY: the child has one thread, and it is here.
            unsafe { sys::unmap(middle.cast(), MIDDLES * 8) };
        }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Enters a block. `may_wait`: false in a hook that interrupted another.
    #[inline(always)]
    pub fn insert(&self, block: Block, may_wait: bool) -> Inserted {
        if self.apart.get() != 0
            && let Some(cell) = self.live.dense(block.address)
            && dense::put(cell, block)
        {
            return Inserted::New;
        }
        self.insert_slowly(block, may_wait)
    }

    #[cold]
    #[inline(never)]
    fn insert_slowly(&self, block: Block, may_wait: bool) -> Inserted {
        if self.live.leaf(block.address).is_none() {
            if self.live.make(self, block.address, may_wait).is_none() {
                return Inserted::Dropped;
            }
            self.mind();
        }
        if self.apart.get() != 0 {
            return self.insert_dense(block, may_wait);
        }
        let Some(cell) = self.live.cell(block.address) else { return Inserted::Dropped };
        match live::pack(block.address, block.bytes, block.site) {
            Some(packed) => self.insert_shared(cell, block, packed, may_wait),
            None => self.insert_beside(cell, block, may_wait),
        }
    }

    fn insert_dense(&self, block: Block, may_wait: bool) -> Inserted {
        let Some(cell) = self.live.dense(block.address) else { return Inserted::Dropped };
        // What stands where the block now is was freed past us.
        let stale = self.live.stale(block).map(|address| self.take_dense(address, may_wait));
        if !dense::put(cell, block) {
            dense::put_beside(cell, block);
            if !self.sides.insert(&self.store, block, may_wait) {
                return Inserted::Dropped;
            }
        }
        stale.flatten().map_or(Inserted::New, Inserted::Replaced)
    }

    fn insert_shared(&self, cell: &U64, block: Block, packed: u64, may_wait: bool) -> Inserted {
        loop {
            let old = cell.acquire();
            if old & !CROWDED == 0 {
                if cell.replace(old, packed | old & CROWDED) {
                    let beside = if old & CROWDED != 0 { self.sides.take(block.address, may_wait) } else { None };
                    return beside.map_or(Inserted::New, Inserted::Replaced);
                }
            } else if live::is_at(old, block.address) {
                if cell.replace(old, packed | old & CROWDED) {
                    return Inserted::Replaced(unpack(old, block.address));
                }
            } else {
                return self.insert_beside(cell, block, may_wait);
            }
        }
    }

    fn insert_beside(&self, cell: &U64, block: Block, may_wait: bool) -> Inserted {
        let mut replaced = None;
        loop {
            let old = cell.acquire();
            let cleared = if live::is_at(old, block.address) {
                replaced = Some(unpack(old, block.address));
                0
            } else {
                old
            };
            if cell.replace(old, cleared | CROWDED) {
                break;
            }
        }
        let beside = self.sides.take(block.address, may_wait);
        if !self.sides.insert(&self.store, block, may_wait) {
            return Inserted::Dropped;
        }
        replaced.or(beside).map_or(Inserted::New, Inserted::Replaced)
    }

    /// Takes a block out, if that needs plain moves only: its site and size. `None`: see `take`.
    #[inline(always)]
    pub fn take_own(&self, address: u64) -> Option<(u32, u64)> {
        if self.apart.get() == 0 {
            return None;
        }
        dense::take(self.live.dense(address)?, address)
    }

    /// Takes a block out. `None`: we do not know it.
    pub fn take(&self, address: u64, may_wait: bool) -> Option<Block> {
        if self.apart.get() != 0 {
            return self.take_dense(address, may_wait);
        }
        let cell = self.live.cell(address)?;
        loop {
            let old = cell.acquire();
            if !live::is_at(old, address) {
                return if old & CROWDED != 0 { self.sides.take(address, may_wait) } else { None };
            }
            if cell.replace(old, old & CROWDED) {
                return Some(unpack(old, address));
            }
        }
    }

    fn take_dense(&self, address: u64, may_wait: bool) -> Option<Block> {
        let cell = self.live.dense(address)?;
        if let Some((site, bytes)) = dense::take(cell, address) {
            return Some(Block { address, bytes, site });
        }
        if !dense::take_beside(cell, address) {
            return None;
        }
        self.sides.take(address, may_wait)
    }

    /// The block at an address, if it has a cell of its own.
    pub fn peek(&self, address: u64) -> Option<Block> {
        if self.apart.get() != 0 {
            let (site, bytes) = dense::peek(self.live.dense(address)?, address)?;
            return Some(Block { address, bytes, site });
        }
        let cell = self.live.cell(address)?.get();
        live::is_at(cell, address).then(|| unpack(cell, address))
    }
}

/// The granule's number in its leaf.
#[inline(always)]
const fn place(address: u64) -> usize {
    (address >> GRANULE_SHIFT & (LEAF_GRANULES - 1)) as usize
}

fn unpack(cell: u64, address: u64) -> Block {
    Block { address, bytes: live::bytes(cell), site: live::site(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Source;
    use std::boxed::Box;
    use std::collections::HashMap;

    #[test]
    fn the_live_table_answers_like_a_hash_map() {
        for (seed, apart) in [(1u64, 0u32), (2, 0), (3, 1)] {
            let hot = Box::leak(Box::new(Hot::new()));
            assert!(hot.store.open(Source::Private) && hot.start());
            hot.apart.set(apart);
            let spacing = if apart == 0 { 8 } else { 64 };
            let mut model: HashMap<u64, Block> = HashMap::new();
            let mut state = seed;
            for step in 0..100_000u64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let address = 0x7f12_3400_0010 + (state >> 50) * spacing;
                let large = if step % 1000 == 0 { 1 << 33 } else { 0 };
                if state >> 20 & 1 == 0 {
                    assert_eq!(hot.take(address, true), model.remove(&address), "seed {seed} step {step}");
                } else {
                    let block =
                        Block { address, bytes: (state >> 30 & 0xfff) + large, site: (state >> 10) as u32 & 0x7ff };
                    let block = Block { site: block.site + 1, ..block };
                    let expected = model.insert(address, block).map_or(Inserted::New, Inserted::Replaced);
                    assert_eq!(hot.insert(block, true), expected, "seed {seed} step {step}");
                }
            }
            for (address, block) in model {
                assert!(hot.peek(address).is_none_or(|found| found == block));
                assert_eq!(hot.take(address, true), Some(block));
            }
        }
    }

    #[test]
    fn a_block_whose_free_went_past_us_makes_room_for_what_stands_there_now() {
        let hot = Box::leak(Box::new(Hot::new()));
        assert!(hot.store.open(Source::Private) && hot.start());
        hot.apart.set(1);
        let block = |address: u64, bytes| Block { address: 0x7f12_3440_0000 + address, bytes, site: 7 };
        let huge = 1 << 40;
        for (old, new) in [
            (block(0, 24), block(16, 24)),
            (block(0, 100), block(32, 24)),
            (block(0, 100), block(48, 200)),
            (block(32, 24), block(0, 100)),
            (block(64, 100), block(64, 24)),
            (block(96, huge), block(96, 8)),
            (block(0, 8), block(0, huge)),
        ] {
            assert_eq!(hot.insert(old, true), Inserted::New);
            assert_eq!(hot.insert(new, true), Inserted::Replaced(old), "{new:?}");
            assert_eq!(hot.take(old.address, true).filter(|_| old.address != new.address), None);
            let left = if old.address == new.address { None } else { Some(new) };
            assert_eq!(hot.take(new.address, true), left);
        }
        // The last granule of a leaf has its size in the page behind it.
        let last = block((1 << LEAF_SHIFT) - 32, 1000);
        let first = block(1 << LEAF_SHIFT, 8);
        assert_eq!((hot.insert(last, true), hot.insert(first, true)), (Inserted::New, Inserted::New));
        assert_eq!((hot.take(last.address, true), hot.take(first.address, true)), (Some(last), Some(first)));
    }
}
