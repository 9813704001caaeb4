//! Reads memory of the interpreter's: each page was shown to be readable before anything on it is read.
//!
//! A page that was shown is remembered by its thread. Memory that is taken away later is no danger: what is read is found
//! from the thread's own state while it holds the interpreter's lock, by pointers that the interpreter itself follows.

use memtrace_wire::sys;

use super::layout::{Edge, Layout};

/// Pages that a thread remembers: 4 KiB.
const PAGES: usize = 512;
const PAGE: u64 = 4096;

/// The pages that one thread has seen. All zeroes: none.
pub struct Pages {
    seen: [u64; PAGES],
}

/// What is read of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Address of its code.
    pub code: u64,
    /// The instruction that is being executed.
    pub instruction: u64,
    /// The frame of its caller; 0: none.
    pub previous: u64,
    /// The byte at `Layout::edge_at`; a whole word, because a frame is copied word by word.
    pub edge: u64,
}

impl Frame {
    /// Whether it is no function's, but what C code puts before those that it begins.
    pub fn is_outside(self, layout: &Layout) -> bool {
        layout.edge == Edge::Outside && self.edge >= 3
    }
}

impl Pages {
    /// None was seen yet.
    #[cfg(test)]
    pub const fn none() -> Self {
        Self { seen: [0; PAGES] }
    }

    /// Whether so many bytes at an address can be read; fewer than a page.
    #[inline(always)]
    fn show(&mut self, address: u64, bytes: u64) -> bool {
        let (first, last) = (address / PAGE, address.wrapping_add(bytes - 1) / PAGE);
        self.show_page(first) && (first == last || self.show_page(last))
    }

    #[inline(always)]
    fn show_page(&mut self, page: u64) -> bool {
        // SAFETY: the remainder is below PAGES.
        let place = unsafe { self.seen.get_unchecked_mut(page as usize % PAGES) };
        *place == page && page != 0 || Self::ask(place, page)
    }

    #[cold]
    #[inline(never)]
    fn ask(place: &mut u64, page: u64) -> bool {
        // What no program can have is not asked for.
        let is_there = page != 0 && page < (1 << 47) / PAGE && sys::is_readable((page * PAGE) as usize);
        if is_there {
            *place = page;
        }
        is_there
    }

    /// The word at an address.
    #[inline(always)]
    pub fn word(&mut self, address: u64) -> Option<u64> {
        if !self.show(address, 8) {
            return None;
        }
        // SAFETY: its pages were shown to be readable.
        Some(unsafe { (address as *const u64).read_unaligned() })
    }

    /// The words at these distances from an address; all within a page's length.
    #[inline(always)]
    pub fn words<const N: usize>(&mut self, address: u64, at: [u64; N]) -> Option<[u64; N]> {
        let end = at.iter().fold(0, |end, &at| end.max(at)) + 8;
        if !self.show(address, end) {
            return None;
        }
        // SAFETY: all of them lie on pages that were shown to be readable.
        Some(at.map(|at| unsafe { ((address + at) as *const u64).read_unaligned() }))
    }

    /// The sum of the words from an address on, each times its factor: so that none waits for another. All within a page's
    /// length.
    #[inline(always)]
    pub fn sum(&mut self, address: u64, factors: &[u64]) -> Option<u64> {
        if !factors.is_empty() && !self.show(address, factors.len() as u64 * 8) {
            return None;
        }
        // SAFETY: as above.
        let word = |place: usize| unsafe { ((address + place as u64 * 8) as *const u64).read_unaligned() };
        let products = factors.iter().enumerate().map(|(place, factor)| word(place).wrapping_mul(*factor));
        Some(products.fold(0, u64::wrapping_add))
    }

    /// The low half of the word.
    pub fn half(&mut self, address: u64) -> Option<u32> {
        if !self.show(address, 4) {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { (address as *const u32).read_unaligned() })
    }

    /// The byte at an address.
    #[inline(always)]
    pub fn byte(&mut self, address: u64) -> Option<u8> {
        if !self.show(address, 1) {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { (address as *const u8).read() })
    }

    /// So many bytes from an address on, one after the other.
    pub fn bytes(&mut self, address: u64, count: u64) -> Bytes<'_> {
        Bytes { pages: self, next: address, end: address.saturating_add(count), shown: 0 }
    }

    /// A frame.
    #[inline(always)]
    pub fn frame(&mut self, layout: &Layout, address: u64) -> Option<Frame> {
        if address & 7 != 0 || !self.show(address, FRAME_BYTES) {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { frame(layout, address) })
    }
}

/// Bytes that are read in turn; each page is shown once.
pub struct Bytes<'p> {
    pages: &'p mut Pages,
    next: u64,
    end: u64,
    /// All from `next` up to here can be read.
    shown: u64,
}

impl Bytes<'_> {
    /// The next one. `None`: there is none, or it cannot be read.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        if self.next >= self.shown && !self.show() {
            return None;
        }
        // SAFETY: its page was shown to be readable.
        Some(unsafe { (self.next as *const u8).read() })
    }

    #[cold]
    #[inline(never)]
    fn show(&mut self) -> bool {
        let page = self.next / PAGE;
        if self.next >= self.end || !self.pages.show_page(page) {
            return false;
        }
        self.shown = self.end.min((page + 1) * PAGE);
        true
    }

    /// Passes over so many.
    #[inline(always)]
    pub fn skip(&mut self, count: u64) {
        self.next = self.next.saturating_add(count);
    }

    /// The next one, and goes on.
    #[inline(always)]
    pub fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.next += 1;
        Some(byte)
    }
}

/// What all frames have before their values.
const FRAME_BYTES: u64 = 80;

/// A frame that was read before, and that the interpreter's own pointers have led to again.
///
/// # Safety
/// `Pages::frame` has given something for this address, and the calling thread holds the interpreter's lock.
#[inline(always)]
pub unsafe fn frame(layout: &Layout, address: u64) -> Frame {
    // SAFETY: by this function's contract; all offsets are below FRAME_BYTES.
    unsafe {
        let word = |at: u64| ((address + at) as *const u64).read();
        Frame {
            code: word(layout.code) & !layout.tag,
            instruction: word(layout.instruction),
            previous: word(layout.previous),
            edge: ((address + layout.edge_at) as *const u8).read().into(),
        }
    }
}

/// Whether a frame is still what was read.
///
/// # Safety
/// As for `frame`.
#[inline(always)]
pub unsafe fn is_frame(layout: &Layout, address: u64, read: &Frame) -> bool {
    // SAFETY: by this function's contract. One after the other: what differs most often is read first.
    unsafe {
        let word = |at: u64| ((address + at) as *const u64).read();
        word(layout.instruction) == read.instruction
            && word(layout.previous) == read.previous
            && word(layout.code) & !layout.tag == read.code
            && u64::from(((address + layout.edge_at) as *const u8).read()) == read.edge
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::layout::LAYOUTS;
    use std::boxed::Box;

    #[test]
    fn nothing_is_read_that_cannot_be() {
        let mut pages = Box::new(Pages::none());
        for address in [0, 8, 1, u64::MAX - 3, 1 << 47, 0xdead_beef_dead_beef, 4090] {
            assert_eq!(pages.word(address), None, "{address:#x}");
            assert_eq!((pages.byte(address), pages.half(address)), (None, None), "{address:#x}");
            assert!(LAYOUTS.iter().all(|layout| pages.frame(layout, address).is_none()), "{address:#x}");
        }
        let region = sys::map_private(3 * PAGE as usize) as u64;
        // SAFETY: mapped in the line above.
        unsafe { sys::unmap((region + PAGE) as *mut u8, PAGE as usize) };
        assert_eq!(pages.word(region + PAGE - 8), Some(0));
        assert_eq!(pages.word(region + PAGE - 7), None, "half of it is gone");
        assert_eq!(pages.word(region + 2 * PAGE), Some(0));
        let frame = [7u64; 10];
        let read = pages.frame(&LAYOUTS[1], frame.as_ptr() as u64).expect("it is there");
        assert_eq!((read.code, read.previous, read.instruction, read.edge), (7, 7, 7, 0));
    }
}
