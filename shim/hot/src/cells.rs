//! The two cells of one block: see `memtrace_wire::live`.
//!
//! Each cell is written by the thread that owns the block, so plain moves are enough. The size is written before
//! and cleared after the cell that points to it.

use memtrace_wire::live::{self, BESIDE, NEXT, SHORT_MAX, SIZE_MAX};
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
        own.publish(live::cell(address, site, live::short(bytes)));
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
    if !live::may_be_at(cell, address) {
        return None;
    }
    // Of a cell where nothing lives the code is neither a size nor NEXT.
    let code = live::code(cell);
    let mut bytes = live::short_bytes(code);
    if bytes > SHORT_MAX {
        if code != NEXT {
            return None;
        }
        bytes = live::size(next.get());
        own.publish(live::freed(cell));
        next.publish(0);
    } else {
        own.publish(live::freed(cell));
    }
    Some((live::site(cell), bytes))
}

/// What `take` would give.
pub fn peek([own, next]: &Cells, address: u64) -> Option<(u32, u64)> {
    let cell = own.get();
    let bytes = match live::code(cell) {
        NEXT => live::size(next.get()),
        code => live::short_bytes(code),
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
        own.publish(live::freed(own.get()));
    }
    is_beside
}
