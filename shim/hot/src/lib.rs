//! Runs inside every malloc and free of the target: captures, interns, records.
//!
//! ```text
//!   entry (sp, bp) ──unwind──▶ node ──site──▶ site number ──live──▶ one cell for the block
//!                               │              │                        ▲
//!                      trie: (caller, return   counters of one          │ free: the cell goes,
//!                      address) → node         thread at one stack ◀────┘ its site counts down
//! ```
//!
//! hot has no statics: the door owns one `Hot` and lends it to every function. Nothing here allocates from the
//! target's heap, takes the loader's lock, prints, or stops the target: what fails is a counted loss.

#![no_std]
#[cfg(test)]
extern crate std;

pub mod announced;
pub mod around;
pub mod budget;
pub mod cells;
pub mod checks;
pub mod choice;
pub mod chunk;
pub mod count;
pub mod errors;
pub mod fault;
pub mod function;
pub mod index;
pub mod inside;
pub mod live;
pub mod lock;
pub mod map;
pub mod maps;
#[cfg(test)]
mod model;
pub mod modules;
pub mod operator;
pub mod own;
pub mod passage;
pub mod patch;
pub mod points;
pub mod pools;
pub mod python;
pub mod quarantine;
pub mod record;
pub mod regions;
pub mod release;
pub mod rows;
pub mod sample;
pub mod scope;
pub mod side;
pub mod site;
pub mod source;
pub mod store;
pub mod symbols;
pub mod text;
pub mod thread;
pub mod trie;
pub mod unwind;
#[cfg(feature = "self-check")]
pub mod witness;
pub mod written;

use core::sync::atomic::{AtomicU64, Ordering};
use memtrace_wire::layout::{self, WindowKind};
use memtrace_wire::map::{U32, U64};

/// A number that other threads publish.
pub struct Generation(AtomicU64);

impl Generation {
    /// The number now.
    #[inline(always)]
    pub fn acquire(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Everyone's kept stacks are out of date.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

const fn shift(per_window: u64) -> u32 {
    per_window.trailing_zeros()
}

/// What the hooks do.
pub mod mode {
    /// Nobody has called yet.
    pub const UNSTARTED: u32 = 0;
    /// Record every allocation.
    pub const ACTIVE: u32 = 1;
    /// Call the real function, nothing else.
    pub const PASSIVE: u32 = 2;
    /// A thread is in `start`.
    pub const STARTING: u32 = 3;
    /// Record samples.
    pub const SAMPLING: u32 = 4;
    /// Ask at each call what is to be done: there is a plan of failures, memory is short, a thread is in a region, or frees
    /// are looked at.
    pub const CAREFUL: u32 = 5;
}

/// All tables of the process.
pub struct Hot {
    /// The recording.
    pub store: store::Store,
    /// The trie of stacks: 2^28 frames.
    pub nodes: map::Table<layout::Node, { WindowKind::Nodes as u32 }, 4096, { shift(layout::NODES_PER_WINDOW) }>,
    /// Stacks by thread: as many as a live cell can name.
    pub sites: map::Table<layout::Site, { WindowKind::Sites as u32 }, 16384, { shift(layout::SITES_PER_WINDOW) }>,
    /// Slots for threads.
    pub threads: map::Table<layout::Thread, { WindowKind::Threads as u32 }, 256, { shift(layout::THREADS_PER_WINDOW) }>,
    /// Modules, loaded and gone.
    pub modules: map::Table<layout::Module, { WindowKind::Modules as u32 }, 128, { shift(layout::MODULES_PER_WINDOW) }>,
    /// Texts: 16 MiB.
    pub text: map::Table<U32, { WindowKind::Text as u32 }, 256, { text::TEXT_SHIFT }>,
    /// Failures that were injected: 65,536; more are counted only.
    pub faults: map::Table<layout::Fault, { WindowKind::Faults as u32 }, 64, { shift(layout::FAULTS_PER_WINDOW) }>,
    /// Stacks that allocated in the scope of MALLOC_FAIL_*: 262,144.
    pub points: map::Table<layout::Point, { WindowKind::Points as u32 }, 256, { shift(layout::POINTS_PER_WINDOW) }>,
    /// Places that the program came by.
    pub markers: map::Table<layout::Marker, { WindowKind::Markers as u32 }, 4, { shift(layout::MARKERS_PER_WINDOW) }>,
    /// Blocks without a cell of their own.
    pub sides: side::Sides,
    /// Live blocks by address.
    pub live: live::Live,
    /// From (caller, return address) to node.
    pub node_index: index::Index,
    /// From (node, thread) to site.
    pub site_index: index::Index,
    /// From (node, function) to point.
    pub point_index: index::Index,
    /// From node to what it is to the scope of MALLOC_FAIL_*.
    pub scope_index: index::Index,
    /// Stacks that came since the program asked for failures by stack.
    pub asked_index: index::Index,
    /// Where the texts of source sites are kept.
    pub source_index: index::Index,
    /// Where the functions and modules lie that MALLOC_FAIL_* names.
    pub symbols: symbols::Symbols,
    /// Rules by return address.
    pub rules: unwind::rules::Rules,
    /// The loader's view of addresses.
    pub objects: unwind::object::Objects,
    /// Modules that may still be loaded.
    pub loaded: modules::Loaded,
    /// Raised when a module goes or code is generated: kept stacks are out of date then.
    pub generation: Generation,
    /// Threads' private state.
    pub slots: thread::Slots,
    /// libgcc, to compare with.
    #[cfg(feature = "self-check")]
    pub witness: witness::Witness,
    /// The operator new that is left by a jump.
    pub operator: operator::Operator,
    /// Heap errors.
    pub errors: errors::Errors,
    /// Freed blocks that are kept back.
    pub quarantine: quarantine::Quarantine,
    /// The plan of failures.
    pub fault: fault::Fault,
    /// What checks for leaks have found.
    pub checks: checks::Checks,
    /// What the program says about its own memory.
    pub announced: announced::Announced,
    /// CPython in the process.
    pub python: python::Python,
    /// Which allocations are recorded.
    pub sample: sample::Sample,
    /// How much memory may be taken.
    pub budget: budget::Budget,
    /// Threads that are in a region.
    pub in_regions: U64,
    /// What the hooks do: one of `mode`.
    pub mode: U32,
    /// 1 while one thread has recorded: its counters are exact at every moment.
    pub alone: U32,
}

impl Hot {
    /// Nothing open, nothing recorded.
    pub const fn new() -> Self {
        Self {
            store: store::Store::new(),
            nodes: map::Table::new(),
            sites: map::Table::new(),
            threads: map::Table::new(),
            modules: map::Table::new(),
            text: map::Table::new(),
            faults: map::Table::new(),
            points: map::Table::new(),
            markers: map::Table::new(),
            sides: side::Sides::new(),
            checks: checks::Checks::new(),
            announced: announced::Announced::new(),
            live: live::Live::new(),
            node_index: index::Index::new(),
            site_index: index::Index::new(),
            point_index: index::Index::new(),
            scope_index: index::Index::new(),
            asked_index: index::Index::new(),
            source_index: index::Index::new(),
            symbols: symbols::Symbols::new(),
            rules: unwind::rules::Rules::new(),
            objects: unwind::object::Objects::new(),
            loaded: modules::Loaded::new(),
            generation: Generation(AtomicU64::new(0)),
            slots: thread::Slots::new(),
            #[cfg(feature = "self-check")]
            witness: witness::Witness::new(),
            operator: operator::Operator::new(),
            errors: errors::Errors::new(),
            quarantine: quarantine::Quarantine::new(),
            fault: fault::Fault::new(),
            python: python::Python::new(),
            sample: sample::Sample::new(),
            budget: budget::Budget::new(),
            in_regions: U64::new(0),
            mode: U32::new(mode::UNSTARTED),
            alone: U32::new(0),
        }
    }

    /// Makes the tables that every process needs; the store is open. False: no memory for the first windows.
    pub fn start(&self) -> bool {
        let Some(process) = self.store.process() else { return false };
        self.alone.set(1);
        self.generation.raise();
        self.rules.start();
        let first = self.nodes.make(&self.store, 0).is_some()
            && self.sites.make(&self.store, 1).is_some()
            && self.node_index.start(12)
            && self.site_index.start(9)
            && self.slots.start();
        // What is mapped at an error could come to lie where memory is gone that is being freed.
        self.errors.reserve(&self.store);
        process.node_count.publish(1);
        process.site_count.publish(2);
        if let Some(unknown) = self.sites.get(1) {
            unknown.thread.set(u32::MAX);
        }
        first
    }

    /// Chooses what the hooks do, while they record.
    pub fn choose_mode(&self) {
        let now = self.mode.get();
        if !matches!(now, mode::ACTIVE | mode::SAMPLING | mode::CAREFUL) {
            return;
        }
        let next = self.recording_mode();
        self.mode.replace(now, next);
        if next != mode::SAMPLING {
            self.operator.deletes.iter().for_each(|delete| delete.publish(0));
        }
    }

    /// What the hooks of a process that records do now.
    pub fn recording_mode(&self) -> u32 {
        let reasons = [&self.fault.armed, &self.budget.level, &self.errors.careful];
        if reasons.iter().any(|reason| reason.get() != 0) || self.in_regions.get() != 0 {
            mode::CAREFUL
        } else if self.sample.mean.get() != 0 {
            mode::SAMPLING
        } else {
            mode::ACTIVE
        }
    }

    /// Forgets everything, in a fork child: its tables begin anew.
    pub fn forget(&self) {
        let shared = self.store.is_shared();
        self.nodes.forget(shared);
        self.sites.forget(shared);
        self.threads.forget(shared);
        self.modules.forget(shared);
        self.text.forget(shared);
        self.faults.forget(shared);
        self.points.forget(shared);
        self.markers.forget(shared);
        self.in_regions.set(0);
        self.checks.forget(shared);
        self.errors.forget(shared);
        self.quarantine.forget();
        self.announced.checking.reset();
        self.announced.copy.set(0);
        self.sides.forget(shared);
        self.live.forget();
        self.node_index.forget();
        self.site_index.forget();
        self.point_index.forget();
        self.scope_index.forget();
        self.asked_index.forget();
        self.source_index.forget();
        self.symbols.forget();
        self.rules.forget();
        self.loaded.forget();
        self.slots.forget();
        self.python.forget();
        self.sample.forget();
        self.budget.level.set(0);
        self.budget.frames_max.set(unwind::FRAMES_MAX as u32);
        self.store.forget();
        own::forget(own::Use::Shared);
        self.generation.raise();
    }
}

impl Default for Hot {
    fn default() -> Self {
        Self::new()
    }
}
