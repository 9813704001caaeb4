//! A check as a person reads it: what fails with its stack, what is accepted in a line each, and what it rests on.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::frames::{Whose, whose};
use super::model::{Finding, Had, Outcome, Processes, State, Step, Target, Word};
use crate::text::{Safe, Style, bytes_in, count, mark, scaled, signal, thousands};
use crate::views::base_name;

/// Findings with their stacks; the rest is counted.
const FINDINGS_MAX: usize = 50;
/// Lines of accepted findings, and of entries that are fixed.
const LINES_MAX: usize = 50;
/// Processes of a finding that are named.
const PROCESSES_MAX: usize = 3;
/// Lines of a stack; the rest is counted.
const LINES_OF_STACK_MAX: usize = 60;
/// So many frames in a row of code that does not count become one line.
const FOLDED_MIN: usize = 3;

/// The whole report.
pub fn report(outcome: &Outcome, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let open: Vec<&Finding> = outcome.findings.iter().filter(|finding| is_open(finding)).collect();
    writeln!(to, "memtrace: check of {}", subject(outcome))?;
    for found in open.iter().take(FINDINGS_MAX) {
        writeln!(to)?;
        finding(found, style, to)?;
    }
    if let Some(more) = open.len().checked_sub(FINDINGS_MAX).filter(|&more| more > 0) {
        writeln!(to, "\n{} not shown", count(more as u64, "more finding"))?;
    }
    writeln!(to)?;
    accepted(outcome, to)?;
    outcome.notes.iter().try_for_each(|note| writeln!(to, "note: {}", Safe(note)))?;
    if outcome.verdict.word == Word::Broken && outcome.counts.new > 0 {
        writeln!(to, "hint: `memtrace baseline update FILE` accepts what is new, with a reason and a last day")?;
    }
    summary(outcome, to)
}

/// Whether nothing accepts it.
pub fn is_open(finding: &Finding) -> bool {
    finding.fails || matches!(finding.state, State::New | State::Grown)
}

/// What it came to, in a line.
pub fn in_a_line(outcome: &Outcome) -> String {
    let counts = &outcome.counts;
    let parts = [
        (counts.failing, "failing"),
        (counts.new, "new"),
        (counts.grown, "grown"),
        (counts.known, "known"),
        (counts.accepted, "accepted"),
        (counts.fixed, "fixed"),
    ];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what)| format!("{} {what}", thousands(number))).collect();
    let target = outcome.target.as_ref().filter(|target| target.failed);
    let target = target.map(|target| format!("; the target itself failed: {}", end(target))).unwrap_or_default();
    let separator = if parts.is_empty() { "" } else { ": " };
    format!("check {}{separator}{}{target}", verdict(outcome.verdict.word), parts.join(", "))
}

/// What was examined.
pub fn subject(outcome: &Outcome) -> String {
    let words = match outcome.command.as_slice() {
        [] => &outcome.profiles,
        command => command,
    };
    let words: Vec<String> = words.iter().map(|word| Safe(&crate::run::word(word)).to_string()).collect();
    words.join(" ")
}

/// One finding with its stack.
pub fn finding(finding: &Finding, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = style.strong();
    let level = if finding.fails { "error" } else { "warning" };
    writeln!(to, "{on}{level}: {}{off}", Safe(&finding.title))?;
    for line in stack(&finding.stack) {
        writeln!(to, "{line}")?;
    }
    for related in &finding.related {
        writeln!(to, "  {}", Safe(&related.what))?;
        stack(&related.stack).iter().try_for_each(|line| writeln!(to, "{line}"))?;
    }
    if let Some(before) = finding.before {
        let before = bytes_in(before.bytes, before.blocks, "block");
        let now = bytes_in(finding.all_bytes(), finding.all_blocks(), "block");
        writeln!(to, "  grown: {before} in the baseline, {now} now")?;
    }
    if !finding.processes.is_empty() {
        writeln!(to, "  in {}", processes(&finding.processes))?;
    }
    let state = word(finding.state);
    writeln!(to, "  fingerprint {} ({state})", finding.fingerprint)
}

/// A state in a word.
pub fn word(state: State) -> &'static str {
    match state {
        State::New => "new",
        State::Grown => "grown",
        State::Known => "known",
        State::Accepted => "accepted",
    }
}

/// A stack in lines; code that does not count is folded, if any other is there.
pub fn stack(steps: &[Step]) -> Vec<String> {
    let has_own = steps.iter().any(|step| step.own);
    let is_folded = |step: &&Step| match has_own {
        _ if is_script(step) => false,
        true => !step.own && step.whose != Whose::Own,
        false => step.whose == Whose::Runtime,
    };
    let mut lines = Vec::new();
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(is_folded).count();
        if lines.len() == LINES_OF_STACK_MAX {
            lines.push(format!("    … {}", count(rest.len() as u64, "more frame")));
            break;
        } else if run >= FOLDED_MIN {
            let (folded, behind) = rest.split_at(run);
            lines.push(format!("    … {} of {}", count(run as u64, "frame"), modules(folded)));
            rest = behind;
        } else {
            let told = first.function.as_deref().filter(|_| first.is_mark());
            let frame = told.map_or_else(|| first.call().to_string(), |name| Safe(name).to_string());
            lines.push(format!("{}{frame}", mark(lines.len())));
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    lines
}

/// Whether a step is a Python function that is no part of Python.
fn is_script(step: &Step) -> bool {
    let is_own = |file: &str| !file.starts_with('<') && (!file.contains("/lib/python3") || file.contains("-packages/"));
    step.module.is_none() && step.function.is_some() && step.file.as_deref().is_some_and(is_own)
}

fn modules(steps: &[Step]) -> String {
    // What calls main lies in the program itself.
    let foreign = steps.iter().filter_map(|step| step.module.as_deref()).filter(|path| is_served(path));
    let names: BTreeSet<&str> = foreign.map(base_name).collect();
    let names: Vec<String> = names.into_iter().map(|name| Safe(name).to_string()).collect();
    if names.is_empty() { "standard libraries".to_owned() } else { names.join(", ") }
}

fn is_served(path: &str) -> bool {
    whose(None, Some(path)) != Whose::Own
}

/// `3 processes: app (pid 7), app (pid 8), …`.
pub fn processes(had: &[Had]) -> String {
    let pids: BTreeSet<u32> = had.iter().map(|had| had.pid).collect();
    let name = |had: &Had| format!("{} (pid {})", Safe(base_name(&had.exe)), had.pid);
    match had {
        [one] => name(one),
        many => {
            let names: Vec<String> = many.iter().take(PROCESSES_MAX).map(name).collect();
            let more = if many.len() > PROCESSES_MAX { ", …" } else { "" };
            format!("{}: {}{more}", count(pids.len() as u64, "process"), names.join(", "))
        }
    }
}

fn accepted(outcome: &Outcome, to: &mut dyn Write) -> io::Result<()> {
    let lines = outcome.findings.iter().filter(|finding| !is_open(finding)).filter_map(accepted_line);
    let fixed = outcome.fixed.iter().map(|fixed| {
        let site = fixed.trail.first().map_or("an unknown place", String::as_str);
        format!("fixed: {} {}, {} in the baseline", fixed.fingerprint, Safe(site), scaled(fixed.bytes))
    });
    let lines: Vec<String> = lines.chain(fixed).collect();
    lines.iter().take(LINES_MAX).try_for_each(|line| writeln!(to, "{line}"))?;
    match lines.len().saturating_sub(LINES_MAX) {
        0 => Ok(()),
        more => writeln!(to, "and {} more", thousands(more as u64)),
    }
}

/// An accepted finding in a line; those that nobody wants to hear of have none.
fn accepted_line(finding: &Finding) -> Option<String> {
    let accepted = finding.accepted.as_ref()?;
    if accepted.by == "ignore" {
        return None;
    }
    let until = accepted.expires.as_ref().map(|day| format!(" (until {day})")).unwrap_or_default();
    let reason = if accepted.reason.is_empty() { String::new() } else { format!(": {}", Safe(&accepted.reason)) };
    let state = word(finding.state);
    Some(format!("{state}: {} {}{reason}{until}", finding.fingerprint, Safe(&finding.title)))
}

/// What the verdict rests on, and the verdict.
fn summary(outcome: &Outcome, to: &mut dyn Write) -> io::Result<()> {
    let counts = &outcome.counts;
    writeln!(to, "memtrace: {}{}", judged(&outcome.processes), by(outcome))?;
    if let Some(target) = outcome.target.as_ref().filter(|target| target.failed) {
        writeln!(to, "error: the target itself failed: {}; this check passes that on", end(target))?;
    }
    for reason in &outcome.verdict.reasons {
        let level = if outcome.verdict.word == Word::NoData { "error: nothing can be said" } else { "note" };
        writeln!(to, "{level}: {}", Safe(reason))?;
    }
    // Without separators, for programs that read it.
    writeln!(
        to,
        "CHECK SUMMARY: {}; failing: {}; new: {}; grown: {}; known: {}; accepted: {}; fixed: {}; judged: {}; \
         not judged: {}; not seen: {}",
        verdict(outcome.verdict.word),
        counts.failing,
        counts.new,
        counts.grown,
        counts.known,
        counts.accepted,
        counts.fixed,
        outcome.processes.judged,
        outcome.processes.not_judged.len(),
        outcome.processes.unseen.iter().map(|unseen| unseen.count).fold(0, u64::saturating_add),
    )
}

/// `, by policy memtrace.toml and baseline leaks.json`.
fn by(outcome: &Outcome) -> String {
    let file = |what: &str, file: &Option<String>| file.as_ref().map(|file| format!("{what} {}", Safe(file)));
    let files = [file("policy", &outcome.policy), file("baseline", &outcome.baseline)];
    let files: Vec<String> = files.into_iter().flatten().collect();
    if files.is_empty() { String::new() } else { format!(", by {}", files.join(" and ")) }
}

/// `3 programs judged, 1 not judged, 2 that do not count`.
pub fn judged(processes: &Processes) -> String {
    let Processes { judged, not_judged, outside, of_memtrace, .. } = processes;
    let mut text = format!("{} judged", count(*judged, "program run"));
    for (number, what) in [
        (not_judged.len() as u64, "not judged"),
        (*outside, "of programs that do not count"),
        (*of_memtrace, "of memtrace itself"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {} {what}", thousands(number)));
        }
    }
    text
}

/// The verdict in a word.
pub fn verdict(word: Word) -> &'static str {
    match word {
        Word::Clean => "clean",
        Word::Broken => "broken",
        Word::NoData => "no data",
    }
}

/// How the command ended.
pub fn end(target: &Target) -> String {
    match (target.signal, target.status) {
        (Some(number), _) => format!("killed by {}", signal(number)),
        (None, Some(status)) => format!("exit status {status}"),
        (None, None) => "in an unknown way".to_owned(),
    }
}
