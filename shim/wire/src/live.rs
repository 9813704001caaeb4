//! One live block in one or two 32-bit cells.
//!
//! ```text
//!  31            8 7      2   1     0
//! ┌───────────────┬────────┬──────┬───┐
//! │ site, 24 bit  │  code  │ slot │ 0 │   the cell of the block's granule; 0 = no block
//! └───────────────┴────────┴──────┴───┘
//! ┌─────────────────────────────┬───┐
//! │        size, 31 bit         │ 1 │   the cell behind it, if the code is NEXT
//! └─────────────────────────────┴───┘
//! ```
//!
//! Code 0 says that nothing lives there: with a site, that its block was freed, and nothing has begun there since.
//!
//! `slot` is bit 4 of the address. A small block's code is its size and one; a larger one reaches into the next granule,
//! so that this one's cell is its own too. Blocks whose address is no multiple of 16 stand in the side table, and
//! no cell knows of them.

use crate::layout::{LEAF_SHIFT, PAGE_BYTES, WindowKind};

/// Sites that fit a cell.
pub const SITE_MAX: u32 = (1 << 24) - 1;
/// Sizes from here on stand in the side table.
pub const SIZE_MAX: u64 = (1 << 31) - 1;
/// Codes up to one more are sizes.
pub const SHORT_MAX: u64 = 40;
/// The bits of a cell that are 0 where nothing lives.
pub const LIFE: u32 = 0xfd;
/// Code: the size stands in the next cell.
pub const NEXT: u32 = 63;
/// Code: the size stands in the side table.
pub const BESIDE: u32 = 62;

/// How far apart an allocator's blocks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spacing {
    /// Any: a cell for 16 bytes of heap.
    Close,
    /// 32 bytes at least, glibc's smallest chunk: a cell for 32 bytes of heap. A block of more than 40 bytes takes 64.
    Apart,
}

impl Spacing {
    /// The windows of cells for this spacing.
    pub const fn kind(self) -> WindowKind {
        match self {
            Self::Close => WindowKind::Live16,
            Self::Apart => WindowKind::Live32,
        }
    }

    /// Address space of one cell, as a shift.
    pub const fn granule_shift(self) -> u32 {
        match self {
            Self::Close => 4,
            Self::Apart => 5,
        }
    }

    /// The largest block that may end before the next granule does.
    pub const fn short_max(self) -> u64 {
        match self {
            Self::Close => 16,
            Self::Apart => SHORT_MAX,
        }
    }

    /// Cells of one leaf.
    pub const fn leaf_granules(self) -> u64 {
        1 << (LEAF_SHIFT - self.granule_shift())
    }

    /// Bytes of one leaf: its cells, and a page for the one behind the last.
    pub const fn leaf_bytes(self) -> u64 {
        self.leaf_granules() * 4 + PAGE_BYTES
    }
}

/// A block's own cell.
#[inline(always)]
pub const fn cell(address: u64, site: u32, code: u32) -> u32 {
    site << 8 | code << 2 | (address >> 3 & 2) as u32
}

/// The cell of its size.
#[inline(always)]
pub const fn size_cell(bytes: u64) -> u32 {
    (bytes as u32) << 1 | 1
}

/// The code of a size up to `SHORT_MAX`.
#[inline(always)]
pub const fn short(bytes: u64) -> u32 {
    bytes as u32 + 1
}

/// The size of such a code.
#[inline(always)]
pub const fn short_bytes(code: u32) -> u64 {
    code.wrapping_sub(1) as u64
}

/// The cell of a block that was freed.
#[inline(always)]
pub const fn freed(cell: u32) -> u32 {
    cell & !LIFE
}

/// Whether a cell says nothing of a live block.
#[inline(always)]
pub const fn is_free(cell: u32) -> bool {
    cell & LIFE == 0
}

/// Whether the block at this address was freed, and nothing has begun there since: what is left of it is no root.
#[inline(always)]
pub const fn was_at(cell: u32, address: u64) -> bool {
    cell != 0 && is_free(cell) && (cell & 2) as u64 == address >> 3 & 2 && address & 15 == 0
}

/// Whether a cell begins a block.
#[inline(always)]
pub const fn is_block(cell: u32) -> bool {
    cell & 1 == 0 && !is_free(cell)
}

/// Whether a cell begins the block at this address.
#[inline(always)]
pub const fn is_at(cell: u32, address: u64) -> bool {
    is_block(cell) && (cell & 2) as u64 == address >> 3 & 2 && address & 15 == 0
}

/// Whether a cell begins the block at this address, if it begins any: its code tells.
#[inline(always)]
pub const fn may_be_at(cell: u32, address: u64) -> bool {
    (cell ^ (address >> 3) as u32) & 3 == 0 && address & 15 == 0
}

/// What tells the size.
#[inline(always)]
pub const fn code(cell: u32) -> u32 {
    cell >> 2 & 63
}

/// The site's number.
#[inline(always)]
pub const fn site(cell: u32) -> u32 {
    cell >> 8
}

/// The size in the cell behind.
#[inline(always)]
pub const fn size(next: u32) -> u64 {
    (next >> 1) as u64
}

/// The block's address; its granule starts at `granule`.
#[inline(always)]
pub const fn address(cell: u32, granule: u64) -> u64 {
    (granule & !31) + (cell as u64 & 2) * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_gives_back_what_was_packed() {
        for (at, site_number, code_number) in [(0x7f00_0000_0010, 1, short(0)), (0x7f00_0000_0020, SITE_MAX, NEXT)] {
            let packed = cell(at, site_number, code_number);
            assert!(is_at(packed, at) && !is_at(packed, at ^ 16) && !is_at(packed, at ^ 8));
            assert!(may_be_at(packed, at) && !may_be_at(packed, at ^ 16) && !may_be_at(packed, at ^ 8));
            assert!(!may_be_at(packed | 1, at) && !may_be_at(packed | 1, at ^ 8));
            assert_eq!((site(packed), code(packed)), (site_number, code_number));
            assert_eq!((address(packed, at & !31), address(packed, at)), (at, at));
            let gone = freed(packed);
            assert!(is_free(gone) && was_at(gone, at) && !was_at(gone, at ^ 16) && !is_at(gone, at));
            assert_eq!(
                (site(gone), is_free(packed), was_at(packed, at), was_at(0, at)),
                (site_number, false, false, false)
            );
        }
        assert_eq!([0, SHORT_MAX].map(|bytes| short_bytes(short(bytes))), [0, SHORT_MAX]);
        for bytes in [41, SIZE_MAX] {
            assert!(!is_free(size_cell(bytes)) && !is_block(size_cell(bytes)) && size(size_cell(bytes)) == bytes);
        }
    }
}
