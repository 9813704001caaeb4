//! What a check came to, field by field, as `schema/check-1.schema.json` describes it.

use std::path::Path;

use serde::Serialize;

use super::frames::Whose;
pub use super::rule::Rule;
use crate::formats::model::Location;
use crate::text::Call;

/// `Outcome::format`.
pub const FORMAT: &str = "memtrace-check";
/// Raised whenever a field changes.
pub const VERSION: u32 = 1;

/// All of it.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Outcome {
    /// `FORMAT`.
    pub format: &'static str,
    /// `VERSION`.
    pub version: u32,
    /// The command that was run; empty: profiles were read.
    pub command: Vec<String>,
    /// The profiles that were read.
    pub profiles: Vec<String>,
    /// The policy's file.
    pub policy: Option<String>,
    /// The baseline's file.
    pub baseline: Option<String>,
    /// What it came to.
    pub verdict: Verdict,
    /// How the command ended.
    pub target: Option<Target>,
    /// What was seen.
    pub processes: Processes,
    /// The programs that count, in the order in which they began.
    pub programs: Vec<Program>,
    /// Findings by state.
    pub counts: Counts,
    /// What was found: what fails first, the most bytes first.
    pub findings: Vec<Finding>,
    /// Entries of the baseline that were not found again.
    pub fixed: Vec<Fixed>,
    /// Sentences about the whole.
    pub notes: Vec<String>,
}

/// What it came to.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// The status that the command ends with; nothing: it dies by the target's signal.
    pub exit_code: Option<u8>,
    /// Why, in sentences.
    pub reasons: Vec<String>,
}

/// The verdict in a word.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Nothing breaks the policy.
    Clean,
    /// Something does.
    Broken,
    /// Nobody can tell.
    NoData,
}

/// How the command ended.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Target {
    /// Its status.
    pub status: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// It did not succeed.
    pub failed: bool,
}

/// What was seen. An exec makes a new image with the same pid; images are counted.
#[derive(Serialize, Clone, PartialEq, Debug, Default)]
pub struct Processes {
    /// Images that were judged.
    pub judged: u64,
    /// Images that count, and of which it is not known what is lost.
    pub not_judged: Vec<NotJudged>,
    /// Processes and programs that nothing was recorded of.
    pub unseen: Vec<Unseen>,
    /// Images of programs that do not count (`--exe`).
    pub outside: u64,
    /// Images of memtrace itself.
    pub of_memtrace: u64,
    /// Processes for which the recording had no room.
    pub lost: u64,
    /// Processes that outlived the command, and were not waited for any longer.
    pub living: u64,
}

/// An image without a verdict.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct NotJudged {
    /// Its process.
    pub pid: u32,
    /// Its program.
    pub exe: String,
    /// Why.
    pub why: String,
}

/// What nothing was recorded of.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Unseen {
    /// The process that started it, or became it.
    pub pid: u32,
    /// The program that did so.
    pub exe: String,
    /// How many.
    pub count: u64,
    /// It took the place of that process, by exec.
    pub by_exec: bool,
}

/// A program that counts.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Program {
    /// Its path.
    pub exe: String,
    /// Its images.
    pub images: u64,
    /// Those that were judged.
    pub judged: u64,
    /// Fingerprints of what was found in them.
    pub findings: Vec<String>,
}

/// Findings by state.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Those that break the policy.
    pub failing: u64,
    /// Leaks that nothing accepts.
    pub new: u64,
    /// Leaks of the baseline that have grown.
    pub grown: u64,
    /// Leaks of the baseline.
    pub known: u64,
    /// Leaks that a rule accepts.
    pub accepted: u64,
    /// Entries of the baseline that were not found again.
    pub fixed: u64,
    /// Leaks without code that counts on their stack.
    pub foreign: u64,
    /// Bytes of those.
    pub foreign_bytes: u64,
    /// Blocks that suppressions hide.
    pub suppressed_blocks: u64,
    /// Bytes of those.
    pub suppressed_bytes: u64,
}

/// Whether it was there before.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing accepts it.
    New,
    /// The baseline has less of it.
    Grown,
    /// The baseline has it.
    Known,
    /// A rule of the policy accepts it.
    Accepted,
}

/// A finding.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Finding {
    /// What it is known again by.
    pub fingerprint: String,
    /// Its kind.
    pub rule: Rule,
    /// Whether it was there before.
    pub state: State,
    /// The policy is broken by it.
    pub fails: bool,
    /// In a line.
    pub title: String,
    /// The function that it is told by; nothing: it is of no one place.
    pub site: Option<String>,
    /// Blocks, or whatever the budget counts.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Indirectly lost blocks that they lead to.
    pub indirect_blocks: u64,
    /// Their bytes.
    pub indirect_bytes: u64,
    /// What the policy allows, in what the finding exceeds.
    pub limit: Option<u64>,
    /// Of a grown one: blocks and bytes in the baseline.
    pub before: Option<Before>,
    /// The fingerprint of the baseline's entry that it was known again by, whether or not that still accepts it.
    pub baseline: Option<String>,
    /// What the fingerprint was made of.
    pub trail: Vec<String>,
    /// A stack that it is from, innermost first.
    pub stack: Vec<Step>,
    /// Other stacks that belong to it: of a heap error, where the block was allocated and freed first.
    pub related: Vec<Related>,
    /// The images that it was found in.
    pub processes: Vec<Had>,
    /// Who accepts it.
    pub accepted: Option<Accepted>,
}

/// A stack that belongs to a finding.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Related {
    /// What happened there.
    pub what: String,
    /// The stack, innermost first.
    pub stack: Vec<Step>,
}

/// What the baseline has of a finding.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Before {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A frame.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Step {
    /// Demangled.
    pub function: Option<String>,
    /// Path of the source file.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Path of the module.
    pub module: Option<String>,
    /// Where in the module; without one an address.
    #[serde(serialize_with = "crate::json::to_hex")]
    pub offset: u64,
    /// Of a source site: what the block is cast to.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// It counts: it is the project's code, or in the scope that the policy names.
    pub own: bool,
    /// Whose code it is.
    #[serde(skip)]
    pub whose: Whose,
}

/// An image that a finding was in.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Had {
    /// Its process.
    pub pid: u32,
    /// Its program.
    pub exe: String,
    /// Blocks of the finding there.
    pub blocks: u64,
    /// Their bytes, with those that they lead to.
    pub bytes: u64,
}

/// Who accepts a finding.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// `baseline`, `known`, `allow` or `ignore`.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: Option<String>,
}

/// An entry of the baseline that was not found again.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Fixed {
    /// What it was known by.
    pub fingerprint: String,
    /// Its frames.
    pub trail: Vec<String>,
    /// Its bytes.
    pub bytes: u64,
}

impl Finding {
    /// Its own bytes and those that it leads to.
    pub fn all_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.indirect_bytes)
    }

    /// Its own blocks and those that it leads to.
    pub fn all_blocks(&self) -> u64 {
        self.blocks.saturating_add(self.indirect_blocks)
    }

    /// Where it is best looked at: the first frame that counts, then the first that any file is known of.
    pub fn location(&self, root: &Path) -> Option<Location> {
        let own: Vec<Call> = self.stack.iter().filter(|step| step.own).map(Step::call).collect();
        let all: Vec<Call> = self.stack.iter().map(Step::call).collect();
        let place = Location::best([own.as_slice()].into_iter(), root);
        place.filter(|place| place.is_own).or_else(|| Location::best([all.as_slice()].into_iter(), root))
    }
}

impl Step {
    /// Whether it is a mark in the stack and no call: where it was cut, the region that the program was in.
    pub fn is_mark(&self) -> bool {
        let marks = ["[cut: ", "[in region "];
        self.function.as_deref().is_some_and(|name| marks.iter().any(|mark| name.starts_with(mark)))
    }

    /// As frames are told.
    pub fn call(&self) -> Call<'_> {
        Call {
            function: self.function.as_deref(),
            file: self.file.as_deref(),
            line: self.line,
            module: self.module.as_deref(),
            offset: self.offset,
            type_name: self.type_name.as_deref(),
        }
    }
}
