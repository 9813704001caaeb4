//! One live block in one or two 32-bit cells, for allocators whose blocks are at least 32 bytes apart.
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
//! `slot` is bit 4 of the address. Up to 40 bytes the code is the size; a larger block of glibc's takes 64 bytes,
//! so that the next granule's cell is its own too.

/// Sites that fit a cell.
pub const SITE_MAX: u32 = (1 << 24) - 1;
/// Sizes from here on stand in the side table.
pub const SIZE_MAX: u64 = (1 << 31) - 1;
/// Sizes up to here are codes.
pub const SHORT_MAX: u64 = 40;
/// Code: the size stands in the next cell.
pub const NEXT: u32 = 63;
/// Code: the size stands in the side table.
pub const BESIDE: u32 = 62;

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

/// Whether a cell begins a block.
#[inline(always)]
pub const fn is_block(cell: u32) -> bool {
    cell & 1 == 0 && cell != 0
}

/// Whether a cell begins the block at this address.
#[inline(always)]
pub const fn is_at(cell: u32, address: u64) -> bool {
    is_block(cell) && (cell & 2) as u64 == address >> 3 & 2 && address & 15 == 0
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

/// The address within the granule that starts at `granule`.
#[inline(always)]
pub const fn address(cell: u32, granule: u64) -> u64 {
    granule + (cell as u64 & 2) * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_gives_back_what_was_packed() {
        for (at, site_number, code_number) in [(0x7f00_0000_0010, 1, 0), (0x7f00_0000_0020, SITE_MAX, NEXT)] {
            let packed = cell(at, site_number, code_number);
            assert!(is_at(packed, at) && !is_at(packed, at ^ 16) && !is_at(packed, at ^ 8));
            assert_eq!((site(packed), code(packed)), (site_number, code_number));
            assert_eq!(address(packed, at & !31), at);
        }
        for bytes in [41, SIZE_MAX] {
            assert!(!is_block(size_cell(bytes)) && size(size_cell(bytes)) == bytes);
        }
    }
}
