//! A sweep as it leaves: JSON in one object, versioned (`report/schema/sweep-1.schema.json`).
//!
//! ```text
//!   Sweep ─┬─ frames, stacks      tables, named by number from everywhere else
//!          ├─ points              stacks that allocate: what can fail
//!          ├─ runs                what was made to fail, and what came of it
//!          └─ findings            runs that came to the same bad end, with the shortest way to repeat it
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::screening::{Screen, Screening};
use crate::json::{from_hex, some_from_hex, some_to_hex, to_hex};

/// Raised whenever a reader of the older version would misunderstand.
pub const VERSION: u32 = 1;
/// What stands in `Sweep::format`.
pub const FORMAT: &str = "memtrace-sweep";

/// A sweep.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sweep {
    /// `FORMAT`.
    pub format: String,
    /// `VERSION`.
    pub version: u32,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Path of the program's file.
    pub program: String,
    /// The directory that it ran in.
    pub directory: String,
    /// Calls that failed beside allocations, as MALLOC_FAIL_CALLS names them; nothing: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<String>,
    /// What of it was chosen: `slice:1/4` or `hash:1/4`; nothing: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// MEMTRACE_WRAPPERS of the sweep; nothing: it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrappers: Option<String>,
    /// Variables that the program was given for being CPython, with commas between; nothing: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Without failures.
    pub baseline: Baseline,
    /// How stacks were screened before the runs, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screening: Option<Screening>,
    /// Frames that stacks are made of.
    pub frames: Vec<Frame>,
    /// Stacks, innermost frame first: numbers of `frames`.
    pub stacks: Vec<Vec<u32>>,
    /// What can fail, in the order in which it was swept.
    pub points: Vec<Point>,
    /// Runs with failures, in the order of `points`.
    pub runs: Vec<Run>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// Runs by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// How far it came.
    pub coverage: Coverage,
    /// What a reader should know: sentences.
    pub notes: Vec<String>,
    /// The parts that it was merged from, one for each partition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A sweep that another was merged from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// `Sweep::partition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// `Coverage::not_run`.
    pub not_run: u64,
    /// `Coverage::interrupted`.
    pub interrupted: bool,
}

/// The program without failures.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Runs.
    pub runs: u32,
    /// How it ends.
    pub end: End,
    /// Allocations in scope of one run.
    pub allocations: u64,
    /// What differs from run to run, and is not judged: `all of stdout`, `some lines of stdout`, `some numbers of stdout`,
    /// the same of stderr, `files`, `names of files`, `descriptors`, `allocations`.
    pub varies: Vec<String>,
    /// Time of one run in milliseconds.
    pub time_ms: u64,
    /// Blocks that are lost without any failure.
    pub lost_blocks: u64,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(i32),
    /// It did not: it was ended when its time was up.
    TimedOut,
}

impl Default for End {
    fn default() -> Self {
        End::Exited(0)
    }
}

/// A frame.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Frame {
    /// Demangled name, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Source file, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Of a source site: what the program casts the block to.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Path of the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Where in its file, as the file counts; of a return address the byte before it.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub offset: u64,
    /// Whether the call was inlined into the next frame.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inlined: bool,
}

/// A stack that allocates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Point {
    /// 16 hexadecimal digits: the same in every run of the same files. `MALLOC_FAIL_STACK` takes it.
    pub id: String,
    /// A name of the functions, which survives a rebuild: 16 hexadecimal digits.
    pub symbolic: String,
    /// The function that is called: `malloc`.
    pub op: String,
    /// Bytes that its first call asks for.
    pub bytes: u64,
    /// Its calls in one run.
    pub count: u64,
    /// Number of its first call among all in scope, from 0.
    pub first: u64,
    /// Number in `stacks`.
    pub stack: u32,
    /// 1: of the run without failures; 2: opened by a failure.
    pub order: u32,
    /// The point whose failure opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<String>,
    /// What came of the copy of the process in which it failed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Screen>,
}

/// How long a failure lasts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One call fails.
    Once,
    /// It and all calls after it.
    Forever,
    /// It, and then a call of a stack that it opened.
    Pair,
}

/// One run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Ids of the points that were to fail, in order.
    pub points: Vec<String>,
    /// How long.
    pub mode: Mode,
    /// What came of it: the worst.
    pub outcome: Outcome,
    /// What else came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Outcome>,
    /// How it ended.
    pub end: End,
    /// Ids of findings that it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// 12 hexadecimal digits, the same after a rebuild: a hash of outcome, place and failed caller.
    pub id: String,
    /// What it is.
    pub outcome: Outcome,
    /// In a line: `null-dereference in parse, after malloc in read_all failed`.
    pub title: String,
    /// Ids of the points to fail, in order: of the shortest way to it.
    pub points: Vec<String>,
    /// How long they fail.
    pub mode: Mode,
    /// The call that failed; of a pair the last.
    pub failed: Failed,
    /// How it ended.
    pub end: End,
    /// Where it crashed, aborted or hung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// What it lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
    /// Files, descriptors or mutexes that are left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// The last lines of stderr.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Runs of the repetitions that came to the same.
    pub repeated: u32,
    /// Repetitions.
    pub repetitions: u32,
    /// Runs of the sweep that came to it.
    pub runs: u64,
    /// Ids of all points whose failure led to it.
    pub all_points: Vec<String>,
    /// Commands that repeat it.
    pub repeat: Repeat,
    /// What a policy says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

impl Finding {
    /// Whether a job fails for it: its outcome is one of those, it was seen again, and nothing accepts it.
    pub fn fails(&self, is_chosen: impl Fn(Outcome) -> bool) -> bool {
        is_chosen(self.outcome) && self.accepted.is_none() && self.repeated > 0
    }
}

/// A call that was made to fail.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Failed {
    /// `malloc`.
    pub op: String,
    /// Bytes that it asked for.
    pub bytes: u64,
    /// The function that called it, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Number in `stacks`.
    pub stack: u32,
}

/// Where it crashed, aborted or hung.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Crash {
    /// Signal; 0 for a hang.
    pub signal: i32,
    /// The address that was used, where the signal says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "some_to_hex", deserialize_with = "some_from_hex")]
    pub address: Option<u64>,
    /// The function, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Number in `stacks`; of the thread that crashed, or the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<u32>,
    /// Numbers in `stacks` of all threads, for a hang.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<u32>,
    /// A handler of the program's own took the signal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handled: bool,
}

/// Blocks of one stack that are lost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Leak {
    /// `definite`, `indirect` or `possible`.
    pub kind: String,
    /// Blocks more than without the failure.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The function that allocated them, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Number in `stacks`: where they were allocated.
    pub stack: u32,
}

/// Commands that repeat a finding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Repeat {
    /// By memtrace: `memtrace repro FILE ID`.
    pub memtrace: String,
    /// The same, stopped at the failed call under gdb.
    pub gdb: String,
    /// By environment and LD_PRELOAD alone.
    pub plain: String,
}

/// A rule of the policy that takes a finding out of what fails.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// `allow`, `known` or `ignore`.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Until when, as `2026-11-30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// How far a sweep came.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Points that are known.
    pub points: u64,
    /// Of these, those that failed at least once.
    pub failed: u64,
    /// Functions that call an allocator.
    pub functions: u64,
    /// Of these, those whose every point failed at least once.
    pub functions_failed: u64,
    /// Runs that were not made, because the time was up.
    pub not_run: u64,
    /// Whether it was interrupted.
    pub interrupted: bool,
}
