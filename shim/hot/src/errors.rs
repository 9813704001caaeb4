//! Heap errors: what is wrong with a call that gives back what is no live block, and the rows that say so.
//!
//! ```text
//!   no live block there ──▶ freed before, and glibc has no chunk in use there ──▶ double free
//!                      └──▶ inside a live block, on the stack, in a module, not mapped ──▶ said so
//!                      └──▶ anything else: heap memory that somebody got past us, which is never an error
//! ```

use memtrace_wire::heap::{HEAP_ERRORS_MAX, Kind, Wanted, freed_place};
use memtrace_wire::layout::{FREES, Freed, HEAP_ERRORS_PER_WINDOW, HeapError, Op, WindowKind};
use memtrace_wire::live::{self, Spacing};
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{Region, U32};
use memtrace_wire::sys;

use crate::Hot;
use crate::chunk::{self, State};
use crate::live::Block;
use crate::lock::Lock;
use crate::map::Table;
use crate::quarantine::Kept;
use crate::release::Release;
use crate::store::Store;
use crate::thread::Body;
use crate::unwind::stopped::Held;
use crate::unwind::{Entry, readable_word};

/// The rows, and what is looked for.
pub struct Errors {
    rows: Table<HeapError, { WindowKind::HeapErrors as u32 }, 2, { HEAP_ERRORS_PER_WINDOW.trailing_zeros() }>,
    frees: Table<Freed, { WindowKind::Frees as u32 }, 1, { FREES.trailing_zeros() }>,
    lock: Lock,
    /// 1: blocks were freed that came past us.
    strangers: U32,
    /// 1: hooks have more to do for one of the following.
    pub careful: U32,
    /// 1: the stack of each free is taken.
    pub free_stacks: U32,
    /// 1: what is behind the end of blocks is filled.
    pub canary: U32,
    /// 1: the first error ends the process.
    pub fatal: U32,
    /// 1: allocations of no bytes are noted.
    pub zero_size: U32,
    /// 1: heap errors are not looked for.
    pub off: U32,
    /// 1: the program has operators new and delete of its own, in front of ours.
    pub operators_are_replaced: U32,
}

impl Errors {
    /// None.
    pub const fn new() -> Self {
        Self {
            rows: Table::new(),
            frees: Table::new(),
            lock: Lock::new(),
            strangers: U32::new(0),
            careful: U32::new(0),
            free_stacks: U32::new(0),
            canary: U32::new(0),
            fatal: U32::new(0),
            zero_size: U32::new(0),
            off: U32::new(0),
            operators_are_replaced: U32::new(0),
        }
    }

    /// Room for the first rows. Without it the first error asks again.
    pub fn reserve(&self, store: &Store) {
        let _ = self.rows.make(store, 0);
    }

    /// Says what is wanted, before the first call.
    pub fn set(&self, wanted: &Wanted) {
        self.off.set(u32::from(!wanted.errors));
        self.free_stacks.set(u32::from(wanted.free_stacks || wanted.quarantine_bytes != 0));
        self.fatal.set(u32::from(wanted.fatal));
        self.canary.set(u32::from(wanted.canary));
        self.zero_size.set(u32::from(wanted.zero_size));
        self.careful.set(u32::from(wanted.is_careful()));
    }

    /// The rows of a process.
    pub fn iter<'a>(&'a self, hot: &'a Hot) -> impl Iterator<Item = &'static HeapError> + 'a {
        let count = hot.store.process().map_or(0, |process| process.heap_error_count.acquire());
        (0..count).filter_map(|number| self.rows.get(number))
    }

    /// Rows as memory.
    pub fn region(&self, index: u64) -> Option<Region> {
        self.rows.region(index)
    }

    /// Forgets all, in a fork child.
    pub fn forget(&self, shared: bool) {
        self.rows.forget(shared);
        self.frees.forget(shared);
        self.lock.reset();
    }

    /// Whether blocks were freed that came past us: then others may be freed past us, and stand in the tables still.
    pub fn has_strangers(&self) -> bool {
        self.strangers.get() != 0
    }

    /// Whether nobody wants to know.
    pub fn is_off(&self) -> bool {
        self.off.get() != 0
    }
}

impl Default for Errors {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// A call gives back what is no live block. True: that is a heap error.
    #[cold]
    #[inline(never)]
    pub(crate) fn release_of_none(&self, body: &mut Body, release: &Release, address: u64) -> bool {
        if self.sample.mean.get() != 0 {
            return false;
        }
        let is_loader = self.objects.is_loader(release.entry.caller());
        let is_judged = !self.errors.is_off() && !sys::is_sealed() && !is_loader && self.budget.level.get() == 0;
        let found = if is_judged { self.judge(body, release, address) } else { None };
        match found {
            Some((kind, block)) => {
                self.heap_error(body, release, kind, address, block);
                true
            }
            None => {
                body.record.unknown_frees.add(1);
                if !is_loader {
                    self.errors.strangers.set(1);
                }
                false
            }
        }
    }

    /// What is wrong, with the block that it is about: address, bytes, site.
    fn judge(&self, body: &Body, release: &Release, address: u64) -> Option<(Kind, (u64, u64, u32))> {
        let cell = |at: u64| self.live.peek_cell(at).unwrap_or(0);
        let was_freed = |at: u64| live::was_at(cell(at), at);
        let state = || match self.live.spacing() {
            Spacing::Apart => chunk::state(readable_word, was_freed, address),
            Spacing::Close => State::Free,
        };
        if address >= 1 << 47 {
            return Some((Kind::UnmappedFree, (0, 0, 0)));
        }
        if self.quarantine.bytes_max.get() != 0 && self.quarantine.holds(address) {
            return Some((Kind::DoubleFree, (address, 0, live::site(cell(address)))));
        }
        if was_freed(address) {
            // Where blocks were dropped, one of them may stand there.
            let is_sure = self.live.spacing() == Spacing::Apart || !self.has_dropped();
            let is_free = match state() {
                State::Free => true,
                State::Used => false,
                // Nobody gets memory past us, as far as was seen.
                State::Either => self.errors.strangers.get() == 0,
            };
            return (is_sure && is_free).then(|| (Kind::DoubleFree, (address, 0, live::site(cell(address)))));
        }
        if state() != State::Free {
            return None;
        }
        if let Some(block) = self.block_around(address) {
            return Some((Kind::InteriorFree, (block.address, block.bytes, block.site)));
        }
        if body.stacks.is_own(address, release.entry.sp) {
            return Some((Kind::StackFree, (0, 0, 0)));
        }
        if self.objects.find(address).is_some() {
            return Some((Kind::GlobalFree, (0, 0, 0)));
        }
        (!sys::is_readable(address as usize)).then_some((Kind::UnmappedFree, (0, 0, 0)))
    }

    /// Whether there are blocks that should be in the tables, and are not.
    fn has_dropped(&self) -> bool {
        let lost = |loss: Loss| {
            let process = self.store.process();
            process.and_then(|process| process.losses.get(loss as usize)).is_none_or(|count| count.get() != 0)
        };
        lost(Loss::BlockDropped) || lost(Loss::ThreadDropped)
    }

    /// Records a heap error: (address, bytes, site) of the block that it is about, as far as they are known.
    #[cold]
    #[inline(never)]
    pub(crate) fn heap_error(
        &self,
        body: &mut Body,
        release: &Release,
        kind: Kind,
        address: u64,
        (block, bytes, site): (u64, u64, u32),
    ) {
        // As for the names of stacks: whoever allocates from this one finds a site that is right for it.
        let node = self.node_of(body, release.entry);
        let given = if kind == Kind::MismatchedSize { release.given } else { 0 };
        let freed = self.freed_at(block).filter(|_| kind == Kind::DoubleFree);
        let (freed_node, bytes) = freed.map_or((0, bytes), |freed| (freed.node.get(), freed.bytes.get()));
        let (function, thread) = (release.by.0, body.slot);
        self.note_heap_error(&Row { kind, function, node, freed_node, site, address, block, bytes, given, thread });
    }

    /// The stack of a call.
    pub fn node_of(&self, body: &mut Body, entry: Entry) -> u32 {
        self.capture(body, entry, Op::Malloc).node()
    }

    /// Records a write to bytes that are nobody's: the first of them and their number, found by a call or at the end.
    pub fn write_error(
        &self,
        body: &mut Body,
        release: Option<&Release>,
        kind: Kind,
        (address, given): (u64, u64),
        (block, bytes, site): (u64, u64, u32),
    ) {
        let node = release.map_or(0, |release| self.node_of(body, release.entry));
        let function = release.map_or(0, |release| release.by.0);
        let thread = body.slot;
        self.note_heap_error(&Row { kind, function, node, freed_node: 0, site, address, block, bytes, given, thread });
    }

    /// Records a write to a block that was freed and kept.
    pub fn write_after_free(&self, kept: &Kept, (address, given): (u64, u64)) {
        let Kept { address: block, bytes, site, node: freed_node, .. } = *kept;
        let (kind, function, node, thread) = (Kind::WriteAfterFree, 0, 0, u32::MAX);
        self.note_heap_error(&Row { kind, function, node, freed_node, site, address, block, bytes, given, thread });
    }

    /// Notes a call that asks for no bytes.
    pub fn note_zero(&self, body: &mut Body, entry: Entry, op: Op, old: u64) {
        let node = self.node_of(body, entry);
        let kind = if old == 0 { Kind::ZeroSize } else { Kind::ReallocZero };
        self.note_heap_error(&Row {
            kind,
            function: op as u32,
            node,
            freed_node: 0,
            site: 0,
            address: old,
            block: 0,
            bytes: 0,
            given: 0,
            thread: body.slot,
        });
    }

    /// Remembers where a block was freed.
    #[cold]
    pub(crate) fn note_free(&self, body: &mut Body, release: &Release, block: Block) {
        let node = self.node_of(body, release.entry);
        let Some(row) = self.errors.frees.make(&self.store, freed_place(block.address)) else { return };
        row.address.set(0);
        row.bytes.set(block.bytes);
        row.site.set(block.site);
        row.node.set(node);
        row.address.publish(block.address);
    }

    /// Records that a thread has crashed at an address, if that was in a block that was freed. Whoever asks has stopped it
    /// anywhere, so no lock is waited for.
    pub fn note_crash(&self, held: &Held, address: u64) -> bool {
        let cell = |at: u64| self.live.peek_cell(at).unwrap_or(0);
        let holds = |row: &&Freed| {
            let block = row.address.get();
            address.wrapping_sub(block) < row.bytes.get().max(1) && live::was_at(cell(block), block)
        };
        let remembered = (0..FREES).map_while(|place| self.errors.frees.get(place)).find(holds);
        let start = address & !15;
        let (block, bytes, site, freed_node) = match remembered {
            Some(row) => (row.address.get(), row.bytes.get(), row.site.get(), row.node.get()),
            None if live::was_at(cell(start), start) => (start, 0, live::site(cell(start)), 0),
            None => return false,
        };
        let node = self.stack_of_stopped(held);
        if self.errors.lock.is_held() {
            return false;
        }
        let kind = Kind::CrashOnFreed;
        self.note_heap_error(&Row {
            kind,
            function: 0,
            node,
            freed_node,
            site,
            address,
            block,
            bytes,
            given: 0,
            thread: u32::MAX,
        });
        true
    }

    /// What is remembered of the last free of a block.
    fn freed_at(&self, block: u64) -> Option<&'static Freed> {
        let row = self.errors.frees.get(freed_place(block))?;
        (block != 0 && row.address.get() == block).then_some(row)
    }

    /// Adds a row, or counts on where there is one.
    pub(crate) fn note_heap_error(&self, row: &Row) {
        let Some(process) = self.store.process() else { return };
        let sum = if row.kind.is_note() { &process.heap_notes } else { &process.heap_errors };
        sum.fetch_add(1);
        let _guard = self.errors.lock.enter();
        let count = process.heap_error_count.get();
        let known = (0..count).filter_map(|number| self.errors.rows.get(number)).find(|known| row.is(known));
        if let Some(known) = known {
            known.count.add(1);
            return;
        }
        let made = if count < HEAP_ERRORS_MAX { self.errors.rows.make(&self.store, count) } else { None };
        let Some(made) = made else { return self.store.lose(Loss::HeapErrorDropped) };
        row.write(made);
        process.heap_error_count.publish(count + 1);
    }
}

/// What a row says.
pub(crate) struct Row {
    pub kind: Kind,
    pub function: u32,
    pub node: u32,
    pub freed_node: u32,
    pub site: u32,
    pub address: u64,
    pub block: u64,
    pub bytes: u64,
    pub given: u64,
    pub thread: u32,
}

impl Row {
    /// Whether it is the same error at the same stack, about blocks of the same site.
    fn is(&self, known: &HeapError) -> bool {
        known.kind.get() == self.kind as u32
            && known.node.get() == self.node
            && known.site.get() == self.site
            && known.function.get() == self.function
            && known.freed_node.get() == self.freed_node
    }

    fn write(&self, row: &HeapError) {
        row.kind.set(self.kind as u32);
        row.function.set(self.function);
        row.node.set(self.node);
        row.thread.set(self.thread);
        row.site.set(self.site);
        row.freed_node.set(self.freed_node);
        row.address.set(self.address);
        row.block.set(self.block);
        row.bytes.set(self.bytes);
        row.given.set(self.given);
        row.count.set(1);
        row.time_ns.set(sys::now_ns());
        row.ready.publish(1);
    }
}
