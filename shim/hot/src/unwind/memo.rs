//! Remembered ways from a hook's caller to a frame of the kept stack.
//!
//! ```text
//!   entry (pc, sp, bp) ── words at fixed distances from sp ──▶ join (sp, bp, node) on the chain
//! ```
//!
//! Exact: a walk from the entry reads only these words until it stands at the join, so if all of them are
//! unchanged and the join is still on the chain, with every word below it unchanged, the stack is the remembered one.

use super::chain::{Chain, Frame, Fresh, at_or_above};
use super::rule::{BY_BP, RETURN_AT};
use super::rules::Rules;
use super::{Entry, word};
use crate::site::Known;
use memtrace_wire::layout::Op;

/// Words that a remembered way may have: a way is three cache lines.
const WORDS_MAX: usize = 13;
/// Ways that a thread remembers: 192 KiB, touched as they come.
const SETS: usize = 1 << SET_BITS;
const SET_BITS: u32 = 9;
/// Ways from one caller with one stack pointer: a loop calls an allocator's wrapper from more than one place.
const ASIDE: usize = 2;
/// What a way counts for each other that wants its place; the bit below it says that it was not used since it was kept.
const CLAIM: u8 = 2;
const UNUSED: u8 = 1;
/// Others that want the place of a way before it makes room: twice as many for each way in a row that was never used
/// there, since to keep one costs more than a walk over a few frames.
const CLAIMS: u8 = 8 * CLAIM;
const PATIENCE_MAX: u8 = 3;
/// So many have passed by since a way was last used: it is not looked at any more until another one has its place.
const CLAIMS_TIRED: u8 = 2 * CLAIM;

const _: () = assert!((CLAIMS as u32) << PATIENCE_MAX <= (u8::MAX - CLAIM) as u32);

/// One way. All zeroes: none.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Way {
    pc: u64,
    sp: u64,
    bp: u64,
    join_bp: u64,
    site: Known,
    join_node: u32,
    /// Distance of the join's stack pointer.
    join_at: u32,
    /// Words in use, times two; plus one if the way depends on the entry's bp.
    words: u8,
    /// Others that wanted the place since the way was last used; see `CLAIM`.
    claims: u8,
    /// Distances of the words from `sp`, in units of 8 bytes.
    places: [u16; WORDS_MAX],
    values: [u64; WORDS_MAX],
}

const _: () = assert!(size_of::<Way>() == 192);

/// The ways of one thread.
#[repr(C)]
pub struct Memo {
    sets: [[Way; ASIDE]; SETS],
    /// For each place, how many ways in a row left it unused, up to PATIENCE_MAX.
    patience: [[u8; ASIDE]; SETS],
}

impl Memo {
    /// Forgets all ways.
    pub fn forget(&mut self) {
        self.sets.as_flattened_mut().iter_mut().filter(|way| way.sp != 0).for_each(|way| way.sp = 0);
    }

    #[inline(always)]
    fn set(&mut self, pc: u64, sp: u64) -> (&mut [Way; ASIDE], &mut [u8; ASIDE]) {
        let place = ((pc ^ sp << 17).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SET_BITS)) as usize;
        // SAFETY: the shift leaves SET_BITS bits.
        unsafe { (self.sets.get_unchecked_mut(place), self.patience.get_unchecked_mut(place)) }
    }

    /// The site of the stack at `entry`, if its way is remembered and still holds. The chain is cut to the join. The
    /// stack in use can be read up to `high`.
    #[inline(always)]
    pub fn find(&mut self, chain: &mut Chain, high: u64, (pc, entry): (u64, Entry), op: Op) -> Option<Known> {
        for way in self.set(pc, entry.sp).0 {
            if way.claims < CLAIMS_TIRED
                && way.begins(high, pc, entry)
                && let Some(at) = way.join(chain, entry)
                && way.holds(entry)
                && let Some(site) = way.site(chain, at, op)
            {
                return Some(site);
            }
        }
        None
    }

    /// Remembers the way from `entry` over the frames that were walked, innermost first, to a frame of the chain.
    #[inline(always)]
    pub fn keep(&mut self, entry: Entry, walked: &[Fresh], join: &Frame, site: Known, rules: &Rules) {
        let Some(first) = walked.first() else { return };
        if walked.len() > WORDS_MAX {
            return;
        }
        // Where many stacks share a caller, keeping each of them would cost more than a hit saves.
        let (ways, patience) = self.set(first.pc, entry.sp);
        for (way, patience) in ways.iter_mut().zip(patience) {
            if way.sp == 0 || way.claims >= CLAIMS << *patience {
                *patience = if way.claims & UNUSED == 0 { 0 } else { PATIENCE_MAX.min(*patience + 1) };
                return way.keep(entry, walked, join, site, rules);
            }
            way.claims += CLAIM;
        }
    }
}

impl Way {
    /// Whether it begins here, and the stack in use can be read up to the join.
    #[inline(always)]
    fn begins(&self, high: u64, pc: u64, entry: Entry) -> bool {
        self.pc == pc
            && self.sp == entry.sp
            && entry.sp + u64::from(self.join_at) <= high
            && (self.bp == entry.bp || self.words & 1 == 0)
    }

    /// The join, if it is on the chain.
    #[inline(always)]
    fn join(&self, chain: &Chain, entry: Entry) -> Option<*mut Frame> {
        let join_sp = entry.sp + u64::from(self.join_at);
        // SAFETY: a frame of the chain.
        let (at, join) = unsafe {
            let at = at_or_above(chain.top, join_sp);
            (at, &*at)
        };
        let is_it =
            join.sp == join_sp && join.node == self.join_node && (join.bp == self.join_bp || join.words & 1 == 0);
        is_it.then_some(at)
    }

    /// Whether the words from the entry to the join are what they were; the way begins there.
    #[inline(always)]
    fn holds(&self, entry: Entry) -> bool {
        // Innermost first: it is the one that differs most often.
        let mut place = usize::from(self.words >> 1);
        while place != 0 {
            place -= 1;
            // SAFETY: at most WORDS_MAX words were kept, at places between the entry and the join, and the stack in use
            // can be read in between.
            let same = unsafe {
                let distance = u64::from(*self.places.get_unchecked(place)) * 8;
                word(entry.sp + distance) == *self.values.get_unchecked(place)
            };
            if !same {
                return false;
            }
        }
        true
    }

    /// The site, if every word below the join is unchanged.
    #[inline(always)]
    fn site(&mut self, chain: &mut Chain, at: *mut Frame, op: Op) -> Option<Known> {
        // SAFETY: a frame of the chain.
        let join = unsafe { &*at };
        if chain.changed(join.words >> 1) != 0 || !self.site.is_of(op) {
            return None;
        }
        chain.top = at;
        self.claims = 0;
        Some(self.site)
    }

    #[inline(never)]
    fn keep(&mut self, entry: Entry, walked: &[Fresh], join: &Frame, site: Known, rules: &Rules) {
        // Not found by `find` until it is whole.
        self.sp = 0;
        let mut count = 0;
        let mut add = |address: u64, value: u64| {
            let distance = address.wrapping_sub(entry.sp);
            let (Ok(short), Some(place), Some(kept)) =
                (u16::try_from(distance / 8), self.places.get_mut(count), self.values.get_mut(count))
            else {
                return false;
            };
            (*place, *kept) = (short, value);
            count += 1;
            distance.is_multiple_of(8)
        };
        let mut outer = (join.sp, join.pc, join.bp);
        // Whether the frames outside depend on this one's rbp.
        let mut needs_bp = join.words & 1 != 0;
        for frame in walked.iter().rev() {
            // A frame that realigned its stack is left to the walk.
            let rule = rules.whole(frame.rule);
            let (sp, pc, bp) = outer;
            if !rule.is_plain() || !add(sp - RETURN_AT, pc) {
                return;
            }
            if rule.saved() != RETURN_AT {
                if needs_bp && !add(sp - rule.saved(), bp) {
                    return;
                }
                needs_bp = false;
            }
            needs_bp |= rule.form() == BY_BP;
            outer = (frame.sp, frame.pc, frame.bp);
        }
        let (Some(first), Ok(join_at)) = (walked.first(), u32::try_from(join.sp - entry.sp)) else { return };
        self.pc = first.pc;
        self.bp = entry.bp;
        self.join_bp = join.bp;
        self.join_node = join.node;
        self.join_at = join_at;
        self.site = site;
        self.words = (count as u8) << 1 | u8::from(needs_bp);
        self.claims = UNUSED;
        self.sp = entry.sp;
    }
}
