//! One finding: the calls that failed, what came of it, and how to see it again.

use std::io::{self, Write};

use super::super::model::{Crash, Finding, Mode, Sweep};
use super::{end_of, stack};
use crate::text::{Safe, Style, asked, bytes_in, count, signal};

/// Leaks, threads and left files that are shown of one finding.
const SHOWN_MAX: usize = 16;
/// Lines of the program's message: the last ones say what it died of.
const LINES_MAX: usize = 8;

/// Prints it, with all its stacks.
pub fn print(sweep: &Sweep, finding: &Finding, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = style.strong();
    writeln!(to, "{on}{}{off} [{}]", Safe(&finding.title), Safe(&finding.id))?;
    writeln!(to, "  {}", finding.outcome.text())?;
    failed(sweep, finding, to)?;
    if let Some(crash) = &finding.crash {
        self::crash(sweep, crash, to)?;
    }
    leaks(sweep, finding, to)?;
    for left in finding.left.iter().take(SHOWN_MAX) {
        writeln!(to, "  left: {}", Safe(left))?;
    }
    more(finding.left.len(), "more thing", to)?;
    writeln!(to, "  ended: {}", end_of(finding.end))?;
    message(&finding.message, to)?;
    let (runs, points) = (count(finding.runs, "run"), count(finding.all_points.len() as u64, "stack"));
    let (repeated, repetitions) = (finding.repeated, finding.repetitions);
    writeln!(to, "  repeated {repeated} of {repetitions}; {runs} of the sweep came to it, by failures of {points}")?;
    let commands = [&finding.repeat.memtrace, &finding.repeat.gdb, &finding.repeat.plain];
    for (place, command) in commands.into_iter().filter(|command| !command.is_empty()).enumerate() {
        writeln!(to, "  {} {}", if place == 0 { "repeat:" } else { "       " }, Safe(command))?;
    }
    Ok(())
}

/// The calls that failed, in their order, each with its stack.
fn failed(sweep: &Sweep, finding: &Finding, to: &mut dyn Write) -> io::Result<()> {
    let earlier = finding.points.len().saturating_sub(1);
    for id in finding.points.iter().take(earlier) {
        if let Some(point) = sweep.points.iter().find(|point| point.id == *id) {
            writeln!(to, "  failed first: {}", Safe(&asked(&point.op, point.bytes)))?;
            stack(sweep, point.stack, to)?;
        }
    }
    let failed = &finding.failed;
    let then = if earlier > 0 { "then failed" } else { "failed" };
    let and = if finding.mode == Mode::Forever { ", and all after it" } else { "" };
    writeln!(to, "  {then}: {}{and}", Safe(&asked(&failed.op, failed.bytes)))?;
    stack(sweep, failed.stack, to)
}

fn crash(sweep: &Sweep, crash: &Crash, to: &mut dyn Write) -> io::Result<()> {
    if crash.signal == 0 {
        for (place, &thread) in crash.threads.iter().take(SHOWN_MAX).enumerate() {
            let threads = crash.threads.len();
            writeln!(to, "  hung: thread {} of {threads}", place + 1)?;
            stack(sweep, thread, to)?;
        }
        more(crash.threads.len(), "more thread", to)?;
        // The first thread's stack is that of the place, too.
        return match crash.stack.filter(|_| crash.threads.is_empty()) {
            Some(number) => writeln!(to, "  hung:").and_then(|()| stack(sweep, number, to)),
            None => Ok(()),
        };
    }
    let address = crash.address.map(|address| format!(" at address {address:#x}")).unwrap_or_default();
    let handled = if crash.handled { ", taken by a handler of the program's own" } else { "" };
    writeln!(to, "  then: {}{address}{handled}", signal(crash.signal))?;
    match crash.stack {
        Some(number) => stack(sweep, number, to),
        None => Ok(()),
    }
}

fn leaks(sweep: &Sweep, finding: &Finding, to: &mut dyn Write) -> io::Result<()> {
    for leak in finding.leaks.iter().take(SHOWN_MAX) {
        let lost = bytes_in(leak.bytes, leak.blocks, "block");
        writeln!(to, "  lost ({}): {lost}, allocated", Safe(&leak.kind))?;
        stack(sweep, leak.stack, to)?;
    }
    more(finding.leaks.len(), "more stack", to)
}

fn message(text: &str, to: &mut dyn Write) -> io::Result<()> {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.len().saturating_sub(LINES_MAX);
    if !lines.is_empty() {
        writeln!(to, "  {}:", if shown > 0 { "the end of its stderr" } else { "stderr" })?;
    }
    lines.iter().skip(shown).try_for_each(|line| writeln!(to, "    | {}", Safe(line)))
}

fn more(number: usize, noun: &str, to: &mut dyn Write) -> io::Result<()> {
    match number.saturating_sub(SHOWN_MAX) {
        0 => Ok(()),
        rest => writeln!(to, "  and {}", count(rest as u64, noun)),
    }
}
