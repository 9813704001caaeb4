//! The live blocks of a process: one cell each in the leaves, the rest in the side table.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;

use memtrace_wire::layout::{LEAF_SHIFT, PAGE_BYTES, Side, WindowKind};
use memtrace_wire::live::{self, Spacing};
use memtrace_wire::map::U32;

use super::directory::Directory;
use super::source::Source;
use crate::error::Error;

/// One block that was not freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveBlock {
    /// Where it stood.
    pub address: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// The site's number; may be past the table of a damaged recording.
    pub site: u32,
}

/// Single live blocks, found by their address.
pub struct LiveBlocks<'r> {
    source: &'r Source,
    directory: &'r Directory,
    side_count: u64,
    /// The side table, once it was needed.
    sides: OnceCell<HashMap<u64, LiveBlock>>,
}

impl<'r> LiveBlocks<'r> {
    /// Those of a process.
    pub fn new(source: &'r Source, directory: &'r Directory, side_count: u64) -> LiveBlocks<'r> {
        LiveBlocks { source, directory, side_count, sides: OnceCell::new() }
    }

    /// The live block that begins at an address. What cannot be read is no block.
    pub fn at(&self, address: u64) -> Option<LiveBlock> {
        let spacings = [Spacing::Close, Spacing::Apart];
        spacings.into_iter().find_map(|spacing| self.in_cell(spacing, address)).or_else(|| self.beside(address))
    }

    fn in_cell(&self, spacing: Spacing, address: u64) -> Option<LiveBlock> {
        let leaf = self.directory.windows(spacing.kind()).find(|part| part.index == address >> LEAF_SHIFT)?;
        let place = (address & ((1 << LEAF_SHIFT) - 1)) >> spacing.granule_shift();
        let cell = |place: u64| {
            let cell: U32 = self.source.record(leaf.offset.checked_add(place * size_of::<U32>() as u64)?).ok()?;
            self.source.give_back(size_of::<U32>() as u64);
            Some(cell.get())
        };
        let own = cell(place).filter(|&own| live::is_block(own) && live::code(own) != live::BESIDE)?;
        let granule = address >> spacing.granule_shift() << spacing.granule_shift();
        if live::address(own, granule) != address {
            return None;
        }
        let bytes = match live::code(own) {
            live::NEXT => live::size(cell(place + 1)?),
            code => live::short_bytes(code),
        };
        Some(LiveBlock { address, bytes, site: live::site(own) })
    }

    fn beside(&self, address: u64) -> Option<LiveBlock> {
        let read = || sides(self.source, self.directory, self.side_count).unwrap_or_default();
        let by_address = || read().into_iter().map(|block| (block.address, block)).collect();
        self.sides.get_or_init(by_address).get(&address).copied()
    }
}

/// The blocks of the side table.
fn sides(source: &Source, directory: &Directory, side_count: u64) -> Result<Vec<LiveBlock>, Error> {
    let sides: Vec<Side> = directory.table(source, WindowKind::Sides, side_count, &mut 0)?;
    // 0: free, 1: was used. What a pool gave lies in another block.
    let used = sides.iter().filter(|side| side.address.get() > 1 && side.pool_of() == 0);
    let block = |side: &Side| LiveBlock { address: side.address.get(), bytes: side.bytes.get(), site: side.site.get() };
    Ok(used.map(block).collect())
}

/// Bytes of leaves that are read at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// Looks at every live block, those in cells by address. Only what was ever written is read.
pub fn each(
    source: &Source,
    directory: &Directory,
    side_count: u64,
    look: &mut dyn FnMut(LiveBlock),
) -> Result<(), Error> {
    const CELL_BYTES: u64 = size_of::<U32>() as u64;
    let mut buffer = Vec::new();
    for spacing in [Spacing::Close, Spacing::Apart] {
        for part in directory.windows(spacing.kind()) {
            let Some(base) = part.index.checked_mul(1 << LEAF_SHIFT) else { continue };
            let end = part.offset.saturating_add(part.bytes.min(spacing.leaf_bytes()));
            for (mut at, end) in source.stored(part.offset, end) {
                while at < end {
                    // One cell more: a block's size may stand in it.
                    let length = (end - at).min(PIECE_BYTES + CELL_BYTES);
                    buffer.resize(length as usize, 0);
                    source.fill(at, &mut buffer)?;
                    let first = (at - part.offset) / CELL_BYTES;
                    let (cells, _) = buffer.as_chunks::<{ CELL_BYTES as usize }>();
                    let cell_at = |place: usize| cells.get(place).map_or(0, |bytes| u32::from_le_bytes(*bytes));
                    let count = if at + length == end { cells.len() } else { (PIECE_BYTES / CELL_BYTES) as usize };
                    for place in 0..count {
                        let (cell, granule) = (cell_at(place), first + place as u64);
                        if live::is_free(cell) || !live::is_block(cell) || live::code(cell) == live::BESIDE {
                            continue;
                        }
                        if granule >= spacing.leaf_granules() {
                            break;
                        }
                        look(LiveBlock {
                            address: live::address(cell, base.saturating_add(granule << spacing.granule_shift())),
                            bytes: match live::code(cell) {
                                live::NEXT => live::size(cell_at(place + 1)),
                                code => live::short_bytes(code),
                            },
                            site: live::site(cell),
                        });
                    }
                    at = if at + length == end { end } else { at + PIECE_BYTES };
                }
            }
        }
    }
    sides(source, directory, side_count)?.into_iter().for_each(look);
    Ok(())
}

/// Looks at the pieces of memory that blocks were ever recorded in: one for each page of cells that was written.
pub fn each_touched(source: &Source, directory: &Directory, look: &mut dyn FnMut(Spacing, Range<u64>)) {
    for spacing in [Spacing::Close, Spacing::Apart] {
        for part in directory.windows(spacing.kind()) {
            let Some(base) = part.index.checked_mul(1 << LEAF_SHIFT) else { continue };
            let end = part.offset.saturating_add(part.bytes.min(spacing.leaf_granules() * size_of::<U32>() as u64));
            let address = |at: u64| {
                let cells = (at - part.offset) / size_of::<U32>() as u64;
                base.saturating_add(cells << spacing.granule_shift())
            };
            for (start, end) in source.stored(part.offset, end) {
                let pages = (start..end).step_by(PAGE_BYTES as usize);
                pages.for_each(|at| look(spacing, address(at)..address((at + PAGE_BYTES).min(end))));
            }
        }
    }
}

/// All live blocks, sorted by address.
#[cfg(test)]
pub fn read(source: &Source, directory: &Directory, side_count: u64) -> Result<Vec<LiveBlock>, Error> {
    let mut blocks = Vec::new();
    each(source, directory, side_count, &mut |block| blocks.push(block))?;
    blocks.sort_by_key(|block| block.address);
    Ok(blocks)
}
