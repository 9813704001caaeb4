//! How large blocks are: classes of sizes, each twice the one before.

use memtrace_wire::layout::IN_POOLS;

use super::model::{Site, SizeClass};
use super::sites::POOL;
use crate::recording::Process;

/// The first class.
const FIRST_BYTES: u64 = 16;

/// Classes that hold something, smallest first.
#[derive(Default)]
struct Classes(std::collections::BTreeMap<u64, SizeClass>);

impl Classes {
    fn add(&mut self, block_bytes: u64, blocks: u64, bytes: u64, chunk_bytes: u64) {
        let up_to_bytes = block_bytes.max(FIRST_BYTES).checked_next_power_of_two().unwrap_or(u64::MAX);
        let class = self.0.entry(up_to_bytes).or_insert(SizeClass { up_to_bytes, ..SizeClass::default() });
        for (sum, part) in
            [(&mut class.blocks, blocks), (&mut class.bytes, bytes), (&mut class.chunk_bytes, chunk_bytes)]
        {
            *sum = sum.saturating_add(part);
        }
    }
}

/// What glibc takes of its heap for a block (malloc(3) on 64 bits): a word before it, and all in sixteens.
fn chunk_bytes(bytes: u64) -> u64 {
    bytes.saturating_add(8 + 15) / 16 * 16
}

/// The classes of all live blocks, each with its own size. `None`: they cannot be read, or are only samples.
pub fn of_live(process: &Process) -> Option<Vec<SizeClass>> {
    if process.header.sample_bytes.get() != 0 {
        return None;
    }
    let mut classes = Classes::default();
    let is_counted = |site: u32| process.sites.get(site as usize).is_none_or(|site| site.flags.get() & IN_POOLS == 0);
    process
        .each_live_block(&mut |block| {
            if is_counted(block.site) {
                classes.add(block.bytes, 1, block.bytes, chunk_bytes(block.bytes).max(32));
            }
        })
        .ok()?;
    Some(classes.0.into_values().collect())
}

/// The classes of all allocations: those of a site count with their mean size.
pub fn of_sites(sites: &[Site]) -> Vec<SizeClass> {
    let mut classes = Classes::default();
    for site in sites.iter().filter(|site| site.total_blocks > 0 && site.op != POOL) {
        classes.add(site.total_bytes / site.total_blocks, site.total_blocks, site.total_bytes, 0);
    }
    classes.0.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_ends_where_the_next_begins() {
        let site = |bytes: u64, blocks| Site { total_bytes: bytes * blocks, total_blocks: blocks, ..Site::default() };
        let sites = [site(0, 1), site(16, 2), site(17, 4), site(32, 8), site(33, 16), site(u64::MAX, 1)];
        let found: Vec<_> = of_sites(&sites).iter().map(|class| (class.up_to_bytes, class.blocks)).collect();
        assert_eq!(found, [(16, 3), (32, 12), (64, 16), (u64::MAX, 1)]);
    }

    #[test]
    fn a_chunk_has_a_word_more_and_sixteens() {
        for (bytes, chunk) in [(24, 32), (25, 48), (40, 48), (41, 64), (1000, 1008)] {
            assert_eq!(chunk_bytes(bytes), chunk);
        }
    }
}
