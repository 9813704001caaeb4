//! A set of numbers by hash, that readers search without a lock: it finds nodes and sites.
//!
//! A place holds `hash << 32 | number`; 0 is empty. The table is private memory, since it can be made again from
//! the recording. It doubles under the lock of the writer; the old table is emptied, so that a reader who still
//! has it finds nothing there and comes to the lock as well.

use core::sync::atomic::{AtomicU64, Ordering};
use memtrace_wire::map::{Region, U32, U64};
use memtrace_wire::sys;

use crate::lock::{Guard, Lock};

/// See above.
pub struct Index {
    /// Address of the table, which is page aligned, plus the logarithm of its length.
    table: AtomicU64,
    count: U32,
    pub(crate) lock: Lock,
}

/// Longest run of places that a search looks at: at two thirds full a run of 64 does not occur by chance.
const RUN_MAX: usize = 4096;

impl Index {
    /// Without memory.
    pub const fn new() -> Self {
        Self { table: AtomicU64::new(0), count: U32::new(0), lock: Lock::new() }
    }

    /// Empty, with `1 << bits` places.
    pub fn start(&self, bits: u32) -> bool {
        let Some(region) = crate::map::map(8 << bits) else { return false };
        self.count.set(0);
        self.table.store(region.base() as u64 | u64::from(bits), Ordering::Release);
        true
    }

    /// Bytes that the table takes.
    pub fn bytes(&self) -> u64 {
        match self.table.load(Ordering::Relaxed) {
            0 => 0,
            table => 8 << (table & 63),
        }
    }

    /// Gives the memory back, in a fork child.
    pub fn forget(&self) {
        let table = self.table.swap(0, Ordering::AcqRel);
        self.lock.reset();
        if table != 0 {
            let table = Table::of(table);
            // SAFETY: the child has one thread, and it is here.
            unsafe { crate::own::unmap(table.region.base(), table.region.bytes()) };
        }
    }

    /// The number with this hash for which `is_it` holds.
    #[inline(always)]
    pub fn find(&self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let table = self.table.load(Ordering::Acquire);
        if table == 0 {
            return None;
        }
        Table::of(table).find(hash, is_it)
    }

    /// The writers' lock: search again while it is held, then `insert`.
    pub fn lock(&self) -> Guard<'_> {
        self.lock.enter()
    }

    /// Adds a number; the lock is held. False: no memory to grow, and no place left.
    pub fn insert(&self, hash: u64, number: u32) -> bool {
        let now = self.table.load(Ordering::Acquire);
        if now == 0 {
            return false;
        }
        let mut table = Table::of(now);
        if u64::from(self.count.get()) * 3 >= (1 << table.bits) * 2 {
            match self.double(&table) {
                Some(larger) => table = larger,
                None if u64::from(self.count.get()) + 8 >= 1 << table.bits => return false,
                None => {}
            }
        }
        if !table.put(hash & !0xffff_ffff | u64::from(number)) {
            return false;
        }
        self.count.set(self.count.get() + 1);
        true
    }

    fn double(&self, old: &Table) -> Option<Table> {
        let bits = old.bits + 1;
        let region = crate::map::map_large(8 << bits)?;
        let larger = Table { region, bits };
        for place in 0..1u64 << old.bits {
            let entry = old.at(place).get();
            if entry != 0 {
                larger.put(entry);
            }
        }
        self.table.store(region.base() as u64 | u64::from(bits), Ordering::Release);
        // SAFETY: readers of the old table see zeroes, which are "not found"; the address space stays taken.
        unsafe { sys::advise(old.region.base(), old.region.bytes(), libc::MADV_DONTNEED) };
        Some(larger)
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

struct Table {
    region: Region,
    bits: u32,
}

impl Table {
    #[inline(always)]
    fn of(word: u64) -> Table {
        let bits = (word & 63) as u32;
        // SAFETY: `Index` packs only regions of this length, and they are not unmapped while others may look.
        Table { region: unsafe { Region::new((word & !4095) as *mut u8, 8 << bits) }, bits }
    }

    #[inline(always)]
    fn at(&self, place: u64) -> &'static U64 {
        let inside = place & ((1 << self.bits) - 1);
        // SAFETY: the table has 1 << bits places (`of`), and is never unmapped while others may look.
        unsafe { &*self.region.base().cast::<U64>().add(inside as usize) }
    }

    #[inline(always)]
    fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let first = hash >> (64 - self.bits);
        for step in 0..RUN_MAX as u64 {
            let entry = self.at(first + step).acquire();
            if entry == 0 {
                return None;
            }
            if entry >> 32 == hash >> 32 && is_it(entry as u32) {
                return Some(entry as u32);
            }
        }
        None
    }

    fn put(&self, entry: u64) -> bool {
        let first = entry >> (64 - self.bits);
        for step in 0..RUN_MAX as u64 {
            let place = self.at(first + step);
            if place.get() == 0 {
                place.publish(entry);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn hash(key: u64) -> u64 {
        (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn the_index_answers_like_a_hash_map() {
        for seed in 0..4u64 {
            let index = Index::new();
            assert!(index.start(9));
            let mut model = HashMap::new();
            let mut state = seed;
            for number in 1..20_000u32 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = state >> 48;
                let found = index.find(hash(key), |found| model.get(&key) == Some(&found));
                assert_eq!(found, model.get(&key).copied(), "seed {seed}");
                if found.is_none() {
                    model.insert(key, number);
                    assert!(index.insert(hash(key), number));
                }
            }
            index.forget();
        }
    }
}
