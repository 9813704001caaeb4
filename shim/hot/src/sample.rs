//! Sampling by bytes: each byte that is asked for has the same small chance to have its allocation recorded.
//!
//! A thread counts down bytes to its next sample, drawn anew from the exponential distribution after each (a Poisson
//! process). So an allocation of s bytes is recorded with probability p = 1 - exp(-s / mean), and stands for 1/p
//! allocations and s/p bytes: the sums are unbiased estimates. What a block stands for is computed from its size and
//! address alone, so that its free takes away exactly what was added.

use core::sync::atomic::{AtomicU8, Ordering};
use memtrace_wire::layout::{SAMPLED, Site};
use memtrace_wire::map::{U32, U64};

use crate::Hot;
use crate::thread::{Body, Thread};

/// The mean distance of samples.
pub struct Sample {
    /// Bytes; 0: every allocation is recorded.
    pub mean: U64,
    /// 1: it was so from the start, so that every recorded block is counted in `near`.
    pub marked: U32,
    /// Recorded blocks, by the page on which they begin: several pages share a count.
    near: [AtomicU8; PAGES],
}

/// One sample in 512 KiB of heap leaves nearly all counts at 0, up to some GiB.
const PAGES: usize = 1 << 16;

/// Where the page of an address is counted.
#[inline(always)]
const fn page(address: u64) -> usize {
    (address >> 12) as usize % PAGES
}

impl Sample {
    /// Off.
    pub const fn new() -> Self {
        Self { mean: U64::new(0), marked: U32::new(0), near: [const { AtomicU8::new(0) }; PAGES] }
    }
}

impl Sample {
    /// Whether a block at an address may be recorded; only where all are counted.
    #[inline(always)]
    pub fn may_hold(&self, address: u64) -> bool {
        self.near[page(address)].load(Ordering::Relaxed) != 0
    }

    /// Counts a block that was entered, or taken out.
    pub fn mark(&self, address: u64, is_there: bool) {
        if self.marked.get() == 0 {
            return;
        }
        // A count that is as high as it can be stays there.
        let _ = self.near[page(address)].fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            match (count, is_there) {
                (0, false) | (u8::MAX, _) => None,
                (count, true) => Some(count + 1),
                (count, false) => Some(count - 1),
            }
        });
    }

    /// In a fork child: no block is recorded.
    pub fn forget(&self) {
        if self.marked.get() != 0 {
            self.near.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        }
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}

/// What one recorded block stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight {
    /// Allocations.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Weight {
    /// Of a block at a site.
    #[inline(always)]
    pub fn of(site: &Site, address: u64, bytes: u64) -> Weight {
        match site.flags.get() & SAMPLED {
            0 => Weight { count: 1, bytes },
            _ => estimate(site.sample_bytes.get(), address, bytes),
        }
    }
}

#[cold]
#[inline(never)]
fn estimate(mean: u32, address: u64, bytes: u64) -> Weight {
    let chance = -libm::expm1(-(counted(bytes) as f64) / f64::from(mean.max(1)));
    let count = 1.0 / chance;
    let whole = count as u64;
    // The part behind the point is the chance of one more, thrown by the address.
    let throw = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / TWO_TO_64;
    let more = u64::from(throw < count - whole as f64);
    Weight { count: whole + more, bytes: (bytes as f64 / chance) as u64 }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// Bytes that an allocation counts: one of 0 bytes could never be met, and odd numbers cost no branch.
#[inline(always)]
pub const fn counted(bytes: u64) -> u64 {
    bytes | 1
}

impl Thread {
    /// Counts an allocation's bytes down. True: it is not a sample, and nothing else is to be done.
    #[inline(always)]
    pub fn passes(&self, bytes: u64) -> bool {
        let left = self.left.get().wrapping_sub(counted(bytes));
        if left as i64 <= 0 {
            return false;
        }
        self.left.set(left);
        true
    }
}

impl Hot {
    /// Bytes to the next sample: at least 1.
    pub fn draw(&self, body: &mut Body) -> u64 {
        // splitmix64 (Steele, Lea, Flood 2014): every state gives another number.
        body.random = body.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (body.random ^ body.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let uniform = ((mixed ^ mixed >> 31) >> 11) as f64 / 9_007_199_254_740_992.0;
        let distance = -libm::log1p(-uniform) * self.sample.mean.get() as f64;
        (libm::ceil(distance) as u64).clamp(1, i64::MAX as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimates_of_many_allocations_are_near_the_truth() {
        for (mean, bytes) in [(512 << 10, 100u64), (4096, 24), (4096, 10_000), (4096, 0), (1 << 20, 3 << 20)] {
            let site: Site = memtrace_wire::map::read(&[0; size_of::<Site>()], 0).unwrap();
            site.flags.set(SAMPLED);
            site.sample_bytes.set(mean);
            let chance = 1.0 - (-(counted(bytes) as f64) / f64::from(mean)).exp();
            let (mut count, mut sum, samples) = (0.0, 0.0, 20_000u64);
            for number in 0..samples {
                let weight = Weight::of(&site, 0x5555_0000_1000 + number * 48, bytes);
                count += weight.count as f64;
                sum += weight.bytes as f64;
            }
            let (count, sum) = (count / samples as f64, sum / samples as f64);
            assert!((count * chance - 1.0).abs() < 0.01, "{mean} {bytes}: {count} for {}", 1.0 / chance);
            assert!((sum * chance - bytes as f64).abs() <= bytes as f64 * 0.01 + 1.0, "{mean} {bytes}: {sum}");
        }
    }
}
