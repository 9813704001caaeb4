//! Whose the resident memory of a process is, told from its mappings and from where its blocks lie.
//!
//! ```text
//!   [heap] ─────────────────────────▶ heap          file with code ─▶ module    other file ─▶ file
//!   without a file ─┬─ behind a module's data ─────▶ module          shared memory ─▶ shared
//!                   ├─ behind a closed mapping ────▶ stack            what a fork child finds empty ─▶ own
//!                   ├─ blocks, and little between ─▶ heap
//!                   └─ the rest ───────────────────▶ mapped
//! ```
//!
//! The kernel makes one mapping of neighbours, so a mapping without a file is cut into pieces, whose resident pages are counted.

use std::collections::BTreeSet;
use std::ops::Range;

use super::smaps::Smap;
use crate::profile::parts::{LARGEST_MAX, Mapping, Parts};

/// Less than this between two blocks is the allocator's, too.
const GAP_BYTES: u64 = 1 << 20;
/// A thread's stack has a closed mapping of no more than this before it.
const GUARD_BYTES_MAX: u64 = 1 << 20;
/// What a module has behind its file's data is no more than this, where nobody says where the module ends.
const ZEROED_BYTES_MAX: u64 = 1 << 20;
/// glibc's arenas but the first begin at multiples of this, and are no longer (malloc/arena.c).
const ARENA_BYTES: u64 = 64 << 20;
/// The first block of an arena lies so near to its beginning.
const ARENA_HEAD_BYTES: u64 = 32 << 10;

/// What is known of a process beside its mappings.
#[derive(Default)]
pub struct Known {
    /// Where blocks are, or once were: sorted by address, apart from each other.
    pub heap: Vec<Range<u64>>,
    /// Beginnings of glibc's arenas: such as have had a block there.
    pub arenas: Vec<u64>,
    /// Modules from the first address to the last.
    pub modules: Vec<Range<u64>>,
    /// memtrace's library.
    pub own: Vec<Range<u64>>,
    /// The longest stack of a thread.
    pub stack_bytes_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Heap,
    Stack,
    Module,
    File,
    Shared,
    Mapped,
    Own,
}

/// Ranges that come one after the other, most of them by address.
#[derive(Default)]
pub struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// One more; where it is near the last one, they are one.
    pub fn add(&mut self, range: Range<u64>) {
        match self.0.last_mut().filter(|last| last.start <= range.start && is_near(last, &range)) {
            Some(last) => last.end = last.end.max(range.end),
            None => self.0.push(range),
        }
    }

    /// By address, and apart from each other.
    pub fn united(mut self) -> Vec<Range<u64>> {
        self.0.sort_unstable_by_key(|range| range.start);
        let mut united = Ranges::default();
        self.0.into_iter().for_each(|range| united.add(range));
        united.0
    }
}

/// Whether there is little or nothing between a range and one that begins behind its beginning.
fn is_near(last: &Range<u64>, next: &Range<u64>) -> bool {
    next.start.saturating_sub(last.end) < GAP_BYTES
}

/// The arena of glibc's that begins at a piece of its memory that has had blocks; the piece is a small one.
pub fn arena(piece: &Range<u64>) -> Option<u64> {
    let begin = piece.start / ARENA_BYTES * ARENA_BYTES;
    (piece.start - begin < ARENA_HEAD_BYTES).then_some(begin)
}

/// The parts of the resident memory. `resident` counts the resident bytes of a range, where that can be told.
pub fn split(smaps: &[Smap], known: &Known, resident: &dyn Fn(Range<u64>) -> Option<u64>) -> Parts {
    let with_code: BTreeSet<&str> = smaps.iter().filter(|smap| smap.is_code).map(|smap| smap.name.as_str()).collect();
    let mut parts = Parts::default();
    let mut add = |part: Part, range: Range<u64>, bytes: u64, name: &str| {
        let sum = match part {
            Part::Heap => &mut parts.heap_bytes,
            Part::Stack => &mut parts.stack_bytes,
            Part::Module => &mut parts.module_bytes,
            Part::File => &mut parts.file_bytes,
            Part::Shared => &mut parts.shared_bytes,
            Part::Mapped => &mut parts.mapped_bytes,
            Part::Own => &mut parts.own_bytes,
        };
        *sum = sum.saturating_add(bytes);
        parts.rss_bytes = parts.rss_bytes.saturating_add(bytes);
        if bytes > 0 && matches!(part, Part::File | Part::Shared | Part::Mapped) {
            let path = Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
            let length = range.end - range.start;
            parts.largest.push(Mapping { start: range.start, bytes: length, resident_bytes: bytes, path });
        }
    };
    let before = std::iter::once(None).chain(smaps.iter().map(Some));
    for (smap, before) in smaps.iter().zip(before).filter(|(smap, _)| smap.rss_bytes > 0) {
        let is_in = |ranges: &[Range<u64>]| ranges.iter().any(|range| range.contains(&smap.range.start));
        let whole = match smap.name.as_str() {
            name if name.starts_with("/memfd:memtrace") || is_in(&known.own) => Part::Own,
            "" if smap.is_wiped => Part::Own,
            "" => {
                let pieces =
                    pieces(smap, before.filter(|before| before.range.end == smap.range.start), known, &with_code);
                counted(&pieces, smap.rss_bytes, resident).for_each(|(part, range, bytes)| add(part, range, bytes, ""));
                continue;
            }
            "[heap]" => Part::Heap,
            name if name.starts_with("[stack") => Part::Stack,
            name if is_shared(name) => Part::Shared,
            name if name.starts_with("[anon:") => Part::Mapped,
            name if name.starts_with('[') || with_code.contains(name) => Part::Module,
            _ => Part::File,
        };
        add(whole, smap.range.clone(), smap.rss_bytes, &smap.name);
    }
    parts.largest.sort_by_key(|mapping| (std::cmp::Reverse(mapping.resident_bytes), mapping.start));
    parts.largest.truncate(LARGEST_MAX);
    parts
}

/// Memory that several processes can have, and that no file keeps.
fn is_shared(name: &str) -> bool {
    ["/dev/zero", "/dev/shm/", "/memfd:", "/SYSV", "[anon_shmem:"].iter().any(|start| name.starts_with(start))
}

/// A mapping without a file, cut. `before` is the one that ends where it begins.
fn pieces(smap: &Smap, before: Option<&Smap>, known: &Known, with_code: &BTreeSet<&str>) -> Vec<(Part, Range<u64>)> {
    let Range { start, end } = smap.range;
    let first = known.heap.partition_point(|range| range.end <= start);
    let ranges = known.heap.iter().skip(first).take_while(|range| range.start < end).cloned();
    let arenas = known.arenas.iter().filter(|&&arena| smap.range.contains(&arena));
    let arenas = arenas.map(|&arena| arena..arena.saturating_add(ARENA_BYTES));
    let mut heap = Ranges::default();
    ranges.chain(arenas).for_each(|range| heap.add(range.start.max(start)..range.end.min(end)));
    let heap = heap.united();
    let blocks_at = heap.first().map_or(end, |range| range.start);
    let head = match before {
        Some(before) if !before.is_open && before.name.is_empty() => {
            let is_guard = before.range.end - before.range.start <= GUARD_BYTES_MAX;
            is_guard.then(|| (Part::Stack, end.min(start.saturating_add(known.stack_bytes_max))))
        }
        Some(before) if before.name.starts_with('/') && with_code.contains(before.name.as_str()) => {
            let module = known.modules.iter().find(|module| module.contains(&start));
            let ends_at = module.map_or(start.saturating_add(ZEROED_BYTES_MAX), |module| module.end);
            (module.is_some() || end <= ends_at).then(|| (Part::Module, end.min(ends_at)))
        }
        _ => None,
    };
    let mut pieces = Vec::new();
    let mut at = start;
    if let Some((part, to)) = head {
        at = to.min(blocks_at);
        pieces.push((part, start..at));
    }
    for range in heap {
        pieces.push((Part::Mapped, at..range.start.max(at)));
        at = range.end.max(at);
        pieces.push((Part::Heap, range));
    }
    pieces.push((Part::Mapped, at..end));
    pieces.retain(|(_, range)| !range.is_empty());
    pieces
}

/// The pieces with their resident bytes, which together are those of the mapping.
fn counted<'p>(
    pieces: &'p [(Part, Range<u64>)],
    rss_bytes: u64,
    resident: &'p dyn Fn(Range<u64>) -> Option<u64>,
) -> impl Iterator<Item = (Part, Range<u64>, u64)> + 'p {
    let mut rest = rss_bytes;
    let whole: u64 = pieces.iter().map(|(_, range)| range.end - range.start).sum();
    pieces.iter().enumerate().map(move |(place, (part, range))| {
        // What cannot be counted is taken to be evenly resident.
        let share = || (u128::from(rss_bytes) * u128::from(range.end - range.start) / u128::from(whole.max(1))) as u64;
        let bytes =
            if place + 1 == pieces.len() { rest } else { resident(range.clone()).unwrap_or_else(share).min(rest) };
        rest -= bytes;
        (*part, range.clone(), bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn smap(start: u64, mib: u64, name: &str) -> Smap {
        let range = start..start + mib * MIB;
        Smap { range, is_open: true, name: name.into(), rss_bytes: mib * MIB, ..Smap::default() }
    }

    /// Every page is there.
    fn all(range: Range<u64>) -> Option<u64> {
        Some(range.end - range.start)
    }

    fn one(range: Range<u64>) -> Vec<Range<u64>> {
        std::iter::once(range).collect()
    }

    #[test]
    fn names_tell_what_a_mapping_is() {
        let code = |smap: Smap| Smap { is_code: true, ..smap };
        let smaps = [
            code(smap(0, 1, "/bin/app")),
            smap(MIB, 2, "/bin/app"),
            smap(8 * MIB, 4, "[heap]"),
            smap(20 * MIB, 8, "/data"),
            smap(40 * MIB, 16, "/memfd:x (deleted)"),
            smap(80 * MIB, 32, "/memfd:memtrace (deleted)"),
            Smap { is_wiped: true, ..smap(200 * MIB, 64, "") },
            smap(300 * MIB, 3, "[stack]"),
        ];
        let parts = split(&smaps, &Known::default(), &all);
        let found = [
            parts.module_bytes,
            parts.heap_bytes,
            parts.file_bytes,
            parts.shared_bytes,
            parts.own_bytes,
            parts.stack_bytes,
            parts.mapped_bytes,
        ];
        assert_eq!(found.map(|bytes| bytes / MIB), [3, 4, 8, 16, 96, 3, 0]);
        assert_eq!(parts.rss_bytes, 130 * MIB);
        let largest: Vec<_> = parts.largest.iter().map(|one| (one.resident_bytes / MIB, one.path.as_deref())).collect();
        assert_eq!(largest, [(16, Some("/memfd:x (deleted)")), (8, Some("/data"))]);
    }

    #[test]
    fn neighbours_in_one_mapping_are_told_apart() {
        let mut guard = smap(99 * MIB, 1, "");
        (guard.is_open, guard.rss_bytes) = (false, 0);
        // A stack of 8 MiB, 64 of the program, 16 in a block, and 2 more, of which every second page is there.
        let mut smaps = [guard, smap(100 * MIB, 90, "")];
        smaps[1].rss_bytes = 45 * MIB;
        let known = Known { heap: one(172 * MIB..188 * MIB), stack_bytes_max: 8 * MIB, ..Known::default() };
        let half = |range: Range<u64>| Some((range.end - range.start) / 2);
        let of = |parts: Parts| [parts.stack_bytes, parts.mapped_bytes, parts.heap_bytes].map(|bytes| bytes / MIB);
        assert_eq!(of(split(&smaps, &known, &half)), [4, 33, 8]);
        assert_eq!(of(split(&smaps, &known, &|_| None)), [4, 33, 8], "by length, where pages cannot be counted");
        smaps[0].range.start -= 64 * MIB;
        assert_eq!(of(split(&smaps, &known, &half)), [0, 37, 8], "what keeps so much away is no stack's");
    }

    #[test]
    fn an_arena_is_the_allocators_up_to_its_end() {
        let smaps = [smap(640 * MIB, 30, "")];
        let heap = one(640 * MIB..641 * MIB);
        let mapped =
            |arenas| split(&smaps, &Known { heap: heap.clone(), arenas, ..Known::default() }, &all).mapped_bytes;
        let arenas: Vec<u64> = heap.iter().filter_map(arena).collect();
        assert_eq!((mapped(arenas), mapped(Vec::new())), (0, 29 * MIB));
        assert_eq!([640 * MIB + 32768, 639 * MIB].map(|at| arena(&(at..at + 32768))), [None, None]);
    }

    #[test]
    fn what_stands_behind_the_data_of_a_module_is_its_own() {
        let smaps = [Smap { is_code: true, ..smap(0, 1, "/lib/x.so") }, smap(MIB, 4, "")];
        let module = |known: Known| split(&smaps, &known, &all).module_bytes / MIB;
        assert_eq!(module(Known { modules: one(0..3 * MIB), ..Known::default() }), 3);
        assert_eq!(module(Known::default()), 1, "too much to be taken for its data");
    }

    #[test]
    fn ranges_with_little_between_them_are_one() {
        let mut ranges = Ranges::default();
        [5 * MIB..6 * MIB, 0..1, 1..MIB, MIB + 4096..2 * MIB, 9..10].into_iter().for_each(|range| ranges.add(range));
        assert_eq!(ranges.united(), [0..2 * MIB, 5 * MIB..6 * MIB]);
    }
}
