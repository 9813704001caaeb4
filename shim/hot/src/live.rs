//! The live blocks, by address: one store at malloc, one at free, no lock, no hash.
//!
//! ```text
//!   address  46        35 34       22 21          5 4   0
//!            └── top ───┘ └─ middle ┘ └── granule ─┘
//!            4,096 places  8,192       131,072 cells of 8 bytes, one for 32 bytes of heap: a leaf, in the recording
//! ```
//!
//! glibc's blocks are at least 32 bytes apart, so a cell is written by the thread that owns the block, and plain
//! moves are enough. Under other allocators two blocks may share a cell: the second one goes to the side table.

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::layout::{Family, GRANULE_SHIFT, LEAF_BYTES, LEAF_SHIFT, WindowKind};
use memtrace_wire::live::{self, CROWDED};
use memtrace_wire::map::{Region, U64};
use memtrace_wire::sys;

use crate::Hot;
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
    /// Which function may free it.
    pub family: Family,
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
    fn leaf(&self, address: u64) -> Option<Region> {
        let middle = self.tops.get((address >> TOP_SHIFT) as usize)?.load(Ordering::Acquire);
        if middle.is_null() {
            return None;
        }
        // SAFETY: a middle level has a place for every value of these bits.
        let leaf = unsafe { &*middle.add((address >> LEAF_SHIFT) as usize & (MIDDLES - 1)) }.load(Ordering::Acquire);
        // SAFETY: leaves are windows of this length.
        (!leaf.is_null()).then(|| unsafe { Region::new(leaf, LEAF_BYTES as usize) })
    }

    /// The cell for an address, if anything near it was ever live.
    #[inline(always)]
    pub fn cell(&self, address: u64) -> Option<&'static U64> {
        let place = address >> GRANULE_SHIFT & (LEAF_BYTES / 8 - 1);
        // SAFETY: a leaf has a cell for every granule that these bits can name.
        Some(unsafe { &*self.leaf(address)?.base().cast::<U64>().add(place as usize) })
    }

    /// The leaf that covers `index << LEAF_SHIFT`, as memory.
    pub fn region(&self, index: u64) -> Option<Region> {
        self.leaf(index << LEAF_SHIFT)
    }

    #[cold]
    #[inline(never)]
    fn make(&self, hot: &Hot, address: u64, may_wait: bool) -> Option<&'static U64> {
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
            let region = hot.store.window(WindowKind::Live, address >> LEAF_SHIFT, LEAF_BYTES, may_wait)?;
            leaf.store(region.base(), Ordering::Release);
        }
        self.cell(address)
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
        let Some(cell) = self.live.cell(block.address).or_else(|| self.live.make(self, block.address, may_wait)) else {
            return Inserted::Dropped;
        };
        let Some(packed) = live::pack(block.address, block.bytes, block.site, block.family) else {
            return self.insert_beside(cell, block, may_wait);
        };
        let old = cell.get();
        if self.apart.get() != 0 && old == 0 {
            cell.set(packed);
            return Inserted::New;
        }
        self.insert_shared(cell, block, packed, may_wait)
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

    #[cold]
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

    /// Takes a block out. `None`: we do not know it.
    #[inline(always)]
    pub fn take(&self, address: u64, may_wait: bool) -> Option<Block> {
        let cell = self.live.cell(address)?;
        let old = cell.get();
        if live::is_at(old, address) && self.apart.get() != 0 && old & CROWDED == 0 {
            cell.set(0);
            return Some(unpack(old, address));
        }
        self.take_shared(cell, address, may_wait)
    }

    /// The block at an address, if it has a cell of its own.
    pub fn peek(&self, address: u64) -> Option<Block> {
        let cell = self.live.cell(address)?.get();
        live::is_at(cell, address).then(|| unpack(cell, address))
    }

    fn take_shared(&self, cell: &U64, address: u64, may_wait: bool) -> Option<Block> {
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
}

#[inline(always)]
fn unpack(cell: u64, address: u64) -> Block {
    Block { address, bytes: live::bytes(cell), site: live::site(cell), family: live::family(cell) }
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
            let spacing = if apart == 0 { 8 } else { 32 };
            let mut model: HashMap<u64, Block> = HashMap::new();
            let mut state = seed;
            for step in 0..100_000u64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let address = 0x7f12_3400_0010 + (state >> 50) * spacing;
                let large = if step % 1000 == 0 { 1 << 33 } else { 0 };
                if state >> 20 & 1 == 0 {
                    assert_eq!(hot.take(address, true), model.remove(&address), "seed {seed} step {step}");
                } else {
                    let block = Block {
                        address,
                        bytes: (state >> 30 & 0xfff) + large,
                        site: (state >> 10) as u32 & 0x7ff,
                        family: if state & 64 == 0 { Family::New } else { Family::Malloc },
                    };
                    let block = Block { site: block.site + 1, ..block };
                    let expected = model.insert(address, block).map_or(Inserted::New, Inserted::Replaced);
                    assert_eq!(hot.insert(block, true), expected, "seed {seed} step {step}");
                }
            }
            for (address, block) in model {
                assert_eq!(hot.take(address, true), Some(block));
            }
        }
    }
}
