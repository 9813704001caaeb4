//! The two cells of one block: see `memtrace_wire::live`.
//!
//! Each cell is written by the thread that owns the block, so plain moves are enough. The size is written before
//! and cleared after the cell that points to it.

use memtrace_wire::live::{self, BESIDE, FREED, NEXT, SHORT_MAX, SIZE_MAX};
use memtrace_wire::map::U32;

use crate::live::Block;

/// The cell of a granule and the one behind it.
pub type Cells = [U32; 2];

/// Enters a block, of a site that fits, which may end before the next granule if it is no longer than `short_max`.
/// False: a cell is taken, or the block does not fit; nothing was changed.
#[inline(always)]
pub fn put([own, next]: &Cells, block: Block, short_max: u64) -> bool {
    let Block { address, bytes, site } = block;
    if !live::is_free(own.get()) || address & 15 != 0 {
        return false;
    }
    if bytes <= short_max {
        own.publish(live::cell(address, site, bytes as u32));
        return true;
    }
    if bytes > SIZE_MAX || !live::is_free(next.get()) {
        return false;
    }
    next.set(live::size_cell(bytes));
    own.publish(live::cell(address, site, NEXT));
    true
}

/// Takes a block out: its site and size.
#[inline(always)]
pub fn take([own, next]: &Cells, address: u64) -> Option<(u32, u64)> {
    let cell = own.get();
    if !live::is_at(cell, address) {
        return None;
    }
    let mut bytes = u64::from(live::code(cell));
    if bytes > SHORT_MAX {
        if bytes != u64::from(NEXT) {
            return None;
        }
        bytes = live::size(next.get());
        own.publish(FREED);
        next.publish(0);
    } else {
        own.publish(FREED);
    }
    Some((live::site(cell), bytes))
}

/// What `take` would give.
pub fn peek([own, next]: &Cells, address: u64) -> Option<(u32, u64)> {
    let cell = own.get();
    let bytes = match live::code(cell) {
        NEXT => live::size(next.get()),
        code => u64::from(code),
    };
    (live::is_at(cell, address) && live::code(cell) != BESIDE).then_some((live::site(cell), bytes))
}

/// Marks a block of the side table.
pub fn put_beside([own, _]: &Cells, block: Block) {
    own.publish(live::cell(block.address, block.site, BESIDE));
}

/// Takes the mark of a block of the side table away. False: there was none.
pub fn take_beside([own, _]: &Cells, address: u64) -> bool {
    let is_beside = live::is_at(own.get(), address) && live::code(own.get()) == BESIDE;
    if is_beside {
        own.publish(FREED);
    }
    is_beside
}
