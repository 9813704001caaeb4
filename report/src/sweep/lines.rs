//! A sweep as JSON lines: one object a line, in an order in which a sweep under way can write them.
//!
//! ```text
//!   {"sweep":{…}}                                    first: what is swept, and what it does without a failure
//!   {"frame":{…}} {"stack":[…]} {"point":{…}}        numbers of frames and stacks count these lines, from 0
//!   {"run":{…}}                                      as each is made, behind the frames, stacks and points that are new
//!   {"finding":{…}} {"part":{…}} {"note":"…"} {"coverage":{…}}   at the end
//! ```
//!
//! Invariant: a file that was cut anywhere reads as what stands in its whole lines, and as interrupted.

use std::collections::HashSet;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::model::{Baseline, Coverage, FORMAT, Finding, Frame, Part, Point, Run, Sweep, VERSION};
use super::screening::Screening;
use super::{check, coverage};
use crate::error::Error;
use crate::json;

/// What such a file begins with.
pub const START: &[u8] = b"{\"sweep\":";

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// What is swept.
    Sweep(Box<Head>),
    /// The next frame.
    Frame(Frame),
    /// The next stack.
    Stack(Vec<u32>),
    /// A stack that can fail.
    Point(Point),
    /// A run.
    Run(Run),
    /// What is wrong.
    Finding(Box<Finding>),
    /// A sweep that this one was merged from.
    Part(Part),
    /// A sentence.
    Note(String),
    /// The end.
    Coverage(Coverage),
}

/// What the first line says.
#[derive(Serialize, Deserialize)]
pub struct Head {
    /// `FORMAT`.
    format: String,
    /// `VERSION`.
    version: u32,
    /// The program and its arguments.
    command: Vec<String>,
    /// Path of the program's file.
    program: String,
    /// The directory that it ran in.
    directory: String,
    /// What of it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<String>,
    /// The calls beside allocations that were to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls: Option<String>,
    /// MEMTRACE_WRAPPERS of the sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrappers: Option<String>,
    /// Variables that the program was given for being CPython.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<String>,
    /// Without failures.
    baseline: Baseline,
    /// How stacks were screened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    screening: Option<Screening>,
}

/// Writes one line.
fn line(line: &Line, to: &mut dyn Write) -> io::Result<()> {
    json::append(line, to)
}

/// Writes the first line.
pub fn head(sweep: &Sweep, to: &mut dyn Write) -> io::Result<()> {
    let head = Head {
        format: sweep.format.clone(),
        version: sweep.version,
        command: sweep.command.clone(),
        program: sweep.program.clone(),
        directory: sweep.directory.clone(),
        calls: sweep.calls.clone(),
        partition: sweep.partition.clone(),
        wrappers: sweep.wrappers.clone(),
        given: sweep.given.clone(),
        baseline: sweep.baseline.clone(),
        screening: sweep.screening.clone(),
    };
    line(&Line::Sweep(Box::new(head)), to)
}

/// Rows of the tables, and runs: what a sweep writes while it is under way.
#[derive(Clone, Copy, Default)]
pub struct Rows<'s> {
    /// Frames.
    pub frames: &'s [Frame],
    /// Stacks of these and of earlier frames.
    pub stacks: &'s [Vec<u32>],
    /// Points with these and earlier stacks.
    pub points: &'s [Point],
    /// Runs of these and of earlier points.
    pub runs: &'s [Run],
}

/// Writes rows: what is referred to stands before what refers to it.
pub fn rows(rows: Rows, to: &mut dyn Write) -> io::Result<()> {
    rows.frames.iter().try_for_each(|frame| line(&Line::Frame(frame.clone()), to))?;
    rows.stacks.iter().try_for_each(|stack| line(&Line::Stack(stack.clone()), to))?;
    rows.points.iter().try_for_each(|point| line(&Line::Point(point.clone()), to))?;
    rows.runs.iter().try_for_each(|run| line(&Line::Run(run.clone()), to))
}

/// Writes what is known at the end alone.
pub fn tail(sweep: &Sweep, to: &mut dyn Write) -> io::Result<()> {
    sweep.findings.iter().try_for_each(|finding| line(&Line::Finding(Box::new(finding.clone())), to))?;
    sweep.parts.iter().try_for_each(|part| line(&Line::Part(part.clone()), to))?;
    sweep.notes.iter().try_for_each(|note| line(&Line::Note(note.clone()), to))?;
    line(&Line::Coverage(sweep.coverage.clone()), to)
}

/// Writes a whole sweep.
pub fn write(sweep: &Sweep, to: &mut dyn Write) -> io::Result<()> {
    head(sweep, to)?;
    let Sweep { frames, stacks, points, runs, .. } = sweep;
    rows(Rows { frames, stacks, points, runs }, to)?;
    tail(sweep, to)
}

/// Reads a sweep from its lines. The last one may be cut.
pub fn read(bytes: &[u8], what: &str) -> Result<Sweep, Error> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate();
    let wrong =
        |number: usize| Error::read(what, format!("line {}: something else than a sweep has there", number + 1));
    let Some(Line::Sweep(head)) = lines.next().and_then(|(_, text)| json::line(text)) else { return Err(wrong(0)) };
    if head.format != FORMAT {
        return Err(Error::read(what, format!("expected format `{FORMAT}`")));
    }
    if head.version != VERSION {
        return Err(Error::Version { what: what.into(), found: head.version.into(), reads: VERSION.into() });
    }
    let mut sweep = empty(*head);
    let mut is_whole = false;
    for (number, text) in lines {
        is_whole = false;
        match json::line(text) {
            Some(Line::Frame(frame)) => sweep.frames.push(frame),
            Some(Line::Stack(stack)) => sweep.stacks.push(stack),
            Some(Line::Point(point)) => sweep.points.push(point),
            Some(Line::Run(run)) => sweep.runs.push(run),
            Some(Line::Finding(finding)) => sweep.findings.push(*finding),
            Some(Line::Part(part)) => sweep.parts.push(part),
            Some(Line::Note(note)) => sweep.notes.push(note),
            Some(Line::Coverage(coverage)) => (sweep.coverage, is_whole) = (coverage, true),
            None if text.last() != Some(&b'\n') => {}
            Some(Line::Sweep(_)) | None => return Err(wrong(number)),
        }
    }
    if !is_whole {
        // Findings come last: runs may belong to some that are not there.
        let known: HashSet<&str> = sweep.findings.iter().map(|finding| finding.id.as_str()).collect();
        sweep.runs.iter_mut().for_each(|run| run.findings.retain(|id| known.contains(id.as_str())));
        sweep.coverage.interrupted = true;
        sweep.coverage = coverage::of(&sweep);
    }
    sweep.outcomes = coverage::outcomes(&sweep.runs);
    match check::first_fault(&sweep) {
        Some(fault) => Err(Error::read(what, fault)),
        None => Ok(sweep),
    }
}

fn empty(head: Head) -> Sweep {
    Sweep {
        format: head.format,
        version: head.version,
        command: head.command,
        program: head.program,
        directory: head.directory,
        partition: head.partition,
        calls: head.calls,
        wrappers: head.wrappers,
        given: head.given,
        baseline: head.baseline,
        screening: head.screening,
        frames: Vec::new(),
        stacks: Vec::new(),
        points: Vec::new(),
        runs: Vec::new(),
        findings: Vec::new(),
        outcomes: Default::default(),
        coverage: Coverage::default(),
        notes: Vec::new(),
        parts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::sweep;
    use super::*;

    fn written(sweep: &Sweep) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(sweep, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_sweep_reads_back_as_it_was_written() {
        let bytes = written(&sweep());
        assert!(bytes.starts_with(START));
        assert_eq!(read(&bytes, "x").unwrap(), sweep());
        let text = String::from_utf8(bytes).unwrap();
        let run = r#"{"run":{"points":["00000000000000a1"],"mode":"once","outcome":"clean-error","end":{"exited":1}}}"#;
        assert!(text.lines().any(|line| line == run), "{text}");
    }

    #[test]
    fn the_file_of_the_commands_tests_is_the_sample() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sweeps/app.sweep.jsonl");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, written(&sweep())).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == written(&sweep()), "UPDATE_GOLDEN=1 renews {}", path.display());
    }

    #[test]
    fn a_file_that_was_cut_anywhere_is_what_its_whole_lines_say() {
        let bytes = written(&sweep());
        let first = bytes.iter().position(|&byte| byte == b'\n').unwrap();
        for length in first..bytes.len() - 1 {
            let found = read(&bytes[..length], "x").unwrap_or_else(|error| panic!("{length}: {error}"));
            let lines = bytes[..=length].iter().filter(|&&byte| byte == b'\n').count();
            let told = found.frames.len() + found.stacks.len() + found.points.len() + found.runs.len();
            let told = told + found.findings.len() + found.parts.len() + found.notes.len();
            assert_eq!(told, lines - 1, "{length}");
            assert!(found.coverage.interrupted || lines == bytes.iter().filter(|&&byte| byte == b'\n').count());
        }
        // The first line has to be whole.
        assert!(read(&bytes[..first - 1], "x").is_err());
    }

    #[test]
    fn what_is_no_line_of_a_sweep_is_named_by_its_number() {
        let text = String::from_utf8(written(&sweep())).unwrap();
        let message = |text: &str| read(text.as_bytes(), "sweep `x`").unwrap_err().to_string();
        let second = text.lines().nth(1).unwrap();
        let wrong = "cannot read sweep `x`: line 2: something else than a sweep has there";
        assert_eq!(message(&text.replacen(second, "{\"frame\":5}", 1)), wrong);
        assert_eq!(message(&text.replacen(second, text.lines().next().unwrap(), 1)), wrong);
        assert!(message("").contains("line 1: something else"));
        assert!(
            message(&text.replacen("\"version\":1", "\"version\":2", 1)).contains("version 2, this memtrace reads")
        );
        assert!(message(&text.replacen("memtrace-sweep", "x", 1)).contains("expected format `memtrace-sweep`"));
        assert!(message(&text.replacen("[0,1,4]", "[0,1,99]", 1)).contains("frame 99 is referred to"));
    }

    #[test]
    fn a_flipped_byte_never_stops_the_reader() {
        let mut bytes = written(&sweep());
        for place in 0..bytes.len() {
            for flip in [1, 0x80] {
                bytes[place] ^= flip;
                let _ = read(&bytes, "x");
                bytes[place] ^= flip;
            }
        }
    }
}
