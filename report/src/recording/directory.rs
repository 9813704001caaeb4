//! A process's windows, and the tables that they make up.
//!
//! Invariants:
//! - every window lies inside the file and holds whole records;
//! - a table's windows follow each other without a gap, from index 0.

use std::collections::{HashSet, VecDeque};

use memtrace_wire::layout::{DIRECTORY_AT, PAGE_BYTES, Window, WindowKind};
use memtrace_wire::map::{self, Record};

use super::source::Source;
use crate::error::Error;

/// Directories of one process: 2,047 windows each. A process with 128 TiB of heap has 16,000.
const DIRECTORIES_MAX: usize = 1 << 15;

/// One window, checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// First index, or what stands for one: see `layout::Window`.
    pub index: u64,
    /// Where in the file.
    pub offset: u64,
    /// How long.
    pub bytes: u64,
}

/// The windows of one process.
pub struct Directory {
    parts: Vec<(WindowKind, Part)>,
}

impl Directory {
    /// All windows that the root's directory and those behind it name.
    pub fn read(source: &Source, root: &[u8]) -> Result<Directory, Error> {
        let mut parts = Vec::new();
        let mut seen = HashSet::new();
        let mut waiting = VecDeque::from([root.get(DIRECTORY_AT as usize..).unwrap_or(&[]).to_vec()]);
        while let Some(entries) = waiting.pop_front() {
            let places = (0..entries.len()).step_by(size_of::<Window>());
            for window in places.map_while(|at| map::read::<Window>(&entries, at)) {
                // The kind is written last; a writer that died before left 0.
                let Some(kind) = WindowKind::from_number(window.kind.get()) else { continue };
                let part = Part { index: window.index.get(), offset: window.offset.get(), bytes: window.bytes.get() };
                if kind != WindowKind::Directory {
                    parts.push((kind, part));
                } else if seen.len() < DIRECTORIES_MAX && seen.insert(part.offset) {
                    waiting.push_back(source.bytes(part.offset, part.bytes)?);
                }
            }
            source.give_back(entries.len() as u64);
        }
        parts.sort_by_key(|&(kind, part)| (kind as u32, part));
        Ok(Directory { parts })
    }

    /// The windows of one kind, by index.
    pub fn windows(&self, kind: WindowKind) -> impl Iterator<Item = Part> {
        self.parts.iter().filter(move |entry| entry.0 == kind).map(|entry| entry.1)
    }

    /// The first `count` records of a table. `missing` grows by those that have no window.
    pub fn table<T: Record>(
        &self,
        source: &Source,
        kind: WindowKind,
        count: u64,
        missing: &mut u64,
    ) -> Result<Vec<T>, Error> {
        let mut table = Vec::new();
        for part in self.windows(kind) {
            let have = table.len() as u64;
            if part.index != have || have >= count {
                break;
            }
            let records = (part.bytes / size_of::<T>() as u64).min(count - have);
            // Page by page: what stands beyond the count is not looked at.
            let (mut at, end) = (part.offset, records * size_of::<T>() as u64);
            let end = at.checked_add(end).ok_or_else(|| source.error("a window beyond the end of all files"))?;
            while at < end {
                let bytes = source.bytes(at, (end - at).min(256 * PAGE_BYTES))?;
                let places = (0..bytes.len()).step_by(size_of::<T>());
                table.extend(places.map_while(|place| map::read::<T>(&bytes, place)));
                at += bytes.len() as u64;
            }
        }
        *missing = missing.saturating_add(count.saturating_sub(table.len() as u64));
        Ok(table)
    }

    /// Looks at the first `count` records of a table, one after the other, without keeping them.
    pub fn each<T: Record>(
        &self,
        source: &Source,
        kind: WindowKind,
        count: u64,
        buffer: &mut Vec<u8>,
        look: &mut dyn FnMut(u64, &T),
    ) -> Result<(), Error> {
        let mut number = 0;
        for part in self.windows(kind) {
            if part.index != number || number >= count {
                break;
            }
            let records = (part.bytes / size_of::<T>() as u64).min(count - number);
            let (mut at, length) = (part.offset, records * size_of::<T>() as u64);
            let end = at.checked_add(length).ok_or_else(|| source.error("a window beyond the end of all files"))?;
            while at < end {
                buffer.resize((end - at).min(64 * PAGE_BYTES) as usize, 0);
                source.fill(at, buffer)?;
                let places = (0..buffer.len()).step_by(size_of::<T>());
                for record in places.map_while(|place| map::read::<T>(buffer, place)) {
                    look(number, &record);
                    number += 1;
                }
                at += buffer.len() as u64;
            }
        }
        Ok(())
    }

    /// Bytes of the windows, and how many of them were ever written. What a check found is a copy's, not the process's.
    pub fn extent(&self, source: &Source) -> (u64, u64) {
        use WindowKind::{Checks, Edges, Held, Lost, Steps};
        let is_own = |&&(kind, _): &&(WindowKind, Part)| !matches!(kind, Checks | Lost | Edges | Held | Steps);
        let parts = || self.parts.iter().filter(is_own).map(|entry| entry.1);
        let bytes = parts().map(|part| part.bytes).fold(0, u64::saturating_add);
        // Windows that lie side by side in the file are asked for together.
        let mut pieces: Vec<(u64, u64)> =
            parts().map(|part| (part.offset, part.offset.saturating_add(part.bytes))).collect();
        pieces.sort_unstable();
        pieces.dedup_by(|next, last| {
            let is_beside = next.0 <= last.1;
            if is_beside {
                last.1 = last.1.max(next.1);
            }
            is_beside
        });
        let stored = pieces.iter().map(|&(start, end)| source.stored_bytes(start, end));
        (bytes, stored.fold(0, u64::saturating_add))
    }

    /// The first `count` bytes of the text. Fewer are kept where a window was refused.
    pub fn text(&self, source: &Source, count: u64) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        for part in self.windows(WindowKind::Text) {
            let have = text.len() as u64;
            // The table's records are groups of four bytes.
            if part.index.saturating_mul(4) != have || have >= count {
                break;
            }
            text.extend(source.bytes(part.offset, part.bytes.min(count - have))?);
        }
        Ok(text)
    }
}
