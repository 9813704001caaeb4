//! Heap memory that is not known to be live: most of it is free and no root, but a chunk in use that memtrace never
//! saw (allocated before the start, or past the hooks) may hold blocks, so it is one.
//!
//! glibc's chunks tell which they are (malloc/malloc.c): a chunk begins with the size of the one before, if that is
//! free, and its own size with three bits, of which the lowest says whether the one before is in use. What lies in
//! a thread's cache or in a fast bin looks as if it were in use; most were freed through the hooks, and the live
//! table says so (`live::was_at`), and `caches` knows the others.

use memtrace_hot::Hot;
use memtrace_wire::layout::Holder;
use memtrace_wire::live::{self, Spacing};

use super::blocks::Blocks;
use super::caches::Caches;
use super::memory::Memory;
use super::ranges::Ranges;
use super::roots::LIBC;

const IN_USE: u64 = 1;
const MAPPED: u64 = 2;
const NOT_MAIN: u64 = 4;
const CHUNK_MIN: u64 = 32;
/// Heaps of threads begin at multiples of this (HEAP_MAX_SIZE).
const HEAP_BYTES: u64 = 64 << 20;

/// The heaps of glibc's malloc, which are not to be read as mappings: `main` is where brk(2)'s heap lies. The number of
/// each is 0 there, 1 for a heap of a thread's, 2 for a block with a mapping of its own.
pub fn glibc(memory: &impl Memory, blocks: &Blocks, main: (u64, u64)) -> Option<Ranges> {
    let mut mapped = 0usize;
    let mut heaps = 0usize;
    let mut last = 0;
    for number in 0..blocks.own_count() {
        match place(memory, blocks.address(number), main) {
            Place::Main => {}
            Place::Heap(start, _) => {
                heaps += usize::from(start != last);
                last = start;
            }
            Place::Alone => mapped += 1,
        }
    }
    let regions = Ranges::new(mapped + heaps + 1)?;
    regions.add(main.0, main.1, Holder::Block, 0);
    last = 0;
    for number in 0..blocks.own_count() {
        let address = blocks.address(number);
        match place(memory, address, main) {
            Place::Main => {}
            Place::Heap(start, end) if start != last => {
                regions.add(start, end, Holder::Block, 1);
                last = start;
            }
            Place::Heap(..) => {}
            Place::Alone => {
                regions.add(address - 16, (address + blocks.bytes(number)).next_multiple_of(16), Holder::Block, 2);
            }
        }
    }
    regions.settle();
    Some(regions)
}

enum Place {
    Main,
    Heap(u64, u64),
    Alone,
}

fn place(memory: &impl Memory, address: u64, main: (u64, u64)) -> Place {
    if (main.0..main.1).contains(&address) {
        return Place::Main;
    }
    let Some(size) = memory.word(address - 8) else { return Place::Alone };
    if size & (MAPPED | NOT_MAIN) != NOT_MAIN {
        return Place::Alone;
    }
    // heap_info: the arena, the heap before, its size.
    let start = address & !(HEAP_BYTES - 1);
    match memory.word(start + 16) {
        Some(bytes) if bytes <= HEAP_BYTES && bytes % 4096 == 0 && address - start < bytes => {
            Place::Heap(start, start + bytes)
        }
        _ => Place::Alone,
    }
}

/// Gives what counts as a root in the heaps: chunks in use that are no known block; the bytes of those that are not
/// malloc's own. The third argument is `LIBC` for a heap's header.
pub fn unknown(
    hot: &Hot,
    memory: &impl Memory,
    blocks: &Blocks,
    heaps: &Ranges,
    mut root: impl FnMut(u64, u64, u32),
) -> u64 {
    let cell_at = |address: u64| hot.live.peek_cell(address).unwrap_or(0);
    let mut unknown_bytes = 0;
    let mut caches = Caches::default();
    for region in heaps.iter().filter(|region| region.number < 2) {
        let mut number = blocks.first_from(region.start);
        let known = |number: usize| {
            let address = blocks.address(number);
            (number < blocks.own_count() && address < region.end).then_some(address)
        };
        let mut at = region.start;
        if region.number == 1 {
            // The heap's own header, and the arena's in the first heap of an arena, stand before the first chunk.
            at = known(number).map_or(region.end, |address| address - 16);
            root(region.start, at, LIBC);
        }
        while at + CHUNK_MIN <= region.end {
            let user = at + 16;
            while known(number).is_some_and(|address| address < user) {
                number += 1;
            }
            let size = memory.word(at + 8).unwrap_or(0) & !7;
            let next = at + size;
            if size < CHUNK_MIN || !size.is_multiple_of(16) || next > region.end {
                // Not a chunk: what lies up to the next known block may be anything.
                let until = known(number).map_or(region.end, |address| address - 16);
                let until =
                    if until <= at { known(number + 1).map_or(region.end, |address| address - 16) } else { until };
                unknown_bytes += until.saturating_sub(at);
                root(at, until, 0);
                at = until;
                continue;
            }
            let is_last = next + 16 > region.end;
            let is_known = known(number) == Some(user);
            if !is_last && !is_known && !live::was_at(cell_at(user), user) {
                let is_used = memory.word(next + 8).is_some_and(|size| size & IN_USE != 0);
                if is_used && Caches::is_one(size) {
                    caches.learn(memory, user, size, (region.start, region.end));
                    root(user, next + 8, 0);
                } else if is_used && !caches.hold(memory, user) {
                    unknown_bytes += size;
                    root(user, next + 8, 0);
                }
            }
            at = next;
        }
    }
    unknown_bytes
}

/// The heaps of another allocator: pages on which a block ever began.
pub fn other(hot: &Hot, blocks: &Blocks) -> Option<Ranges> {
    const PAGE: u64 = 4096;
    debug_assert!(hot.live.spacing() == Spacing::Close);
    let cells_a_page = (PAGE >> Spacing::Close.granule_shift()) as usize;
    let pages = || {
        hot.live.leaves().flat_map(move |(start, cells)| {
            let cells = cells.get(..cells.len() - 1).unwrap_or(&[]);
            let used = |page: &(usize, &[memtrace_wire::map::U32])| page.1.iter().any(|cell| cell.get() != 0);
            let pages = cells.chunks(cells_a_page).enumerate().filter(used);
            pages.map(move |(page, _)| start + page as u64 * PAGE)
        })
    };
    let regions = Ranges::new(pages().count() + blocks.own_count())?;
    let mut run: Option<(u64, u64)> = None;
    for page in pages() {
        match &mut run {
            Some((_, end)) if *end == page => *end += PAGE,
            _ => {
                if let Some((start, end)) = run {
                    regions.add(start, end, Holder::Block, 2);
                }
                run = Some((page, page + PAGE));
            }
        }
    }
    if let Some((start, end)) = run {
        regions.add(start, end, Holder::Block, 2);
    }
    for number in 0..blocks.own_count() {
        let (address, bytes) = (blocks.address(number), blocks.bytes(number));
        if bytes >= PAGE {
            regions.add(address, address + bytes, Holder::Block, 2);
        }
    }
    regions.settle();
    Some(regions)
}
