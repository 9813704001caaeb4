//! The short rule of a return address, and the cache of all rules.
//!
//! ```text
//!  31              24 23                               2 1  0
//! ┌──────────────────┬──────────────────────────────────┬────┐
//! │ rbp at CFA - 8·n │ CFA = rsp or rbp + 8·k, k signed │form│
//! └──────────────────┴──────────────────────────────────┴────┘
//! ```

use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::map::{Region, U64};
use memtrace_wire::sys;

use super::cfi::{self, Cfa, Place, RBP, RETURN, RSP, Row, Scratch};
use super::cursor::{Cursor, Expression};
use super::object::Object;

/// See the picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule(pub u32);

/// `form`: no rule; `k` says why.
pub const NONE: u32 = 0;
/// `form`: CFA = rsp + 8·k.
pub const BY_SP: u32 = 1;
/// `form`: CFA = rbp + 8·k.
pub const BY_BP: u32 = 2;
/// `form`: CFA = [rbp + 8·k], rbp = [rbp]: a frame that realigned its stack (gcc's dynamic realign argument pointer).
pub const REALIGNED: u32 = 3;

impl Rule {
    /// The outermost frame.
    pub const END: Rule = Rule(NONE);
    /// Nothing is known about the code.
    pub const UNKNOWN: Rule = Rule(NONE | 1 << 2);
    /// Known, but not in this short form.
    pub const LONG: Rule = Rule(NONE | 2 << 2);

    /// One of the four forms.
    #[inline(always)]
    pub const fn form(self) -> u32 {
        self.0 & 3
    }

    /// 8·k.
    #[inline(always)]
    pub const fn offset(self) -> u64 {
        (((self.0 << 8) as i32 >> 10) as i64 * 8) as u64
    }

    /// 8·n; 0: rbp is the caller's still.
    #[inline(always)]
    pub const fn saved(self) -> u64 {
        (self.0 >> 24) as u64 * 8
    }

    fn pack(form: u32, offset: i64, saved: i64) -> Rule {
        let k = offset / 8;
        let n = saved / 8;
        let fits = offset % 8 == 0 && saved % 8 == 0 && (-(1 << 21)..1 << 21).contains(&k) && (0..256).contains(&n);
        if fits { Rule(form | (k as u32 & 0x3f_ffff) << 2 | (n as u32) << 24) } else { Rule::LONG }
    }

    /// The short rule for a row of unwind data.
    pub fn of(row: &Row, signal: bool) -> Rule {
        let (Some(&bp), Some(&sp), Some(&back)) = (row.places.get(RBP), row.places.get(RSP), row.places.get(RETURN))
        else {
            return Rule::LONG;
        };
        if back == Place::Undefined {
            return Rule::END;
        }
        if signal || back != Place::At(-8) || sp != Place::Same {
            return Rule::LONG;
        }
        match (row.cfa, bp) {
            (Cfa::Register(base, offset), Place::Same | Place::At(_)) => {
                let saved = if let Place::At(offset) = bp { -i64::from(offset) } else { 0 };
                if bp != Place::Same && saved <= 0 {
                    return Rule::LONG;
                }
                match usize::from(base) {
                    RSP => Rule::pack(BY_SP, offset, saved),
                    RBP => Rule::pack(BY_BP, offset, saved),
                    _ => Rule::LONG,
                }
            }
            (Cfa::Expression(cfa), Place::AtExpression(bp)) => match (realigned(cfa), bp_itself(bp)) {
                (Some(offset), true) => Rule::pack(REALIGNED, offset, 0),
                _ => Rule::LONG,
            },
            _ => Rule::LONG,
        }
    }
}

/// The offset, if the expression is "breg6 offset; deref".
fn realigned(expression: Expression) -> Option<i64> {
    let mut code = Cursor::over(expression);
    let (operation, offset, deref) = (code.byte()?, code.signed()?, code.byte()?);
    (operation == 0x76 && deref == 0x06 && !code.more()).then_some(offset)
}

/// Whether the expression is "breg6 0".
fn bp_itself(expression: Expression) -> bool {
    let mut code = Cursor::over(expression);
    (code.byte(), code.signed()) == (Some(0x76), Some(0)) && !code.more()
}

/// The rule for a return address in a module, from its unwind data.
#[cold]
#[inline(never)]
pub fn compile(object: &Object, pc: u64, scratch: &mut Scratch) -> Rule {
    // The call is before the return address, which may be the first byte of the next function.
    match cfi::row(object, pc - 1, scratch) {
        Some(advice) => Rule::of(&scratch.row, advice.signal),
        None => Rule::UNKNOWN,
    }
}

/// Entries of the cache: 8 bytes each, touched as code is met. clang's stacks meet 40,000 return addresses.
const ENTRIES: u64 = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 16;

/// An exact cache: 32 bits of address beside 32 bits of rule; the other address bits are in the place.
pub struct RuleCache {
    entries: AtomicPtr<U64>,
}

impl RuleCache {
    /// Empty, without memory.
    pub const fn new() -> Self {
        Self { entries: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// Asks for the memory; without it every rule is compiled anew.
    pub fn start(&self, region: Option<Region>) {
        let base = region.map_or(core::ptr::null_mut(), |region| region.base());
        self.entries.store(base.cast(), Ordering::Release);
    }

    /// Bytes that `start` wants.
    pub const fn bytes() -> usize {
        ENTRIES as usize * 8
    }

    /// The rule of a return address, if it is kept.
    #[inline(always)]
    pub fn get(&self, pc: u64) -> Option<Rule> {
        let entry = self.entry(pc)?.get();
        (entry >> 32 == tag(pc)).then_some(Rule(entry as u32))
    }

    /// Keeps a rule.
    pub fn set(&self, pc: u64, rule: Rule) {
        if let Some(entry) = self.entry(pc) {
            entry.set(tag(pc) << 32 | u64::from(rule.0));
        }
    }

    /// Forgets all rules: a module went.
    pub fn clear(&self) {
        let base = self.entries.load(Ordering::Acquire);
        if !base.is_null() {
            // SAFETY: the cache's own private mapping; readers see zeroes, which are "not kept".
            unsafe { sys::advise(base.cast(), Self::bytes(), libc::MADV_DONTNEED) };
        }
    }

    #[inline(always)]
    fn entry(&self, pc: u64) -> Option<&U64> {
        let base = self.entries.load(Ordering::Relaxed);
        if base.is_null() {
            return None;
        }
        // Neighbouring call sites share a cache line; the high bits keep modules apart. Given the tag, the place
        // can be turned back into the address, so a hit is exact.
        let high = pc >> (INDEX_BITS + 2);
        let place = ((pc >> 2) ^ high ^ (high >> 7)) & (ENTRIES - 1);
        // SAFETY: `start` was given room for all places, and the mapping stays.
        Some(unsafe { &*base.add(place as usize) })
    }
}

impl Default for RuleCache {
    fn default() -> Self {
        Self::new()
    }
}

#[inline(always)]
fn tag(pc: u64) -> u64 {
    ((pc >> (INDEX_BITS + 2)) << 2 | (pc & 3)) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_gives_back_what_was_packed() {
        for (form, offset, saved) in [(BY_SP, 8, 0), (BY_SP, 65_536, 16), (BY_BP, 16, 16), (REALIGNED, -24, 0)] {
            let rule = Rule::pack(form, offset, saved);
            assert_eq!((rule.form(), rule.offset() as i64, rule.saved() as i64), (form, offset, saved));
        }
        assert_eq!(Rule::pack(BY_SP, 12, 0), Rule::LONG);
        assert_eq!(Rule::pack(BY_SP, 1 << 25, 0), Rule::LONG);
        assert_eq!(Rule::pack(BY_SP, 8, 2048), Rule::LONG);
    }

    #[test]
    fn two_addresses_with_one_place_have_two_tags() {
        let place = |pc: u64| {
            let high = pc >> (INDEX_BITS + 2);
            ((pc >> 2) ^ high ^ (high >> 7)) & (ENTRIES - 1)
        };
        let mut seen = std::collections::HashMap::new();
        let mut pc = 0x5555_0000_0000u64;
        for step in 0..400_000u64 {
            pc = (pc + 1 + step.wrapping_mul(0x9e37_79b9) % 5000) & ((1 << 47) - 1);
            if let Some(other) = seen.insert((place(pc), tag(pc)), pc) {
                assert_eq!(other, pc);
            }
        }
    }
}
