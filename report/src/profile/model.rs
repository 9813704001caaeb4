//! A profile, field by field, as `schema/profile-1.schema.json` describes it.
//!
//! ```text
//!   site ──stack──▶ stacks: frames, leaf first ──▶ frames ──module──▶ modules
//!     └──thread──▶ threads
//!   checks (`leaks`) ──stack──▶ stacks
//! ```
//!
//! All references are places in arrays of the same process; `check` makes sure that they lead somewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bundled::Bundled;
use super::heap::HeapError;
use super::history::History;
use super::leaks::{Check, Suppression};
use super::python::Python;
use crate::json::{from_hex, to_hex};

/// `Profile::format`.
pub const FORMAT: &str = "memtrace-profile";
/// Raised whenever a field changes.
pub const VERSION: u32 = 1;

/// A run.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Profile {
    /// `FORMAT`.
    pub format: String,
    /// `VERSION` of the writer.
    pub version: u32,
    /// What wrote it.
    pub tool: Tool,
    /// Processes that were not recorded: no room in the recording.
    pub processes_lost: u64,
    /// The suppressions that were given, by files and by the programs themselves, and what they hid.
    #[serde(default)]
    pub suppressions: Vec<Suppression>,
    /// One for each image of each process, in the order in which they began.
    pub processes: Vec<Process>,
}

/// The program that wrote a profile.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Tool {
    /// `memtrace`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// One image of one process.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// The parent's.
    pub ppid: u32,
    /// It began as a fork of a recorded process.
    pub forked: bool,
    /// Path of the executable.
    pub exe: String,
    /// Arguments, the program's name first.
    pub arguments: Vec<String>,
    /// Path of the module whose malloc is the real one.
    pub allocator: String,
    /// When the recording began: RFC 3339, UTC.
    pub start: String,
    /// How it ended.
    pub end: End,
    /// Why nothing was recorded.
    pub passive: Option<String>,
    /// Allocators that are linked in, as MEMTRACE_BUNDLED found them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bundled: Vec<Bundled>,
    /// CPython, where it is in the process and has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<Python>,
    /// The settings that were set.
    pub settings: BTreeMap<String, String>,
    /// Settings that were not understood, hints about others, and the program's own suppressions if they are wrong.
    pub warnings: Vec<Warning>,
    /// Sums.
    pub summary: Summary,
    /// What was lost, by key; only what is not 0.
    pub losses: BTreeMap<String, u64>,
    /// Calls that make processes.
    pub calls: Calls,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Modules.
    pub modules: Vec<Module>,
    /// Frames, each once.
    pub frames: Vec<Frame>,
    /// Stacks: places in `frames`, leaf first.
    pub stacks: Vec<Vec<u32>>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Allocations that were made to fail.
    pub faults: Vec<Fault>,
    /// Heap errors.
    #[serde(default)]
    pub heap_errors: Vec<HeapError>,
    /// Places that the program came by; the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<Marker>,
    /// When threads were in regions that the program named, as they began; the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// What it looked like while it ran, where somebody watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// The blocks that live at the end by their sizes, smallest first, where every block is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_sizes: Option<Vec<SizeClass>>,
    /// The other tool that recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// Checks for leaks, in the order in which they were made.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// Blocks of sizes that are near each other.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct SizeClass {
    /// The largest size; the smallest is above half of it, or anything in the class of 16.
    pub up_to_bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Bytes asked for by them.
    pub bytes: u64,
    /// What glibc's heap would take for them.
    pub chunk_bytes: u64,
}

/// How a process ended.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct End {
    /// What the shim saw: `none`, `exit`, `fast-exit`, `quick-exit`, `abort`, `exec`, `assert`, `stack-smash`.
    pub how: String,
    /// Exit status.
    pub status: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
}

/// A setting that memtrace stumbled over.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Warning {
    /// Its name.
    pub setting: String,
    /// Its value.
    pub found: String,
    /// What a value looks like.
    pub expected: String,
}

/// Sums of one process.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Summary {
    /// Successful allocation calls.
    pub allocations: u64,
    /// Bytes asked for by them.
    pub allocated_bytes: u64,
    /// Blocks given back.
    pub frees: u64,
    /// Their bytes.
    pub freed_bytes: u64,
    /// Reallocs of a block; each is an allocation and a free too.
    pub reallocs: u64,
    /// Highest live bytes.
    pub peak_bytes: u64,
    /// By so much the peak of each thread beyond the first may have been missed.
    pub peak_slack_bytes: u64,
    /// Live bytes at the end.
    pub live_bytes: u64,
    /// Live blocks at the end.
    pub live_blocks: u64,
    /// Live bytes at the end in blocks that the program gave from pools of its own: they lie in other blocks, or in memory
    /// that is none, and count nowhere else here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pool_bytes: u64,
    /// Those blocks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pool_blocks: u64,
    /// Stacks that allocated.
    pub stacks: u64,
    /// Calls that the real allocator answered with NULL.
    pub failed: u64,
    /// Frees of blocks that memtrace does not know.
    pub unknown_frees: u64,
    /// Allocation calls in the scope of MALLOC_FAIL_*.
    pub fault_seen: u64,
    /// Those that were made to fail.
    pub fault_fired: u64,
    /// MALLOC_FAIL_* asked for a failure.
    pub fault_armed: bool,
    /// Allocation calls after the first that was made to fail, where MALLOC_FAIL_AFTERMATH forbids them.
    #[serde(default)]
    pub fault_after: u64,
    /// Memory that memtrace used itself.
    pub own_bytes: u64,
    /// One allocation in about so many bytes was recorded, and all numbers are estimates; 0: every one.
    #[serde(default)]
    pub sample_bytes: u64,
    /// What memtrace gave up near MEMTRACE_MAX_MEMORY: 0 nothing, 1 stacks, 2 all allocations but samples, 3 blocks.
    #[serde(default)]
    pub memory_level: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Calls that make processes or images.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Calls {
    /// fork.
    pub forks: u64,
    /// vfork.
    pub vforks: u64,
    /// exec*, counted before the call.
    pub execs: u64,
    /// posix_spawn*.
    pub spawns: u64,
}

/// A slot for threads.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Thread {
    /// The kernel's id of the latest thread.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// Threads that used the slot.
    pub uses: u32,
    /// As in `Summary`.
    pub allocations: u64,
    /// As in `Summary`.
    pub allocated_bytes: u64,
    /// As in `Summary`.
    pub frees: u64,
    /// As in `Summary`.
    pub freed_bytes: u64,
}

/// A module of the target.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Module {
    /// Path of its file.
    pub path: String,
    /// NT_GNU_BUILD_ID in hexadecimal.
    pub build_id: String,
    /// First address.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub start: u64,
    /// Last address + 1.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub end: u64,
    /// What is added to the addresses of its file.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub bias: u64,
    /// `executable`, `memtrace`, `loader`, `vdso`.
    pub flags: Vec<String>,
    /// It was unloaded before the end.
    pub unloaded: bool,
    /// Where names come from: `debug-info`, `symbols`, `nothing`, `unreadable`, `changed`, `unused`.
    pub names: String,
}

/// A frame.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Frame {
    /// `native`, `source`, `python`, `tag`, `cut`.
    pub kind: String,
    /// Place in `modules`.
    pub module: Option<u32>,
    /// Where the call is: counted as the module's file counts, or an address where there is no module.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub offset: u64,
    /// Demangled; for `cut` the reason.
    pub function: Option<String>,
    /// The function's symbol, where that is another name. Suppressions alone want it: it is not in the JSON.
    #[serde(skip)]
    pub linkage: Option<Arc<str>>,
    /// Path of the source file.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// The function's code was inlined into that of the next frame.
    pub inlined: bool,
    /// Of `source`: what the program casts the block to.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
}

/// What one stack in one thread allocated by one function.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Site {
    /// Place in `stacks`.
    pub stack: u32,
    /// Place in `threads`.
    pub thread: Option<u32>,
    /// The function that was called.
    pub op: String,
    /// Blocks at the end.
    pub live_blocks: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Allocations.
    pub total_blocks: u64,
    /// Their bytes.
    pub total_bytes: u64,
    /// Blocks when this site stood highest.
    pub peak_blocks: u64,
    /// Highest live bytes of this site.
    pub peak_bytes: u64,
    /// Blocks when the process stood highest.
    pub at_peak_blocks: u64,
    /// Bytes then.
    pub at_peak_bytes: u64,
    /// Freed by the same thread's next call.
    pub temporary_blocks: u64,
    /// Largest block.
    pub largest_bytes: u64,
    /// Allocations that were a realloc of a block.
    pub realloc_blocks: u64,
    /// Those that moved it.
    pub realloc_moved: u64,
}

/// A place that the program came by.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Marker {
    /// Its name.
    pub name: String,
    /// Nanoseconds since the recording began.
    pub time_ns: u64,
    /// Place in `threads`.
    pub thread: Option<u32>,
}

/// A time in which a thread was in a region.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// When it began: nanoseconds since the recording did.
    pub begin_ns: u64,
    /// When it ended; `None`: it did not.
    pub end_ns: Option<u64>,
    /// Place in `threads`.
    pub thread: Option<u32>,
}

/// An allocation that was made to fail.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Fault {
    /// Index among the calls in scope, from 0.
    pub index: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// The function that was called.
    pub op: String,
    /// Place in `threads`.
    pub thread: Option<u32>,
    /// Place in `stacks`.
    pub stack: u32,
}
