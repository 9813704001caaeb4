//! What the resident memory of a process consists of: the heap beside all that no allocator has.
//!
//! Invariant: the parts together are `rss_bytes`.

use serde::{Deserialize, Serialize};

use crate::json::{from_hex, to_hex};

/// Mappings that a look names are at most so many: those with the most resident memory.
pub const LARGEST_MAX: usize = 12;

/// One look at the mappings of a process.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Parts {
    /// When: nanoseconds since the recording began.
    pub time_ns: u64,
    /// Resident memory, as the mappings have it.
    pub rss_bytes: u64,
    /// Live bytes at that time, as the program asked for them: most of them lie in `heap_bytes`.
    pub live_bytes: u64,
    /// What the allocator has: `[heap]`, and of other mappings what blocks lie in or between.
    pub heap_bytes: u64,
    /// Stacks of threads.
    pub stack_bytes: u64,
    /// The program and its libraries, with their data.
    pub module_bytes: u64,
    /// Other files that are mapped.
    pub file_bytes: u64,
    /// Shared memory.
    pub shared_bytes: u64,
    /// Mappings without a file that the program, or a library, made beside the allocator.
    pub mapped_bytes: u64,
    /// memtrace's own.
    pub own_bytes: u64,
    /// Of the last three but memtrace's: the largest mappings, by their resident memory.
    pub largest: Vec<Mapping>,
}

/// A mapping that is neither heap nor stack nor a module.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Mapping {
    /// Its first address.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub start: u64,
    /// How long it is.
    pub bytes: u64,
    /// How much of it is resident.
    pub resident_bytes: u64,
    /// Its file, or what the kernel calls it; none: memory without a file.
    pub path: Option<String>,
}

impl Parts {
    /// Of several looks the two that are kept: when most was resident, and the last one, in this order.
    pub fn keep(looks: &mut Vec<Parts>, next: Parts) {
        match looks.as_slice() {
            [highest, ..] if highest.rss_bytes >= next.rss_bytes => looks.truncate(1),
            _ => looks.clear(),
        }
        looks.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_look_and_the_last_are_kept() {
        let mut looks = Vec::new();
        let kept = |looks: &[Parts]| -> Vec<u64> { looks.iter().map(|look| look.rss_bytes).collect() };
        for (rss_bytes, expected) in [(5, &[5][..]), (3, &[5, 3]), (4, &[5, 4]), (9, &[9]), (9, &[9, 9])] {
            Parts::keep(&mut looks, Parts { rss_bytes, ..Parts::default() });
            assert_eq!(kept(&looks), expected);
        }
    }
}
