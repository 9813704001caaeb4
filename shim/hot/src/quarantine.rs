//! Freed blocks that are kept back, filled, until others push them out: who writes into one shows.
//!
//! And blocks whose bytes behind the end are the program's own, because it asked how many there are.

use memtrace_wire::map::{Record, Region, U32, U64};

use crate::lock::Lock;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A block that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The block.
    pub address: u64,
    /// Bytes that are filled.
    pub usable: u64,
    /// Bytes that it was asked for with.
    pub bytes: u64,
    /// Where it was allocated.
    pub site: u32,
    /// Where it was freed.
    pub node: u32,
}

#[repr(C)]
struct Row {
    address: U64,
    usable: U64,
    bytes: U64,
    site: U32,
    node: U32,
}

// SAFETY: repr(C), cells of integers, no padding.
unsafe impl Record for Row {}

/// Blocks that are kept at the most.
const ROWS: u64 = 1 << 16;
/// Places for blocks whose size was asked for.
const ASKED: u64 = 1 << 16;
/// Places that are looked at for one.
const PROBES: u64 = 64;

/// See above. Private memory, which a fork child finds empty.
pub struct Quarantine {
    lock: Lock,
    rows: AtomicPtr<u8>,
    asked: AtomicPtr<u8>,
    first: U64,
    next: U64,
    bytes: U64,
    /// Bytes that may be kept; 0: nothing is.
    pub bytes_max: U64,
}

impl Quarantine {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            lock: Lock::new(),
            rows: AtomicPtr::new(core::ptr::null_mut()),
            asked: AtomicPtr::new(core::ptr::null_mut()),
            first: U64::new(0),
            next: U64::new(0),
            bytes: U64::new(0),
            bytes_max: U64::new(0),
        }
    }

    /// Forgets all, in a fork child: what its parent had kept stays allocated there.
    pub fn forget(&self) {
        self.lock.reset();
        self.first.set(0);
        self.next.set(0);
        self.bytes.set(0);
        for (table, bytes) in [(&self.rows, ROWS as usize * size_of::<Row>()), (&self.asked, ASKED as usize * 8)] {
            let base = table.swap(core::ptr::null_mut(), Ordering::AcqRel);
            if !base.is_null() {
                // SAFETY: the child has one thread, and it is here.
                unsafe { crate::own::unmap(base, bytes) };
            }
        }
    }

    /// Keeps a block. False: there is no room, or no memory for it.
    pub fn keep(&self, kept: Kept) -> bool {
        let _guard = self.lock.enter();
        let number = self.next.get();
        if number - self.first.get() >= ROWS || kept.usable > self.bytes_max.get() {
            return false;
        }
        let Some(row) = self.row(number, true) else { return false };
        row.address.set(kept.address);
        row.usable.set(kept.usable);
        row.bytes.set(kept.bytes);
        row.site.set(kept.site);
        row.node.set(kept.node);
        self.next.set(number + 1);
        self.bytes.add(kept.usable);
        true
    }

    /// The block that has been kept longest, if there are too many, or too large ones.
    pub fn pushed_out(&self) -> Option<Kept> {
        let _guard = self.lock.enter();
        loop {
            let number = self.first.get();
            let is_full = self.next.get() - number >= ROWS || self.bytes.get() > self.bytes_max.get();
            if number == self.next.get() || !is_full {
                return None;
            }
            self.first.set(number + 1);
            if let Some(kept) = self.take_row(number) {
                return Some(kept);
            }
        }
    }

    /// Takes a block out: it is freed a second time.
    pub fn take(&self, address: u64) -> Option<Kept> {
        let _guard = self.lock.enter();
        let is_it = |&number: &u64| self.row(number, false).is_some_and(|row| row.address.get() == address);
        let number = (self.first.get()..self.next.get()).rev().find(is_it)?;
        self.take_row(number)
    }

    /// Whether a block is kept.
    pub fn holds(&self, address: u64) -> bool {
        let _guard = self.lock.enter();
        let is_it = |number: u64| self.row(number, false).is_some_and(|row| row.address.get() == address);
        (self.first.get()..self.next.get()).any(is_it)
    }

    /// Takes the next of all blocks out; at the end.
    pub fn take_any(&self) -> Option<Kept> {
        let _guard = self.lock.enter();
        loop {
            let number = self.first.get();
            if number == self.next.get() {
                return None;
            }
            self.first.set(number + 1);
            if let Some(kept) = self.take_row(number) {
                return Some(kept);
            }
        }
    }

    fn take_row(&self, number: u64) -> Option<Kept> {
        let row = self.row(number, false).filter(|row| row.address.get() != 0)?;
        let kept = Kept {
            address: row.address.get(),
            usable: row.usable.get(),
            bytes: row.bytes.get(),
            site: row.site.get(),
            node: row.node.get(),
        };
        row.address.set(0);
        self.bytes.sub(kept.usable);
        Some(kept)
    }

    fn row(&self, number: u64, make: bool) -> Option<&'static Row> {
        table(&self.rows, ROWS as usize * size_of::<Row>(), make)?.at((number % ROWS) as usize * size_of::<Row>())
    }

    /// The program has asked how many bytes this block has. False: no room to remember it.
    pub fn ask(&self, address: u64) -> bool {
        let _guard = self.lock.enter();
        let place = |&number: &u64| {
            self.asked(address, number, true).is_some_and(|place| place.get() == 0 || place.get() == address)
        };
        let found = (0..PROBES).find(place).and_then(|number| self.asked(address, number, true));
        found.map(|place| place.set(address)).is_some()
    }

    /// Whether it has; and it is a block no longer.
    pub fn forget_asked(&self, address: u64) -> bool {
        let _guard = self.lock.enter();
        let mut places = (0..PROBES).filter_map(|number| self.asked(address, number, false));
        places.find(|place| place.get() == address).map(|place| place.set(0)).is_some()
    }

    fn asked(&self, address: u64, number: u64, make: bool) -> Option<&'static U64> {
        let hash = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - ASKED.trailing_zeros());
        table(&self.asked, ASKED as usize * 8, make)?.at(((hash + number) % ASKED) as usize * 8)
    }
}

impl Default for Quarantine {
    fn default() -> Self {
        Self::new()
    }
}

fn table(place: &AtomicPtr<u8>, bytes: usize, make: bool) -> Option<Region> {
    let mut base = place.load(Ordering::Acquire);
    if base.is_null() {
        if !make {
            return None;
        }
        base = crate::map::map(bytes)?.base();
        place.store(base, Ordering::Release);
    }
    // SAFETY: mapped above with this length, and only unmapped by `forget`.
    Some(unsafe { Region::new(base, bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: u64, usable: u64) -> Kept {
        Kept { address, usable, bytes: usable - 8, site: 3, node: 4 }
    }

    #[test]
    fn blocks_leave_in_the_order_in_which_they_came() {
        let quarantine = Quarantine::new();
        quarantine.bytes_max.set(100);
        assert!(!quarantine.keep(block(0x10, 101)));
        assert!(
            quarantine.keep(block(0x20, 40)) && quarantine.keep(block(0x30, 40)) && quarantine.keep(block(0x40, 40))
        );
        assert_eq!((quarantine.pushed_out(), quarantine.pushed_out()), (Some(block(0x20, 40)), None));
        assert!(quarantine.holds(0x30) && !quarantine.holds(0x20));
        assert_eq!((quarantine.take(0x30), quarantine.take(0x30)), (Some(block(0x30, 40)), None));
        assert_eq!((quarantine.take_any(), quarantine.take_any()), (Some(block(0x40, 40)), None));
        quarantine.bytes_max.set(u64::MAX);
        assert!((1..=ROWS).all(|number| quarantine.keep(block(number * 16, 16))));
        assert!(!quarantine.keep(block(8, 16)));
        assert_eq!(quarantine.pushed_out(), Some(block(16, 16)));
        assert!(quarantine.keep(block(8, 16)));
    }

    #[test]
    fn blocks_whose_size_was_asked_for_are_remembered_until_they_are_freed() {
        let quarantine = Quarantine::new();
        assert!(!quarantine.forget_asked(0x20));
        assert!(quarantine.ask(0x20) && quarantine.ask(0x20) && quarantine.ask(0x30));
        assert!(quarantine.forget_asked(0x20) && !quarantine.forget_asked(0x20) && quarantine.forget_asked(0x30));
    }
}
