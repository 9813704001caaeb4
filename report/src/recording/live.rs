//! The live blocks of a process: one cell each in the leaves, the rest in the side table.

use memtrace_wire::layout::{GRANULE_SHIFT, LEAF_GRANULES, LEAF_SHIFT, Side, WindowKind};
use memtrace_wire::map::{self, U32, U64};
use memtrace_wire::{dense, live};

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

/// All live blocks, sorted by address.
pub fn read(source: &Source, directory: &Directory, side_count: u64) -> Result<Vec<LiveBlock>, Error> {
    let mut blocks = Vec::new();
    for part in directory.windows(WindowKind::Dense) {
        let Some(base) = part.index.checked_mul(1 << LEAF_SHIFT) else { continue };
        let leaf = source.bytes(part.offset, part.bytes)?;
        let at = |place: u64| map::read::<U32>(&leaf, place as usize * size_of::<U32>()).map_or(0, |cell| cell.get());
        for place in 0..LEAF_GRANULES {
            let cell = at(place);
            if !dense::is_block(cell) || dense::code(cell) == dense::BESIDE {
                continue;
            }
            blocks.push(LiveBlock {
                address: dense::address(cell, base.saturating_add(place << GRANULE_SHIFT)),
                bytes: match dense::code(cell) {
                    dense::NEXT => dense::size(at(place + 1)),
                    code => code.into(),
                },
                site: dense::site(cell),
            });
        }
        source.give_back(part.bytes);
    }
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
    }));
    blocks.sort_by_key(|block| block.address);
    Ok(blocks)
}
