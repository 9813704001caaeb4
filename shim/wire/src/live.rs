//! One live block in one 64-bit cell.
//!
//! ```text
//!  63      62          36 35                     2 1    0
//! ┌───────┬──────────────┬────────────────────────┬──────┐
//! │crowded│ site, 27 bit │      size, 34 bit      │ slot │   0 = no block
//! └───────┴──────────────┴────────────────────────┴──────┘
//! ```
//!
//! `slot` is the block's place in its granule, in units of 8 bytes. `crowded` says that the side table has
//! more blocks of this granule.

/// Sites that fit a cell.
pub const SITE_MAX: u32 = (1 << 27) - 1;
/// Sizes from here on stand in the side table.
pub const SIZE_MAX: u64 = (1 << 34) - 1;
/// The granule has further blocks in the side table.
pub const CROWDED: u64 = 1 << 63;

/// A block's own cell; the crowded bit is not set. `None`: it does not fit, and belongs in the side table.
#[inline(always)]
pub const fn pack(address: u64, bytes: u64, site: u32) -> Option<u64> {
    if bytes > SIZE_MAX || site > SITE_MAX || address & 7 != 0 {
        return None;
    }
    Some((site as u64) << 36 | bytes << 2 | (address >> 3 & 3))
}

/// Whether the cell holds the block at this address.
#[inline(always)]
pub const fn is_at(cell: u64, address: u64) -> bool {
    cell & !CROWDED != 0 && cell & 3 == address >> 3 & 3 && address & 7 == 0
}

/// Bytes asked for.
#[inline(always)]
pub const fn bytes(cell: u64) -> u64 {
    cell >> 2 & SIZE_MAX
}

/// The site's number.
#[inline(always)]
pub const fn site(cell: u64) -> u32 {
    (cell >> 36) as u32 & SITE_MAX
}

/// The address within the granule that starts at `granule`.
#[inline(always)]
pub const fn address(cell: u64, granule: u64) -> u64 {
    granule + (cell & 3) * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_gives_back_what_was_packed() {
        for (at, size, number) in
            [(0x7f00_0000_0010, 0, 1), (0x7f00_0000_0008, SIZE_MAX, SITE_MAX), (0x7f00_0000_0018, 4321, 77)]
        {
            let cell = pack(at, size, number).unwrap();
            assert!(is_at(cell, at) && !is_at(cell, at ^ 8));
            assert_eq!((bytes(cell), site(cell)), (size, number));
            assert_eq!(address(cell, at & !31), at);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(pack(0x1000, SIZE_MAX + 1, 1).is_none());
        assert!(pack(0x1004, 1, 1).is_none());
        assert!(pack(0x1000, 1, SITE_MAX + 1).is_none());
    }
}
