//! Which live blocks can still be reached, found out in a copy of the process: see `mark`.
//!
//! ```text
//!   live table ─▶ blocks ─────────────┐
//!   /proc/…/maps, threads ─▶ roots ───┼─▶ mark ─▶ emit (rows of the recording)
//!   chunks of the heap ─▶ heap ───────┘
//! ```

pub mod blocks;
mod caches;
mod dominators;
mod emit;
mod frames;
mod heap;
mod heuristics;
mod mark;
pub mod memory;
mod python;
mod ranges;
mod roots;
pub mod space;
mod stacks;

use core::ffi::CStr;
use memtrace_hot::Hot;
use memtrace_wire::layout::{Check, Hindrance, Holder, IGNORED, LOADER_BLOCKS, check_flags};
use memtrace_wire::live::Spacing;
use memtrace_wire::sys;

use crate::threads::Threads;
pub use blocks::Blocks;
pub use emit::Sums;
use frames::Frames;
pub use mark::Rules;
use mark::{Marks, Piece};
use memory::Own;
use ranges::Ranges;
use roots::{Mappings, Plan, Roots};
use space::{Array, List};

/// What a check is made with.
pub struct Task<'a> {
    /// The tables.
    pub hot: &'static Hot,
    /// How pointers are understood.
    pub rules: Rules,
    /// The threads.
    pub threads: &'a Threads,
    /// The list of its mappings.
    pub maps: &'a CStr,
    /// An address in the library.
    pub library: u64,
    /// Where it writes how it went.
    pub check: &'a Check,
    /// Where lost blocks are counted by site.
    pub lost: Option<&'a Array<u32>>,
    /// Nobody waits for it: what only each site holds is found out too, however long that takes.
    pub is_apart: bool,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub deadline_ns: u64,
}

/// What only each site holds is found out in passes over all blocks: a tenth of a second for so many.
const RETAINED_BLOCKS_MAX: usize = 100_000;
/// Bytes of them.
const RETAINED_BYTES_MAX: u64 = 64 << 20;

/// Checks these blocks, in a copy of the process.
pub fn run(task: &Task<'_>, mut blocks: Blocks) -> Result<Sums, Hindrance> {
    memory::catch_faults();
    blocks.index().ok_or(Hindrance::Memory)?;
    let mappings = Mappings::read(task.maps).ok_or(Hindrance::Maps)?;
    let announced = &task.hot.announced;
    let plan = Plan::new(&Own, &mappings, task.threads, announced, task.library).ok_or(Hindrance::Memory)?;
    let heaps = match task.hot.live.spacing() {
        Spacing::Apart => heap::glibc(&Own, &blocks, mappings.heap),
        Spacing::Close => heap::other(task.hot, &blocks),
    };
    let heaps = heaps.ok_or(Hindrance::Memory)?;
    let more = announced.roots.iter().count() + announced.signal_stacks.iter().count();
    let roots = plan.pieces(&mappings, &heaps, task.threads.count() + more + 16).ok_or(Hindrance::Memory)?;
    let mut marks = Marks::new(&blocks, &Own, &mappings, task.rules).ok_or(Hindrance::Memory)?;
    if task.is_apart || blocks.count() <= RETAINED_BLOCKS_MAX && blocks.bytes <= RETAINED_BYTES_MAX {
        marks.order = List::new(blocks.count());
    }
    roots.registers(task.threads);
    without_pointers(task, &roots, &mut marks);
    for [start, bytes] in announced.roots.iter() {
        roots.add(start.get(), start.get().saturating_add(bytes.get()), Holder::Announced, 0);
    }
    for number in 0..roots.pieces.count() {
        marks.root(&roots.pieces.get(number), number as u32);
    }
    let heap_bytes = unknown_heap(task, &roots, &heaps, &mut marks);
    let in_time = || sys::monotonic_ns() < task.deadline_ns;
    if !marks.follow(in_time) {
        return Err(Hindrance::Deadline);
    }
    let frames = Frames::new(&task.hot.objects, &Own, task.threads);
    let found = emit::Found { pieces: &roots.pieces, frames: frames.as_ref(), lost: task.lost };
    // What only one site holds is worth a part of the time that is left, and not the verdict.
    let now_ns = sys::monotonic_ns();
    let limit_ns = now_ns + task.deadline_ns.saturating_sub(now_ns) / 4;
    let in_time = || sys::monotonic_ns() < limit_ns;
    let sums = emit::write(task.hot, task.check, &mut marks, &found, in_time).ok_or(Hindrance::Memory)?;
    task.check.root_bytes.set(roots.bytes + heap_bytes);
    task.check.unreadable_bytes.set(marks.unreadable);
    let frames_bytes = frames.as_ref().map_or(0, Frames::work_bytes);
    task.check.work_bytes.set(blocks.work_bytes() + marks.work_bytes() + frames_bytes);
    // The copy ends now, and the kernel takes all of it at once: sooner than one array after the other.
    core::mem::forget((frames, marks, roots, heaps));
    core::mem::forget((blocks, mappings));
    Ok(sums)
}

/// Blocks that are held, though no pointer to them can be read: the loader's, ignored ones, and those in which a
/// thread has its stack or its signal stack.
fn without_pointers(task: &Task<'_>, roots: &Roots, marks: &mut Marks<'_, Own, Mappings>) {
    let blocks = marks.blocks;
    for [sp, tid] in roots.strays.iter() {
        if let Some(block) = blocks.find(sp) {
            let number = roots.add(sp, sp, Holder::StackBlock, tid as u32);
            marks.stacks.push([block as u64, sp]);
            marks.hold(block, number);
        }
    }
    let loader = roots.add(0, 0, Holder::Loader, 0);
    let ignored = roots.add(0, 0, Holder::Ignored, 0);
    for block in 0..blocks.count() {
        let flags = emit::flags(task.hot, blocks.site(block));
        if flags & (LOADER_BLOCKS | IGNORED) != 0 {
            marks.hold(block, if flags & IGNORED != 0 { ignored } else { loader });
        }
    }
    let announced = &task.hot.announced;
    for [address, site] in announced.ignored.iter() {
        if let Some(block) = blocks.find(address.get())
            && u64::from(blocks.site(block)) == site.get()
        {
            marks.hold(block, ignored);
        }
    }
    let is_forked = task.hot.store.process().is_some_and(|process| process.forked.get() != 0);
    let lives = |tid: u32| is_forked || task.threads.iter().any(|thread| thread.tid == tid);
    for (tid, start, bytes) in announced.signal_stacks().filter(|&(tid, ..)| lives(tid)) {
        let number = roots.add(start, start.saturating_add(bytes), Holder::SignalStack, tid);
        if let Some(block) = blocks.find(start) {
            marks.hold(block, number);
        }
    }
}

/// Heap memory whose blocks are not known holds what it points to; its bytes.
fn unknown_heap(task: &Task<'_>, roots: &Roots, heaps: &Ranges, marks: &mut Marks<'_, Own, Mappings>) -> u64 {
    let number = roots.add(0, 0, Holder::UnknownHeap, 0);
    let (mut bytes, mut unknown_bytes) = (0, 0);
    let blocks = marks.blocks;
    if task.hot.live.spacing() == Spacing::Apart {
        unknown_bytes = heap::unknown(task.hot, &Own, blocks, heaps, |start, end, kind| {
            bytes += end.saturating_sub(start);
            marks.root(&Piece { start, end, holder: Holder::UnknownHeap, number: kind }, number);
        });
    } else if is_partial(task.hot) {
        for region in heaps.iter() {
            bytes += region.end - region.start;
            marks.root(&Piece { holder: Holder::UnknownHeap, ..region }, number);
        }
        unknown_bytes = bytes;
    }
    if unknown_bytes != 0 {
        task.check.flags.set(task.check.flags.get() | check_flags::UNKNOWN_BLOCKS);
    }
    bytes
}

/// Whether there are blocks that no table knows: sampled ones, those from before a fork.
fn is_partial(hot: &Hot) -> bool {
    let Some(process) = hot.store.process() else { return true };
    process.forked.get() != 0 || process.sample_bytes.get() != 0 || process.memory_level.get() >= 2
}
