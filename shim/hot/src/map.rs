//! Memory of our own, and tables made of windows.
//!
//! A window is mapped once and stays until the process ends, so a reference into it is good for ever.

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::layout::{Window, WindowKind};
use memtrace_wire::map::{Record, Region};
use memtrace_wire::sys;

use crate::lock::Lock;
use crate::own::{self, Use};
use crate::store::Store;

/// Private memory that a fork child finds zeroed.
pub fn map(bytes: usize) -> Option<Region> {
    map_for(bytes, Use::Table)
}

/// The same, for what a copy of the process reads.
pub fn map_window(bytes: usize) -> Option<Region> {
    map_for(bytes, Use::Window)
}

fn map_for(bytes: usize, kind: Use) -> Option<Region> {
    let base = sys::map_private(bytes);
    if base.is_null() {
        return None;
    }
    // SAFETY: fresh memory, which nobody else knows.
    if unsafe { sys::advise(base, bytes, libc::MADV_WIPEONFORK) } != 0 {
        // A fork child that found its parent's tables would take itself for its parent.
        // SAFETY: as above.
        unsafe { sys::unmap(base, bytes) };
        return None;
    }
    own::add(base, bytes, kind);
    // SAFETY: fresh memory, which only tables look at.
    Some(unsafe { Region::new(base, bytes) })
}

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// The same for a table whose places are all used, at random: on huge pages where it is large, because misses in the
/// processor's cache of addresses would cost more than the look-ups.
pub fn map_large(bytes: usize) -> Option<Region> {
    if bytes < HUGE {
        return map(bytes);
    }
    let whole = sys::map_private(bytes + HUGE);
    if whole.is_null() {
        return None;
    }
    let base = (whole as usize).next_multiple_of(HUGE);
    let before = base - whole as usize;
    // SAFETY: the ends of a mapping that nobody else knows.
    unsafe {
        if before != 0 {
            sys::unmap(whole, before);
        }
        if HUGE != before {
            sys::unmap((base + bytes) as *mut u8, HUGE - before);
        }
        if sys::advise(base as *mut u8, bytes, libc::MADV_WIPEONFORK) != 0 {
            sys::unmap(base as *mut u8, bytes);
            return None;
        }
        sys::advise(base as *mut u8, bytes, libc::MADV_HUGEPAGE);
        own::add(base as *mut u8, bytes, Use::Table);
        Some(Region::new(base as *mut u8, bytes))
    }
}

/// A growing array of records in windows of `1 << SHIFT`.
pub struct Table<T, const KIND: u32, const WINDOWS: usize, const SHIFT: u32> {
    windows: [AtomicPtr<T>; WINDOWS],
    pub(crate) grow: Lock,
}

impl<T: Record, const KIND: u32, const WINDOWS: usize, const SHIFT: u32> Table<T, KIND, WINDOWS, SHIFT> {
    /// Empty.
    pub const fn new() -> Self {
        Self { windows: [const { AtomicPtr::new(core::ptr::null_mut()) }; WINDOWS], grow: Lock::new() }
    }

    /// The record with this number; `None` where no window was asked for yet.
    #[inline(always)]
    pub fn get(&self, index: u64) -> Option<&'static T> {
        let window = self.windows.get((index >> SHIFT) as usize)?.load(Ordering::Acquire);
        if window.is_null() {
            return None;
        }
        // SAFETY: a window holds 1 << SHIFT records and lives as long as the process.
        Some(unsafe { &*window.add((index & ((1 << SHIFT) - 1)) as usize) })
    }

    /// The record with this number, in a new window if need be. `None`: the window was refused.
    pub fn make(&self, store: &Store, index: u64) -> Option<&'static T> {
        self.make_now(store, index, true)
    }

    /// The same; `may_wait`: false in a hook that interrupted another, which may hold a lock.
    pub fn make_now(&self, store: &Store, index: u64, may_wait: bool) -> Option<&'static T> {
        if let Some(record) = self.get(index) {
            return Some(record);
        }
        let cell = self.windows.get((index >> SHIFT) as usize)?;
        let guard = if may_wait { Some(self.grow.enter()) } else { self.grow.try_enter() };
        guard.as_ref()?;
        if cell.load(Ordering::Acquire).is_null() {
            let bytes = (size_of::<T>() as u64) << SHIFT;
            let region = store.window(WindowKind::from_number(KIND)?, index >> SHIFT << SHIFT, bytes, may_wait)?;
            cell.store(region.base().cast::<T>(), Ordering::Release);
        }
        self.get(index)
    }

    /// Takes a window that is mapped already, if there is one.
    pub fn adopt(&self, window: &Window, region: Option<Region>) {
        if let (Some(region), Some(cell)) = (region, self.windows.get((window.index.get() >> SHIFT) as usize)) {
            cell.store(region.base().cast::<T>(), Ordering::Release);
        }
    }

    /// The window that starts with this number, as memory.
    pub fn region(&self, index: u64) -> Option<Region> {
        let base = self.windows.get((index >> SHIFT) as usize)?.load(Ordering::Acquire);
        // SAFETY: as in `get`.
        (!base.is_null()).then(|| unsafe { Region::new(base.cast(), size_of::<T>() << SHIFT) })
    }

    /// Forgets all windows in a fork child; private ones are given back.
    pub fn forget(&self, shared: bool) {
        self.grow.reset();
        for window in &self.windows {
            let base = window.swap(core::ptr::null_mut(), Ordering::AcqRel);
            if base.is_null() {
                // Windows are made in order, so nothing follows.
                break;
            }
            if !shared {
                // SAFETY: the child has one thread, and it holds no reference while it forgets.
                unsafe { own::unmap(base.cast(), size_of::<T>() << SHIFT) };
            }
        }
    }
}

impl<T: Record, const KIND: u32, const WINDOWS: usize, const SHIFT: u32> Default for Table<T, KIND, WINDOWS, SHIFT> {
    fn default() -> Self {
        Self::new()
    }
}
