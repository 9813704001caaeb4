//! Runs once, when the target ends: decides whether there is anything to say, and has it said.
//!
//! ```text
//!   report ──findings?──▶ copy (recording → memfd) ──▶ helper (the `memtrace` command: names, prints)
//!                                  │                        │ cannot be started, or gives no answer in time
//!                                  ▼                        ▼
//!                          a file beside the program ◀──  short (prints what can be said from in here)
//! ```
//!
//! Everything is done with raw system calls, without a heap, and within the deadline.

#![no_std]
#[cfg(test)]
extern crate std;

mod check;
mod checkpoints;
mod copy;
mod file;
mod findings;
mod freeze;
mod given;
mod helper;
mod listing;
mod opened;
mod parent;
mod screen;
mod short;
mod snapshot;
mod task;
mod threads;

use core::ffi::CStr;

use check::Rules;
use check::space::Array;
use helper::Told;
pub use helper::{News, Wish};
use memtrace_hot::{Hot, maps};
use memtrace_wire::dead;
use memtrace_wire::layout::{Cause, Passive};
use memtrace_wire::settings::Settings;
use memtrace_wire::sys;

pub use checkpoints::{Checkpoints, live};
pub use file::{block_signals, restore_signals, write};
pub use findings::Findings;
pub use parent::wait_for_copy;
pub use screen::{Screen, begin_screening, screen};
use snapshot::{Outcome, Request};
pub use threads::Own;

/// What cold needs to know about the end.
pub struct Ending<'a> {
    /// The tables.
    pub hot: &'static Hot,
    /// The settings.
    pub settings: &'a Settings<'a>,
    /// A copy of the stderr of the start, if there is one.
    pub stderr: Option<i32>,
    /// An address in the library: the command is looked for beside its file.
    pub library: u64,
    /// What the thread that ends the process holds.
    pub own: Own,
    /// Its thread pointer.
    pub tls: u64,
}

impl Ending<'_> {
    fn deadline_ns(&self) -> u64 {
        sys::monotonic_ns().saturating_add(self.settings.deadline_s.saturating_mul(1_000_000_000))
    }

    fn request<'a>(&self, cause: Cause, into: Option<i32>, deadline_ns: u64) -> Request<'a> {
        let Settings { heuristics, tags, .. } = *self.settings;
        let type_of_types = self.hot.python.type_of_types();
        let rules = Rules { heuristics, low_bits: tags.low_bits, high_bits: tags.high_bits, type_of_types };
        let Ending { hot, own, tls, library, .. } = *self;
        Request {
            hot,
            cause,
            rules,
            own,
            tls,
            maps: maps::OWN,
            library,
            into,
            lost: None,
            is_apart: false,
            deadline_ns,
        }
    }

    /// Checks for leaks, where that was not switched off. `into`: see `Request`.
    fn check(&self, cause: Cause, into: Option<i32>, deadline_ns: u64) -> Option<Outcome> {
        self.settings.leaks.then(|| snapshot::check(&self.request(cause, into, deadline_ns)))
    }

    /// The same, with lost blocks counted by site.
    fn check_with(
        &self,
        (cause, into): (Cause, Option<i32>),
        lost: Option<&Array<u32>>,
        deadline_ns: u64,
    ) -> Option<Outcome> {
        let request = Request { lost, ..self.request(cause, into, deadline_ns) };
        self.settings.leaks.then(|| snapshot::check(&request))
    }
}

/// Classifies what is live, for a launcher that reports it.
pub fn classify(ending: &Ending<'_>) {
    let findings = Findings::of(ending.hot, ending.settings);
    if findings.live_blocks + findings.pool_blocks == 0 || findings.passive != Passive::No as u32 {
        return;
    }
    let mask = file::block_signals();
    ending.check(Cause::End, None, ending.deadline_ns());
    file::restore_signals(mask);
}

/// Begins a check for a tracer, which the target does not wait for: the id of the copy that checks, or 0.
pub fn check_apart(ending: &Ending<'_>, cause: Cause) -> u32 {
    let mask = file::block_signals();
    let request = Request { is_apart: true, ..ending.request(cause, None, ending.deadline_ns()) };
    let copy = snapshot::begin_apart(&request);
    file::restore_signals(mask);
    copy.map_or(0, |copy| copy as u32)
}

/// Checks in a process that has the memory of one that is gone, with the threads and the list of mappings of that one.
pub fn check_dead(ending: &Ending<'_>, pid: u64, threads: &[dead::Thread], maps: &'static CStr) -> ! {
    let request = Request { is_apart: true, maps, ..ending.request(Cause::Death, None, ending.deadline_ns()) };
    snapshot::check_dead(&request, pid, threads)
}

/// Checks in a process that goes on: the blocks that are lost. `None`: nothing was classified.
pub fn check(ending: &Ending<'_>, cause: Cause) -> Option<u64> {
    let mask = file::block_signals();
    let outcome = ending.check(cause, None, ending.deadline_ns());
    file::restore_signals(mask);
    outcome?.sums.map(|sums| sums.lost_blocks)
}

/// Reports now what would be reported if the process ended here, to the file that stands for stderr, or writes there what is
/// wished. False: it could not be, or only in short.
pub fn report_now(ending: &Ending<'_>, wish: Wish) -> bool {
    let mut findings = Findings::of(ending.hot, ending.settings);
    let (mask, deadline_ns) = (file::block_signals(), ending.deadline_ns());
    let recording = copy::memory_file();
    let mut is_written = false;
    if findings.passive == Passive::No as u32
        && let Some(outcome) = ending.check(Cause::End, recording, deadline_ns)
    {
        (is_written, findings.lost) = (outcome.is_written, outcome.sums);
    }
    let is_whole = recording.filter(|&fd| is_written || copy::to_file(ending.hot, fd));
    let told = is_whole.map_or(Told::Nothing, |fd| helper::tell(ending, fd, wish, deadline_ns));
    if told == Told::Nothing && wish == Wish::Now {
        short::print(ending, &findings, None);
    }
    if let Some(fd) = recording {
        sys::close(fd);
    }
    file::restore_signals(mask);
    told != Told::Nothing
}

/// Reports the process's recording, unless there is nothing to say. True: there are leaks.
pub fn report(ending: &Ending<'_>) -> bool {
    let settings = ending.settings;
    let mut findings = Findings::of(ending.hot, settings);
    let is_asked = settings.summary || !settings.json.is_empty() || settings.exit_code != 0;
    if settings.quiet || !(findings.any() || is_asked) {
        return false;
    }
    let nowhere = ending.stderr.is_none() && settings.out.is_empty() && settings.json.is_empty();
    if (nowhere || (settings.out == b"none" && settings.json.is_empty())) && settings.exit_code == 0 {
        return false;
    }
    let mask = file::block_signals();
    let deadline_ns = ending.deadline_ns();
    // Under valgrind each copy of the process, the helper's too, would flush the target's stdio again.
    let alone = findings.passive == Passive::Valgrind as u32;
    let mut recording = if alone { None } else { copy::memory_file() };
    let mut is_written = false;
    if findings.live_blocks + findings.pool_blocks != 0
        && findings.passive == Passive::No as u32
        && recording.is_some()
        && let Some(outcome) = ending.check(Cause::End, recording, deadline_ns)
    {
        is_written = outcome.is_written;
        findings.lost = outcome.sums;
    }
    let mut has_leaks = false;
    if findings.any_shown(settings.show) || is_asked {
        if let Some(fd) = recording
            && !is_written
            && !copy::to_file(ending.hot, fd)
        {
            sys::close(fd);
            recording = None;
        }
        let told =
            recording.map(|fd| helper::tell(ending, fd, helper::Wish::End, deadline_ns)).unwrap_or(Told::Nothing);
        has_leaks = match told {
            Told::Leaks => true,
            Told::Clean => false,
            Told::Nothing => {
                if settings.out != b"none" {
                    short::print(ending, &findings, recording);
                }
                findings.lost.is_some_and(|lost| lost.lost_blocks != 0)
            }
        };
    }
    if let Some(fd) = recording {
        sys::close(fd);
    }
    file::restore_signals(mask);
    has_leaks
}
