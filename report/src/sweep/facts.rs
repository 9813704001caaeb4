//! What a run came to, as its worker tells it: facts, not yet judged, stacks without names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::model::End;
use crate::profile::leaks::Kind;

/// One run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// How the program ended.
    pub end: End,
    /// For one that did not: whether it used the processor to the last.
    pub is_spinning: bool,
    /// How long it took, in microseconds.
    pub time_us: u64,
    /// What it wrote to stdout.
    pub output: Text,
    /// What it wrote to stderr.
    pub errors: Text,
    /// Files that are there and were not before, or are others: a hash of what they hold by name.
    pub files: BTreeMap<String, u64>,
    /// Of these, files of the working directory that were there and are others, or gone.
    #[serde(default)]
    pub changed: BTreeSet<String>,
    /// What of the working directory is not compared: sentences.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Descriptors that were open at its end, as what they lead to.
    pub descriptors: BTreeMap<String, u32>,
    /// Mutexes that its first thread held at its end, by name.
    #[serde(default)]
    pub locks: BTreeMap<String, u32>,
    /// Whether memtrace was in the program at all.
    pub is_recorded: bool,
    /// It ended by a failed assertion.
    pub is_assertion: bool,
    /// `RETURN`: its main returned; else the name of the stack that called exit; 0: not known.
    #[serde(default)]
    pub way_out: u64,
    /// Whether the live blocks of the end were classified.
    pub is_classified: bool,
    /// Allocations in scope.
    pub allocations: u64,
    /// Allocations that failed.
    pub fired: u64,
    /// Points that were asked for: all, or those that are not known yet.
    pub points: Vec<Point>,
    /// The failed calls, up to a few.
    pub failed: Vec<Failed>,
    /// The signals that were the end of a process, or faults that a handler took; the first of each process.
    pub crashes: Vec<Crash>,
    /// Stacks of all threads of a program that did not end.
    pub threads: Vec<u32>,
    /// Lost blocks, put together by kind and stack.
    pub lost: Vec<Lost>,
    /// What the oracle said: it is right.
    pub oracle: Option<bool>,
    /// What went wrong with the run itself.
    pub trouble: Option<String>,
    /// Stacks, innermost frame first: numbers of `modules` and offsets; or `SOURCE` and numbers of `sources`.
    pub stacks: Vec<Vec<(u32, u64)>>,
    /// Modules of the stacks: path and build-id. Number `u32::MAX`: none.
    pub modules: Vec<(PathBuf, Vec<u8>)>,
    /// Source sites of the stacks.
    #[serde(default)]
    pub sources: Vec<Source>,
}

/// In the place of a module: the frame is a source site.
pub const SOURCE: u32 = u32::MAX - 1;

/// What a program says of one of its allocations.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Source {
    /// File.
    pub file: String,
    /// Function; empty: not said.
    pub function: String,
    /// What the block is cast to; empty: not said.
    pub type_name: String,
    /// Line, from 1.
    pub line: Option<u32>,
}

/// A `way_out`.
pub const RETURN: u64 = 1;

impl Facts {
    /// Whether files of the working directory were made, changed or removed.
    pub fn touches_here(&self) -> bool {
        self.files.keys().any(|name| name.starts_with("./"))
    }
}

/// What a program wrote.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Text {
    /// Length in bytes.
    pub bytes: u64,
    /// Hash of all of it.
    pub hash: u64,
    /// Of each line, if there are not too many: a hash, and one with each number taken for 0.
    pub lines: Vec<(u32, u32)>,
    /// Its last part, as text.
    pub tail: String,
}

/// A stack that allocates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Its name.
    pub id: u64,
    /// An `Op`.
    pub op: u32,
    /// Bytes of the first.
    pub bytes: u64,
    /// Its number among all in scope.
    pub first: u64,
    /// Allocations.
    pub count: u64,
    /// Number in `stacks`.
    pub stack: u32,
    /// What came of a copy of the process in which it failed first (`Screened`); 0: there was none.
    #[serde(default)]
    pub screened: u64,
}

/// A call that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failed {
    /// Name of its point; 0: none.
    pub id: u64,
    /// An `Op`.
    pub op: u32,
    /// Bytes.
    pub bytes: u64,
    /// Number among all in scope.
    pub index: u64,
    /// Number in `stacks`.
    pub stack: Option<u32>,
}

/// A signal that was the end, or would have been without a handler.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crash {
    /// Its number.
    pub signal: i32,
    /// Why it was sent.
    pub code: i32,
    /// Address of the fault.
    pub address: u64,
    /// Stack pointer then.
    pub sp: u64,
    /// Number in `stacks`.
    pub stack: Option<u32>,
    /// A handler took it.
    pub is_handled: bool,
    /// It was the program's own process, no child.
    pub is_main: bool,
}

/// Lost blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lost {
    /// A hash over stack and function, as of points.
    pub id: u64,
    /// How they are lost.
    pub kind: Kind,
    /// Blocks.
    pub blocks: u64,
    /// Bytes.
    pub bytes: u64,
    /// Number in `stacks`.
    pub stack: u32,
}

/// What a worker is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// What need not be told again: names of points, and sums of lost blocks (id, kind, blocks).
    Known { points: Vec<u64>, lost: Vec<(u64, Kind, u64)> },
    /// There is no more to do.
    Leave,
    /// A run with these settings, and the time that it has.
    Run { number: u64, settings: Vec<String>, timeout_ms: u64 },
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The order's.
    pub number: u64,
    /// What the run came to.
    pub facts: Facts,
}
