//! The live blocks of a process: one cell each in the leaves, the rest in the side table.

use memtrace_wire::layout::{LEAF_SHIFT, Side, WindowKind};
use memtrace_wire::live::{self, Spacing};
use memtrace_wire::map::{self, U32};

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
    for spacing in [Spacing::Close, Spacing::Apart] {
        for part in directory.windows(spacing.kind()) {
            let Some(base) = part.index.checked_mul(1 << LEAF_SHIFT) else { continue };
            let leaf = source.bytes(part.offset, part.bytes)?;
            let at =
                |place: u64| map::read::<U32>(&leaf, place as usize * size_of::<U32>()).map_or(0, |cell| cell.get());
            for place in 0..spacing.leaf_granules() {
                let cell = at(place);
                if !live::is_block(cell) || live::code(cell) == live::BESIDE {
                    continue;
                }
                blocks.push(LiveBlock {
                    address: live::address(cell, base.saturating_add(place << spacing.granule_shift())),
                    bytes: match live::code(cell) {
                        live::NEXT => live::size(at(place + 1)),
                        code => code.into(),
                    },
                    site: live::site(cell),
                });
            }
            source.give_back(part.bytes);
        }
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
