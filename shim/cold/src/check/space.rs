//! Memory for a check: arrays that the kernel fills with zeroes as they are touched.

use core::cell::Cell;
use memtrace_hot::own::{self, Use};
use memtrace_wire::sys;

/// Types for which all zeroes is a value.
///
/// # Safety
/// So it must be.
pub unsafe trait Plain: Copy {}

// SAFETY: integers.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for [u64; 2] {}
// SAFETY: as above.
unsafe impl Plain for [u64; 3] {}

/// MADV_POPULATE_WRITE (Linux 5.14): all pages in one call.
const POPULATE_WRITE: i32 = 23;

/// An array of a fixed length.
pub struct Array<T> {
    base: *mut T,
    length: usize,
}

impl<T: Plain> Array<T> {
    /// `length` zeroes. `None`: no memory.
    pub fn new(length: usize) -> Option<Self> {
        Self::mapped(length, sys::map_private)
    }

    /// The same in memory that a copy of the process does not copy: both see what either writes.
    pub fn common(length: usize) -> Option<Self> {
        Self::mapped(length, sys::map_common)
    }

    fn mapped(length: usize, map: impl Fn(usize) -> *mut u8) -> Option<Self> {
        let bytes = length.max(1).checked_mul(size_of::<T>())?.checked_next_multiple_of(4096)?;
        let base = map(bytes);
        if base.is_null() {
            return None;
        }
        // What is the check's own is no root of the target's.
        own::add(base, bytes, Use::Table);
        Some(Self { base: base.cast(), length })
    }

    /// No places, and no memory.
    pub fn empty() -> Self {
        Self { base: core::ptr::null_mut(), length: 0 }
    }

    /// Where it stands.
    pub fn base(&self) -> u64 {
        self.base as u64
    }

    /// The value at a place; zeroes past the end.
    #[inline(always)]
    pub fn get(&self, place: usize) -> T {
        match place < self.length {
            // SAFETY: inside, and every bit pattern that was written is a T.
            true => unsafe { *self.base.add(place) },
            // SAFETY: zeroes are a T (`Plain`).
            false => unsafe { core::mem::zeroed() },
        }
    }

    /// Replaces the value at a place; nothing past the end.
    #[inline(always)]
    pub fn set(&self, place: usize, value: T) {
        if place < self.length {
            // SAFETY: inside; one thread checks, and no reference to an element is ever given out.
            unsafe { *self.base.add(place) = value };
        }
    }

    /// Has the kernel give the pages of the first so many now, and not when they are written. They are zeroes still.
    pub fn touch(&self, length: usize) {
        let bytes = length.min(self.length) * size_of::<T>();
        // SAFETY: memory of our own, which changes nothing of what it holds.
        if unsafe { sys::advise(self.base.cast(), bytes.next_multiple_of(4096), POPULATE_WRITE) } == 0 {
            return;
        }
        for at in (0..bytes).step_by(4096) {
            // SAFETY: inside; all is zero, and stays so.
            unsafe { self.base.cast::<u8>().add(at).write_volatile(0) };
        }
    }

    /// Places.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes, whether they were touched or not.
    pub fn bytes(&self) -> u64 {
        (self.length * size_of::<T>()) as u64
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        if self.base.is_null() {
            return;
        }
        let bytes = (self.length.max(1) * size_of::<T>()).next_multiple_of(4096);
        // SAFETY: mapped by `new` with this length; references to elements are never given out.
        unsafe { own::unmap(self.base.cast(), bytes) };
    }
}

/// An array that fills from its start.
pub struct List<T> {
    array: Array<T>,
    count: Cell<usize>,
}

impl<T: Plain> List<T> {
    /// Empty, with room for so many. `None`: no memory.
    pub fn new(room: usize) -> Option<Self> {
        Some(Self { array: Array::new(room)?, count: Cell::new(0) })
    }

    /// Adds one; false: it is full.
    #[inline(always)]
    pub fn push(&self, value: T) -> bool {
        let count = self.count.get();
        if count >= self.array.length() {
            return false;
        }
        self.array.set(count, value);
        self.count.set(count + 1);
        true
    }

    /// Forgets all behind the first so many.
    pub fn cut(&self, count: usize) {
        self.count.set(self.count.get().min(count));
    }

    /// How many were added.
    pub fn count(&self) -> usize {
        self.count.get()
    }

    /// See `Array::get`.
    #[inline(always)]
    pub fn get(&self, place: usize) -> T {
        self.array.get(place)
    }

    /// See `Array::set`.
    pub fn set(&self, place: usize, value: T) {
        self.array.set(place, value);
    }

    /// Where the first one stands.
    pub fn base(&self) -> u64 {
        self.array.base()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.count()).map(|place| self.get(place))
    }

    /// Sorts them by a key: a heap sort, which takes no memory and has no bad case.
    pub fn sort(&self, key: impl Fn(&T) -> u64) {
        let count = self.count();
        let sift = |from: usize, end: usize| {
            let mut at = from;
            loop {
                let mut child = at * 2 + 1;
                if child >= end {
                    return;
                }
                if child + 1 < end && key(&self.get(child)) < key(&self.get(child + 1)) {
                    child += 1;
                }
                let (above, below) = (self.get(at), self.get(child));
                if key(&above) >= key(&below) {
                    return;
                }
                self.set(at, below);
                self.set(child, above);
                at = child;
            }
        };
        for from in (0..count / 2).rev() {
            sift(from, count);
        }
        for end in (1..count).rev() {
            let (first, last) = (self.get(0), self.get(end));
            self.set(0, last);
            self.set(end, first);
            sift(0, end);
        }
    }

    /// Bytes of those that were added.
    pub fn bytes(&self) -> u64 {
        (self.count() * size_of::<T>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_list_is_sorted_by_its_key() {
        let mut state = 3u64;
        for length in [0, 1, 2, 3, 10, 1000] {
            let list = List::<u64>::new(length).unwrap();
            let mut model: Vec<u64> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    state >> 58
                })
                .collect();
            assert!(model.iter().all(|&value| list.push(value)) && !list.push(0));
            list.sort(|&value| value);
            model.sort_unstable();
            assert_eq!(list.iter().collect::<Vec<_>>(), model);
        }
    }

    #[test]
    fn past_the_end_are_zeroes() {
        let array = Array::<u32>::new(2).unwrap();
        array.set(1, 7);
        array.set(2, 9);
        assert_eq!((array.get(0), array.get(1), array.get(2)), (0, 7, 0));
    }
}
