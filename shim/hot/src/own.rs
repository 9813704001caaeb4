//! Which memory is memtrace's own: a check for leaks must not take it for the target's.
//!
//! The one static of hot: whoever maps memory says so here, and rows are never taken out but by whoever unmaps it.

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::map::U64;
use memtrace_wire::sys;

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

/// Rows of one page: start, and length with the use in its lowest bits.
const ROWS: usize = 255;
const PAGE_BYTES: usize = 4096;
/// Pages: 1.3 million rows.
const PAGES_MAX: usize = 5_000;

#[repr(C)]
struct Page {
    next: AtomicPtr<Page>,
    count: U64,
    rows: [[U64; 2]; ROWS],
}

const _: () = assert!(size_of::<Page>() == PAGE_BYTES);

static FIRST: Page = Page {
    next: AtomicPtr::new(core::ptr::null_mut()),
    count: U64::new(0),
    rows: [const { [const { U64::new(0) }; 2] }; ROWS],
};

/// Keeps a piece in mind.
pub fn add(base: *mut u8, bytes: usize, kind: Use) {
    let mut page = &FIRST;
    for _ in 0..PAGES_MAX {
        if page.count.get() < ROWS as u64 {
            let place = page.count.fetch_add(1);
            if let Some([start, length]) = page.rows.get(place as usize) {
                length.set(bytes as u64 & !3 | kind as u64);
                start.publish(base as u64);
                return;
            }
        }
        let mut next = page.next.load(Ordering::Acquire);
        if next.is_null() {
            let fresh = sys::map_private(PAGE_BYTES).cast::<Page>();
            if fresh.is_null() {
                return;
            }
            next = match page.next.compare_exchange(core::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => fresh,
                Err(other) => {
                    // SAFETY: mapped above, and nobody else has it.
                    unsafe { sys::unmap(fresh.cast(), PAGE_BYTES) };
                    other
                }
            };
        }
        // SAFETY: zeroed memory is an empty page, and pages are never unmapped.
        page = unsafe { &*next };
    }
}

/// Gives a piece back to the kernel that `add` was told of, whole.
///
/// # Safety
/// Nobody looks at it any more.
pub unsafe fn unmap(base: *mut u8, bytes: usize) {
    for [start, _] in rows() {
        if start.get() == base as u64 {
            start.set(0);
        }
    }
    // SAFETY: by this function's contract.
    unsafe { sys::unmap(base, bytes) };
}

/// Forgets the pieces of one kind, in a fork child that has not got them.
pub fn forget(kind: Use) {
    for [start, length] in rows() {
        if length.get() & 3 == kind as u64 {
            start.set(0);
        }
    }
}

/// All pieces, and the pages that they are written on.
pub fn pieces() -> impl Iterator<Item = Piece> {
    let known = rows().filter_map(|[start, length]| {
        let (start, length) = (start.acquire(), length.get());
        let kind = match length & 3 {
            0 => Use::Table,
            1 => Use::Window,
            _ => Use::Shared,
        };
        (start != 0).then_some(Piece { start, end: start + (length & !3), kind })
    });
    let own = pages().skip(1).map(|page| {
        let start = core::ptr::from_ref(page) as u64;
        Piece { start, end: start + PAGE_BYTES as u64, kind: Use::Table }
    });
    known.chain(own)
}

fn rows() -> impl Iterator<Item = &'static [U64; 2]> {
    pages().flat_map(|page| page.rows.iter().take(page.count.get() as usize))
}

fn pages() -> impl Iterator<Item = &'static Page> {
    let mut next = Some(&FIRST);
    core::iter::from_fn(move || {
        let page = next?;
        // SAFETY: null, or a page that `add` linked.
        next = unsafe { page.next.load(Ordering::Acquire).as_ref() };
        Some(page)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_known_until_it_is_unmapped() {
        let pieces: std::vec::Vec<*mut u8> = (0..600).map(|_| sys::map_private(4096)).collect();
        pieces.iter().for_each(|&base| add(base, 4096, Use::Window));
        let known =
            |base: *mut u8| super::pieces().any(|piece| piece.start == base as u64 && piece.kind == Use::Window);
        assert!(pieces.iter().all(|&base| known(base)));
        // SAFETY: mapped above.
        pieces.iter().for_each(|&base| unsafe { unmap(base, 4096) });
        assert!(!pieces.iter().any(|&base| known(base)));
    }
}
