//! The records of checks for leaks: tables of the recording that are filled when a process ends, or is asked.
//!
//! ```text
//!   Check ──lost_first──▶ Lost ──edge_first──▶ Edge ──to──▶ Lost       what no root leads to
//!     └─────held_first──▶ Held ──step_first──▶ Step ▶ Step ▶ …         what a root leads to, and how to one of it
//! ```

use crate::map::{U32, U64};
use crate::records::records;

records! {
    /// One check for leaks: which of the live blocks could still be reached, and how that was found out.
    pub struct Check = 512 {
        /// A `Cause`.
        pub cause: U32,
        /// A `Rung`.
        pub rung: U32,
        /// A `Hindrance`: why not a better one.
        pub hindrance: U32,
        /// `check_flags`.
        pub flags: U32,
        /// CLOCK_REALTIME when it began, in nanoseconds.
        pub time_ns: U64,
        /// How long threads stood still for it.
        pub pause_ns: U64,
        /// CPU time that it took.
        pub cpu_ns: U64,
        /// Threads besides the one that checked.
        pub threads: U32,
        /// Of these, those whose registers were read.
        pub threads_stopped: U32,
        /// Of the rest, those whose stack was read whole.
        pub threads_whole: U32,
        /// Not used yet.
        pub unused: U32,
        /// Live blocks, those of the sites at that moment.
        pub blocks: U64,
        /// Their bytes.
        pub bytes: U64,
        /// Blocks that can be reached by pointers to their starts.
        pub reachable_blocks: U64,
        /// Their bytes.
        pub reachable_bytes: U64,
        /// Reached only because a `heuristic` takes a pointer into the block for one to its start: its bit order.
        pub heuristic_blocks: [U64; 4],
        /// Their bytes.
        pub heuristic_bytes: [U64; 4],
        /// Bytes that were read as roots.
        pub root_bytes: U64,
        /// Bytes of roots and blocks that could not be read.
        pub unreadable_bytes: U64,
        /// Memory that the check took.
        pub work_bytes: U64,
        /// First row of its lost blocks, in the order of their addresses.
        pub lost_first: U64,
        /// Their number.
        pub lost_count: U64,
        /// First of its edges.
        pub edge_first: U64,
        /// Their number.
        pub edge_count: U64,
        /// First row of its held sites.
        pub held_first: U64,
        /// Their number.
        pub held_count: U64,
        /// 1 when all of this is whole.
        pub ready: U64,
        /// Not used yet.
        pub spare: [U64; 35],
    }

    /// What a command asks the launcher for that may not trace the target itself. One asks at a time: who holds a lock
    /// of the file (flock(2)).
    #[derive(Default)]
    pub struct Ask = 24 {
        /// The process to be checked.
        pub pid: U32,
        /// A `Cause`.
        pub cause: U32,
        /// The request's number, another one than that of the last; written behind the two above.
        pub number: U32,
        /// The launcher's: the number of the request that it is done with, written behind `copy`.
        pub answered: U32,
        /// The launcher's: id of the copy that checks; 0: it could make none.
        pub copy: U32,
        /// Not used yet.
        pub unused: U32,
    }

    /// A block that no root leads to by pointers to starts of blocks.
    pub struct Lost = 32 {
        /// Where it stands.
        pub address: U64,
        /// Bytes asked for.
        pub bytes: U64,
        /// Its site.
        pub site: U32,
        /// `lost_flags`.
        pub flags: U32,
        /// First of the pointers in it to other lost blocks, counted from the check's `edge_first`.
        pub edge_first: U32,
        /// Their number.
        pub edge_count: U32,
    }

    /// A pointer from one lost block to another.
    pub struct Edge = 4 {
        /// The other's number, counted from the check's `lost_first`; bit 31: it points behind the block's start.
        pub to: U32,
    }

    /// The blocks of a site that can be reached, and what holds one of them.
    pub struct Held = 64 {
        /// The site.
        pub site: U32,
        /// First of the steps from a root to the block.
        pub step_first: U32,
        /// Their number; 0: the path was not kept.
        pub step_count: U32,
        /// Not used yet.
        pub unused: U32,
        /// Reachable blocks.
        pub blocks: U64,
        /// Their bytes.
        pub bytes: U64,
        /// The block that the path leads to.
        pub address: U64,
        /// Its bytes.
        pub address_bytes: U64,
        /// Bytes that only the blocks of this site hold, their own included; 0: not known.
        pub retained_bytes: U64,
        /// Not used yet.
        pub spare: U64,
    }

    /// One step on the way from a root to a block: the place of a pointer. The first step's place lies in a root.
    pub struct Step = 40 {
        /// Where the pointer lies; 0 for a register.
        pub at: U64,
        /// The pointer.
        pub to: U64,
        /// The block that it lies in, or 0.
        pub block: U64,
        /// For a thread's stack the code of the frame that it lies in, as in `Node::frame`; 0: not known, or no stack.
        pub frame: U64,
        /// A `Holder`.
        pub holder: U32,
        /// That block's site, or the thread's kernel id for what belongs to a thread.
        pub number: U32,
    }
}

/// The name of a copy that has found everything and waits for its reader (prctl(2), PR_SET_NAME).
pub const CHECKED: &core::ffi::CStr = c"memtrace-check";
/// What `memtrace_check_here` says when the check has begun, and `memtrace_stack_here` when it is done.
pub const BEGUN: u64 = u64::from_le_bytes(*b"memtrace");
/// Bytes of `memtrace_tracer_stack`, on which a tracer lets a thread run these functions whose own stack is used up.
pub const TRACER_STACK_BYTES: usize = 64 << 10;

/// Flags of `Check`.
pub mod check_flags {
    /// The process has blocks that were never seen, so heap memory that is not known to be free was a root.
    pub const UNKNOWN_BLOCKS: u32 = 1;
    /// More lost blocks, edges or sites than there was room for.
    pub const CUT: u32 = 2;
    /// Pointers with tags in their high or low bits were taken too.
    pub const TAGGED: u32 = 4;
    /// Threads may have moved pointers while the copy was made.
    pub const MOVING: u32 = 8;
}

/// Flags of `Lost`.
pub mod lost_flags {
    /// A root or a reachable block points into it, behind its start.
    pub const ENTRY: u32 = 1;
}

/// `Edge::to`: the pointer is not to the block's start, and no heuristic takes it for one.
pub const INSIDE: u32 = 1 << 31;

/// Checks of one window: 64 KiB.
pub const CHECKS_PER_WINDOW: u64 = 1 << 7;
/// Lost blocks of one window: 2 MiB.
pub const LOST_PER_WINDOW: u64 = 1 << 16;
/// Edges of one window: 1 MiB.
pub const EDGES_PER_WINDOW: u64 = 1 << 18;
/// Held sites of one window: 512 KiB.
pub const HELD_PER_WINDOW: u64 = 1 << 13;
/// Steps of one window: 1.25 MiB.
pub const STEPS_PER_WINDOW: u64 = 1 << 15;
