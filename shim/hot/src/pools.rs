//! Blocks that the program gives from pools and arenas of its own, as it announces them.
//!
//! They have stacks and sites like other blocks, but lie in other blocks, or in memory that is no block at all: so they
//! are counted by their sites alone, and not among the live bytes of the process.

use memtrace_wire::layout::{IN_POOLS, Op, Site};
use memtrace_wire::loss::Loss;

use crate::Hot;
use crate::live::Block;
use crate::thread::{Body, Inside};
use crate::unwind::Entry;

impl Hot {
    /// A pool gave a block. Among samples there are none: what they stood for could not be told.
    pub fn pool_gave(&self, inside: Inside<'_>, entry: Entry, pool: u64, address: u64, bytes: u64) {
        if self.sample.mean.get() != 0 || pool == 0 || address < 2 {
            return;
        }
        let body = &mut *inside.body;
        let known = self.capture_with_source(body, entry, Op::Malloc);
        let known = self.settled(body, known, Op::Malloc);
        // Given again without being taken back.
        if let Some(old) = self.sides.take_of(address, pool, true) {
            self.count_out_of_pool(body, old);
        }
        let block = Block { address, bytes, site: known.number };
        let Some(site) = known.site.filter(|_| self.sides.insert_of(&self.store, block, pool, true)) else {
            return self.store.lose(Loss::BlockDropped);
        };
        self.settle(body, site);
        if site.flags.get() & IN_POOLS == 0 {
            site.flags.set(site.flags.get() | IN_POOLS);
        }
        site.total_count.add(1);
        site.total_bytes.add(bytes);
        site.live_bytes.add(bytes);
        site.largest_bytes.fetch_max(bytes);
        let live = site.live_bytes.get().wrapping_sub(site.foreign_bytes.get());
        if live > site.peak_bytes.get() {
            site.peak_bytes.set(live);
            site.peak_count.set(site.live_count().wrapping_sub(site.foreign_count.get()));
        }
    }

    /// A block went back to its pool; one that is not known is nothing.
    pub fn pool_took(&self, inside: Inside<'_>, pool: u64, address: u64) {
        if let Some(block) = self.sides.take_of(address, pool, true).filter(|_| pool != 0) {
            self.count_out_of_pool(inside.body, block);
        }
    }

    /// All blocks of a pool went.
    pub fn pool_ended(&self, inside: Inside<'_>, pool: u64) {
        for (block, _) in self.sides.blocks(&self.store).filter(|(_, of)| pool != 0 && *of == pool) {
            if let Some(block) = self.sides.take_of(block.address, pool, true) {
                self.count_out_of_pool(inside.body, block);
            }
        }
    }

    fn count_out_of_pool(&self, body: &mut Body, block: Block) {
        let Some(site): Option<&Site> = self.sites.get(u64::from(block.site)) else { return };
        self.settle(body, site);
        if site.thread.get() == body.slot {
            site.freed_count.add(1);
            site.live_bytes.sub(block.bytes);
        } else {
            site.foreign_count.fetch_add(1);
            site.foreign_bytes.fetch_add(block.bytes);
        }
    }
}
