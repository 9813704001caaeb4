//! A profile: what leaves a run, as JSON in one object, versioned.
//!
//! Invariant: a profile in memory is sound. One that is built is so by construction, one that is read is checked:
//! every reference leads somewhere.

mod build;
pub mod bundled;
mod check;
mod checks;
pub mod heap;
mod hidden;
mod hide;
pub mod history;
pub mod leaks;
mod model;
mod paths;
mod process;
mod rows;
mod settings;
mod shown;
mod sites;
pub mod sources;
pub mod stacks;
mod time;
pub mod verdicts;

#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;

use memtrace_wire::leaks::Kinds;

use crate::error::Error;
use crate::json::{self, Format, Head};
use crate::names::Places;
use crate::recording::Recording;
use crate::views::Choice;
pub use hidden::{Suppress, is_own_bad, rule_kind};
#[cfg(test)]
pub use model::{Fault, Warning};
pub use model::{Frame, Module, Process, Profile, Site};
pub use sites::POOL;
pub use time::date;

/// How a profile says what it is.
pub const FORMAT: Format = Format { noun: "profile", name: model::FORMAT, version: model::VERSION };

/// The loss that only a reader sees: what the recording refers to and does not hold.
pub const DAMAGED: &str = "damaged";

/// How the kernel says that a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndStatus {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
}

/// What a profile is built with beside the recording.
#[derive(Default)]
pub struct Options {
    /// How processes ended, by pid, as far as somebody waited for them.
    pub ends: HashMap<u32, EndStatus>,
    /// Names are wanted for so many stacks with the most live bytes only, and for those of faults; `None`: for all.
    ///
    /// Where leaks are known, those of the kinds in MEMTRACE_SHOW are meant; and the ways to held blocks are left out.
    pub largest: Option<usize>,
    /// The kinds of leaks that want names, where `largest` says so; `None`: those of each process's MEMTRACE_SHOW.
    pub kinds: Option<Kinds>,
    /// Leaks that are none.
    pub suppress: Option<Rc<Suppress>>,
}

impl Profile {
    /// The profile of a recording, with all names resolved from the files of this system.
    pub fn build(recording: &Recording, options: &Options) -> Result<Profile, Error> {
        Ok(build::profile(recording, options, &Places::system()))
    }

    /// One that has none.
    pub fn without_processes() -> Profile {
        build::empty()
    }

    /// The same without processes.
    pub fn head(&self) -> Profile {
        let (format, tool, suppressions) = (self.format.clone(), self.tool.clone(), self.suppressions.clone());
        let (version, processes_lost) = (self.version, self.processes_lost);
        Profile { format, version, tool, processes_lost, suppressions, processes: Vec::new() }
    }

    /// Writes one line of JSON.
    pub fn write_json(&self, to: impl Write) -> io::Result<()> {
        json::write(self, to)
    }

    /// Reads a profile from its JSON.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn from_json(bytes: &[u8], what: &str) -> Result<Profile, Error> {
        Profile::read_behind(&Head::of(bytes, what, FORMAT.noun)?, bytes, what)
    }

    /// Reads a profile whose head is known already.
    pub fn read_behind(head: &Head, bytes: &[u8], what: &str) -> Result<Profile, Error> {
        let profile: Profile = FORMAT.read_behind(head, bytes, what)?;
        match check::first_fault(&profile) {
            Some(fault) => Err(Error::read(what, fault)),
            None => Ok(profile),
        }
    }
}

/// Writes a profile's rows as one line of JSON.
pub fn write_rows(profile: &Profile, choice: &Choice, to: impl Write) -> io::Result<()> {
    json::write(&rows::RowsOfAll::of(profile, choice), to)
}
