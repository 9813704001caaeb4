//! Which memory is memtrace's own: a check for leaks must not take it for the target's.
//!
//! The one static of hot: whoever maps memory says so here, and whoever unmaps it takes its row out.

use memtrace_wire::sys;

use crate::rows::Rows;

/// What a piece of memory is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A table that only the target's own threads look at.
    Table,
    /// What a copy of the process needs to read the tables: private, wiped in fork children.
    Window,
    /// The same, shared with the launcher, and not given to fork children.
    Shared,
}

/// A piece of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// First address.
    pub start: u64,
    /// Last address + 1.
    pub end: u64,
    /// See there.
    pub kind: Use,
}

/// Address, and length with the use in its lowest bits.
static PIECES: Rows = Rows::new();

/// Keeps a piece in mind.
pub fn add(base: *mut u8, bytes: usize, kind: Use) {
    PIECES.add(base as u64, bytes as u64 & !3 | kind as u64);
}

/// Gives a piece back to the kernel that `add` was told of, whole.
///
/// # Safety
/// Nobody looks at it any more.
pub unsafe fn unmap(base: *mut u8, bytes: usize) {
    PIECES.iter().filter(|[start, _]| start.get() == base as u64).for_each(|[start, _]| start.set(0));
    // SAFETY: by this function's contract.
    unsafe { sys::unmap(base, bytes) };
}

/// Forgets the pieces of one kind, in a fork child that has not got them.
pub fn forget(kind: Use) {
    PIECES.iter().filter(|[_, length]| length.get() & 3 == kind as u64).for_each(|[start, _]| start.set(0));
}

/// All pieces. `lists`: whose pages are memtrace's own too.
pub fn pieces(lists: &[&'static Rows]) -> impl Iterator<Item = Piece> {
    let known = PIECES.iter().map(|[start, length]| {
        let (start, length) = (start.get(), length.get());
        let kind = match length & 3 {
            0 => Use::Table,
            1 => Use::Window,
            _ => Use::Shared,
        };
        Piece { start, end: start + (length & !3), kind }
    });
    let pages = lists.iter().copied().chain([&PIECES]).flat_map(Rows::own_pages);
    known.chain(pages.map(|(start, end)| Piece { start, end, kind: Use::Table }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_known_until_it_is_unmapped() {
        let mapped: std::vec::Vec<*mut u8> = (0..600).map(|_| sys::map_private(4096)).collect();
        // Other tests play fork children, which forget what is shared.
        mapped.iter().for_each(|&base| add(base, 4096, Use::Window));
        let known = |base: *mut u8| pieces(&[]).any(|piece| piece.start == base as u64 && piece.kind == Use::Window);
        assert!(mapped.iter().all(|&base| known(base)));
        // SAFETY: mapped above.
        mapped.iter().for_each(|&base| unsafe { unmap(base, 4096) });
        // Other tests may have been given the same place meanwhile.
        let is_left = |&base: &*mut u8| known(base) && !sys::is_readable(base as usize);
        assert!(!mapped.iter().any(is_left));
    }
}
