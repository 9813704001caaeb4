//! A list of pairs of words that only grows, without a lock: pages, the first of which is there from the start.

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::map::U64;
use memtrace_wire::sys;

/// Pairs of one page.
const ROWS: usize = 255;
const PAGE_BYTES: usize = 4096;
/// Pages: 1.3 million rows.
const PAGES_MAX: usize = 5_000;

/// The list. A row whose first word is 0 was taken out, or is just being written.
#[repr(C)]
pub struct Rows {
    next: AtomicPtr<Rows>,
    count: U64,
    rows: [[U64; 2]; ROWS],
}

const _: () = assert!(size_of::<Rows>() == PAGE_BYTES);

impl Rows {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            next: AtomicPtr::new(core::ptr::null_mut()),
            count: U64::new(0),
            rows: [const { [const { U64::new(0) }; 2] }; ROWS],
        }
    }

    /// Adds a pair; nothing if there is no memory.
    pub fn add(&'static self, first: u64, second: u64) {
        let mut page = self;
        for _ in 0..PAGES_MAX {
            if page.count.get() < ROWS as u64 {
                let place = page.count.fetch_add(1);
                if let Some([a, b]) = page.rows.get(place as usize) {
                    b.set(second);
                    a.publish(first);
                    return;
                }
            }
            let Some(next) = page.following() else { return };
            page = next;
        }
    }

    fn following(&self) -> Option<&'static Rows> {
        let mut next = self.next.load(Ordering::Acquire);
        if next.is_null() {
            let fresh = sys::map_private(PAGE_BYTES).cast::<Rows>();
            if fresh.is_null() {
                return None;
            }
            let linked = self.next.compare_exchange(core::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire);
            next = linked.map_or_else(|other| other, |_| fresh);
            if next != fresh {
                // SAFETY: mapped above, and nobody else has it.
                unsafe { sys::unmap(fresh.cast(), PAGE_BYTES) };
            }
        }
        // SAFETY: zeroed memory is an empty page, and pages that are linked are never unmapped.
        unsafe { next.as_ref() }
    }

    /// All pairs that are in it.
    pub fn iter(&'static self) -> impl Iterator<Item = &'static [U64; 2]> {
        let rows = |page: &'static Rows| page.rows.iter().take(page.count.get() as usize);
        self.pages().flat_map(rows).filter(|[first, _]| first.acquire() != 0)
    }

    /// Addresses of the pages but the first.
    pub fn own_pages(&'static self) -> impl Iterator<Item = (u64, u64)> {
        self.pages().skip(1).map(|page| {
            let start = core::ptr::from_ref(page) as u64;
            (start, start + PAGE_BYTES as u64)
        })
    }

    fn pages(&'static self) -> impl Iterator<Item = &'static Rows> {
        let mut next = Some(self);
        core::iter::from_fn(move || {
            let page = next?;
            // SAFETY: null, or a page that `following` linked.
            next = unsafe { page.next.load(Ordering::Acquire).as_ref() };
            Some(page)
        })
    }
}

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn many_threads_add_without_losing_any() {
        static LIST: Rows = Rows::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || (1..=1000).for_each(|number| LIST.add(thread * 10_000 + number, number)));
            }
        });
        let mut found: Vec<u64> = LIST.iter().map(|[first, _]| first.get()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 4000);
        assert_eq!(LIST.own_pages().count(), 4000 / ROWS);
    }
}
