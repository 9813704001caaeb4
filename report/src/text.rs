//! A profile as text: what a person reads at the end of a run or asks for later.
//!
//! ```text
//!   run (several processes: their tree)
//!   └─ process: header · faults · warnings · rows or tree · summary
//! ```
//!
//! Everything is written to an `io::Write`, foreign text through `escape::Safe` alone.
//!
//! Invariants:
//! - readable without colour, and colour, letters and widths of bars and curves are the only things that `Style` changes;
//! - equal profiles give equal text.

mod curve;
mod escape;
mod frame;
mod heap;
mod leaks;
mod number;
mod overview;
mod processes;
mod rows;
mod signal;
mod style;
mod summary;
mod why;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use memtrace_wire::leaks::Kinds;

use crate::profile::leaks::Suppression;
use crate::profile::{Process, Profile};
use crate::views::tree::Direction;
use crate::views::{By, Choice, base_name};
pub use curve::sparkline;
pub use escape::{Safe, start_of};
pub use frame::{Call, Lines, line_of, mark};
pub use heap::{head_of as heap_error, head_of_any as heap_error_or_note, line_of_all as heap_errors};
pub use leaks::{head, how, lost, meaning, reason as hindrance, words};
pub use number::{asked, bytes_in, count, duration, parse_bytes, percent, scaled, short, thousands};
pub use signal::signal;
pub use style::Style;
pub use summary::{
    estimates, loss, made_to_fail, not_recorded, nothing_recorded, passive, unnamed, warnings as setting_warnings,
};
pub use why::{held_before, holder, way, why};

/// What to print of a profile.
#[derive(Clone, Default)]
pub struct Request {
    /// Which rows.
    pub choice: Choice,
    /// Which kinds of leaks; `None`: as each process's MEMTRACE_SHOW says.
    pub show: Option<Kinds>,
    /// A tree instead of rows.
    pub tree: Option<Direction>,
    /// Time, memory, sizes, threads and modules before the rows, and a curve below each stack.
    pub has_overview: bool,
    /// How it is set.
    pub style: Style,
}

/// The whole report.
pub fn report(profile: &Profile, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    if profile.processes.len() > 1 || profile.processes_lost > 0 {
        processes::tree(profile, to)?;
    }
    let is_classified = profile.processes.iter().any(|process| !process.checks.is_empty());
    for (place, process) in profile.processes.iter().enumerate() {
        if place > 0 || profile.processes.len() > 1 {
            writeln!(to)?;
        }
        // Suppressions are those of the whole run: what became of them is said once, with the last process.
        let is_last = place + 1 == profile.processes.len();
        report_process(process, if is_last && is_classified { &profile.suppressions } else { &[] }, request, to)?;
    }
    Ok(())
}

fn report_process(
    process: &Process,
    suppressions: &[Suppression],
    request: &Request,
    to: &mut dyn Write,
) -> io::Result<()> {
    if let Some(reason) = summary::nothing_recorded(process) {
        writeln!(to, "memtrace: {}: nothing was recorded: {reason}", title(process))?;
        warnings(process, to)?;
        return summary::unused(suppressions, to);
    }
    writeln!(to, "memtrace: {}", title(process))?;
    summary::estimates(process).iter().try_for_each(|line| writeln!(to, "  {line}"))?;
    // Whoever asks for other rows, or a tree, has seen it.
    if request.has_overview && request.tree.is_none() && request.choice.by == By::Stack {
        overview::print(process, request, to)?;
    }
    summary::faults(process, request, to)?;
    heap::print(process, request, to)?;
    warnings(process, to)?;
    rows::print(process, request, to)?;
    writeln!(to)?;
    summary::print(process, to)?;
    summary::unused(suppressions, to)?;
    leaks::summary(process, to)?;
    heap::line(process).map_or(Ok(()), |line| writeln!(to, "{line}"))
}

fn warnings(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    summary::warnings(process).iter().try_for_each(|line| writeln!(to, "memtrace: {line}"))
}

/// `app (pid 1234)`.
pub fn title(process: &Process) -> String {
    format!("{} (pid {})", Safe(program(process)), process.pid)
}

pub fn program(process: &Process) -> &str {
    match base_name(&process.exe) {
        "" => "(unknown program)",
        name => name,
    }
}

/// The run in one line: allocations, peak, live at the end.
pub fn three_numbers(profile: &Profile) -> String {
    let summaries = || profile.processes.iter().map(|process| &process.summary);
    let sum = |numbers: &mut dyn Iterator<Item = u64>| numbers.fold(0, u64::saturating_add);
    let allocations = sum(&mut summaries().map(|summary| summary.allocations));
    let live_bytes = sum(&mut summaries().map(|summary| summary.live_bytes));
    let live_blocks = sum(&mut summaries().map(|summary| summary.live_blocks));
    // Highs of several processes were at several times: the highest is one of theirs.
    let peak = summaries().map(|summary| summary.peak_bytes).max().unwrap_or(0);
    // One process may be several programs, one after the other: each exec begins a new recording.
    let pids = profile.processes.iter().map(|process| process.pid).collect::<std::collections::BTreeSet<_>>();
    let (where_, highest) = match (profile.processes.len(), pids.len()) {
        (0 | 1, _) => (String::new(), ""),
        (programs, 1) => (format!(" in {}", number::count(programs as u64, "program")), "highest "),
        (_, processes) => (format!(" in {}", number::count(processes as u64, "process")), "highest "),
    };
    format!(
        "{}{where_}, {highest}peak {}, live at the end {}",
        number::count(allocations, "allocation"),
        number::scaled(peak),
        number::bytes_in(live_bytes, live_blocks, "block"),
    )
}
