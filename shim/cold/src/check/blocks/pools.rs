//! Blocks that the program gives from pools of its own: they lie in a block of the allocator's, their chunk, or in memory
//! that is none.
//!
//! ```text
//!   chunk   [ header ][ block ][ gap ][ block ][ never given ]
//!             chunk's            chunk's          chunk's
//! ```
//!
//! Each byte belongs to one block only: what a pool gave is its block's, and the rest of the chunk is the chunk's. A
//! pointer into a block of a pool holds the chunk too, but a chunk holds no block of it that nothing points to.

use super::Blocks;

impl Blocks {
    /// Makes ready for `in_pool`.
    pub(super) fn index_pools(&mut self) {
        if self.count > self.own {
            self.pool_low = self.address(self.own);
            let last = self.count - 1;
            self.pool_span = self.address(last).saturating_add(self.bytes(last).max(1)) - self.pool_low;
        }
    }

    /// Whether a block is a pool's.
    #[inline(always)]
    pub fn is_pools(&self, number: usize) -> bool {
        number >= self.own
    }

    /// The block of a pool that an address lies in.
    #[inline(always)]
    pub fn in_pool(&self, address: u64) -> Option<usize> {
        if address.wrapping_sub(self.pool_low) >= self.pool_span { None } else { self.search_pools(address) }
    }

    #[cold]
    fn search_pools(&self, address: u64) -> Option<usize> {
        let next = self.first_among(self.own..self.count, address.saturating_add(1));
        let number = next.checked_sub(1).filter(|&number| number >= self.own)?;
        (address - self.address(number) < self.bytes(number).max(1)).then_some(number)
    }

    /// The chunk that a block of a pool lies in.
    pub fn chunk_of(&self, number: usize) -> Option<usize> {
        if !self.is_pools(number) {
            return None;
        }
        let address = self.address(number);
        let chunk = self.before(address)?;
        (address - self.address(chunk) < self.bytes(chunk)).then_some(chunk)
    }

    /// The parts of a stretch of memory that no block of a pool takes.
    #[inline(always)]
    pub fn parts(&self, start: u64, end: u64, mut each: impl FnMut(u64, u64)) {
        if self.pool_span == 0 {
            return each(start, end);
        }
        let mut at = start;
        if let Some(first) = self.in_pool(start) {
            at = self.address(first) + self.bytes(first);
        }
        let first = self.first_among(self.own..self.count, start);
        for number in first..self.count {
            let address = self.address(number);
            if address >= end {
                break;
            }
            if address > at {
                each(at, address);
            }
            at = at.max(address + self.bytes(number));
        }
        if at < end {
            each(at, end);
        }
    }

    /// Bytes of a block, without those that a pool gave from it.
    pub fn own_bytes(&self, number: usize) -> u64 {
        let bytes = self.bytes(number);
        if self.pool_span == 0 || self.is_pools(number) {
            return bytes;
        }
        let start = self.address(number);
        let mut own = 0;
        self.parts(start, start + bytes, |start, end| own += end - start);
        own
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::space::Array;
    use super::super::Listed;
    use super::*;
    use std::vec::Vec;

    /// Two chunks, and four blocks of pools: two in the first, one that ends it, one in no chunk.
    fn blocks() -> Blocks {
        let rows = Array::new(8).unwrap();
        let blocks = [(0x1000, 0x1000u64), (0x3000, 64), (0x1010, 0x20), (0x1100, 0x10), (0x1ff0, 0x10), (0x9000, 8)];
        for (number, (address, bytes)) in blocks.into_iter().enumerate() {
            rows.set(number, [address << 8, bytes << super::super::SITE_BITS | 1]);
        }
        let mut blocks = Blocks::listed(rows, Listed { own: 2, pools: 4 });
        blocks.index().unwrap();
        blocks
    }

    #[test]
    fn each_address_belongs_to_one_block() {
        let blocks = blocks();
        let found: Vec<Option<usize>> =
            [0x1000, 0x1010, 0x102f, 0x1030, 0x1100, 0x1ff8, 0x2000, 0x3000, 0x9007, 0x9008, 0xfff]
                .into_iter()
                .map(|address| blocks.find(address))
                .collect();
        let expected = [Some(0), Some(2), Some(2), Some(0), Some(3), Some(4), None, Some(1), Some(5), None, None];
        assert_eq!(found, expected);
        assert_eq!([2, 3, 4, 5, 0].map(|number| blocks.chunk_of(number)), [Some(0), Some(0), Some(0), None, None]);
        assert_eq!([0, 1, 2, 5].map(|number| blocks.own_bytes(number)), [0x1000 - 0x40, 64, 0x20, 8]);
    }

    #[test]
    fn a_stretch_is_read_without_what_pools_gave_from_it() {
        let blocks = blocks();
        let parts = |start, end| {
            let mut parts = Vec::new();
            blocks.parts(start, end, |start, end| parts.push((start, end)));
            parts
        };
        assert_eq!(parts(0x1000, 0x2000), [(0x1000, 0x1010), (0x1030, 0x1100), (0x1110, 0x1ff0)]);
        assert_eq!(parts(0x1018, 0x1040), [(0x1030, 0x1040)]);
        assert_eq!(parts(0x8000, 0xa000), [(0x8000, 0x9000), (0x9008, 0xa000)]);
        assert_eq!(parts(0x4000, 0x4100), [(0x4000, 0x4100)]);
    }
}
