//! The live blocks, by address: one store at malloc, one at free, no lock, no hash.
//!
//! ```text
//!   address  46        35 34       22 21          5 4   0
//!            └── top ───┘ └─ middle ┘ └── granule ─┘
//!            4,096 places  8,192       131,072 cells, one for 32 bytes of heap: a leaf, in the recording
//! ```
//!
//! A cell is written by the thread that owns the block, so plain moves are enough: `cells`. Under allocators other
//! than glibc's a cell is for 16 bytes of heap.

use crate::Hot;
use crate::cells::{self, Cells};
use crate::lock::Lock;
use crate::own;
use crate::written::Written;
use core::arch::x86_64::{
    _mm_and_si128, _mm_cmpeq_epi32, _mm_load_si128, _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi16, _mm_packs_epi32,
    _mm_set1_epi32, _mm_setzero_si128,
};
use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::layout::LEAF_SHIFT;
use memtrace_wire::live::{self, LIFE, Spacing, is_block};
use memtrace_wire::map::U32;

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
    granule_shift: U32,
    short_max: U32,
    tops: [AtomicPtr<AtomicPtr<u8>>; TOPS],
    grow: Lock,
}

/// Cells of one line of the processor's cache.
const LINE_CELLS: usize = 16;

/// Which cells of a line may begin a block, a bit each. Most of a heap is the inside of blocks, or free.
///
/// # Safety
/// The line may be read, and begins at a multiple of 16 bytes.
#[inline(always)]
unsafe fn begins(line: *const U32) -> u32 {
    // SAFETY: SSE2 is part of the architecture; cells may be read at any time.
    unsafe {
        let (odd, life, zero) = (_mm_set1_epi32(1), _mm_set1_epi32(LIFE as i32), _mm_setzero_si128());
        let quiet = |place: usize| {
            let four = _mm_load_si128(line.add(place).cast());
            let is_free = _mm_cmpeq_epi32(_mm_and_si128(four, life), zero);
            // A size has its lowest bit set.
            _mm_or_si128(is_free, _mm_cmpeq_epi32(_mm_and_si128(four, odd), odd))
        };
        let low = _mm_packs_epi32(quiet(0), quiet(4));
        let high = _mm_packs_epi32(quiet(8), quiet(12));
        !(_mm_movemask_epi8(_mm_packs_epi16(low, high)) as u32) & 0xffff
    }
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
    /// Empty, for any allocator.
    pub const fn new() -> Self {
        Self {
            granule_shift: U32::new(Spacing::Close.granule_shift()),
            short_max: U32::new(Spacing::Close.short_max() as u32),
            tops: [const { AtomicPtr::new(core::ptr::null_mut()) }; TOPS],
            grow: Lock::new(),
        }
    }

    /// Says how far apart the allocator's blocks are, before the first is recorded.
    pub fn spaced(&self, spacing: Spacing) {
        self.granule_shift.set(spacing.granule_shift());
        self.short_max.set(spacing.short_max() as u32);
    }

    /// See `spaced`.
    pub fn spacing(&self) -> Spacing {
        match self.granule_shift.get() == Spacing::Apart.granule_shift() {
            true => Spacing::Apart,
            false => Spacing::Close,
        }
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

    /// The cells for an address, if anything near it was ever live.
    #[inline(always)]
    fn cells(&self, address: u64) -> Option<&'static Cells> {
        let granule = (address & ((1 << LEAF_SHIFT) - 1)) >> self.granule_shift.get();
        // SAFETY: a leaf has a cell for every granule that these bits can name, and one behind the last.
        Some(unsafe { &*self.leaf(address)?.cast::<u32>().add(granule as usize).cast() })
    }

    /// All blocks that have cells, by address: address, bytes and site. What threads change meanwhile may be missed.
    pub fn each_block(&self, written: &Written<'_>, mut each: impl FnMut(u64, u64, u32)) {
        let (kind, shift) = (self.spacing().kind(), self.granule_shift.get());
        for (start, cells) in self.leaves() {
            for part in written.parts(kind, start >> LEAF_SHIFT, (cells.len() - 1) * size_of::<U32>()) {
                for line in (part.start / size_of::<U32>()..part.end / size_of::<U32>()).step_by(LINE_CELLS) {
                    // SAFETY: a leaf begins on a page and has whole lines of cells.
                    let mut begins = unsafe { begins(cells.as_ptr().add(line)) };
                    while begins != 0 {
                        let place = line + begins.trailing_zeros() as usize;
                        begins &= begins - 1;
                        let cell = cells.get(place).map_or(0, U32::get);
                        if !is_block(cell) || live::code(cell) == live::BESIDE {
                            continue;
                        }
                        let bytes = match live::code(cell) {
                            live::NEXT => cells.get(place + 1).map_or(0, |next| live::size(next.get())),
                            code => live::short_bytes(code),
                        };
                        each(live::address(cell, start + ((place as u64) << shift)), bytes, live::site(cell));
                    }
                }
            }
        }
    }

    /// Cells of all leaves.
    pub fn cell_count(&self) -> usize {
        self.leaves().map(|(_, cells)| cells.len() - 1).sum()
    }

    /// The cell for an address: a block's beginning, what was freed there, or 0.
    pub fn peek_cell(&self, address: u64) -> Option<u32> {
        self.cells(address).map(|[own, _]| own.get())
    }

    /// All leaves, by address: the first address of each, and its cells.
    pub fn leaves(&self) -> impl Iterator<Item = (u64, &'static [U32])> + '_ {
        let count = self.spacing().leaf_granules() as usize;
        let middles = self.tops.iter().enumerate().filter_map(|(top, middle)| {
            let middle = middle.load(Ordering::Acquire);
            (!middle.is_null()).then_some((top as u64, middle))
        });
        middles.flat_map(move |(top, middle)| {
            (0..MIDDLES).filter_map(move |place| {
                // SAFETY: a middle level has so many places.
                let leaf = unsafe { &*middle.add(place) }.load(Ordering::Acquire);
                let start = top << TOP_SHIFT | (place as u64) << LEAF_SHIFT;
                // SAFETY: a leaf has so many cells, one more behind the last, and is never unmapped.
                (!leaf.is_null())
                    .then(|| (start, unsafe { core::slice::from_raw_parts(leaf.cast::<U32>(), count + 1) }))
            })
        })
    }

    #[inline(always)]
    fn put(&self, cells: &Cells, block: Block) -> bool {
        cells::put(cells, block, u64::from(self.short_max.get()))
    }

    /// Address of a block that stands where another one now is.
    fn stale(&self, block: Block) -> Option<u64> {
        let bytes = 1 << self.granule_shift.get();
        let granule = block.address & !(bytes - 1);
        let [own, next] = self.cells(block.address)?;
        if own.get() & 1 != 0 {
            let [before, _] = self.cells(granule - bytes)?;
            return Some(live::address(before.get(), granule - bytes));
        }
        if is_block(own.get()) {
            return Some(live::address(own.get(), granule));
        }
        let is_long = block.bytes > u64::from(self.short_max.get());
        (is_long && is_block(next.get())).then(|| live::address(next.get(), granule + bytes))
    }

    #[cold]
    #[inline(never)]
    fn make(&self, hot: &Hot, address: u64, may_wait: bool) -> Option<()> {
        let top = self.tops.get((address >> TOP_SHIFT) as usize)?;
        let guard = if may_wait { Some(self.grow.enter()) } else { self.grow.try_enter() };
        guard.as_ref()?;
        let mut middle = top.load(Ordering::Acquire);
        if middle.is_null() {
            middle = crate::map::map_window(MIDDLES * 8)?.base().cast();
            top.store(middle, Ordering::Release);
        }
        // SAFETY: as in `leaf`.
        let leaf = unsafe { &*middle.add((address >> LEAF_SHIFT) as usize & (MIDDLES - 1)) };
        if leaf.load(Ordering::Acquire).is_null() {
            let spacing = self.spacing();
            let index = address >> LEAF_SHIFT;
            let region = hot.store.window(spacing.kind(), index, spacing.leaf_bytes(), may_wait)?;
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
            unsafe { own::unmap(middle.cast(), MIDDLES * 8) };
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
        if let Some(cells) = self.live.cells(block.address)
            && self.live.put(cells, block)
        {
            return Inserted::New;
        }
        self.insert_slowly(block, may_wait)
    }

    #[cold]
    #[inline(never)]
    fn insert_slowly(&self, block: Block, may_wait: bool) -> Inserted {
        if block.address & 15 != 0 {
            return self.insert_beside(block, may_wait);
        }
        if self.live.leaf(block.address).is_none() {
            if self.live.make(self, block.address, may_wait).is_none() {
                return Inserted::Dropped;
            }
            self.mind();
        }
        let Some(cells) = self.live.cells(block.address) else { return Inserted::Dropped };
        // What stands where the block now is was freed past us.
        let stale = self.live.stale(block).map(|address| self.take(address, may_wait));
        if !self.live.put(cells, block) {
            cells::put_beside(cells, block);
            if self.insert_beside(block, may_wait) == Inserted::Dropped {
                return Inserted::Dropped;
            }
        }
        stale.flatten().map_or(Inserted::New, Inserted::Replaced)
    }

    fn insert_beside(&self, block: Block, may_wait: bool) -> Inserted {
        let old = self.sides.take(block.address, may_wait);
        if !self.sides.insert(&self.store, block, may_wait) {
            return Inserted::Dropped;
        }
        old.map_or(Inserted::New, Inserted::Replaced)
    }

    /// Takes a block out, if it has a cell: its site and size. `None`: see `take`.
    #[inline(always)]
    pub fn take_own(&self, address: u64) -> Option<(u32, u64)> {
        cells::take(self.live.cells(address)?, address)
    }

    /// Takes a block out. `None`: we do not know it.
    pub fn take(&self, address: u64, may_wait: bool) -> Option<Block> {
        if address & 15 == 0 {
            let cells = self.live.cells(address)?;
            if let Some((site, bytes)) = cells::take(cells, address) {
                return Some(Block { address, bytes, site });
            }
            if !cells::take_beside(cells, address) {
                return None;
            }
        }
        self.sides.take(address, may_wait)
    }

    /// The block at an address, if it has a cell.
    pub fn peek(&self, address: u64) -> Option<Block> {
        let (site, bytes) = cells::peek(self.live.cells(address)?, address)?;
        Some(Block { address, bytes, site })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Source;
    use std::boxed::Box;
    use std::collections::HashMap;
    use std::vec::Vec;

    #[test]
    fn the_live_table_answers_like_a_hash_map() {
        for (seed, spacing, apart, longest) in [
            (1u64, Spacing::Close, 8, 7),
            (2, Spacing::Close, 16, 15),
            (3, Spacing::Close, 32, 0xfff),
            (4, Spacing::Apart, 32, 31),
            (5, Spacing::Apart, 64, 0xfff),
        ] {
            let hot = Box::leak(Box::new(Hot::new()));
            assert!(hot.store.open(Source::Private) && hot.start());
            hot.live.spaced(spacing);
            let mut model: HashMap<u64, Block> = HashMap::new();
            let mut state = seed;
            for step in 0..100_000u64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let address = 0x7f12_3400_0010 + (state >> 50) * apart;
                let large = if longest == 0xfff && step % 1000 == 0 { 1 << 33 } else { 0 };
                if state >> 20 & 1 == 0 {
                    assert_eq!(hot.take(address, true), model.remove(&address), "seed {seed} step {step}");
                } else {
                    let block =
                        Block { address, bytes: (state >> 30 & longest) + large, site: (state >> 10) as u32 & 0x7ff };
                    let block = Block { site: block.site + 1, ..block };
                    let expected = model.insert(address, block).map_or(Inserted::New, Inserted::Replaced);
                    assert_eq!(hot.insert(block, true), expected, "seed {seed} step {step}");
                }
            }
            let mut cells: Vec<Block> =
                model.values().copied().filter(|block| hot.peek(block.address).is_some()).collect();
            cells.sort_by_key(|block| block.address);
            let mut listed = Vec::new();
            hot.live.each_block(&Written::of(&hot.store), |address, bytes, site| {
                listed.push(Block { address, bytes, site })
            });
            assert_eq!(listed, cells, "seed {seed}");
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
        hot.live.spaced(Spacing::Apart);
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
