//! Which blocks can still be reached.
//!
//! ```text
//!   roots ──start──▶ block ──start──▶ block         reachable
//!     │                │
//!     └──behind start──┴──▶ block ──any──▶ block    possible (the first one is an entry)
//!                           block ──any──▶ block    neither: lost, which kinds is the report's to say
//! ```
//!
//! A block is read once. Blocks come out of the queue in the order in which they were met, so the way by which a
//! block was met first is a shortest one.

use memtrace_wire::layout::Holder;

use super::blocks::{Blocks, state};
use super::heuristics::{Code, applies};
use super::memory::Memory;
use super::python;
use super::roots::{LIBC, SHARED};
use super::space::{Array, List};

/// Memory that holds blocks: from, to, and who it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// First address.
    pub start: u64,
    /// Last address + 1.
    pub end: u64,
    /// What it is.
    pub holder: Holder,
    /// The thread's kernel id, where it belongs to one.
    pub number: u32,
}

/// How pointers are understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Heuristics that are switched on, by bits.
    pub heuristics: u32,
    /// Bits at the lower end of a pointer that may be a tag.
    pub low_bits: u32,
    /// The same at its upper end.
    pub high_bits: u32,
    /// Address of CPython's `type`; 0: there is no CPython.
    pub type_of_types: u64,
}

/// A pointer from a root: where it lies, and in which piece.
pub type RootAt = [u64; 2];

/// From here on a parent is a place in the list of pointers from roots.
pub const FROM_ROOT: u32 = 1 << 31;

/// The search.
pub struct Marks<'a, M, C> {
    /// The blocks.
    pub blocks: &'a Blocks,
    memory: &'a M,
    code: &'a C,
    rules: Rules,
    /// By block: the block that it was met in, or a place in `from_roots`.
    pub parents: Array<u32>,
    /// By block that was met in a block: where in that, in words.
    places: Array<u32>,
    /// Reachable blocks, in the order in which they were met, if that is wanted.
    pub order: Option<List<u32>>,
    /// Where pointers from roots lie.
    pub from_roots: List<RootAt>,
    queue: Queue,
    /// Bytes that could not be read.
    pub unreadable: u64,
    /// The root that is read holds malloc's own pointers, to chunks: those behind a block's start are none to it.
    of_malloc: bool,
    /// What is held already is of no interest.
    is_searching: bool,
    /// A block in which a thread runs is read from its stack pointer on: block and address.
    pub stacks: List<[u64; 2]>,
}

/// Shared memory is read in steps.
const SHARED_STEP: u64 = 1 << 20;
/// Shared memory that is read of one mapping.
const SHARED_MAX: u64 = 1 << 30;
/// Bytes between two looks at the clock.
const PATIENCE_BYTES: u64 = 16 << 20;

impl<'a, M: Memory, C: Code> Marks<'a, M, C> {
    /// Nothing marked. `None`: no memory.
    pub fn new(blocks: &'a Blocks, memory: &'a M, code: &'a C, rules: Rules) -> Option<Self> {
        Some(Self {
            blocks,
            memory,
            code,
            rules,
            parents: Array::new(blocks.count())?,
            places: Array::new(blocks.count())?,
            order: None,
            from_roots: List::new(blocks.count() + 1)?,
            queue: Queue::new(blocks.count())?,
            unreadable: 0,
            of_malloc: false,
            is_searching: rules.low_bits | rules.high_bits == 0,
            stacks: List::new(1024)?,
        })
    }

    /// Marks what a piece of root memory holds; `number` is the piece's.
    pub fn root(&mut self, piece: &Piece, number: u32) {
        let is_shared = piece.holder == Holder::Mapping && piece.number == SHARED;
        // Shared memory is read in steps too small for a look at which pages were touched.
        let step = if is_shared { SHARED_STEP } else { u64::MAX };
        self.of_malloc = piece.number == LIBC && matches!(piece.holder, Holder::Global | Holder::UnknownHeap);
        let mut start = piece.start;
        while start < piece.end.min(piece.start.saturating_add(if is_shared { SHARED_MAX } else { u64::MAX })) {
            let end = piece.end.min(start.saturating_add(step));
            self.root_part(start, end, number);
            start = end;
        }
        self.of_malloc = false;
    }

    fn root_part(&mut self, start: u64, end: u64, number: u32) {
        let (memory, blocks) = (self.memory, self.blocks);
        blocks.parts(start, end, |start, end| {
            let unreadable = memory.words(start, end, |at, word| {
                self.each_target(word, |marks, block, is_start| {
                    if marks.reach(block, is_start) {
                        marks.parents.set(block, FROM_ROOT | marks.from_roots.count() as u32);
                        marks.from_roots.push([at, u64::from(number)]);
                    }
                });
            });
            self.unreadable += unreadable;
        });
    }

    /// Marks a block that a root holds without a pointer that could be read.
    pub fn hold(&mut self, block: usize, number: u32) {
        if self.reach(block, Some(0)) {
            self.parents.set(block, FROM_ROOT | self.from_roots.count() as u32);
            self.from_roots.push([0, u64::from(number)]);
        }
    }

    /// Reads everything that was marked, and what that leads to. False: the deadline passed.
    pub fn follow(&mut self, in_time: impl Fn() -> bool) -> bool {
        let is_done = self.follow_all(in_time);
        self.is_searching = false;
        is_done
    }

    fn follow_all(&mut self, in_time: impl Fn() -> bool) -> bool {
        let drained = self.drain(&in_time, |marks, (from, at), block, is_start| {
            if marks.reach(block, is_start) {
                marks.parents.set(block, from as u32);
                marks.places.set(block, ((at - marks.blocks.address(from)) / 8) as u32);
            }
        });
        if !drained {
            return false;
        }
        for block in 0..self.blocks.count() {
            if self.blocks.state(block) & (state::KIND | state::ENTRY) == state::POSSIBLE | state::ENTRY {
                self.enqueue(block);
            }
        }
        self.drain(&in_time, |marks, _, block, _| {
            for block in [Some(block), marks.blocks.chunk_of(block)].into_iter().flatten() {
                if marks.blocks.state(block) & state::KIND == state::UNREACHED {
                    marks.blocks.set_state(block, state::POSSIBLE);
                    marks.enqueue(block);
                }
            }
        })
    }

    /// The blocks that a block points to, and whether to their starts.
    pub fn targets(&mut self, from: usize, mut each: impl FnMut(usize, bool)) {
        let memory = self.memory;
        self.each_part(from, |marks, start, end| {
            memory.words(start, end, |_, word| {
                marks.each_target(word, |_, block, is_start| each(block, is_start.is_some()));
            });
        });
    }

    /// The parts of a block that are its own: what a pool gave from it is not.
    #[inline(always)]
    fn each_part(&mut self, block: usize, mut each: impl FnMut(&mut Self, u64, u64)) {
        let ((start, end), blocks) = (self.extent(block), self.blocks);
        if blocks.is_pools(block) {
            return each(self, start, end);
        }
        blocks.parts(start, end, |start, end| each(self, start, end));
    }

    /// Where the pointer lies by which a block was met first in its parent, and its value.
    pub fn pointer_to(&self, block: usize, parent: usize) -> Option<(u64, u64)> {
        let at = self.blocks.address(parent) + u64::from(self.places.get(block)) * 8;
        Some((at, self.memory.word(at)?))
    }

    /// Where a block is read.
    pub fn extent(&self, block: usize) -> (u64, u64) {
        let start = self.blocks.address(block);
        let sp = self.stacks.iter().find(|&[stack, _]| stack == block as u64).map_or(start, |[_, sp]| sp);
        (sp, start + self.blocks.bytes(block))
    }

    /// Marks a block as reachable, or as possibly so. True: it was met here first by pointers to starts.
    fn reach(&mut self, block: usize, is_start: Option<u8>) -> bool {
        let before = self.blocks.state(block);
        match (is_start, before & state::KIND) {
            (Some(0), state::REACHABLE) if before >> state::HEURISTIC_SHIFT != 0 => {
                // A pointer to its very start: no heuristic was needed.
                self.blocks.set_state(block, before & !(7 << state::HEURISTIC_SHIFT));
                false
            }
            (_, state::REACHABLE) | (None, state::POSSIBLE) => false,
            (Some(heuristic), _) => {
                self.blocks.set_state(block, state::REACHABLE | heuristic << state::HEURISTIC_SHIFT);
                if let Some(order) = &self.order {
                    order.push(block as u32);
                }
                self.enqueue(block);
                if let Some(chunk) = self.blocks.chunk_of(block)
                    && self.reach(chunk, Some(0))
                {
                    self.parents.set(chunk, block as u32);
                }
                true
            }
            (None, _) => {
                self.blocks.set_state(block, state::POSSIBLE | state::ENTRY);
                if let Some(chunk) = self.blocks.chunk_of(block) {
                    self.reach(chunk, None);
                }
                false
            }
        }
    }

    fn enqueue(&mut self, block: usize) {
        self.blocks.set_state(block, self.blocks.state(block) | state::QUEUED);
        self.queue.push(block as u32);
    }

    /// Reads all blocks that wait. `met`: this block points to that one, from there.
    fn drain(
        &mut self,
        in_time: &impl Fn() -> bool,
        met: impl Fn(&mut Self, (usize, u64), usize, Option<u8>) + Copy,
    ) -> bool {
        let mut until_clock = PATIENCE_BYTES;
        loop {
            while let Some(from) = self.queue.pop() {
                let from = from as usize;
                self.blocks.set_state(from, self.blocks.state(from) & !state::QUEUED | READ);
                let (start, end) = self.extent(from);
                let memory = self.memory;
                self.each_part(from, |marks, start, end| {
                    let unreadable = memory.words(start, end, |at, word| {
                        marks.each_target(word, |marks, block, is_start| met(marks, (from, at), block, is_start));
                    });
                    marks.unreadable += unreadable;
                });
                let bytes = end.saturating_sub(start) + 64;
                if bytes >= until_clock {
                    if !in_time() {
                        return false;
                    }
                    until_clock = PATIENCE_BYTES;
                } else {
                    until_clock -= bytes;
                }
            }
            if !self.queue.was_full() {
                return true;
            }
            // Some found no place in the queue: they are marked as waiting.
            for block in 0..self.blocks.count() {
                if self.blocks.state(block) & (state::QUEUED | READ) == state::QUEUED {
                    self.queue.push(block as u32);
                }
            }
        }
    }

    /// What a word points to, if anything: the block, and `Some` if it counts as a pointer to its start, with the
    /// heuristic that says so or 0.
    #[inline(always)]
    fn each_target(&mut self, word: u64, found: impl FnOnce(&mut Self, usize, Option<u8>)) {
        if self.rules.low_bits | self.rules.high_bits != 0 {
            return self.tagged(word, found);
        }
        if (self.blocks.may_hold(word) || self.blocks.in_pool(word).is_some())
            && let Some((block, is_start)) = self.target(word)
        {
            found(self, block, is_start);
        }
    }

    #[inline(never)]
    fn tagged(&mut self, word: u64, found: impl FnOnce(&mut Self, usize, Option<u8>)) {
        let high = word << self.rules.high_bits >> self.rules.high_bits;
        let low = |word: u64| word >> self.rules.low_bits << self.rules.low_bits;
        let candidates = [word, high, low(word), low(high)];
        let starts = candidates.iter().filter_map(|&word| self.target(word)).find(|(_, is_start)| is_start.is_some());
        if let Some((block, is_start)) = starts.or_else(|| candidates.iter().find_map(|&word| self.target(word))) {
            found(self, block, is_start);
        }
    }

    fn target(&self, word: u64) -> Option<(usize, Option<u8>)> {
        let block = match self.blocks.in_pool(word) {
            Some(of_pool) => of_pool,
            None => self.blocks.before(word)?,
        };
        let (start, bytes) = (self.blocks.address(block), self.blocks.bytes(block));
        let offset = word - start;
        if offset == 0 {
            return Some((block, Some(0)));
        }
        if offset >= bytes {
            // `new T[0]`: what it gives is behind the number of elements, where the block ends.
            let is_empty_array = offset == 8 && bytes == 8 && self.memory.word(start) == Some(0);
            return is_empty_array.then_some((block, Some(0)));
        }
        if self.of_malloc || self.is_searching && self.blocks.state(block) & state::KIND == state::REACHABLE {
            return None;
        }
        if python::means_start(self.memory, self.rules.type_of_types, (start, bytes), word) {
            return Some((block, Some(0)));
        }
        let heuristic = applies(self.memory, self.code, self.rules.heuristics, (start, bytes), word);
        Some((block, heuristic.map(|heuristic| heuristic as u8)))
    }

    /// Memory that this takes.
    pub fn work_bytes(&self) -> u64 {
        self.parents.bytes() + self.places.bytes() + self.from_roots.bytes() + self.queue.ring.bytes()
    }
}

/// A block was read; the highest bit of its state.
const READ: u8 = 1 << 7;

/// Blocks that wait: first in, first out, and a word where there was no more room.
struct Queue {
    ring: Array<u32>,
    first: usize,
    count: usize,
    full: bool,
}

/// Places below which a quarter of all blocks is too few.
const QUEUE_MIN: usize = 1 << 16;

impl Queue {
    fn new(blocks: usize) -> Option<Self> {
        Some(Self { ring: Array::new((blocks / 4).max(QUEUE_MIN))?, first: 0, count: 0, full: false })
    }

    fn push(&mut self, block: u32) {
        let places = self.ring.length();
        if self.count == places {
            self.full = true;
            return;
        }
        let place = self.first + self.count;
        self.ring.set(if place >= places { place - places } else { place }, block);
        self.count += 1;
    }

    fn pop(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        let block = self.ring.get(self.first);
        self.first = if self.first + 1 == self.ring.length() { 0 } else { self.first + 1 };
        Some(block)
    }

    fn was_full(&mut self) -> bool {
        core::mem::take(&mut self.full)
    }
}

#[cfg(test)]
mod tests;
