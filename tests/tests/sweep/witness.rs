//! A sweep of the plainest kind, by index: a run for each of the first allocations, and what status and output tell.
//!
//! ```text
//!   once     MALLOC_FAIL_AT=i         every i whose stack was not seen before
//!   forever  MALLOC_FAIL_AFTER=i,inf  the same
//!   pair     MALLOC_FAIL_AT=i,j       every j whose stack no run with one failure or none has
//! ```
//!
//! It is not what it judges: no stack is asked for by name, no crash is looked into. A program that handles its own
//! crash deceives it, which is what `outside:` at the heads is for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use memtrace_tests::{Ended, How};

use crate::target::Target;
use crate::truth::{Outcomes, outcome};

/// Seconds, as timeout(1) takes them: more than a run needs; a hang costs them.
const PATIENCE: &str = "4";
/// The status with which timeout(1) says that time was up.
const TIME_WAS_UP: i32 = 124;
/// A hang that takes more than this is at work, even where the machine is busy.
const SPINNING: Duration = Duration::from_millis(150);
/// Failed calls whose functions are kept: what calls itself for ever shows itself in the third.
const FAILED_MAX: usize = 3;
/// A program that is another one in each run is swept until it has shown all, or so often.
const ROUNDS_MAX: u32 = 20;

/// What the runs without a failure have in common.
struct Baseline {
    status: (Option<i32>, Option<i32>),
    /// `None`: a line that varies.
    lines: Vec<Option<String>>,
    stderr: BTreeSet<String>,
    lost: BTreeMap<String, u64>,
    files: BTreeMap<String, Vec<u8>>,
}

/// One run.
pub struct Run {
    pub ended: Ended,
    /// Stacks of the first two failed allocations.
    failed: Vec<String>,
    /// Of the first failed allocations, without an order.
    functions: Vec<String>,
    /// Of the first one.
    modules: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

/// Which allocations are made to fail.
#[derive(Debug)]
pub struct Points {
    pub indices: Range<u32>,
    /// One at a time, not for ever and not in pairs.
    pub only_once: bool,
    /// Only calls with a frame in a module whose path ends so.
    pub module: &'static str,
}

impl Points {
    /// More than the small programs have.
    pub const ALL: Points = Points { indices: 0..40, only_once: false, module: "" };
}

/// What one run showed.
#[derive(Debug)]
pub struct Seen {
    pub mode: &'static str,
    pub outcome: String,
    /// Functions on the stacks of the first calls that failed.
    pub failed: Vec<String>,
}

/// What all runs showed. A program that is another one in each run is swept until they are enough, or often.
pub fn sweep(target: &Target<'_>, points: &Points, is_enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    let baseline = Baseline::new(&run(target, &[]), &run(target, &[]));
    let mut seen = Vec::new();
    for _ in 0..ROUNDS_MAX {
        round(target, points, &baseline, &mut seen);
        if is_enough(&seen) {
            break;
        }
    }
    seen
}

/// Modes and outcomes alone.
pub fn outcomes(seen: &[Seen]) -> Outcomes {
    seen.iter().map(|seen| outcome(seen.mode, &seen.outcome)).collect()
}

fn round(target: &Target<'_>, points: &Points, baseline: &Baseline, seen: &mut Vec<Seen>) {
    let mut first_order = BTreeMap::new();
    for index in points.indices.clone() {
        let run = once(target, &[index]);
        let Some(stack) = run.failed.first().cloned() else { break };
        if first_order.contains_key(&stack) || !run.modules.iter().any(|path| path.ends_with(points.module)) {
            continue;
        }
        first_order.insert(stack, index);
        seen.push(baseline.see("once", &run));
        if points.only_once {
            continue;
        }
        let after = format!("{index},inf");
        seen.push(baseline.see("forever", &self::run(target, &[("MALLOC_FAIL_AFTER", &after)])));
    }
    for index in first_order.values().filter(|_| !points.only_once) {
        let mut opened = BTreeSet::new();
        for second in index + 1..points.indices.end {
            let run = once(target, &[*index, second]);
            let Some(stack) = run.failed.get(1).cloned() else { break };
            if !first_order.contains_key(&stack) && opened.insert(stack) {
                seen.push(baseline.see("pair", &run));
            }
        }
    }
}

/// Exactly these fail, counted from 0.
fn once(target: &Target<'_>, indices: &[u32]) -> Run {
    let indices: Vec<String> = indices.iter().map(|index| (index + 1).to_string()).collect();
    run(target, &[("MALLOC_FAIL_AT", &indices.join(","))])
}

/// One run with these settings.
pub fn run(target: &Target<'_>, settings: &[(&str, &str)]) -> Run {
    // A directory of its own for its temporary files.
    let directory = target.place.join(&format!("tmp-{}", target.place.unused_name()));
    std::fs::create_dir(&directory).expect("the place can be written to");
    let program = target.program.canonicalize().expect("it is there");
    let name = program.file_name().expect("it is a file");
    // The launcher outlives a hang, and has the failed calls.
    let mut job = target
        .place
        .job(How::Run, "timeout")
        .args(["--foreground", PATIENCE])
        .arg(&target.program)
        .args(&target.arguments);
    job = job.env("MEMTRACE_EXE", name).input(target.input.clone()).env("TMPDIR", &directory);
    for (name, value) in &target.variables {
        job = job.env(name, value);
    }
    for (name, value) in settings {
        job = job.env(name, value);
    }
    let ended = job.record();
    let faults = ended.processes.iter().flat_map(|process| &process.faults);
    let failed = faults.take(2).map(|fault| folded(&fault.op, &fault.functions(), &lines(fault))).collect();
    let entries = std::fs::read_dir(&directory).expect("it was just made").flatten();
    let files = entries.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read(entry.path()).unwrap_or_default())
    });
    let first = ended.processes.iter().flat_map(|process| &process.faults).take(FAILED_MAX);
    let functions = first.flat_map(|fault| fault.functions()).map(str::to_owned).collect();
    let first = ended.processes.iter().find_map(|process| process.faults.first());
    let modules = first.iter().flat_map(|fault| fault.frames.iter()).map(|frame| frame.module.clone()).collect();
    Run { failed, functions, modules, files: files.collect(), ended }
}

fn lines(fault: &memtrace_tests::Fault) -> Vec<u64> {
    fault.frames.iter().map(|frame| frame.line).collect()
}

/// A stack as a text; frames that repeat count once.
fn folded(op: &str, functions: &[&str], lines: &[u64]) -> String {
    let mut frames: Vec<String> = functions.iter().zip(lines).map(|(name, line)| format!("{name}:{line}")).collect();
    frames.dedup();
    format!("{op} < {}", frames.join(" < "))
}

impl Baseline {
    fn new(one: &Run, other: &Run) -> Baseline {
        let (ended, again) = (&one.ended, &other.ended);
        assert!(one.failed.is_empty(), "nothing was to fail");
        let lines = ended.stdout.lines().zip(again.stdout.lines());
        Baseline {
            status: (ended.code(), ended.signal()),
            lines: lines.map(|(line, again)| (line == again).then(|| line.to_owned())).collect(),
            stderr: words(ended).map(str::to_owned).collect(),
            lost: lost(ended),
            files: one.files.clone(),
        }
    }

    fn see(&self, mode: &'static str, run: &Run) -> Seen {
        Seen { mode, outcome: judge(self, run), failed: run.functions.clone() }
    }

    fn is_same(&self, run: &Run, ended: &Ended) -> bool {
        let found: Vec<&str> = ended.stdout.lines().collect();
        let are_equal = |(line, found): (&Option<String>, &&str)| line.as_ref().is_none_or(|line| line == found);
        found.len() == self.lines.len() && self.lines.iter().zip(&found).all(are_equal) && run.files == self.files
    }
}

/// The program's own lines on stderr, without the launcher's.
fn words(ended: &Ended) -> impl Iterator<Item = &str> {
    ended.stderr.lines().filter(|line| !line.starts_with("memtrace: "))
}

fn lost(ended: &Ended) -> BTreeMap<String, u64> {
    ended.processes.iter().flat_map(|process| process.lost()).collect()
}

/// The outcome, as who stands outside would call it.
fn judge(baseline: &Baseline, run: &Run) -> String {
    let ended = &run.ended;
    let name = match ended.signal() {
        Some(libc::SIGSEGV | libc::SIGBUS) => "crash",
        Some(libc::SIGABRT | libc::SIGTRAP) => abort(&ended.stderr),
        Some(_) => "killed",
        None if ended.code() != Some(TIME_WAS_UP) => exit(baseline, run, ended),
        None if ended.cpu > SPINNING => "hang-spinning",
        None => "hang-deadlocked",
    };
    name.to_owned()
}

fn abort(stderr: &str) -> &'static str {
    let has = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    match () {
        () if has(&["Assertion `", "Unexpected error."]) => "assertion",
        () if has(&["free(): ", "malloc(): ", "realloc(): ", "munmap_chunk(): ", "corrupted "]) => "heap-corruption",
        () if has(&["bad_alloc'"]) => "designed-abort",
        () if has(&["terminate called"]) => "uncaught-exception",
        () => "designed-abort",
    }
}

fn exit(baseline: &Baseline, run: &Run, ended: &Ended) -> &'static str {
    let speaks = words(ended).any(|line| !baseline.stderr.contains(line));
    let is_same = baseline.is_same(run, ended);
    let status = (ended.code(), ended.signal());
    match () {
        () if lost(ended).iter().any(|(stack, bytes)| baseline.lost.get(stack) != Some(bytes)) => "leak",
        () if run.files.keys().any(|name| !baseline.files.contains_key(name)) => "file-left",
        () if status == baseline.status && is_same => {
            if speaks {
                "tolerated-with-message"
            } else {
                "tolerated"
            }
        }
        () if status == baseline.status => {
            if speaks {
                "wrong-with-message"
            } else {
                "silent-wrong"
            }
        }
        () if speaks => "clean-error",
        () => "error-without-message",
    }
}
