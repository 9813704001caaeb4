//! The live block that an address lies in.

use memtrace_wire::live;
use memtrace_wire::map::U32;

use crate::Hot;
use crate::live::Block;

/// Leaves that are looked at: those without any block are passed over one by one.
const LEAVES_MAX: usize = 64;

impl From<Block> for (u64, u64, u32) {
    fn from(Block { address, bytes, site }: Block) -> Self {
        (address, bytes, site)
    }
}

impl Hot {
    /// See above. Takes as long as the way to the next block below.
    #[cold]
    pub fn block_around(&self, address: u64) -> Option<Block> {
        let holds = |block: &Block| address.wrapping_sub(block.address) < block.bytes;
        let beside = || self.sides.blocks(&self.store).map(|(block, _)| block).find(holds);
        let mut below = address.checked_add(1)?;
        for _ in 0..LEAVES_MAX {
            let before = self.live.leaves().filter(|&(start, _)| start < below);
            let Some((start, cells)) = before.last() else { break };
            if let Some(block) = self.last_block(start, cells, address) {
                return if holds(&block) { Some(block) } else { beside() };
            }
            below = start;
        }
        beside()
    }

    /// The last block of a leaf that begins at an address or below.
    fn last_block(&self, start: u64, cells: &[U32], address: u64) -> Option<Block> {
        let shift = self.live.spacing().granule_shift();
        let places = ((address - start) >> shift).min(cells.len() as u64 - 2) as usize;
        let begins = |&place: &usize| cells.get(place).is_some_and(|cell| live::is_block(cell.get()));
        (0..=places).rev().filter(begins).find_map(|place| {
            let cell = cells.get(place)?.get();
            let begin = live::address(cell, start + ((place as u64) << shift));
            if begin > address || live::code(cell) == live::BESIDE {
                return None;
            }
            self.peek(begin)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Inserted;
    use crate::store::Source;
    use std::boxed::Box;

    #[test]
    fn a_block_is_found_by_each_of_its_bytes_and_by_no_other() {
        for spacing in [live::Spacing::Apart, live::Spacing::Close] {
            let hot = Box::new(Hot::new());
            hot.live.spaced(spacing);
            assert!(hot.store.open(Source::Private) && hot.start());
            let base = 0x7f00_0000_0000u64;
            // The last reaches over two leaves.
            for (at, bytes) in [(0x40, 24u64), (0x80, 100), (0x100, 0), (0x3f_fff0, 0x80_0000)] {
                assert_eq!(hot.insert(Block { address: base + at, bytes, site: 7 }, true), Inserted::New);
            }
            let around = |at: u64| hot.block_around(base + at).map(|block| block.address - base);
            assert_eq!([0x3f, 0x40, 0x57, 0x58].map(around), [None, Some(0x40), Some(0x40), None]);
            assert_eq!([0x80, 0xe3, 0xe4, 0x100].map(around), [Some(0x80), Some(0x80), None, None]);
            assert_eq!([0x3f_fff0, 0xbf_ffef, 0xbf_fff0].map(around), [Some(0x3f_fff0), Some(0x3f_fff0), None]);
            assert_eq!(hot.insert(Block { address: base + 0x208, bytes: 8, site: 7 }, true), Inserted::New);
            assert_eq!([0x207, 0x20f, 0x210].map(around), [None, Some(0x208), None]);
        }
    }
}
