//! Remembered ways from a hook's caller to a frame of the kept stack.
//!
//! ```text
//!   entry (pc, sp, bp) ── words at fixed distances from sp ──▶ join (sp, bp, node) on the chain
//! ```
//!
//! Exact: a walk from the entry reads only these words until it stands at the join, so if all of them are
//! unchanged and the join is still on the chain, with every word below it unchanged, the stack is the remembered one.

use super::Entry;
use super::chain::{Chain, PAD, Word};

/// Words that a remembered way may have: the way of ten frames.
const WORDS_MAX: usize = 10;
/// Ways that a thread remembers; 192 KiB, touched as they come.
const WAYS: usize = 1 << WAY_BITS;
const WAY_BITS: u32 = 10;

/// Claims after which an unused way makes room.
const CLAIMS: u32 = 8;

/// One way. All zeroes: none.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Way {
    pc: u64,
    sp: u64,
    bp: u64,
    join_sp: u64,
    join_bp: u64,
    join_node: u32,
    node: u32,
    /// Words in use, times two; plus one if the way depends on the entry's bp.
    words: u32,
    /// Others that wanted the place since the way was last used.
    claims: u32,
    /// The memo's when the way was kept.
    epoch: u32,
    spare: u32,
    values: [u64; WORDS_MAX],
    offsets: [i32; WORDS_MAX],
}

const _: () = assert!(size_of::<Way>() == 192);

/// The ways of one thread.
#[repr(C)]
pub struct Memo {
    /// Ways of other epochs do not count.
    epoch: u32,
    ways: [Way; WAYS],
}

impl Memo {
    /// Forgets all ways, without touching them.
    pub fn clear(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    #[inline(always)]
    fn way(&mut self, pc: u64, sp: u64) -> &mut Way {
        let place = (pc ^ sp << 17).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - WAY_BITS);
        // SAFETY: the shift leaves WAY_BITS bits.
        unsafe { self.ways.get_unchecked_mut(place as usize) }
    }

    /// The node of the stack at `entry`, if its way is remembered and still holds. The chain is cut to the join.
    #[inline(always)]
    pub fn find(&mut self, chain: &mut Chain, pc: u64, entry: Entry) -> Option<u32> {
        let epoch = self.epoch;
        let way = self.way(pc, entry.sp);
        if way.pc != pc || way.sp != entry.sp || way.epoch != epoch || (way.bp != entry.bp && way.words & 1 != 0) {
            return None;
        }
        // Innermost first: it is the one that differs most often.
        for place in (0..(way.words >> 1) as usize).rev() {
            // SAFETY: at most WORDS_MAX words were kept, at places of this stack above its pointer, between the
            // entry and the join, which `capture` has shown to be readable.
            let same = unsafe {
                let address = entry.sp.wrapping_add(*way.offsets.get_unchecked(place) as i64 as u64);
                super::word(address) == *way.values.get_unchecked(place)
            };
            if !same {
                return None;
            }
        }
        let at = chain.at_or_above(way.join_sp);
        let join = chain.frame(at);
        let same =
            join.sp == way.join_sp && join.node == way.join_node && (join.bp == way.join_bp || join.words & 1 == 0);
        if !same || chain.changed(join.words >> 1) != 0 {
            return None;
        }
        chain.top = at;
        way.claims = 0;
        Some(way.node)
    }

    /// Remembers the way from `entry` to the frame `at` of the chain, whose top is the entry's stack.
    #[inline(always)]
    pub fn keep(&mut self, chain: &Chain, at: usize, entry: Entry) {
        let (leaf, join) = (*chain.frame(chain.top), *chain.frame(at));
        let (first, last) = (((join.words >> 1) as usize).max(PAD), (leaf.words >> 1) as usize);
        let count = last.wrapping_sub(first);
        if at == 0 || count > WORDS_MAX {
            return;
        }
        let epoch = self.epoch;
        let way = self.way(leaf.pc, entry.sp);
        // Where many stacks share a caller, keeping each of them would cost more than a hit saves.
        if way.sp != 0 && way.epoch == epoch && way.claims < CLAIMS {
            way.claims += 1;
            return;
        }
        way.claims = 0;
        // Not found by `find` until it is whole.
        way.sp = 0;
        for place in 0..count {
            let Some(&Word { address, value }) = chain.words.get(first + place) else { return };
            let offset = address.wrapping_sub(entry.sp) as i64;
            let (Ok(short), Some(to), Some(kept)) =
                (i32::try_from(offset), way.offsets.get_mut(place), way.values.get_mut(place))
            else {
                return;
            };
            *to = short;
            *kept = value;
        }
        way.pc = leaf.pc;
        way.bp = leaf.bp;
        way.join_sp = join.sp;
        way.join_bp = join.bp;
        way.join_node = join.node;
        way.node = leaf.node;
        way.words = (count as u32) << 1 | leaf.words & 1;
        way.epoch = epoch;
        way.sp = entry.sp;
    }
}
