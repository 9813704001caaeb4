//! A sweep on a page: a row for each call that failed, a column for each way to fail, and what came of it.

use std::collections::HashMap;

use serde::Serialize;

use super::number::number;
use super::source::Source;
use super::texts::Texts;
use crate::run::word;
use crate::site::Wrappers;
use crate::sweep::model::{Finding, Mode, Run, Sweep};
use crate::sweep::outcome::{Level, Outcome};
use crate::sweep::repro::settings;
use crate::sweep::stacks::caller;
use crate::sweep::text::end_of;
use crate::text::{asked, bytes_in, count, signal};

/// Lines of stderr, and rows of what a finding lost, that are shown.
const LINES_MAX: usize = 50;

/// The sweep.
#[derive(Serialize)]
pub struct Matrix {
    command: u32,
    program: u32,
    directory: u32,
    /// How it ends without a failure, and what varies.
    end: u32,
    varies: u32,
    allocations: u64,
    time_ms: u64,
    /// Names, meanings, levels (0 bad, 1 poor, 2 fair) and runs, the worst outcome first.
    outcomes: Vec<(&'static str, &'static str, u8, u64)>,
    points: Vec<Row>,
    points_left_out: u64,
    findings: Vec<Found>,
    coverage: [u64; 5],
    is_interrupted: bool,
    notes: Vec<u32>,
    /// What stands behind the settings of a run in a command that repeats it.
    repeat: u32,
}

/// A call.
#[derive(Serialize)]
struct Row {
    id: u32,
    name: u32,
    what: u32,
    count: u64,
    node: u32,
    /// The function whose failure opened it; 0: it is reached without.
    opened_by: u32,
    once: Option<Cell>,
    forever: Option<Cell>,
    pairs: Vec<Cell>,
}

/// What a run came to.
#[derive(Serialize)]
struct Cell {
    /// Places in `outcomes`.
    outcome: usize,
    also: Vec<usize>,
    end: u32,
    /// Places in `findings`.
    findings: Vec<usize>,
    settings: u32,
    /// Of a pair: the function whose call failed first.
    after: u32,
}

/// What is wrong.
#[derive(Serialize)]
struct Found {
    id: u32,
    outcome: usize,
    title: u32,
    end: u32,
    /// What a stack is, and its node.
    stacks: Vec<(u32, u32)>,
    left: Vec<u32>,
    message: Vec<u32>,
    repeated: u32,
    repetitions: u32,
    runs: u64,
    repeat: [u32; 3],
    /// What a policy says of it; 0: nothing.
    accepted: u32,
}

/// Puts a sweep together. `preload`: the libraries that make its calls fail.
pub fn build(sweep: &Sweep, preload: &str, rows_max: usize, texts: &mut Texts, source: &mut Source) -> Matrix {
    let place = |outcome: Outcome| Outcome::ALL.iter().position(|&one| one == outcome).unwrap_or(0);
    let level = |level: Level| match level {
        Level::Bad => 0,
        Level::Poor => 1,
        Level::Fair => 2,
    };
    let of = |&outcome: &Outcome| {
        let runs = sweep.outcomes.get(&outcome).copied().unwrap_or(0);
        (outcome.name(), outcome.text(), level(outcome.level()), number(runs))
    };
    let wrappers = Wrappers::of(sweep.wrappers.as_deref());
    let mut names: HashMap<&str, String> = HashMap::new();
    for point in &sweep.points {
        names.insert(&point.id, caller(sweep, point.stack, &wrappers).unwrap_or_else(|| "an unknown place".into()));
    }
    let by_id: HashMap<&str, usize> =
        sweep.findings.iter().enumerate().map(|(at, finding)| (finding.id.as_str(), at)).collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut by_point: HashMap<&str, usize> = HashMap::new();
    for point in sweep.points.iter().take(rows_max) {
        by_point.insert(&point.id, rows.len());
        let opened_by = point.opened_by.as_deref().and_then(|id| names.get(id));
        rows.push(Row {
            id: texts.place(&point.id),
            name: texts.place(names.get(point.id.as_str()).map_or("", String::as_str)),
            what: texts.place(&asked(&point.op, point.bytes)),
            count: number(point.count),
            node: node(sweep, point.stack, texts, source),
            opened_by: opened_by.map_or(0, |name| texts.place(name)),
            once: None,
            forever: None,
            pairs: Vec::new(),
        });
    }
    for run in &sweep.runs {
        // Of a pair the second call is the one that only this failure comes to.
        let Some(&at) = run.points.last().and_then(|id| by_point.get(id.as_str())) else { continue };
        let Some(row) = rows.get_mut(at) else { continue };
        let cell = Cell {
            outcome: place(run.outcome),
            also: run.also.iter().copied().map(place).collect(),
            end: texts.place(&end_of(run.end)),
            findings: run.findings.iter().filter_map(|id| by_id.get(id.as_str()).copied()).collect(),
            settings: texts.place(&in_a_line(sweep, run)),
            after: match (run.mode, run.points.first().and_then(|id| names.get(id.as_str()))) {
                (Mode::Pair, Some(name)) => texts.place(name),
                _ => 0,
            },
        };
        match run.mode {
            Mode::Once => row.once = Some(cell),
            Mode::Forever => row.forever = Some(cell),
            Mode::Pair => row.pairs.push(cell),
        }
    }
    let coverage = &sweep.coverage;
    let command: Vec<String> = sweep.command.iter().map(|argument| word(argument)).collect();
    let command = command.join(" ");
    let mut findings = Vec::new();
    for finding in &sweep.findings {
        findings.push(found(sweep, finding, place(finding.outcome), texts, source));
    }
    Matrix {
        command: texts.place(&command),
        program: texts.place(&sweep.program),
        directory: texts.place(&sweep.directory),
        end: texts.place(&end_of(sweep.baseline.end)),
        varies: texts.place(&sweep.baseline.varies.join(", ")),
        allocations: number(sweep.baseline.allocations),
        time_ms: number(sweep.baseline.time_ms),
        outcomes: Outcome::ALL.iter().map(of).collect(),
        points_left_out: sweep.points.len().saturating_sub(rows.len()) as u64,
        points: rows,
        findings,
        coverage: [coverage.failed, coverage.points, coverage.functions_failed, coverage.functions, coverage.not_run]
            .map(number),
        is_interrupted: coverage.interrupted,
        notes: texts.all(sweep.notes.iter().take(LINES_MAX)),
        repeat: texts.place(&format!("LD_PRELOAD={} {command}", word(preload))),
    }
}

/// The settings that make the calls of a run fail again, as they stand before a command.
fn in_a_line(sweep: &Sweep, run: &Run) -> String {
    let settings = settings(sweep, &run.points, run.mode);
    let words: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={}", word(value))).collect();
    words.join(" ")
}

fn node(sweep: &Sweep, stack: u32, texts: &mut Texts, source: &mut Source) -> u32 {
    let places = sweep.stacks.get(stack as usize).map_or(&[][..], Vec::as_slice);
    let frames: Vec<_> = places.iter().filter_map(|&place| sweep.frames.get(place as usize)).collect();
    source.swept(&frames, texts)
}

fn found(sweep: &Sweep, finding: &Finding, outcome: usize, texts: &mut Texts, source: &mut Source) -> Found {
    let mut stacks = vec![(
        format!("the call that failed: {}", asked(&finding.failed.op, finding.failed.bytes)),
        finding.failed.stack,
    )];
    if let Some(crash) = &finding.crash {
        let address = crash.address.map(|address| format!(" at {address:#x}")).unwrap_or_default();
        let what = match crash.signal {
            0 => "where it was when its time was up".to_owned(),
            number => format!("{}{address}", signal(number)),
        };
        stacks.extend(crash.stack.map(|stack| (what, stack)));
        stacks.extend(crash.threads.iter().take(LINES_MAX).map(|&stack| ("a thread".to_owned(), stack)));
    }
    for leak in finding.leaks.iter().take(LINES_MAX) {
        let what = format!("lost ({}): {}", leak.kind, bytes_in(leak.bytes, leak.blocks, "block"));
        stacks.push((what, leak.stack));
    }
    let mut written = Vec::new();
    for (what, stack) in stacks {
        written.push((texts.place(&what), node(sweep, stack, texts, source)));
    }
    let lines: Vec<&str> = finding.message.lines().collect();
    let shown = lines.len().saturating_sub(LINES_MAX);
    let accepted = finding.accepted.as_ref().map(|rule| {
        let until = rule.expires.as_ref().map(|day| format!(" (until {day})")).unwrap_or_default();
        format!("{}: {}{until}", rule.rule, rule.reason)
    });
    let mut left: Vec<String> = finding.left.iter().take(LINES_MAX).cloned().collect();
    if let Some(more) = finding.left.len().checked_sub(LINES_MAX).filter(|&more| more > 0) {
        left.push(count(more as u64, "more"));
    }
    Found {
        id: texts.place(&finding.id),
        outcome,
        title: texts.place(&finding.title),
        end: texts.place(&end_of(finding.end)),
        stacks: written,
        left: texts.all(left),
        message: texts.all(lines.iter().skip(shown)),
        repeated: finding.repeated,
        repetitions: finding.repetitions,
        runs: number(finding.runs),
        repeat: [&finding.repeat.memtrace, &finding.repeat.gdb, &finding.repeat.plain].map(|line| texts.place(line)),
        accepted: accepted.map_or(0, |text| texts.place(&text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::sample;

    #[test]
    fn each_run_is_a_cell_in_the_row_of_its_last_call() {
        let sweep = sample::sweep();
        let matrix = build(&sweep, "lib.so", 9, &mut Texts::default(), &mut Source::default());
        let name = |cell: &Option<Cell>| cell.as_ref().map(|cell| Outcome::ALL[cell.outcome].name());
        let cells: Vec<_> =
            matrix.points.iter().map(|row| (name(&row.once), name(&row.forever), row.pairs.len())).collect();
        let expected = [
            (Some("clean-error"), Some("null-dereference"), 0),
            (Some("leak"), Some("null-dereference"), 0),
            (None, None, 1),
        ];
        assert_eq!(cells, expected);
        assert_eq!(matrix.points[1].once.as_ref().unwrap().findings, [2]);
        assert!(matrix.points[2].opened_by > 0 && matrix.points[2].pairs[0].after > 0);
        let short = build(&sweep, "lib.so", 1, &mut Texts::default(), &mut Source::default());
        assert_eq!((short.points.len(), short.points_left_out), (1, 2));
    }
}
