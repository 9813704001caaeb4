//! The rules of all return addresses that were met: eight bytes each, found without a lock.
//!
//! ```text
//!  63                              16 15           6 5        2 1  0
//! ┌──────────────────────────────────┬──────────────┬──────────┬────┐
//! │ return address, 48 bit           │ k            │ n        │form│   as in `Rule`; 0 = no entry
//! └──────────────────────────────────┴──────────────┴──────────┴────┘
//!                                     rules that do not fit, and those without a CFA: a number in place of k and n
//! ```
//!
//! A table with free places between: it doubles when half of it is taken, so a small program touches two pages.

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::map::{U32, U64};
use memtrace_wire::sys;

use super::rule::{BY_BP, BY_SP, NONE, Rule};
use crate::lock::Lock;

/// The short form of a rule, without its address: plain, or a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short(u32);

impl Short {
    /// `Rule::UNKNOWN`.
    pub const UNKNOWN: Short = Short(NONE | UNKNOWN << 2);

    /// The short form of a rule that has a plain one; of another, `UNKNOWN`.
    pub const fn plain(rule: Rule) -> Short {
        let (k, n) = (rule.0 >> 10, rule.0 >> 2 & 0xff);
        if rule.is_plain() && k < 1 << 10 && n < 1 << 4 { Short(rule.0 & 0x3f | k << 6) } else { Short::UNKNOWN }
    }

    /// Whether it is a rule of the form `BY_SP` or `BY_BP`; only then do the following hold.
    #[inline(always)]
    pub const fn is_plain(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the CFA is found by rbp.
    #[inline(always)]
    pub const fn is_by_bp(self) -> bool {
        self.0 & BY_BP & !BY_SP != 0
    }

    /// Distance of the CFA from rsp or rbp.
    #[inline(always)]
    pub const fn offset(self) -> u64 {
        (self.0 >> 6) as u64 * 8
    }

    /// As in `Rule`.
    #[inline(always)]
    pub const fn saved(self) -> u64 {
        (self.0 << 1 & 0x78) as u64
    }
}

/// Numbers in place of a rule.
const UNKNOWN: u32 = 0;
const END: u32 = 1;
const LONG: u32 = 2;
const WIDE: u32 = 3;

/// Distinct rules that do not fit: frames of more than 8 KiB. Those of programs have some dozens of sizes; what is
/// beyond is unwound slowly.
const WIDE_MAX: usize = 1024;

/// Places at the start: 8 KiB.
const BITS_FIRST: u32 = 10;
/// Places at most: 128 MiB, for four million return addresses.
const BITS_MAX: u32 = 24;

/// See above.
pub struct Rules {
    /// The table; read after `mask` and written before it, so that the places of a mask are always there.
    base: AtomicPtr<U64>,
    mask: U32,
    count: U32,
    wide: [U32; WIDE_MAX],
    wide_count: U32,
    pub(crate) lock: Lock,
}

/// The table where there is no memory for one.
static EMPTY: [U64; 1] = [U64::new(0)];

/// The table as it stands.
#[derive(Clone, Copy)]
pub struct View {
    base: *const U64,
    mask: u32,
}

impl View {
    /// The rule of a return address, if it is kept. `Short::UNKNOWN` for 0; the high 16 bits are not looked at, which
    /// are zero in every address of code.
    #[inline(always)]
    pub fn get(self, pc: u64) -> Option<Short> {
        let key = pc << 16;
        let mut place = place(pc);
        loop {
            // SAFETY: the table has mask + 1 places, and is never unmapped while others may look.
            let entry = unsafe { &*self.base.add((place & self.mask) as usize) }.get();
            if entry ^ key < 1 << 16 {
                return Some(Short((entry ^ key) as u32));
            }
            // Half of the places are free.
            if entry == 0 {
                return None;
            }
            place = place.wrapping_add(1);
        }
    }
}

#[inline(always)]
const fn place(pc: u64) -> u32 {
    (pc.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl Rules {
    /// Empty, without memory.
    pub const fn new() -> Self {
        Self {
            base: AtomicPtr::new((&raw const EMPTY).cast_mut().cast()),
            mask: U32::new(0),
            count: U32::new(0),
            wide: [const { U32::new(0) }; WIDE_MAX],
            wide_count: U32::new(0),
            lock: Lock::new(),
        }
    }

    /// Asks for memory, unless there is some. Without it every rule is compiled anew.
    pub fn start(&self) {
        self.lock.reset();
        if self.mask.get() == 0
            && let Some(region) = crate::map::map(8 << BITS_FIRST)
        {
            self.base.store(region.base().cast(), Ordering::Release);
            self.mask.publish((1 << BITS_FIRST) - 1);
        }
    }

    /// The table as it stands.
    #[inline(always)]
    pub fn view(&self) -> View {
        let mask = self.mask.acquire();
        View { base: self.base.load(Ordering::Acquire), mask }
    }

    /// Bytes that the table takes.
    pub fn bytes(&self) -> u64 {
        (u64::from(self.mask.get()) + 1) * 8
    }

    /// The rule behind a short form.
    #[inline(always)]
    pub fn whole(&self, short: Short) -> Rule {
        let short = short.0;
        if short & 1 != 0 {
            return Rule(short & 0x3f | (short >> 6) << 10);
        }
        match short >> 2 {
            UNKNOWN => Rule::UNKNOWN,
            END => Rule::END,
            LONG => Rule::LONG,
            number => self.wide.get((number - WIDE) as usize).map_or(Rule::LONG, |wide| Rule(wide.get())),
        }
    }

    /// Keeps a rule for an address of code; its short form.
    pub fn set(&self, pc: u64, rule: Rule) -> Short {
        let _guard = self.lock.enter();
        let short = self.short(rule);
        let mut view = self.view();
        if view.mask == 0 || view.get(pc).is_some() {
            return short;
        }
        if self.count.get() >= view.mask / 2 {
            match self.double(view) {
                Some(larger) => view = larger,
                None => return short,
            }
        }
        put(view, pc << 16 | u64::from(short.0));
        self.count.add(1);
        short
    }

    fn short(&self, rule: Rule) -> Short {
        let plain = Short::plain(rule);
        if plain.is_plain() {
            return plain;
        }
        let number = match rule {
            Rule::UNKNOWN => UNKNOWN,
            Rule::END => END,
            Rule::LONG => LONG,
            _ => self.wide(rule).map_or(LONG, |place| WIDE + place),
        };
        Short(NONE | number << 2)
    }

    fn wide(&self, rule: Rule) -> Option<u32> {
        let count = self.wide_count.get();
        let known = self.wide.iter().take(count as usize).position(|wide| wide.get() == rule.0);
        if let Some(known) = known {
            return Some(known as u32);
        }
        self.wide.get(count as usize)?.publish(rule.0);
        self.wide_count.set(count + 1);
        Some(count)
    }

    fn double(&self, old: View) -> Option<View> {
        let bits = old.mask.count_ones() + 1;
        if bits > BITS_MAX {
            return None;
        }
        let region = crate::map::map(8 << bits)?;
        let larger = View { base: region.base().cast(), mask: (1 << bits) - 1 };
        for place in 0..=old.mask as usize {
            // SAFETY: as in `View::get`.
            let entry = unsafe { &*old.base.add(place) }.get();
            if entry != 0 {
                put(larger, entry);
            }
        }
        self.base.store(region.base().cast(), Ordering::Release);
        self.mask.publish(larger.mask);
        // SAFETY: readers of the old table see zeroes, which are "not kept"; the address space stays taken.
        unsafe { sys::advise(old.base as *mut u8, (old.mask as usize + 1) * 8, libc::MADV_DONTNEED) };
        Some(larger)
    }

    /// Forgets all rules: a module went.
    pub fn clear(&self) {
        let _guard = self.lock.enter();
        let view = self.view();
        self.count.set(0);
        if view.mask == 0 {
            return;
        }
        // SAFETY: as in `double`.
        unsafe { sys::advise(view.base as *mut u8, (view.mask as usize + 1) * 8, libc::MADV_DONTNEED) };
    }

    /// Forgets everything, in a fork child, which found the table wiped.
    pub fn forget(&self) {
        self.lock.reset();
        self.count.set(0);
        let view = self.view();
        if view.mask != 0 {
            self.mask.publish(0);
            self.base.store((&raw const EMPTY).cast_mut().cast(), Ordering::Release);
            // SAFETY: the child has one thread, and it is here.
            unsafe { crate::own::unmap(view.base as *mut u8, (view.mask as usize + 1) * 8) };
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts an entry into a table with a free place.
fn put(view: View, entry: u64) {
    let mut place = place(entry >> 16);
    loop {
        // SAFETY: as in `View::get`.
        let cell = unsafe { &*view.base.add((place & view.mask) as usize) };
        if cell.get() == 0 {
            return cell.publish(entry);
        }
        place = place.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::{BY_SP, REALIGNED};
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn rules_of_all_forms_are_found_by_address_after_the_table_grew() {
        let rules = Rules::new();
        rules.start();
        let mut model = HashMap::new();
        let mut pc = 0x5555_0000_0000u64;
        for step in 0..20_000u32 {
            pc += 1 + u64::from(step.wrapping_mul(0x9e37_79b9) % 5000);
            let rule = match step % 7 {
                0 => Rule::UNKNOWN,
                1 => Rule::END,
                2 => Rule::LONG,
                3 => Rule(BY_SP | 1 << 2 | (step % 3000) << 10),
                4 => Rule(BY_BP | 2 << 2 | 2 << 10),
                5 => Rule(BY_SP | 200 << 2 | 2 << 10),
                _ => Rule(REALIGNED | 1 << 2 | ((-3i32) as u32) << 10),
            };
            rules.set(pc, rule);
            model.insert(pc, rule);
        }
        for (&pc, &rule) in &model {
            // The frames of more than 8 KiB have too many sizes here: those beyond the table are long.
            let found = rules.whole(rules.view().get(pc).unwrap());
            assert!(found == rule || found == Rule::LONG && rule.offset() >= 8192, "{pc:#x}: {found:?} for {rule:?}");
            assert_eq!(rules.view().get(pc + 1).is_some(), model.contains_key(&(pc + 1)));
        }
        rules.clear();
        assert!(model.keys().all(|&pc| rules.view().get(pc).is_none()));
        rules.forget();
    }
}
