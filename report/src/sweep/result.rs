//! The result of a sweep: put together, written, and read again by a later one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::args::SweepArgs;
use super::calls;
use super::course::{Course, Point, Task};
use super::coverage;
use super::findings::{Alone, Key, hex, op};
use super::model::{self, Baseline, Coverage, FORMAT, Finding, Repeat, Run, Sweep, VERSION};
use super::one::{Subject, shown};
use super::screening::Screening;
use crate::error::Error;
use crate::formats;
use crate::run::{quoted, word};

/// The sweep before anything was made to fail.
pub fn head(course: &Course, args: &SweepArgs, subject: &Subject) -> Sweep {
    let baseline = Baseline {
        runs: course.baseline.runs,
        end: course.baseline.end,
        allocations: course.baseline.first.allocations,
        varies: course.baseline.varies.clone(),
        time_ms: course.baseline.time_us / 1000,
        lost_blocks: course.baseline.lost_blocks(),
    };
    Sweep {
        format: FORMAT.to_owned(),
        version: VERSION,
        command: args.command.iter().map(shown).collect(),
        program: subject.target.path.to_string_lossy().into_owned(),
        directory: std::env::current_dir().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
        calls: args.calls.clone(),
        partition: args.partition.map(|part| part.to_string()),
        wrappers: course.stacks.wrappers.clone(),
        given: Some(subject.given.join(",")).filter(|given| !given.is_empty()),
        baseline,
        screening: course.screens.as_ref().map(|screens| {
            let points: Vec<model::Point> = course.points.iter().map(|point| point_of(course, point)).collect();
            Screening::of(points.iter(), screens.time_ms)
        }),
        frames: Vec::new(),
        stacks: Vec::new(),
        points: Vec::new(),
        runs: Vec::new(),
        findings: Vec::new(),
        outcomes: BTreeMap::new(),
        coverage: Coverage::default(),
        notes: Vec::new(),
        parts: Vec::new(),
    }
}

/// The whole result.
pub fn build(
    mut course: Course,
    findings: Vec<Finding>,
    args: &SweepArgs,
    subject: &Subject,
    mut notes: Vec<String>,
    interrupted: bool,
) -> Sweep {
    let mut sweep = head(&course, args, subject);
    let mut alone = Alone::default();
    sweep.runs = course.runs.iter().map(|run| run_of(&course, run, &mut alone)).collect();
    sweep.points = course.points.iter().map(|point| point_of(&course, point)).collect();
    notes.extend(self_notes(&course));
    (sweep.findings, sweep.notes) = (findings, notes);
    (sweep.frames, sweep.stacks) = std::mem::take(&mut course.stacks).into_named();
    sweep.outcomes = coverage::outcomes(&sweep.runs);
    sweep.coverage = Coverage { not_run: course.left() as u64, interrupted, ..Coverage::default() };
    sweep.coverage = coverage::of(&sweep);
    sweep
}

/// A run as it leaves. `alone` has seen those before it.
pub fn run_of(course: &Course, run: &super::course::Run, alone: &mut Alone) -> Run {
    Run {
        points: run.task.points.iter().map(hex).collect(),
        mode: run.task.mode,
        outcome: run.outcomes.first().copied().unwrap_or(super::outcome::Outcome::NotReached),
        also: run.outcomes.iter().skip(1).copied().collect(),
        end: run.end,
        findings: alone.keys(course, run).iter().map(Key::id).collect(),
    }
}

/// A point as it leaves.
pub fn point_of(course: &Course, point: &Point) -> model::Point {
    model::Point {
        id: hex(&point.id),
        symbolic: hex(&course.stacks.symbolic(point.op, point.stack)),
        op: op(point.op),
        bytes: point.bytes,
        count: point.count,
        first: point.first,
        stack: point.stack,
        order: if point.opened_by.is_some() { 2 } else { 1 },
        opened_by: point.opened_by.as_ref().map(hex),
        screen: course.screen(point),
    }
}

/// What a reader should know.
fn self_notes(course: &Course) -> Vec<String> {
    let mut notes = Vec::new();
    let varies = &course.baseline.varies;
    if !varies.is_empty() {
        notes.push(format!("varies from run to run, and is not judged: {}", varies.join(", ")));
    }
    notes.extend(course.baseline.first.left_out.iter().cloned());
    if !course.baseline.first.is_classified {
        notes.push("live blocks could not be classified at the end, so no leaks were looked for".to_owned());
    }
    if let (count @ 1.., Some(why)) = &course.troubles {
        notes.push(format!("{count} runs came to nothing: {why}"));
    }
    notes
}

/// Failures go on in fork children.
pub const IN_CHILDREN: &str = "MALLOC_FAIL_CHILDREN=same";

/// The commands that repeat a run.
pub fn repeat(args: &SweepArgs, subject: &Subject, task: &Task, id: &str) -> Repeat {
    let file = quoted(&super::file_of(&args.output, &subject.target).to_string_lossy());
    let mut plain: Vec<String> = task.settings();
    plain.extend(calls::settings(args.calls.as_deref(), args.calls_only));
    // The failed call may be a child's.
    plain.extend((!args.no_children).then(|| IN_CHILDREN.to_owned()));
    plain.push(format!("LD_PRELOAD={}", quoted(&subject.preload.to_string_lossy())));
    plain.extend(args.command.iter().map(|argument| word(&shown(argument))));
    Repeat {
        memtrace: format!("memtrace repro {id} --from {file}"),
        gdb: format!("memtrace repro {id} --from {file} --gdb"),
        plain: plain.join(" "),
    }
}

/// Writes the result, whole or not at all.
pub fn write(path: &Path, sweep: &Sweep) -> Result<(), Error> {
    formats::file(path, 0o600, &mut |to| super::file::write(sweep, to))
}

/// Refuses a place that holds something else than a result, before anything is run.
pub fn check_place(path: &Path) -> Result<(), Error> {
    let failed = |cause| Error::CannotWrite { path: path.to_path_buf(), cause };
    match fs::metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::metadata(directory).map(|_| ()).map_err(failed)
        }
        Err(cause) => Err(failed(cause)),
        Ok(about) if !about.is_file() => Err(failed(io::ErrorKind::AlreadyExists.into())),
        Ok(_) => super::file::read(path)
            .map(|_| ())
            .map_err(|_| failed(io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and no result of a sweep"))),
    }
}
