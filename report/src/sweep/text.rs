//! A sweep as text: what was swept, what came of it, each finding with the way to it, and a line to grep for.
//!
//! ```text
//!   head · outcomes · findings (finding) · accepted ones · coverage · notes · SWEEP SUMMARY
//! ```
//!
//! Invariants: as those of `crate::text`: foreign text goes through `Safe` alone, colour is all that `Style` changes,
//! equal sweeps give equal text.

mod finding;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::model::{End, Finding, Frame, Sweep};
use super::outcome::Outcome;
use super::screening::Screening;
use crate::run::word;
use crate::text::{Call, Safe, Style, count, mark, signal, thousands};

/// Frames that are shown of a stack.
const FRAMES_MAX: usize = 24;
/// Notes that are shown.
const NOTES_MAX: usize = 100;

/// The whole report.
pub fn report(sweep: &Sweep, style: Style, to: &mut dyn Write) -> io::Result<()> {
    head(sweep, to)?;
    outcomes(sweep, to)?;
    let (accepted, open): (Vec<&Finding>, Vec<&Finding>) =
        sweep.findings.iter().partition(|finding| finding.accepted.is_some());
    for finding in open {
        writeln!(to)?;
        finding::print(sweep, finding, style, to)?;
    }
    self::accepted(&accepted, to)?;
    writeln!(to)?;
    foot(sweep, to)?;
    summary(sweep, to)
}

fn head(sweep: &Sweep, to: &mut dyn Write) -> io::Result<()> {
    let command: Vec<String> = sweep.command.iter().map(|argument| word(argument)).collect();
    writeln!(to, "memtrace: sweep of {}", Safe(&command.join(" ")))?;
    let points = count(sweep.points.len() as u64, "stack");
    let what = if sweep.calls.is_some() { "can fail" } else { "allocate" };
    writeln!(to, "  {points} that {what}, {} with a failure", count(sweep.runs.len() as u64, "run"))?;
    let baseline = &sweep.baseline;
    let and_calls = if sweep.calls.is_some() { " and calls" } else { "" };
    let allocations = count(baseline.allocations, "allocation") + and_calls;
    let (end, time, runs) = (end_of(baseline.end), thousands(baseline.time_ms), count(baseline.runs.into(), "run"));
    writeln!(to, "  without a failure: {end}, {allocations}, {time} ms ({runs})")?;
    if let Some(screening) = &sweep.screening {
        screened(screening, to)?;
    }
    if let Some(calls) = &sweep.calls {
        writeln!(to, "  calls that fail: {}", Safe(calls))?;
    }
    if let Some(partition) = &sweep.partition {
        writeln!(to, "  only a part: {}", Safe(partition))?;
    }
    Ok(())
}

/// How stacks were screened.
fn screened(screening: &Screening, to: &mut dyn Write) -> io::Result<()> {
    let Screening { screened, suspicious, not_screened, time_ms } = screening;
    let stacks = count(*screened, "stack");
    writeln!(
        to,
        "  screened by copies of the process: {stacks}, {} of which come first ({} ms)",
        thousands(*suspicious),
        thousands(*time_ms)
    )?;
    if !not_screened.is_empty() {
        let reasons: Vec<String> =
            not_screened.iter().map(|(reason, &stacks)| format!("{} ({})", thousands(stacks), reason.text())).collect();
        writeln!(to, "  not screened: {}", reasons.join(", "))?;
    }
    Ok(())
}

/// Runs by outcome, the worst first.
fn outcomes(sweep: &Sweep, to: &mut dyn Write) -> io::Result<()> {
    let counts: Vec<(Outcome, String)> =
        sweep.outcomes.iter().map(|(&outcome, &runs)| (outcome, thousands(runs))).collect();
    if counts.is_empty() {
        return Ok(());
    }
    let names = counts.iter().map(|(outcome, _)| outcome.name().len()).max().unwrap_or(0);
    let digits = counts.iter().map(|(_, runs)| runs.len()).max().unwrap_or(0).max(4);
    writeln!(to, "\n{:names$}  {:>digits$}", "outcome", "runs")?;
    for (outcome, runs) in counts {
        writeln!(to, "{:names$}  {runs:>digits$}  {}", outcome.name(), outcome.text())?;
    }
    Ok(())
}

/// Findings that a policy takes out: a line each, and those that it ignores in one.
fn accepted(findings: &[&Finding], to: &mut dyn Write) -> io::Result<()> {
    let rules = findings.iter().filter_map(|finding| Some((finding, finding.accepted.as_ref()?)));
    let (ignored, shown): (Vec<_>, Vec<_>) = rules.partition(|(_, rule)| rule.rule == "ignore");
    if !shown.is_empty() || !ignored.is_empty() {
        writeln!(to, "\nAccepted by the policy:")?;
    }
    for (finding, rule) in shown {
        let until = rule.expires.as_ref().map(|day| format!(" (until {})", Safe(day))).unwrap_or_default();
        let (title, reason) = (Safe(&finding.title), Safe(&rule.reason));
        writeln!(to, "  {} {} {title}: {reason}{until}", Safe(&rule.rule), Safe(&finding.id))?;
    }
    if !ignored.is_empty() {
        writeln!(to, "  ignored: {}", count(ignored.len() as u64, "finding"))?;
    }
    Ok(())
}

fn foot(sweep: &Sweep, to: &mut dyn Write) -> io::Result<()> {
    if sweep.findings.is_empty() {
        writeln!(to, "Nothing wrong was found.")?;
    }
    let coverage = &sweep.coverage;
    let [failed, points, functions_failed, functions] =
        [coverage.failed, coverage.points, coverage.functions_failed, coverage.functions].map(thousands);
    writeln!(
        to,
        "coverage: {failed} of {points} stacks failed at least once; all allocations failed of {functions_failed} of \
         {functions} functions"
    )?;
    let why = if coverage.interrupted { "the sweep was interrupted" } else { "the time was up" };
    match coverage.not_run {
        0 if coverage.interrupted => writeln!(to, "not complete: {why}")?,
        0 => {}
        not_run => writeln!(to, "not complete: {} not made, because {why}", count(not_run, "run"))?,
    }
    for note in sweep.notes.iter().take(NOTES_MAX) {
        writeln!(to, "note: {}", Safe(note))?;
    }
    match sweep.notes.len().saturating_sub(NOTES_MAX) {
        0 => Ok(()),
        more => writeln!(to, "note: {}", count(more as u64, "more note")),
    }
}

/// The last line, for scripts. Its words stay.
fn summary(sweep: &Sweep, to: &mut dyn Write) -> io::Result<()> {
    let mut open: BTreeMap<Outcome, u64> = BTreeMap::new();
    for finding in sweep.findings.iter().filter(|finding| finding.accepted.is_none()) {
        *open.entry(finding.outcome).or_default() += 1;
    }
    let number: u64 = open.values().sum();
    let each: Vec<String> = open.iter().map(|(outcome, number)| format!("{} {number}", outcome.name())).collect();
    let each = if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) };
    let accepted = sweep.findings.len() as u64 - number;
    let (runs, coverage) = (sweep.runs.len(), &sweep.coverage);
    let (failed, points) = (coverage.failed, coverage.points);
    writeln!(
        to,
        "SWEEP SUMMARY: findings: {number}{each}; accepted: {accepted}; runs: {runs}; stacks failed: {failed} of {points}"
    )
}

/// One finding, as it stands in the report.
pub fn finding(sweep: &Sweep, finding: &Finding, to: &mut dyn Write) -> io::Result<()> {
    finding::print(sweep, finding, Style::default(), to)
}

/// How a process ended.
pub fn end_of(end: End) -> String {
    match end {
        End::Exited(status) => format!("exit status {status}"),
        End::Killed(number) => format!("killed by {}", signal(number)),
        End::TimedOut => "it did not end".into(),
    }
}

/// The frames of a stack, innermost first, one a line.
fn stack(sweep: &Sweep, number: u32, to: &mut dyn Write) -> io::Result<()> {
    let places = sweep.stacks.get(number as usize).map_or(&[][..], Vec::as_slice);
    let frames = places.iter().filter_map(|&place| sweep.frames.get(place as usize));
    for (place, frame) in frames.enumerate().take(FRAMES_MAX) {
        writeln!(to, "{}{}", mark(place), call(frame))?;
    }
    match places.len().saturating_sub(FRAMES_MAX) {
        0 if places.is_empty() => writeln!(to, "    (no stack)"),
        0 => Ok(()),
        more => writeln!(to, "    … {}", count(more as u64, "more frame")),
    }
}

/// A frame, as it is told.
pub fn call(frame: &Frame) -> Call<'_> {
    Call {
        function: frame.function.as_deref(),
        file: frame.file.as_deref(),
        line: frame.line,
        module: frame.module.as_deref(),
        offset: frame.offset,
        type_name: frame.type_name.as_deref(),
    }
}
