//! MEMTRACE_MAX_MEMORY: what memtrace gives up as its own memory comes near the limit.
//!
//! | level | from | given up |
//! |---|---|---|
//! | 1 | half of it | stacks: the innermost 8 frames are kept |
//! | 2 | three quarters | all allocations but samples, one in about 512 KiB |
//! | 3 | all of it | blocks: allocations are counted, in all |
//!
//! Levels are not left again. What was recorded before stays, and its frees are still seen.

use memtrace_wire::map::{U32, U64};

use crate::Hot;
use crate::unwind::FRAMES_MAX;

/// The limit, and how near it is.
pub struct Budget {
    /// Bytes; 0: no limit.
    pub bytes_max: U64,
    /// See above; 0: far.
    pub level: U32,
    /// Frames of a stack that are kept.
    pub frames_max: U32,
}

/// Frames from level 1 on: what tells call sites apart, mostly.
const SHORT: u32 = 8;
/// Mean distance of samples from level 2 on.
const SAMPLE_BYTES: u64 = 512 << 10;

impl Budget {
    /// No limit.
    pub const fn new() -> Self {
        Self { bytes_max: U64::new(0), level: U32::new(0), frames_max: U32::new(FRAMES_MAX as u32) }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// After a table grew: whether that was near the limit.
    #[cold]
    pub fn mind(&self) {
        let limit = self.budget.bytes_max.get();
        let (true, Some(process)) = (limit != 0, self.store.process()) else { return };
        let indices = [&self.node_index, &self.site_index, &self.point_index, &self.scope_index, &self.asked_index];
        let private = indices.iter().map(|index| index.bytes()).sum::<u64>() + self.rules.bytes();
        let level = (process.own_bytes.get().saturating_add(private) / (limit / 4).max(1)).saturating_sub(1).min(3);
        if level as u32 <= self.budget.level.get() {
            return;
        }
        self.budget.level.fetch_max(level as u32);
        process.memory_level.fetch_max(level);
        self.budget.frames_max.set(SHORT);
        if level >= 2 && self.sample.mean.get() < SAMPLE_BYTES {
            self.sample.mean.set(SAMPLE_BYTES);
            process.sample_bytes.set(SAMPLE_BYTES);
        }
        self.choose_mode();
    }
}

#[cfg(test)]
mod tests {
    use crate::Hot;
    use crate::live::Block;
    use crate::store::Source;
    use std::boxed::Box;

    #[test]
    fn the_levels_follow_the_memory_that_was_taken() {
        let hot = Box::leak(Box::new(Hot::new()));
        assert!(hot.store.open(Source::Private) && hot.start());
        let process = hot.store.process().unwrap();
        hot.budget.bytes_max.set(64 << 20);
        let mut levels = std::vec::Vec::new();
        for number in 0..90u64 {
            hot.insert(Block { address: 0x7f00_0000_0010 + (number << 22), bytes: 8, site: 1 }, true);
            let now = hot.budget.level.get();
            if levels.last().is_none_or(|&(level, _)| level != now) {
                levels.push((now, process.own_bytes.get() >> 20));
            }
        }
        assert_eq!(levels.iter().map(|&(level, _)| level).collect::<std::vec::Vec<_>>(), [0, 1, 2, 3]);
        for (level, own) in levels.into_iter().skip(1) {
            assert!(
                (16 * (u64::from(level) + 1) - 1..=16 * (u64::from(level) + 1) + 2).contains(&own),
                "{level} {own}"
            );
        }
    }
}
