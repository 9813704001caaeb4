//! A profile: what leaves a run, as JSON in one object, versioned.
//!
//! Invariant: a profile in memory is sound. One that is built is so by construction, one that is read is checked:
//! every reference leads somewhere.

mod build;
pub mod bundled;
pub mod carry;
mod check;
mod checks;
pub mod heap;
mod hidden;
mod hide;
pub mod history;
pub mod leaks;
mod mixed;
mod model;
pub mod parts;
pub mod past;
mod paths;
mod process;
pub mod python;
mod rename;
mod rows;
mod settings;
pub mod shape;
mod shown;
pub mod since;
mod sites;
pub mod sizes;
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
use std::path::Path;
use std::rc::Rc;

use memtrace_wire::leaks::Kinds;

use crate::error::Error;
use crate::json::{self, Format, Head};
use crate::names::{Known, Places};
use crate::recording::{self, Recording};
use crate::views::Choice;
pub use build::modules;
pub use hidden::{Suppress, is_own_bad, rule_kind};
pub use model::{Fault, Frame, Module, Process, Profile, Site, SizeClass, Warning};
#[cfg(test)]
pub use model::{Marker, Region};
pub use past::{Past, Pasts};
pub use sites::POOL;
pub use time::{date, nanoseconds, rfc3339};

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
    /// Where modules and debug files are; by default those of this system.
    pub places: Places,
    /// What was seen of the processes while they ran.
    pub pasts: Rc<Pasts>,
}

impl Process {
    /// A process with the sites of some stacks only: those that end at these nodes, and the number of the stack of each.
    /// Names are looked up once.
    pub fn chosen(process: &recording::Process, nodes: &[u32], known: &mut Known) -> (Process, Vec<u32>) {
        let mut stacks = stacks::Stacks::of_chosen(process, nodes.iter().copied());
        let mut requests = HashMap::new();
        stacks.ask(None, &mut requests);
        let built = process::build(process, &mut stacks, known.of(requests), None, &Pasts::default());
        (built, nodes.iter().map(|&node| stacks.number(node).unwrap_or(u32::MAX)).collect())
    }
}

impl Profile {
    /// The profile of a recording, with all names resolved.
    pub fn build(recording: &Recording, options: &Options) -> Result<Profile, Error> {
        Ok(build::profile(recording, options, &options.places))
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

    /// Keeps the images of one process; `path` is the file that it was read from.
    pub fn keep_process(&mut self, pid: u32, path: &Path) -> Result<(), Error> {
        let pids: Vec<String> = self.processes.iter().map(|process| process.pid.to_string()).collect();
        self.processes.retain(|process| process.pid == pid);
        match self.processes.is_empty() {
            true => {
                let found = format!("no process {pid} in it, it has {}", pids.join(", "));
                Err(Error::read(format!("`{}`", path.display()), found))
            }
            false => Ok(()),
        }
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
