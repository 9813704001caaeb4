//! What checks for leaks found, field by field: part of a process in a profile.
//!
//! ```text
//!   check ─▶ leaks: what no root leads to, by stack and kind
//!        └─▶ held: what roots lead to, by stack ──path──▶ a root, then block by block
//! ```

use memtrace_wire::verdict::Verdict;
use serde::{Deserialize, Serialize};

use crate::json::{from_hex, some_from_hex, some_to_hex, to_hex};

/// One check for leaks.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Check {
    /// What asked for it: `end`, `program`, `command`, `round`, `death`.
    pub cause: String,
    /// How it knew what the threads held: `alone`, `stopped`, `waiting`; `none`: nothing was classified.
    pub rung: String,
    /// Why no better: `ptrace`, `copy`, `deadline`, `memory`, `broken`, `sealed`, `death`, `maps`.
    pub hindrance: Option<String>,
    /// `unknown-blocks`, `cut`, `tagged`, `moving`.
    pub flags: Vec<String>,
    /// When it began: RFC 3339, UTC.
    pub time: String,
    /// How long threads stood still for it.
    pub pause_ns: u64,
    /// CPU time that it took.
    pub cpu_ns: u64,
    /// Threads besides the one that checked.
    pub threads: u32,
    /// Of these, those whose registers were read.
    pub threads_stopped: u32,
    /// Of the rest, those whose stack was read whole.
    pub threads_whole: u32,
    /// Bytes that were read as roots.
    pub root_bytes: u64,
    /// Bytes of roots and blocks that could not be read.
    pub unreadable_bytes: u64,
    /// Memory that the check took.
    pub work_bytes: u64,
    /// Sums by kind.
    pub summary: Sums,
    /// Of the reachable blocks, those that only a heuristic finds.
    pub heuristics: Heuristics,
    /// Lost blocks, by kind, the most bytes first.
    pub leaks: Vec<Leak>,
    /// Reachable blocks, the most bytes first.
    pub held: Vec<Held>,
}

/// Blocks and their bytes.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// Blocks.
    pub blocks: u64,
    /// Bytes asked for.
    pub bytes: u64,
}

/// All live blocks of a check, by kind.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Definitely lost.
    pub definite: Sum,
    /// Indirectly lost.
    pub indirect: Sum,
    /// Possibly lost.
    pub possible: Sum,
    /// Still reachable.
    pub reachable: Sum,
    /// Of any kind, hidden by a suppression or held by such a block only.
    pub suppressed: Sum,
}

/// By Memcheck's heuristics.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heuristics {
    /// Behind the header of an old std::string.
    pub stdstring: Sum,
    /// Behind a length of 8 bytes.
    pub length64: Sum,
    /// Behind the count of a `new T[n]`.
    pub newarray: Sum,
    /// A second base class.
    pub multipleinheritance: Sum,
}

/// What a row stands for.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Definitely lost.
    Definite,
    /// Possibly lost.
    Possible,
    /// Indirectly lost.
    Indirect,
    /// Still reachable: never in `leaks`.
    Reachable,
    /// Hidden by a suppression, or held by such a block only.
    Suppressed,
}

/// The lost blocks of one stack and kind.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Leak {
    /// Place in `stacks`.
    pub stack: u32,
    /// The function that was called.
    pub op: String,
    /// What they are.
    pub kind: Kind,
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Indirectly lost blocks that they lead to; each is counted with one definitely lost block.
    pub indirect_blocks: u64,
    /// Their bytes.
    pub indirect_bytes: u64,
    /// Of the first block.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub address: u64,
    /// Place in the profile's `suppressions` of the one that matches these blocks.
    pub suppression: Option<u32>,
}

/// The reachable blocks of one stack.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Held {
    /// Place in `stacks`.
    pub stack: u32,
    /// The function that was called.
    pub op: String,
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that only these blocks hold, their own included; 0: not known.
    pub retained_bytes: u64,
    /// The block that the path leads to.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub address: u64,
    /// Its bytes.
    pub address_bytes: u64,
    /// Place in the profile's `suppressions` of the one that matches these blocks.
    pub suppression: Option<u32>,
    /// The places of the pointers that lead there, from a root on; empty: not kept.
    pub path: Vec<Step>,
}

/// The place of a pointer.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Step {
    /// What it lies in: `block`, `global`, `stack`, `register`, `tls`, `mapping`, `signal-stack`, `announced`,
    /// `ignored`, `unknown-heap`, `loader`, `stack-block`.
    pub holder: String,
    /// Its address; 0 for a register.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub at: u64,
    /// Place in `modules`.
    pub module: Option<u32>,
    /// The module's data that it lies in.
    pub symbol: Option<String>,
    /// How far behind the start of that.
    pub symbol_offset: u64,
    /// The thread that it belongs to.
    pub tid: Option<u32>,
    /// Place in `frames`: the function of that thread whose frame it lies in.
    pub frame: Option<u32>,
    /// The block that it lies in.
    #[serde(serialize_with = "some_to_hex", deserialize_with = "some_from_hex")]
    pub block: Option<u64>,
    /// That block's bytes, where it still was live at the end.
    pub block_bytes: Option<u64>,
    /// How far behind that block's start.
    pub block_offset: u64,
    /// Place in `stacks`: where that block was allocated.
    pub stack: Option<u32>,
}

/// A suppression, and what it hid.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Suppression {
    /// What its file calls it, with the file and the line.
    pub name: String,
    /// Blocks that matched.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Check {
    /// Whether it classified, at the end of its process: see `recording::Check::is_last_word`.
    pub fn is_last_word(&self) -> bool {
        matches!(self.cause.as_str(), "end" | "death") && matches!(self.rung.as_str(), "alone" | "stopped" | "waiting")
    }
}

impl Sum {
    /// Adds, up to the largest number.
    pub fn add(&mut self, blocks: u64, bytes: u64) {
        (self.blocks, self.bytes) = (self.blocks.saturating_add(blocks), self.bytes.saturating_add(bytes));
    }
}

impl Sums {
    /// The sum of a kind.
    pub fn of(&mut self, kind: Kind) -> &mut Sum {
        match kind {
            Kind::Definite => &mut self.definite,
            Kind::Possible => &mut self.possible,
            Kind::Indirect => &mut self.indirect,
            Kind::Reachable => &mut self.reachable,
            Kind::Suppressed => &mut self.suppressed,
        }
    }
}

impl Heuristics {
    /// In the order of the settings' bits.
    pub fn new(sums: [Sum; 4]) -> Heuristics {
        let [stdstring, length64, newarray, multipleinheritance] = sums;
        Heuristics { stdstring, length64, newarray, multipleinheritance }
    }

    /// As `new` takes them.
    pub fn sums(&self) -> [Sum; 4] {
        [self.stdstring, self.length64, self.newarray, self.multipleinheritance]
    }
}

impl Kind {
    /// The kind of a judged block.
    pub fn of(verdict: Verdict) -> Kind {
        match verdict {
            Verdict::Definite => Kind::Definite,
            Verdict::Possible => Kind::Possible,
            Verdict::Indirect => Kind::Indirect,
            Verdict::Reachable => Kind::Reachable,
            Verdict::Suppressed => Kind::Suppressed,
        }
    }

    /// As `of` takes it.
    pub fn verdict(self) -> Verdict {
        match self {
            Kind::Definite => Verdict::Definite,
            Kind::Possible => Verdict::Possible,
            Kind::Indirect => Verdict::Indirect,
            Kind::Reachable => Verdict::Reachable,
            Kind::Suppressed => Verdict::Suppressed,
        }
    }
}
