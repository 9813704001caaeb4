//! The two cells of one block, where blocks are at least 32 bytes apart: see `memtrace_wire::dense`.
//!
//! Each cell is written by the thread that owns the block, so plain moves are enough. The size is written before
//! and cleared after the cell that points to it.

use memtrace_wire::dense::{self, BESIDE, NEXT, SHORT_MAX, SIZE_MAX};
use memtrace_wire::map::U32;

use crate::live::Block;

/// The cell of a granule and the one behind it.
pub type Cells = [U32; 2];

/// Enters a block, of a site that fits. False: a cell is taken, or the block does not fit; nothing was changed.
#[inline(always)]
pub fn put([own, next]: &Cells, block: Block) -> bool {
    let Block { address, bytes, site } = block;
    if own.get() != 0 || address & 15 != 0 {
        return false;
    }
    if bytes <= SHORT_MAX {
        own.publish(dense::cell(address, site, bytes as u32));
        return true;
    }
    if bytes > SIZE_MAX || next.get() != 0 {
        return false;
    }
    next.set(dense::size_cell(bytes));
    own.publish(dense::cell(address, site, NEXT));
    true
}

/// Takes a block out: its site and size.
#[inline(always)]
pub fn take([own, next]: &Cells, address: u64) -> Option<(u32, u64)> {
    let cell = own.get();
    if !dense::is_at(cell, address) {
        return None;
    }
    let mut bytes = u64::from(dense::code(cell));
    if bytes > SHORT_MAX {
        if bytes != u64::from(NEXT) {
            return None;
        }
        bytes = dense::size(next.get());
        own.publish(0);
        next.publish(0);
    } else {
        own.publish(0);
    }
    Some((dense::site(cell), bytes))
}

/// What `take` would give.
pub fn peek([own, next]: &Cells, address: u64) -> Option<(u32, u64)> {
    let cell = own.get();
    let bytes = match dense::code(cell) {
        NEXT => dense::size(next.get()),
        code => u64::from(code),
    };
    (dense::is_at(cell, address) && dense::code(cell) != BESIDE).then_some((dense::site(cell), bytes))
}

/// Marks a block of the side table.
pub fn put_beside([own, _]: &Cells, block: Block) {
    own.publish(dense::cell(block.address, block.site, BESIDE));
}

/// Takes the mark of a block of the side table away. False: there was none.
pub fn take_beside([own, _]: &Cells, address: u64) -> bool {
    let is_beside = dense::is_at(own.get(), address) && dense::code(own.get()) == BESIDE;
    if is_beside {
        own.publish(0);
    }
    is_beside
}
