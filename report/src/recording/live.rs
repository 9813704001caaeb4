//! The live blocks of a process: one cell each in the leaves, the rest in the side table.

use memtrace_wire::layout::{Family, GRANULE_SHIFT, LEAF_SHIFT, Side, WindowKind};
use memtrace_wire::live;
use memtrace_wire::map::{self, U64};

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
    /// Which function may free it.
    pub family: Family,
}

/// All live blocks, sorted by address.
pub fn read(source: &Source, directory: &Directory, side_count: u64) -> Result<Vec<LiveBlock>, Error> {
    let mut blocks = Vec::new();
    for part in directory.windows(WindowKind::Live) {
        let Some(base) = part.index.checked_mul(1 << LEAF_SHIFT) else { continue };
        let leaf = source.bytes(part.offset, part.bytes)?;
        let granules = 1usize << (LEAF_SHIFT - GRANULE_SHIFT);
        let cells = (0..granules).map_while(|place| map::read::<U64>(&leaf, place * size_of::<U64>()));
        for (granule, cell) in cells.enumerate() {
            let cell = cell.get() & !live::CROWDED;
            if cell != 0 {
                blocks.push(LiveBlock {
                    address: live::address(cell, base.saturating_add((granule as u64) << GRANULE_SHIFT)),
                    bytes: live::bytes(cell),
                    site: live::site(cell),
                    family: live::family(cell),
                });
            }
        }
        source.give_back(part.bytes);
    }
    let sides: Vec<Side> = directory.table(source, WindowKind::Sides, side_count, &mut 0)?;
    // 0: free, 1: was used.
    blocks.extend(sides.iter().filter(|side| side.address.get() > 1).map(|side| LiveBlock {
        address: side.address.get(),
        bytes: side.bytes.get(),
        site: side.site.get(),
        family: Family::from_number(side.family.get()).unwrap_or(Family::Other),
    }));
    blocks.sort_by_key(|block| block.address);
    Ok(blocks)
}
