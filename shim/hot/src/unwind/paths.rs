//! Paths of the trie that a thread took lately: (node, return addresses of a few frames below it) → site.
//!
//! Where the innermost frames change at each call, looking their path up is cheaper than pushing them onto the kept
//! stack, to take them off again at the next call.

use super::chain::Fresh;
use crate::site::Known;
use memtrace_wire::layout::Op;

/// Frames of a path. Longer ones are pushed, so that the next stack meets the kept one sooner.
const PATH_MAX: usize = 4;
/// Paths that a thread remembers: 256 KiB, touched as they come.
const WAYS: usize = 1 << WAY_BITS;
const WAY_BITS: u32 = 12;
/// Times in a row that one path is met before its frames are pushed: then nothing above changes.
const STREAK_MAX: u32 = 3;

/// One path. All zeroes: none.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Way {
    join: u32,
    count: u32,
    site: Known,
    path: [u64; PATH_MAX],
}

/// One cache line.
const _: () = assert!(size_of::<Way>() == 64);

impl Way {
    const NONE: Way = Way { join: 0, count: 0, site: Known::NONE, path: [0; PATH_MAX] };
}

/// The paths of one thread.
#[repr(C)]
pub struct Paths {
    ways: [Way; WAYS],
    last: u32,
    streak: u32,
}

impl Paths {
    /// Forgets all paths: nodes were retired.
    pub fn forget(&mut self) {
        self.ways.fill(Way::NONE);
    }

    #[inline(always)]
    fn way(&mut self, join: u32, hash: u64) -> &mut Way {
        let place = (hash ^ u64::from(join) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - WAY_BITS);
        // SAFETY: the shift leaves WAY_BITS bits.
        unsafe { self.ways.get_unchecked_mut(place as usize) }
    }

    /// The site of these frames below `join`, innermost first. `hash`: of their return addresses.
    #[inline(always)]
    pub fn find(&mut self, join: u32, frames: &[Fresh], hash: u64, op: Op) -> Option<Known> {
        if frames.len() > PATH_MAX {
            return None;
        }
        let way = self.way(join, hash);
        let same = way.join == join
            && way.count as usize == frames.len()
            && frames.iter().zip(&way.path).all(|(frame, &pc)| frame.pc == pc)
            && way.site.is_of(op);
        same.then_some(way.site)
    }

    /// Remembers a path.
    #[inline(always)]
    pub fn keep(&mut self, join: u32, frames: &[Fresh], hash: u64, site: Known) {
        if frames.len() > PATH_MAX {
            return;
        }
        let way = self.way(join, hash);
        way.join = join;
        way.count = frames.len() as u32;
        way.site = site;
        way.path.iter_mut().zip(frames).for_each(|(to, from)| *to = from.pc);
    }

    /// Whether a path, by its site's name, was met so often in a row that its frames should be pushed.
    #[inline(always)]
    pub fn is_streak(&mut self, site: u32) -> bool {
        if self.last != site {
            self.last = site;
            self.streak = 0;
            return false;
        }
        self.streak += 1;
        self.streak >= STREAK_MAX
    }
}
