//! The records of the recording, byte by byte. See `lib.rs` for the picture.
//!
//! Invariants:
//! - all integers are little-endian, all offsets count from the start of the file;
//! - tables are append-only: a count is published after the entries below it were written;
//! - a record's size never changes within one `VERSION`.

use crate::map::{U32, U64};
use crate::records::records;

pub use crate::checks::{
    Ask, BEGUN, CHECKED, CHECKS_PER_WINDOW, Check, EDGES_PER_WINDOW, Edge, HELD_PER_WINDOW, Held, INSIDE,
    LOST_PER_WINDOW, Lost, STEPS_PER_WINDOW, Step, TRACER_STACK_BYTES, check_flags, lost_flags,
};
pub use crate::happened::{
    BENIGN, FAULTS_PER_WINDOW, Fault, MARKERS_MAX, MARKERS_PER_WINDOW, Marker, POINTS_PER_WINDOW, Point, REGION,
    REGIONS_MAX,
};
pub use crate::heap::{FREES, Freed, HEAP_ERRORS_PER_WINDOW, HeapError};
pub use crate::kinds::{
    Cause, End, Family, Hindrance, Holder, Passive, Rung, WindowKind, frame, module_flags, python_flags,
};
pub use crate::op::Op;

/// First eight bytes of every recording.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MEMTRACE");
/// First eight bytes of every process root.
pub const PROCESS_MAGIC: u64 = u64::from_le_bytes(*b"MTPROCES");
/// Raised whenever a record below changes.
pub const VERSION: u32 = 6;

/// Windows start and end on pages.
pub const PAGE_BYTES: u64 = 4096;
/// The file header's window.
pub const FILE_HEADER_BYTES: u64 = PAGE_BYTES;
/// Where the launcher's settings stand in the file header's window: `NAME=VALUE\0` repeated. They come before those of
/// the environment.
pub const LAUNCHER_SETTINGS_AT: u64 = 256;
/// Length of the launcher's settings.
pub const LAUNCHER_SETTINGS_BYTES: u64 = FILE_HEADER_BYTES - LAUNCHER_SETTINGS_AT;
/// A process's root: header, settings text, directory.
pub const ROOT_BYTES: u64 = 64 << 10;
/// Where the settings text stands in a root: `NAME=VALUE\0` repeated, only settings of memtrace.
pub const SETTINGS_AT: u64 = PAGE_BYTES;
/// Length of the settings text.
pub const SETTINGS_BYTES: u64 = PAGE_BYTES;
/// Where the first directory stands in a root.
pub const DIRECTORY_AT: u64 = 2 * PAGE_BYTES;
/// Entries of the first directory.
pub const ROOT_DIRECTORY_ENTRIES: u64 = (ROOT_BYTES - DIRECTORY_AT) / size_of::<Window>() as u64;
/// Bytes of each further directory.
pub const DIRECTORY_BYTES: u64 = 64 << 10;

/// Nodes of one window: 1 MiB, so that a small program maps one.
pub const NODES_PER_WINDOW: u64 = 1 << 16;
/// Sites of one window: 1 MiB.
pub const SITES_PER_WINDOW: u64 = 1 << 13;
/// Threads of one window: 64 KiB.
pub const THREADS_PER_WINDOW: u64 = 1 << 8;
/// Modules of one window: 64 KiB.
pub const MODULES_PER_WINDOW: u64 = 1 << 9;
/// Bytes of text of one window.
pub const TEXT_PER_WINDOW: u64 = 64 << 10;
/// Large or crowded blocks of one window: 512 KiB.
pub const SIDE_PER_WINDOW: u64 = 1 << 14;
/// Address space that one leaf of the live table covers, as a shift.
pub const LEAF_SHIFT: u32 = 22;

records! {
    /// Start of the file: who may write, and where the next window goes.
    pub struct FileHeader = 128 {
        /// `MAGIC`.
        pub magic: U64,
        /// `VERSION` of the writer.
        pub version: U32,
        /// The launcher's pid; 0 where the target made the recording itself.
        pub launcher_pid: U32,
        /// Random; the target's `MEMTRACE_RUN` must carry the same.
        pub cookie: U64,
        /// First byte that no window has yet; carved with an atomic addition.
        pub next_offset: U64,
        /// Size of the file: no window may end beyond it.
        pub capacity_bytes: U64,
        /// Offset of the root of the process that came last; 0: none yet. Roots are linked by `next_process`.
        pub first_process: U64,
        /// Processes and images that claimed a root.
        pub process_count: U32,
        /// Processes that could not: no room, no access.
        pub process_lost: U32,
        /// A check that the launcher is asked for.
        pub ask: Ask,
        /// Copies of processes under way in which a stack fails first: programs that start meanwhile are not recorded.
        pub copies: U64,
        /// Not used yet.
        pub spare: [U64; 5],
    }

    /// One image of one process: everything that is not a table.
    pub struct ProcessHeader = 1024 {
        /// `PROCESS_MAGIC`, written last.
        pub magic: U64,
        /// Offset of the next root, 0 at the end.
        pub next_process: U64,
        /// Process id.
        pub pid: U32,
        /// Parent's process id when the recording began.
        pub ppid: U32,
        /// An `End`.
        pub end: U32,
        /// The status that exit, _exit or quick_exit were given, where `end` is one of them.
        pub end_status: U32,
        /// A `Passive`.
        pub passive: U32,
        /// 1: the process began as a fork of one that was recorded.
        pub forked: U32,
        /// CLOCK_REALTIME when the recording began, in nanoseconds.
        pub start_ns: U64,
        /// The same at the end; 0: no end was seen.
        pub end_ns: U64,
        /// Text: path of the executable.
        pub exe: TextAt,
        /// Text: arguments, each ended by a NUL.
        pub arguments: TextAt,
        /// Text: path of the module whose malloc is the real one.
        pub allocator: TextAt,
        /// Nodes in use; node 0 is the root of all stacks.
        pub node_count: U64,
        /// Sites in use; site 0 is nobody's, site 1 stands for blocks whose stack could not be taken.
        pub site_count: U64,
        /// Threads in use.
        pub thread_count: U64,
        /// Modules in use.
        pub module_count: U64,
        /// Bytes of text in use.
        pub text_bytes: U64,
        /// Faults that fired and were recorded.
        pub fault_count: U64,
        /// Side cells ever used.
        pub side_count: U64,
        /// Windows in the directory.
        pub window_count: U64,
        /// Bytes of all windows, and of the shim's own memory.
        pub own_bytes: U64,
        /// Live bytes of the whole process, as far as threads have handed them over.
        pub live_bytes: U64,
        /// Highest value of `live_bytes`.
        pub peak_bytes: U64,
        /// Raised with each new high; see `Site::epoch`.
        pub peak_epoch: U64,
        /// A thread hands its part of `live_bytes` over at this many bytes: 0 while there is one thread.
        pub peak_slack_bytes: U64,
        /// Fork, vfork, exec and spawn calls that were seen.
        pub forks: U64,
        /// As above.
        pub vforks: U64,
        /// As above; counted before the call, which may still fail.
        pub execs: U64,
        /// As above.
        pub spawns: U64,
        /// Allocation calls in the scope of MALLOC_FAIL_*, failed ones included.
        pub fault_seen: U64,
        /// Allocation calls that were made to fail.
        pub fault_fired: U64,
        /// 1: MALLOC_FAIL_* asked for a failure.
        pub fault_armed: U64,
        /// Self-check build: stacks compared with libgcc's, and of these those that differ.
        pub checked: U64,
        /// As above.
        pub check_differs: U64,
        /// Self-check build: stacks that a walk without the kept stack gave differently.
        pub check_walk_differs: U64,
        /// MEMTRACE_SAMPLE, or what took its place; 0: every allocation is recorded.
        pub sample_bytes: U64,
        /// How near memtrace came to MEMTRACE_MAX_MEMORY: 0 to 3, as in `Loss::Memory*`.
        pub memory_level: U64,
        /// Checks for leaks that were made, and the rows of the tables that go with them.
        pub check_count: U64,
        /// As above.
        pub lost_count: U64,
        /// As above.
        pub edge_count: U64,
        /// As above.
        pub held_count: U64,
        /// As above.
        pub step_count: U64,
        /// Text: what the program's `__lsan_default_suppressions` gives.
        pub suppressions: TextAt,
        /// Points in use.
        pub point_count: U64,
        /// 1: main has returned; else, while failures are armed, the name of the stack that called exit; 0: neither.
        pub way_out: U64,
        /// MALLOC_FAIL_AFTERMATH: allocation calls after the first that was made to fail.
        pub fault_after: U64,
        /// Heap errors, and notes of what is legal but seldom meant.
        pub heap_errors: U64,
        /// As above.
        pub heap_notes: U64,
        /// Rows in the table of heap errors.
        pub heap_error_count: U64,
        /// Markers that the program gave; the first of them are kept.
        pub marker_count: U64,
        /// CPython in the process, once it has begun: `Py_Version` (0: older than 3.11), `python_flags` above; 0: none.
        pub python: U64,
        /// Code of the interpreter's function that runs Python frames: first address, and last + 1, of each piece.
        pub interpreter: [[U64; 2]; 4],
        /// Text: allocators that are linked in, as MEMTRACE_BUNDLED found them; four texts each, ended by NULs: path of the
        /// module, allocator, how many functions are hooked (0: none), and else why not.
        pub bundled: TextAt,
        /// Not used yet.
        pub spare: [U64; 30],
        /// What was lost, by `Loss`.
        pub losses: [U64; 40],
    }

    /// A piece of the process's text.
    pub struct TextAt = 8 {
        /// Byte offset in the text table.
        pub at: U32,
        /// Length in bytes.
        pub bytes: U32,
    }

    /// An entry of the directory.
    pub struct Window = 32 {
        /// A `WindowKind`, written last.
        pub kind: U32,
        /// Not used yet.
        pub flags: U32,
        /// Which part of its table: first index for tables, address >> `LEAF_SHIFT` for a live leaf.
        pub index: U64,
        /// Where in the file.
        pub offset: U64,
        /// How long.
        pub bytes: U64,
    }

    /// One frame below its callers: a node of the trie of stacks.
    pub struct Node = 16 {
        /// A `frame` word: return address and kind.
        pub frame: U64,
        /// Node of the caller; always smaller than this node's own number. 0 is the root.
        pub parent: U32,
        /// Site of the thread that was the first to allocate exactly here; 0: none.
        pub site: U32,
    }

    /// Everything about one stack in one thread. Owner: that thread; `foreign_*`: all others. What every call
    /// changes stands in the first of its two cache lines.
    pub struct Site = 128 {
        /// Allocations.
        pub total_count: U64,
        /// Bytes asked for by them.
        pub total_bytes: U64,
        /// Live bytes, not counting `foreign_bytes`.
        pub live_bytes: U64,
        /// Blocks that the site's own thread freed.
        pub freed_count: U64,
        /// Highest live bytes of this site.
        pub peak_bytes: U64,
        /// Largest block.
        pub largest_bytes: U64,
        /// Low half of the `peak_epoch` for which `at_peak_*` holds: set at the first change after each new high.
        pub epoch: U32,
        /// `LOADER_BLOCKS`, `SAMPLED`, `IGNORED`, `IN_POOLS`, `heap::FAMILY`.
        pub flags: U32,
        /// The stack.
        pub node: U32,
        /// The thread's number.
        pub thread: U32,
        /// Blocks that other threads freed.
        pub foreign_count: U64,
        /// Their bytes.
        pub foreign_bytes: U64,
        /// Live blocks when `peak_bytes` was set.
        pub peak_count: U64,
        /// Live bytes of this site when the whole process stood highest, if `epoch` is `peak_epoch`; else see `live`.
        pub at_peak_bytes: U64,
        /// Live blocks at the whole process's high; as `at_peak_bytes`.
        pub at_peak_count: U64,
        /// Blocks that their own thread freed by its next allocator call.
        pub temporary_count: U64,
        /// Allocations that were a realloc of a block, and of these those that moved.
        pub realloc_count: U32,
        /// As above.
        pub realloc_moved: U32,
        /// An `Op`: the function that was called first at this site.
        pub op: U32,
        /// One allocation in about so many bytes was recorded, and what is counted here are estimates of all. 0: all.
        pub sample_bytes: U32,
    }

    /// One slot for threads, one after the other; its counters go on. What its sites count is not counted again.
    pub struct Thread = 256 {
        /// Kernel thread id of the latest.
        pub tid: U32,
        /// Threads that have used this slot.
        pub uses: U32,
        /// Name of the latest, as the kernel has it (prctl(2), PR_GET_NAME).
        pub name: [U64; 2],
        /// Blocks of other threads' sites that it gave back.
        pub foreign_frees: U64,
        /// Their bytes.
        pub foreign_freed_bytes: U64,
        /// Reallocs of a block.
        pub reallocs: U64,
        /// Calls of the real allocator that gave NULL.
        pub failed: U64,
        /// Frees of blocks that we do not know.
        pub unknown_frees: U64,
        /// Not used yet.
        pub spare: [U64; 24],
    }

    /// A module, from when it was first seen on a stack to when it was unloaded.
    pub struct Module = 128 {
        /// What is added to the addresses of its file.
        pub bias: U64,
        /// First address.
        pub start: U64,
        /// Last address + 1.
        pub end: U64,
        /// Nodes from this number on may lie in it.
        pub node_first: U64,
        /// Nodes from this number on do not: it was unloaded. 0: still loaded.
        pub node_end: U64,
        /// Text: path.
        pub path: TextAt,
        /// Bytes of `build_id` in use.
        pub build_id_bytes: U32,
        /// 1: the executable, 2: memtrace itself, 4: the dynamic loader, 8: the vdso.
        pub flags: U32,
        /// NT_GNU_BUILD_ID.
        pub build_id: [U64; 4],
        /// Not used yet.
        pub spare: [U64; 5],
    }

    /// A live block that has no cell of its own: too large for one, or its granule was taken.
    pub struct Side = 32 {
        /// Address; 0: free, 1: was used.
        pub address: U64,
        /// Bytes asked for.
        pub bytes: U64,
        /// Site.
        pub site: U32,
        /// Low half of the pool that the program gave it from; with the high half 0: it is a block of its own.
        pub pool: U32,
        /// Next in its chain; in the high half the rest of the pool.
        pub next: U64,
    }
}

/// `Site::flags`: the dynamic loader's own blocks.
pub const LOADER_BLOCKS: u32 = 1;
/// `Site::flags`: the program asked that its blocks be ignored.
pub const IGNORED: u32 = 4;
/// `Site::flags`: its blocks are announced ones, which lie in other blocks or in memory of the program's own.
pub const IN_POOLS: u32 = 64;
/// `Site::flags`: `sample_bytes` is not 0.
pub const SAMPLED: u32 = 2;

impl Side {
    /// The pool that it was given from; 0: none.
    pub fn pool_of(&self) -> u64 {
        u64::from(self.pool.get()) | self.next.get() >> 32 << 32
    }
}

impl Site {
    /// Live blocks, not counting those that other threads freed.
    pub fn live_count(&self) -> u64 {
        self.total_count.get().wrapping_sub(self.freed_count.get())
    }

    /// Which function may free the blocks of this site: a stack has a site for each.
    pub fn family(&self) -> Family {
        match Op::from_number(self.op.get()) {
            Some(op) if self.flags.get() & LOADER_BLOCKS == 0 => op.family(),
            _ => Family::Other,
        }
    }
}
