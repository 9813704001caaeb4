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

mod copy;
mod file;
mod findings;
mod helper;
mod short;

use memtrace_hot::Hot;
use memtrace_wire::layout::Passive;
use memtrace_wire::settings::Settings;
use memtrace_wire::sys;

pub use findings::Findings;

/// What cold needs to know about the end.
pub struct Ending<'a> {
    /// The tables.
    pub hot: &'a Hot,
    /// The settings.
    pub settings: &'a Settings<'a>,
    /// A copy of the stderr of the start, if there is one.
    pub stderr: Option<i32>,
    /// An address in the library: the command is looked for beside its file.
    pub library: u64,
}

/// Reports the process's recording, unless there is nothing to say.
pub fn report(ending: &Ending<'_>) {
    let settings = ending.settings;
    let findings = Findings::of(ending.hot, settings);
    if settings.quiet || !(findings.any() || settings.summary || !settings.json.is_empty()) {
        return;
    }
    let nowhere = ending.stderr.is_none() && settings.out.is_empty() && settings.json.is_empty();
    if nowhere || (settings.out == b"none" && settings.json.is_empty()) {
        return;
    }
    let mask = file::block_signals();
    let deadline_ns = sys::monotonic_ns().saturating_add(settings.deadline_s.saturating_mul(1_000_000_000));
    // Under valgrind each copy of the process, the helper's too, would flush the target's stdio again.
    let alone = findings.passive == Passive::Valgrind as u32;
    let recording = if alone { None } else { copy::to_memory_file(ending.hot) };
    let told = recording.is_some_and(|fd| helper::tell(ending, fd, deadline_ns));
    if !told && settings.out != b"none" {
        short::print(ending, &findings, recording);
    }
    if let Some(fd) = recording {
        sys::close(fd);
    }
    file::restore_signals(mask);
}
