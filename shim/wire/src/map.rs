//! Cells and records: memory that two processes look at, made safe to name.
//!
//! A cell is an integer that one writer changes with plain moves, and that anyone may read at any time.
//! A record is a `repr(C)` struct of cells: every bit pattern is valid, so a hostile file can at worst hold
//! wrong numbers.

use core::mem::size_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Before each access to a cell: where a test of threads comes in between. Without that feature it is nothing.
#[inline(always)]
fn step() {
    #[cfg(feature = "model")]
    model::step();
}

/// The seam for tests of threads: `hot/src/model.rs`.
#[cfg(feature = "model")]
pub mod model {
    use core::sync::atomic::{AtomicPtr, Ordering};

    static STEP: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

    /// From here on `next` is called before each access to a cell, by every thread.
    pub fn install(next: fn()) {
        STEP.store(next as *mut (), Ordering::Release);
    }

    #[inline]
    pub(super) fn step() {
        let next = STEP.load(Ordering::Acquire);
        if !next.is_null() {
            // SAFETY: `install` alone stores, and only such functions.
            unsafe { core::mem::transmute::<*mut (), fn()>(next)() }
        }
    }
}

macro_rules! cell {
    ($(#[$doc:meta])* $name:ident, $atomic:ident, $int:ident) => {
        $(#[$doc])*
        #[derive(Default)]
        #[repr(transparent)]
        pub struct $name($atomic);

        impl $name {
            /// A cell that holds `value`.
            pub const fn new(value: $int) -> Self {
                Self($atomic::new(value))
            }

            /// The value now.
            #[inline(always)]
            pub fn get(&self) -> $int {
                step();
                self.0.load(Ordering::Relaxed)
            }

            /// Replaces the value; a plain move.
            #[inline(always)]
            pub fn set(&self, value: $int) {
                step();
                self.0.store(value, Ordering::Relaxed);
            }

            /// Adds without a bus lock: for a cell with one writer.
            #[inline(always)]
            pub fn add(&self, value: $int) {
                self.set(self.get().wrapping_add(value));
            }

            /// Subtracts without a bus lock: for a cell with one writer.
            #[inline(always)]
            pub fn sub(&self, value: $int) {
                self.set(self.get().wrapping_sub(value));
            }

            /// The value, with everything that was written before it was published.
            #[inline(always)]
            pub fn acquire(&self) -> $int {
                step();
                self.0.load(Ordering::Acquire)
            }

            /// Replaces the value and publishes everything that was written before.
            #[inline(always)]
            pub fn publish(&self, value: $int) {
                step();
                self.0.store(value, Ordering::Release);
            }

            /// Adds atomically, for cells with several writers; the value before.
            #[inline(always)]
            pub fn fetch_add(&self, value: $int) -> $int {
                step();
                self.0.fetch_add(value, Ordering::AcqRel)
            }

            /// Subtracts atomically, for cells with several writers; the value before.
            #[inline(always)]
            pub fn fetch_sub(&self, value: $int) -> $int {
                step();
                self.0.fetch_sub(value, Ordering::AcqRel)
            }

            /// Raises the value to `value` atomically.
            #[inline(always)]
            pub fn fetch_max(&self, value: $int) -> $int {
                step();
                self.0.fetch_max(value, Ordering::AcqRel)
            }

            /// Replaces the value atomically; the value before.
            #[inline(always)]
            pub fn swap(&self, value: $int) -> $int {
                step();
                self.0.swap(value, Ordering::AcqRel)
            }

            /// Replaces `old` by `new` atomically; false if the cell held something else.
            #[inline(always)]
            pub fn replace(&self, old: $int, new: $int) -> bool {
                step();
                self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
            }
        }
    };
}

cell!(
    /// A 64-bit cell.
    U64, AtomicU64, u64
);
cell!(
    /// A 32-bit cell.
    U32, AtomicU32, u32
);

/// A struct of cells and byte arrays that lies in the recording.
///
/// # Safety
/// The type is `repr(C)`, has no padding, no pointers, and every bit pattern is a valid value.
pub unsafe trait Record: Sized + Sync {}

// SAFETY: a transparent integer.
unsafe impl Record for U64 {}
// SAFETY: a transparent integer.
unsafe impl Record for U32 {}

/// The record at byte `at` of `bytes`, copied out; `None` past the end.
pub fn read<T: Record>(bytes: &[u8], at: usize) -> Option<T> {
    let slice = bytes.get(at..at.checked_add(size_of::<T>())?)?;
    // SAFETY: the slice is as long as T, and every bit pattern is a valid T (`Record`).
    Some(unsafe { slice.as_ptr().cast::<T>().read_unaligned() })
}

/// The bytes of a record, for tests and for writing recordings.
pub fn bytes_of<T: Record>(record: &T) -> &[u8] {
    // SAFETY: T has no padding (`Record`), so each of its bytes is initialised.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(record).cast::<u8>(), size_of::<T>()) }
}

/// A mapped stretch of records that starts zeroed and lives as long as the process.
#[derive(Clone, Copy)]
pub struct Region {
    base: *mut u8,
    bytes: usize,
}

// SAFETY: a region is only ever looked at through cells.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// A region over mapped memory.
    ///
    /// # Safety
    /// `base..base + bytes` is mapped readable and writable for ever, page aligned, and used for records only.
    pub const unsafe fn new(base: *mut u8, bytes: usize) -> Self {
        Self { base, bytes }
    }

    /// The record at byte `at`; `None` past the end or off its alignment.
    #[inline(always)]
    pub fn at<T: Record>(&self, at: usize) -> Option<&'static T> {
        let end = at.checked_add(size_of::<T>())?;
        if end > self.bytes || !at.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: inside the region, aligned, any bit pattern is valid, and the mapping is never taken away (`new`).
        Some(unsafe { &*self.base.add(at).cast::<T>() })
    }

    /// The address of its first byte.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Its length.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_past_the_end_is_none() {
        let bytes = [1u8, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(read::<U64>(&bytes, 0).map(|cell| cell.get()), Some(1));
        assert!(read::<U64>(&bytes, 2).is_none());
        assert!(read::<U64>(&bytes, usize::MAX).is_none());
    }
}
