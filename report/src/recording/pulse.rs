//! The counters of a process that runs: read again and again from the file that it writes into.
//!
//! ```text
//!   header ─▶ did the directory grow? ─▶ sites, one after the other ─▶ a Beat
//! ```
//!
//! Nothing is kept but the directory and one buffer. The process goes on meanwhile, so the sites are those of slightly
//! different moments: what another thread gave back may be counted before the block itself, and sums stop at 0.

use std::collections::HashSet;
use std::ops::Range;

use memtrace_wire::layout::{
    DIRECTORY_AT, FileHeader, IN_POOLS, MAGIC, Module, PAGE_BYTES, PROCESS_MAGIC, ProcessHeader, ROOT_BYTES, Site,
    VERSION, WindowKind,
};
use memtrace_wire::live::{SITE_MAX, Spacing};
use memtrace_wire::map::Record;

use super::directory::Directory;
use super::live;
use super::source::Source;
use crate::error::Error;

/// What the counters said at one moment. Blocks of pools count for themselves alone, and are not in the sums.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Beat {
    /// Live bytes.
    pub live_bytes: u64,
    /// Live blocks.
    pub live_blocks: u64,
    /// Allocations since the beginning.
    pub allocations: u64,
    /// Their bytes.
    pub allocated_bytes: u64,
}

/// One site at that moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SiteBeat {
    /// Its number.
    pub site: u32,
    /// Live bytes.
    pub live_bytes: u64,
    /// Live blocks.
    pub live_blocks: u64,
}

/// What is known of a piece of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trace {
    /// It is a block.
    Block,
    /// Blocks began in it, and may be gone.
    Once(Spacing),
}

/// One image of one process.
pub struct Pulse {
    /// Where its root stands in the file.
    root: u64,
    directory: Option<Directory>,
    window_count: u64,
    buffer: Vec<u8>,
}

/// The roots that stand before `last` in the chain, which begins with the newest, and the header of each.
pub fn roots(source: &Source, last: Option<u64>) -> Result<Vec<(u64, ProcessHeader)>, Error> {
    let header: FileHeader = record(source, 0)?;
    if (header.magic.get(), header.version.get()) != (MAGIC, VERSION) {
        return Err(source.error("it is none of this version"));
    }
    let mut at = header.first_process.get();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    // A link back into the chain ends it.
    while at != 0 && Some(at) != last && seen.insert(at) {
        if !at.is_multiple_of(PAGE_BYTES) {
            return Err(source.error("a process that no page begins with"));
        }
        let header: ProcessHeader = record(source, at)?;
        let next = header.next_process.get();
        found.push((at, header));
        at = next;
    }
    Ok(found)
}

fn record<T: Record>(source: &Source, at: u64) -> Result<T, Error> {
    let record = source.record(at)?;
    source.give_back(size_of::<T>() as u64);
    Ok(record)
}

impl Pulse {
    /// Of the process whose root stands there.
    pub fn of(root: u64) -> Pulse {
        Pulse { root, directory: None, window_count: 0, buffer: Vec::new() }
    }

    /// Everything that is not a table; `None`: it has not got as far as to be a process.
    pub fn header(&self, source: &Source) -> Result<Option<ProcessHeader>, Error> {
        let header: ProcessHeader = record(source, self.root)?;
        Ok((header.magic.get() == PROCESS_MAGIC).then_some(header))
    }

    /// The sums, and each site that has live blocks.
    pub fn beat(
        &mut self,
        source: &Source,
        header: &ProcessHeader,
        look: &mut dyn FnMut(SiteBeat),
    ) -> Result<Beat, Error> {
        let mut beat = Beat::default();
        let mut buffer = std::mem::take(&mut self.buffer);
        let directory = self.directory(source, header)?;
        let mut add = |number: u64, site: &Site| {
            let total = site.total_count.get();
            if total == 0 {
                return;
            }
            let live_blocks = site.live_count().saturating_sub(site.foreign_count.get());
            let live_bytes = site.live_bytes.get().saturating_sub(site.foreign_bytes.get());
            // A count that was overtaken by another thread's free is a very large number.
            let sound = |number: u64| if number > i64::MAX as u64 { 0 } else { number };
            let (live_blocks, live_bytes) = (sound(live_blocks), sound(live_bytes));
            if site.flags.get() & IN_POOLS == 0 {
                for (sum, part) in [
                    (&mut beat.live_bytes, live_bytes),
                    (&mut beat.live_blocks, live_blocks),
                    (&mut beat.allocations, total),
                    (&mut beat.allocated_bytes, site.total_bytes.get()),
                ] {
                    *sum = sum.saturating_add(part);
                }
            }
            if live_blocks > 0 && number > 0 {
                look(SiteBeat { site: number as u32, live_bytes, live_blocks });
            }
        };
        // A count beyond what a cell can name is none, whoever wrote it.
        let count = header.site_count.get().min(u64::from(SITE_MAX) + 1);
        directory.each(source, WindowKind::Sites, count, &mut buffer, &mut add)?;
        self.buffer = buffer;
        Ok(beat)
    }

    /// Memory of memtrace's own that is resident: the pages of windows that were ever written, and what is no window.
    pub fn own_bytes(&mut self, source: &Source, header: &ProcessHeader) -> Result<Own, Error> {
        let (bytes, stored) = self.directory(source, header)?.extent(source);
        let root = source.stored_bytes(self.root, self.root.saturating_add(ROOT_BYTES));
        let elsewhere = header.own_bytes.get().saturating_sub(bytes.saturating_add(ROOT_BYTES));
        Ok(Own { shared: stored.saturating_add(root), private: elsewhere })
    }

    /// Looks at the memory that blocks are in, which come by address but for a few, and at that which they once were in.
    pub fn heap(
        &mut self,
        source: &Source,
        header: &ProcessHeader,
        look: &mut dyn FnMut(Range<u64>, Trace),
    ) -> Result<(), Error> {
        let directory = self.directory(source, header)?;
        live::each_touched(source, directory, &mut |spacing, piece| look(piece, Trace::Once(spacing)));
        live::each(source, directory, header.side_count.get(), &mut |block| {
            look(block.address..block.address.saturating_add(block.bytes), Trace::Block);
        })
    }

    /// The modules that were seen.
    pub fn modules(&mut self, source: &Source, header: &ProcessHeader) -> Result<Vec<Module>, Error> {
        let modules =
            self.directory(source, header)?.table(source, WindowKind::Modules, header.module_count.get(), &mut 0)?;
        source.give_back((modules.len() * size_of::<Module>()) as u64);
        Ok(modules)
    }

    fn directory(&mut self, source: &Source, header: &ProcessHeader) -> Result<&Directory, Error> {
        let windows = header.window_count.get();
        if self.directory.is_none() || windows != self.window_count {
            let root = source.bytes(self.root, ROOT_BYTES)?;
            self.directory = None;
            self.window_count = windows;
            let directory = Directory::read(source, &root)?;
            // What is behind the root's header and settings it has given back itself.
            source.give_back(DIRECTORY_AT);
            return Ok(self.directory.insert(directory));
        }
        self.directory.as_ref().ok_or_else(|| source.error("a process without a directory"))
    }
}

/// Memory of memtrace's own.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Own {
    /// In the recording's file.
    pub shared: u64,
    /// The process's alone, as it counts it itself.
    pub private: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::builder::{Target, file_of, recording};

    fn beat_of(target: Target) -> (Beat, Vec<SiteBeat>) {
        let source = Source::new(file_of(&recording(&[target])), "x").unwrap();
        let [(root, _)] = roots(&source, None).unwrap()[..] else { panic!() };
        assert!(roots(&source, Some(root)).unwrap().is_empty(), "nothing is new");
        let mut pulse = Pulse::of(root);
        let header = pulse.header(&source).unwrap().unwrap();
        let mut looks = Vec::new();
        for _ in 0..3 {
            let mut sites = Vec::new();
            let beat = pulse.beat(&source, &header, &mut |site| sites.push(site)).unwrap();
            looks.push((beat, sites));
        }
        assert!(looks.iter().all(|look| *look == looks[0]), "nothing changed");
        looks.remove(0)
    }

    #[test]
    fn sums_are_those_of_all_sites_but_pools() {
        let mut target = Target::new(1, "app");
        let leaf = target.stack(&[0x1010]);
        target.site(leaf, 24, 3, 2);
        target.site(leaf, 10, 5, 0);
        target.site(leaf, 100, 1, 1).flags.set(IN_POOLS);
        let (beat, sites) = beat_of(target);
        assert_eq!(beat, Beat { live_bytes: 48, live_blocks: 2, allocations: 8, allocated_bytes: 122 });
        let found: Vec<_> = sites.iter().map(|site| (site.live_bytes, site.live_blocks)).collect();
        assert_eq!(found, [(48, 2), (100, 1)]);
    }

    #[test]
    fn a_free_that_is_counted_before_its_block_makes_no_huge_number() {
        let mut target = Target::new(1, "app");
        let leaf = target.stack(&[0x1010]);
        let site = target.site(leaf, 24, 3, 2);
        site.foreign_count.set(3);
        site.foreign_bytes.set(72);
        let early = target.site(leaf, 24, 3, 3);
        early.freed_count.set(4);
        early.live_bytes.set(24u64.wrapping_neg());
        let (beat, sites) = beat_of(target);
        assert_eq!((beat.live_bytes, beat.live_blocks, sites.len()), (0, 0, 0));
    }

    #[test]
    fn memory_of_memtraces_own_is_what_was_written() {
        let file = file_of(&recording(&[Target::new(1, "app")]));
        let stored = Source::new(file.try_clone().unwrap(), "x").unwrap().stored_bytes(0, u64::MAX);
        let source = Source::new(file, "x").unwrap();
        let [(root, _)] = roots(&source, None).unwrap()[..] else { panic!() };
        let mut pulse = Pulse::of(root);
        let header = pulse.header(&source).unwrap().unwrap();
        let own = pulse.own_bytes(&source, &header).unwrap();
        assert!(own.shared > 0 && own.shared <= stored, "{own:?} of {stored}");
    }
}
