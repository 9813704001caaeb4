//! `memtrace sweep`: every allocation path of a program fails once, and what comes of it is judged.
//!
//! ```text
//!   baseline ─▶ course ──Task──▶ worker ─▶ one ─▶ trace (the program) ─▶ collect ─▶ facts
//!                 ▲                                                                   │
//!                 └──────────────────────── judge ◀───────────────────────────────────┘
//!   course ─▶ findings (runs with the same end, repeated) ─▶ result: Sweep
//! ```

pub mod args;
mod baseline;
mod calls;
mod check;
mod collect;
mod course;
mod coverage;
mod facts;
pub mod file;
mod findings;
mod here;
pub mod items;
mod journal;
mod judge;
pub mod lines;
mod live;
mod locks;
pub mod merge;
pub mod model;
mod one;
pub mod out;
pub mod outcome;
pub mod policy;
mod progress;
pub mod repro;
mod result;
#[cfg(test)]
pub mod sample;
pub mod screening;
mod session;
mod signatures;
mod since;
pub mod stacks;
mod table;
pub mod text;
mod trace;
mod worker;
mod written;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::error::{CLEAN, Error, FOUND};
use crate::formats;
use crate::run::target::Target;
use crate::run::{environment, python};
use crate::sys;
use args::{Accel, SweepArgs};
use course::Course;
use here::Own;
use live::Live;
use model::Mode;
use one::Subject;
use policy::{Day, Policy};
use session::Session;
use signatures::Signatures;
use worker::Workers;

/// The least time for a run.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// A run may take so many times what it takes without a failure.
const TIMEOUT_TIMES: u32 = 10;
/// How long a pipe on stdin may keep its first byte.
const INPUT_PATIENCE: Duration = Duration::from_secs(1);

/// Sweeps the program.
pub fn command(args: &SweepArgs) -> Result<ExitCode, Error> {
    let mut notes = Vec::new();
    let subject = subject(args, &mut notes)?;
    let file = file_of(&args.output, &subject.target);
    result::check_place(&file)?;
    formats::check(&args.out)?;
    out::check(&args.out)?;
    let policy = args.policy.as_deref().map(Policy::read).transpose()?;
    let directory = Directory::create()?;
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).clamp(1, 256);
    let mut session = Session::begin(args, Workers::start(&subject, &directory.0, jobs)?);
    sys::ignore(libc::SIGPIPE);
    let baseline = session.baseline()?;
    let timeout =
        args.timeout.unwrap_or_else(|| (Duration::from_micros(baseline.time_us) * TIMEOUT_TIMES).max(TIMEOUT_MIN));
    let screens = match args.accel {
        Some(Accel::Snapshot) => Some(session.screen(&baseline, timeout, &mut notes)?),
        None => None,
    };
    session.tell_known(&baseline)?;
    let mut course = Course::new(
        baseline,
        Signatures::with(policy.as_ref().map(Policy::signatures).unwrap_or_default()),
        std::env::var("MEMTRACE_WRAPPERS").ok().filter(|names| !names.is_empty()),
        args.order == 2,
    );
    course.screens = screens;
    let modes: Vec<Mode> =
        args.modes.iter().map(|mode| if mode == "once" { Mode::Once } else { Mode::Forever }).collect();
    session.choose(&mut course, &modes)?;
    let lines = args.out.iter().filter(|out| out.format == formats::Format::JsonLines);
    let mut live = Live::begin(lines, &result::head(&course, args, &subject))?;
    session.sweep(&mut course, timeout, &mut live)?;
    let mut sweep = session.result(course, &subject, timeout, notes)?;
    let interrupted = session.interrupted;
    drop(session);
    drop(directory);
    if let Some(policy) = &policy {
        let notes = policy.apply(&mut sweep, Day::today());
        sweep.notes.extend(notes);
    }
    result::write(&file, &sweep)?;
    live.end(&sweep)?;
    out::write_after(&sweep, &args.out, &live, |outcome| args.fail_on.0.contains(&outcome))?;
    if let Some(signal) = interrupted {
        return Ok(ExitCode::from(128 + signal as u8));
    }
    if sweep.runs.iter().all(|run| run.outcome == outcome::Outcome::NotReached) {
        return Err(Error::NothingInjected { command: sweep.command.join(" ") });
    }
    let fails = |finding: &model::Finding| finding.fails(|outcome| args.fail_on.0.contains(&outcome));
    Ok(ExitCode::from(if sweep.findings.iter().any(fails) { FOUND } else { CLEAN }))
}

fn subject(args: &SweepArgs, notes: &mut Vec<String>) -> Result<Subject, Error> {
    let mut variables = sys::environment();
    let target = Target::find(&args.command, environment::search_path(&variables))?;
    let is_ours = |name: &[u8]| name.starts_with(b"MALLOC_FAIL_") || name == b"TMPDIR" || name == b"MEMTRACE_RUN";
    variables.retain(|variable| !is_ours(variable.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default()));
    let given = if args.no_python_env { Vec::new() } else { python::tell(&target, &mut variables) };
    let library = environment::library()?;
    let preload = calls::preload(&library, &variables, args.calls.as_deref())?;
    let input = input(notes)?;
    let (setup, teardown, oracle) = (args.setup.clone(), args.teardown.clone(), args.oracle.clone());
    let result = file_of(&args.output, &target);
    let outs = args.out.iter().map(|out| out.path.as_path());
    let own = Own::of(outs.chain(args.resume.as_deref()).chain([result.as_path()]));
    Ok(Subject { target, given, library, preload, variables, input, setup, teardown, oracle, own })
}

/// What stands on stdin, to be given to every run. A terminal has nothing.
fn input(notes: &mut Vec<String>) -> Result<Option<File>, Error> {
    use std::io::IsTerminal;
    let failed = |cause| Error::System { what: "cannot keep what stands on stdin", cause };
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Ok(None);
    }
    if sys::first_readable(&[0], INPUT_PATIENCE).map_err(failed)?.is_none() {
        notes.push("nothing came from stdin within a second, so the program found it empty".to_owned());
        return Ok(None);
    }
    let mut kept = sys::memfd(c"stdin").map_err(failed)?;
    match std::io::copy(&mut stdin.lock(), &mut kept) {
        Ok(_) => Ok(Some(kept)),
        // A directory, or a closed one.
        Err(_) => Ok(None),
    }
}

/// A directory for all runs, which goes away with the sweep.
struct Directory(PathBuf);

impl Directory {
    fn create() -> Result<Directory, Error> {
        let name = format!("memtrace-sweep-{}-{:08x}", std::process::id(), sys::random().unwrap_or(0) as u32);
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|cause| Error::CannotWrite { path: path.clone(), cause })?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The file of a result for a program.
fn file_of(pattern: &str, target: &Target) -> PathBuf {
    Path::new(&pattern.replace("%e", &target.name.to_string_lossy())).to_path_buf()
}
