//! The live blocks of a check, sorted by address, and which of them an address lies in.
//!
//! ```text
//!   pointer 46      35 34      22 21        12
//!           └─ top ──┘ └─ chunk ─┘ └─ page ──┘ ─▶ first block that ends behind the page's start
//! ```
//!
//! From there a few steps lead to the block. A block takes 16 bytes, a page of heap 4. Blocks that the program gives from
//! pools stand behind all others: see `pools`.

mod listed;
mod pools;

use memtrace_hot::Hot;
use memtrace_hot::written::Written;
use memtrace_wire::layout::LEAF_SHIFT;
use memtrace_wire::live;

use super::space::Array;
#[cfg(test)]
use listed::Filling;
pub use listed::{Listed, Sides, list, room, sides};

/// What is known of a block so far: the lowest bits of `Blocks::state`.
pub mod state {
    /// No way to it is known.
    pub const UNREACHED: u8 = 0;
    /// A way with a pointer behind some block's start.
    pub const POSSIBLE: u8 = 1;
    /// A way by pointers to starts.
    pub const REACHABLE: u8 = 2;
    /// The bits of the three.
    pub const KIND: u8 = 3;
    /// A root or a reachable block points into it, behind its start.
    pub const ENTRY: u8 = 4;
    /// It waits to be read, or was.
    pub const QUEUED: u8 = 8;
    /// Which heuristic took a pointer into it for one to its start, from 1; 0: none had to.
    pub const HEURISTIC_SHIFT: u32 = 4;
}

/// All live blocks.
pub struct Blocks {
    /// Address and state; size and site.
    rows: Array<[u64; 2]>,
    /// Of all, those of pools included.
    count: usize,
    /// Number of the first that is a pool's.
    own: usize,
    /// Lowest address of a pool's block, and how far behind it the last ends.
    pool_low: u64,
    pool_span: u64,
    tops: Array<u32>,
    chunks: Array<u32>,
    pages: Array<u32>,
    /// Lowest address, and how far behind it the last block ends.
    low: u64,
    span: u64,
    /// Bytes of all blocks.
    pub bytes: u64,
}

const PAGE_SHIFT: u32 = 12;
const CHUNK_PAGES: usize = 1 << (LEAF_SHIFT - PAGE_SHIFT);
const TOP_SHIFT: u32 = 35;
const TOP_CHUNKS: usize = 1 << (TOP_SHIFT - LEAF_SHIFT);
const TOPS: usize = 1 << (47 - TOP_SHIFT);
/// More blocks than a number has room for beside the numbers of roots.
const BLOCKS_MAX: usize = 1 << 31;
const SITE_BITS: u32 = 24;

const _: () = assert!(live::SITE_MAX >> SITE_BITS == 0);

impl Blocks {
    /// The blocks of the live table, not ready for `find` yet. `None`: no memory.
    pub fn of(hot: &Hot) -> Option<Self> {
        let sides = sides(hot)?;
        // One pass while threads may stand still: room for as many as there can be takes no memory until it is used.
        let rows = match Array::new(room(hot, &sides)) {
            Some(rows) => rows,
            None => {
                let mut count = sides.count_with_slack();
                hot.live.each_block(&Written::of(&hot.store), |_, _, _| count += 1);
                Array::new(count)?
            }
        };
        let listed = list(hot, &sides, &rows);
        Some(Self::listed(rows, listed))
    }

    /// Blocks that come in the order of their addresses.
    #[cfg(test)]
    pub fn sorted(blocks: impl Iterator<Item = (u64, u64, u32)>, room: usize) -> Option<Self> {
        let rows = Array::new(room)?;
        let mut filling = Filling::of(&rows);
        blocks.for_each(|(address, bytes, site)| filling.push(address, bytes, site));
        let own = filling.count;
        let mut all = Self::listed(rows, Listed { own, pools: 0 });
        all.index()?;
        Some(all)
    }

    /// The blocks that `list` has put there, not ready for `find` yet.
    pub fn listed(rows: Array<[u64; 2]>, Listed { own, pools }: Listed) -> Self {
        let low = rows.get(0)[0] >> 8;
        Self {
            rows,
            count: own + pools,
            own,
            pool_low: 0,
            pool_span: 0,
            tops: Array::empty(),
            chunks: Array::empty(),
            pages: Array::empty(),
            low,
            span: 0,
            bytes: 0,
        }
    }

    /// Makes ready for `find`. `None`: no memory, or too many blocks.
    pub fn index(&mut self) -> Option<()> {
        if self.count >= BLOCKS_MAX {
            return None;
        }
        self.index_pools();
        let (mut end, mut chunk_count, mut last_chunk) = (0u64, 0usize, u64::MAX);
        for number in 0..self.own {
            let (address, bytes) = (self.address(number), self.bytes(number));
            self.bytes = self.bytes.saturating_add(bytes);
            end = end.max(address.saturating_add(bytes.max(1)));
            for chunk in address >> LEAF_SHIFT..=last_of(address, bytes) >> LEAF_SHIFT {
                if chunk != last_chunk {
                    chunk_count += 1;
                    last_chunk = chunk;
                }
            }
        }
        self.span = end.saturating_sub(self.low);
        self.tops = Array::new(TOPS)?;
        self.pages = Array::new((chunk_count + 1) * CHUNK_PAGES + 1)?;
        let mut tops = 0;
        let mut last_top = u64::MAX;
        for number in 0..self.own {
            let (address, bytes) = (self.address(number), self.bytes(number));
            for top in address >> TOP_SHIFT..=last_of(address, bytes) >> TOP_SHIFT {
                if top != last_top {
                    tops += 1;
                    last_top = top;
                    self.tops.set(top as usize, tops);
                }
            }
        }
        self.chunks = Array::new(tops as usize * TOP_CHUNKS)?;
        let mut chunk_count = 0u32;
        for number in 0..self.own {
            let (address, bytes) = (self.address(number), self.bytes(number));
            for chunk in address >> LEAF_SHIFT..=last_of(address, bytes) >> LEAF_SHIFT {
                let place = self.chunk_place(chunk << LEAF_SHIFT)?;
                if self.chunks.get(place) == 0 {
                    chunk_count += 1;
                    self.chunks.set(place, chunk_count);
                }
                let first = (u64::from(self.chunks.get(place)) - 1) as usize * CHUNK_PAGES;
                let from = address.max(chunk << LEAF_SHIFT) >> PAGE_SHIFT & (CHUNK_PAGES as u64 - 1);
                let to = last_of(address, bytes).min(((chunk + 1) << LEAF_SHIFT) - 1) >> PAGE_SHIFT
                    & (CHUNK_PAGES as u64 - 1);
                for page in from..=to {
                    let place = first + page as usize;
                    if self.pages.get(place) == 0 {
                        self.pages.set(place, number as u32 + 1);
                    }
                }
            }
        }
        Some(())
    }

    fn chunk_place(&self, address: u64) -> Option<usize> {
        let top = self.tops.get((address >> TOP_SHIFT) as usize).checked_sub(1)?;
        Some(top as usize * TOP_CHUNKS + (address >> LEAF_SHIFT) as usize % TOP_CHUNKS)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many of them, the first, are the allocator's.
    pub fn own_count(&self) -> usize {
        self.own
    }

    /// Address of a block.
    #[inline(always)]
    pub fn address(&self, number: usize) -> u64 {
        self.rows.get(number)[0] >> 8
    }

    /// Bytes that were asked for.
    #[inline(always)]
    pub fn bytes(&self, number: usize) -> u64 {
        self.rows.get(number)[1] >> SITE_BITS
    }

    /// Site of a block.
    #[inline(always)]
    pub fn site(&self, number: usize) -> u32 {
        (self.rows.get(number)[1] & ((1 << SITE_BITS) - 1)) as u32
    }

    /// What is known of it: see `state`.
    #[inline(always)]
    pub fn state(&self, number: usize) -> u8 {
        self.rows.get(number)[0] as u8
    }

    /// Replaces what is known of it.
    #[inline(always)]
    pub fn set_state(&self, number: usize, state: u8) {
        let [first, second] = self.rows.get(number);
        self.rows.set(number, [first & !0xff | u64::from(state), second]);
    }

    /// Whether an address may lie in a block.
    #[inline(always)]
    pub fn may_hold(&self, address: u64) -> bool {
        address.wrapping_sub(self.low) < self.span
    }

    /// The block that an address lies in; one of no bytes has one.
    #[inline(always)]
    pub fn find(&self, address: u64) -> Option<usize> {
        if let Some(of_pool) = self.in_pool(address) {
            return Some(of_pool);
        }
        let number = self.before(address)?;
        let offset = address - self.address(number);
        (offset < self.bytes(number).max(1)).then_some(number)
    }

    /// The last block that begins at an address or before it, if one ends on its page or begins there.
    #[inline(always)]
    pub fn before(&self, address: u64) -> Option<usize> {
        if !self.may_hold(address) {
            return None;
        }
        let chunk = self.chunks.get(self.chunk_place(address)?).checked_sub(1)?;
        let page = chunk as usize * CHUNK_PAGES + (address >> PAGE_SHIFT) as usize % CHUNK_PAGES;
        let first = self.pages.get(page).checked_sub(1)? as usize;
        if self.address(first) > address {
            return None;
        }
        // Blocks that begin on this page are 256 at the most (16 bytes each), and usually few.
        let (mut low, mut high) = (first, self.own.min(first + PAGE_BLOCKS_MAX));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.address(middle) <= address {
                true => low = middle,
                false => high = middle,
            }
        }
        Some(low)
    }

    /// The first block of the allocator's at an address or behind it.
    pub fn first_from(&self, address: u64) -> usize {
        self.first_among(0..self.own, address)
    }

    fn first_among(&self, numbers: core::ops::Range<usize>, address: u64) -> usize {
        let (mut low, mut high) = (numbers.start, numbers.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.address(middle) < address {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Memory that this takes.
    pub fn work_bytes(&self) -> u64 {
        (self.count * size_of::<[u64; 2]>()) as u64 + self.pages.bytes() + self.chunks.bytes() + self.tops.bytes()
    }
}

/// A block on the page before, and one for every 8 bytes of a page.
const PAGE_BLOCKS_MAX: usize = 1 + (1 << PAGE_SHIFT) / 8 + 1;

/// The last address of a block; one of no bytes has one.
const fn last_of(address: u64, bytes: u64) -> u64 {
    address.saturating_add(if bytes == 0 { 0 } else { bytes - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_address_is_found_as_by_a_plain_search() {
        let mut state = 11u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..20 {
            let mut at = 0x7f00_003f_f000 - 0x1_0000;
            let mut model: Vec<(u64, u64, u32)> = Vec::new();
            for number in 0..200 {
                let bytes = if random(20) == 0 { random(9 << 20) } else { random(100) };
                model.push((at, bytes, number));
                at += (bytes.max(1) + random(64)).next_multiple_of(8);
            }
            let blocks = Blocks::sorted(model.iter().copied(), model.len()).unwrap();
            assert_eq!(blocks.count(), model.len());
            for _ in 0..20_000 {
                let (start, bytes, _) = model[random(200) as usize];
                let address = start - 16 + random(bytes + 48);
                let expected =
                    model.iter().position(|&(start, bytes, _)| (start..start + bytes.max(1)).contains(&address));
                assert_eq!(blocks.find(address), expected, "round {round} {address:#x}");
            }
            for (number, &(address, bytes, site)) in model.iter().enumerate() {
                blocks.set_state(number, state::REACHABLE | state::ENTRY);
                assert_eq!((blocks.address(number), blocks.bytes(number), blocks.site(number)), (address, bytes, site));
                assert_eq!(blocks.state(number), state::REACHABLE | state::ENTRY);
            }
        }
    }

    #[test]
    fn no_blocks_hold_nothing() {
        let blocks = Blocks::sorted(core::iter::empty(), 0).unwrap();
        assert_eq!((blocks.count(), blocks.find(0), blocks.find(0x1000)), (0, None, None));
    }
}
