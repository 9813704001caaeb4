//! Sites of a profile from those of a recording.

use std::collections::BTreeMap;

use memtrace_wire::layout::{self, IN_POOLS, Op};

use super::model::Site;
use super::stacks::Stacks;
use crate::recording::Process;

/// The name in a profile of the function that was called.
pub fn op(number: u32) -> String {
    if number == POOL_OP {
        return POOL.into();
    }
    Op::from_number(number).unwrap_or(Op::Unknown).name().into()
}

/// The name where a pool of the program's own gave the block.
pub const POOL: &str = "pool";

/// The number that stands for that.
const POOL_OP: u32 = u32::MAX;

/// The number of the function that a site is of.
pub fn op_of(site: &layout::Site) -> u32 {
    if is_in_pools(site) { POOL_OP } else { site.op.get() }
}

/// Whether a site's blocks lie in other blocks, or in memory that is none: they count for themselves alone.
pub fn is_in_pools(site: &layout::Site) -> bool {
    site.flags.get() & IN_POOLS != 0
}

/// What tells a site of a profile from the others: stack, thread, function.
pub type Key = (u32, u32, u32);

/// The key of a site of a recording.
pub fn key(site: &layout::Site, stacks: &Stacks) -> Option<Key> {
    Some((stacks.number(site.node.get())?, site.thread.get(), site.op.get()))
}

/// Sites with the same stack, thread and function are one: their nodes may differ where a module came back. In the order
/// of their keys.
pub fn sites(process: &Process, stacks: &Stacks) -> (Vec<Key>, Vec<Site>) {
    let mut merged: BTreeMap<Key, Site> = BTreeMap::new();
    let peak_epoch = process.header.peak_epoch.get();
    for site in process.sites.iter().skip(1).filter(|site| site.total_count.get() > 0) {
        let Some(key) = key(site, stacks) else { continue };
        let next = one(site, key.0, process.threads.len(), peak_epoch);
        merged.entry(key).and_modify(|have| add(have, &next)).or_insert(next);
    }
    merged.into_iter().unzip()
}

fn one(site: &layout::Site, stack: u32, thread_count: usize, peak_epoch: u64) -> Site {
    let live_blocks = site.live_count().saturating_sub(site.foreign_count.get());
    let live_bytes = site.live_bytes.get().saturating_sub(site.foreign_bytes.get());
    let was_there = site.epoch.get() == peak_epoch as u32;
    Site {
        stack,
        thread: Some(site.thread.get()).filter(|&thread| (thread as usize) < thread_count),
        op: op(op_of(site)),
        live_blocks,
        live_bytes,
        total_blocks: site.total_count.get(),
        total_bytes: site.total_bytes.get(),
        peak_blocks: site.peak_count.get(),
        peak_bytes: site.peak_bytes.get(),
        at_peak_blocks: if was_there { site.at_peak_count.get() } else { live_blocks },
        at_peak_bytes: if was_there { site.at_peak_bytes.get() } else { live_bytes },
        temporary_blocks: site.temporary_count.get(),
        largest_bytes: site.largest_bytes.get(),
        realloc_blocks: site.realloc_count.get().into(),
        realloc_moved: site.realloc_moved.get().into(),
    }
}

fn add(site: &mut Site, other: &Site) {
    for (sum, part) in [
        (&mut site.live_blocks, other.live_blocks),
        (&mut site.live_bytes, other.live_bytes),
        (&mut site.total_blocks, other.total_blocks),
        (&mut site.total_bytes, other.total_bytes),
        (&mut site.at_peak_blocks, other.at_peak_blocks),
        (&mut site.at_peak_bytes, other.at_peak_bytes),
        (&mut site.temporary_blocks, other.temporary_blocks),
        (&mut site.realloc_blocks, other.realloc_blocks),
        (&mut site.realloc_moved, other.realloc_moved),
    ] {
        *sum = sum.saturating_add(part);
    }
    // Two highs need not have been at the same time: what is certain is the higher one.
    if other.peak_bytes > site.peak_bytes {
        (site.peak_bytes, site.peak_blocks) = (other.peak_bytes, other.peak_blocks);
    }
    site.largest_bytes = site.largest_bytes.max(other.largest_bytes);
}
