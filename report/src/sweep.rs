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
pub mod items;
mod journal;
mod judge;
pub mod lines;
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
mod signatures;
mod stacks;
mod table;
pub mod text;
mod trace;
mod worker;
mod written;

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::error::{CLEAN, Error, FOUND};
use crate::formats;
use crate::run::environment;
use crate::run::target::Target;
use crate::sys;
use args::SweepArgs;
use baseline::Baseline;
use course::{Course, Task};
use facts::{Facts, Order};
use journal::Journal;
use memtrace_wire::settings;
use model::{End, Mode};
use one::Subject;
use policy::{Day, Policy};
use progress::Progress;
use signatures::Signatures;
use worker::Workers;

/// Time for the program without failures, if none is given.
const BASELINE_PATIENCE: Duration = Duration::from_secs(120);
/// The least time for a run.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// A run may take so many times what it takes without a failure.
const TIMEOUT_TIMES: u32 = 10;
/// Runs without failures: at least, and at most while they do not agree.
const BASELINES_MIN: usize = 2;
const BASELINES_MAX: usize = 5;
/// How often signals and the time are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a pipe on stdin may keep its first byte.
const INPUT_PATIENCE: Duration = Duration::from_secs(1);

/// Sweeps the program.
pub fn command(args: &SweepArgs) -> Result<ExitCode, Error> {
    let begin = Instant::now();
    let mut notes = Vec::new();
    let subject = subject(args, &mut notes)?;
    let file = file_of(&args.output, &subject.target);
    result::check_place(&file)?;
    formats::check(&args.out)?;
    let policy = args.policy.as_deref().map(Policy::read).transpose()?;
    let directory = Directory::create()?;
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).clamp(1, 256);
    let mut session = Session {
        args,
        workers: Workers::start(&subject, &directory.0, jobs)?,
        number: 0,
        begin,
        interrupted: None,
        progress: Progress::new(),
    };
    // Only now: workers give the program the signals that we were started with.
    sys::hold_signals(INTERRUPTS);
    sys::ignore(libc::SIGPIPE);
    let baseline = session.baseline()?;
    let timeout =
        args.timeout.unwrap_or_else(|| (Duration::from_micros(baseline.time_us) * TIMEOUT_TIMES).max(TIMEOUT_MIN));
    let lost = baseline.lost.iter().map(|(&(id, kind), &blocks)| (id, kind, blocks)).collect();
    let points = baseline.points.iter().map(|point| point.id).collect();
    session.workers.tell_all(&Order::Known { points, lost })?;
    let mut course = Course::new(
        baseline,
        Signatures::with(policy.as_ref().map(Policy::signatures).unwrap_or_default()),
        args.order == 2,
    );
    let modes: Vec<Mode> =
        args.modes.iter().map(|mode| if mode == "once" { Mode::Once } else { Mode::Forever }).collect();
    session.choose(&mut course, &modes)?;
    session.sweep(&mut course, timeout)?;
    let mut sweep = session.result(course, &subject, timeout, notes)?;
    drop(session.workers);
    drop(directory);
    if let Some(policy) = &policy {
        let notes = policy.apply(&mut sweep, Day::today());
        sweep.notes.extend(notes);
    }
    result::write(&file, &sweep)?;
    out::write(&sweep, &args.out, |outcome| args.fail_on.0.contains(&outcome))?;
    if let Some(signal) = session.interrupted {
        return Ok(ExitCode::from(128 + signal as u8));
    }
    if sweep.runs.iter().all(|run| run.outcome == outcome::Outcome::NotReached) {
        return Err(Error::NothingInjected { command: sweep.command.join(" ") });
    }
    let fails = |finding: &model::Finding| finding.fails(|outcome| args.fail_on.0.contains(&outcome));
    Ok(ExitCode::from(if sweep.findings.iter().any(fails) { FOUND } else { CLEAN }))
}

/// Signals that end a sweep with what it has.
const INTERRUPTS: &[i32] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

fn subject(args: &SweepArgs, notes: &mut Vec<String>) -> Result<Subject, Error> {
    let mut variables = sys::environment();
    let target = Target::find(&args.command, environment::search_path(&variables))?;
    let is_ours = |name: &[u8]| name.starts_with(b"MALLOC_FAIL_") || name == b"TMPDIR" || name == b"MEMTRACE_RUN";
    variables.retain(|variable| !is_ours(variable.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default()));
    let library = environment::library()?;
    let preload = calls::preload(&library, args.calls.as_deref())?;
    let input = input(notes)?;
    let (setup, teardown, oracle) = (args.setup.clone(), args.teardown.clone(), args.oracle.clone());
    Ok(Subject { target, library, preload, variables, input, setup, teardown, oracle })
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

/// A sweep under way.
struct Session<'a> {
    args: &'a SweepArgs,
    workers: Workers,
    /// Of the next order.
    number: u64,
    begin: Instant,
    /// The signal that ended it.
    interrupted: Option<i32>,
    progress: Progress,
}

impl Session<'_> {
    /// Runs without failures until they agree.
    fn baseline(&mut self) -> Result<Baseline, Error> {
        let mut settings = vec!["MALLOC_FAIL_POINTS=1".to_owned()];
        settings.extend(self.scope());
        let mut runs: Vec<Facts> = Vec::new();
        loop {
            let timeout_ms = self.args.timeout.unwrap_or(BASELINE_PATIENCE).max(BASELINE_PATIENCE).as_millis() as u64;
            self.workers.give(&Order::Run { number: 0, settings: settings.clone(), timeout_ms })?;
            let facts = loop {
                if let Some(answer) = self.workers.answer(TICK)? {
                    break answer.facts;
                }
                if let Some(signal) = self.interrupt() {
                    return Err(Error::Interrupted { signal });
                }
                self.progress.baseline(runs.len());
            };
            self.is_usable(&facts)?;
            runs.push(facts);
            if runs.len() < BASELINES_MIN {
                continue;
            }
            let count = runs.len();
            match Baseline::of(runs) {
                Ok(baseline) if baseline.varies.is_empty() || count == BASELINES_MAX => return Ok(baseline),
                // More runs show better what varies.
                Ok(baseline) => runs = baseline.all,
                Err(all) if count < BASELINES_MAX => runs = all,
                Err(all) => {
                    let ends = all.iter().map(|run| text::end_of(run.end)).collect::<Vec<_>>().join(", ");
                    return Err(Error::Unsteady { ends });
                }
            }
        }
    }

    fn is_usable(&self, facts: &Facts) -> Result<(), Error> {
        let command = || one::shown(&self.args.command[0]);
        if let Some(trouble) = &facts.trouble {
            return Err(Error::NoBaseline { why: trouble.clone() });
        }
        if facts.end == End::TimedOut {
            return Err(Error::NoBaseline { why: "it did not end without a failure".to_owned() });
        }
        if !facts.is_recorded {
            return Err(Error::NothingRecorded { command: command() });
        }
        if facts.points.is_empty() {
            return Err(Error::NothingInjected { command: command() });
        }
        Ok(())
    }

    /// Settings that narrow what may fail.
    fn scope(&self) -> Vec<String> {
        let mut settings = self.args.call_settings();
        settings.extend(self.args.exe.as_ref().map(|exe| format!("MALLOC_FAIL_EXE={exe}")));
        if !self.args.no_children {
            settings.push(result::IN_CHILDREN.to_owned());
        }
        settings
    }

    /// Puts the points in line that the arguments choose.
    fn choose(&mut self, course: &mut Course, modes: &[Mode]) -> Result<(), Error> {
        let args = self.args;
        let since = args.since.as_deref().map(file::read).transpose()?;
        if since.is_some() || !args.within.is_empty() {
            course.stacks.resolve();
        }
        let known = since.as_ref().map(result::Earlier::of);
        let mut place = 0;
        course.begin(
            |point, stacks| {
                let in_module = |glob_text: &String| stacks.modules(point.stack).any(|name| glob(glob_text, &name));
                let on_stack = |pattern: &String| {
                    stacks
                        .frames(point.stack)
                        .any(|frame| frame.function.as_ref().is_some_and(|name| glob(pattern, name)))
                };
                let is_chosen = (args.module.is_empty() || args.module.iter().any(in_module))
                    && (args.within.is_empty() || args.within.iter().any(on_stack))
                    && known.as_ref().is_none_or(|known| known.wants(stacks.symbolic(point.op, point.stack)));
                place += usize::from(is_chosen);
                is_chosen && args.partition.is_none_or(|part| part.has(point.id, place - 1))
            },
            modes,
        );
        Ok(())
    }

    /// Makes all runs, as far as the time goes.
    fn sweep(&mut self, course: &mut Course, timeout: Duration) -> Result<(), Error> {
        let mut journal = match &self.args.resume {
            Some(path) => Some(Journal::open(path, &self.args.command, course)?),
            None => None,
        };
        let mut under_way: HashMap<u64, Task> = HashMap::new();
        self.progress.start();
        while self.interrupted.is_none() {
            let is_over = self.args.budget.is_some_and(|budget| self.begin.elapsed() >= budget);
            while !is_over && self.workers.has_room() {
                let Some(task) = course.next() else { break };
                self.number += 1;
                self.workers.give(&self.order(&task, timeout, self.args.order == 2))?;
                under_way.insert(self.number, task);
            }
            if under_way.is_empty() {
                break;
            }
            if let Some(answer) = self.workers.answer(TICK)?
                && let Some(task) = under_way.remove(&answer.number)
            {
                if let Some(journal) = &mut journal {
                    journal.add(&task, &answer.facts)?;
                }
                course.take(task, answer.facts);
            }
            self.progress.show(course);
            self.interrupted = self.interrupt();
        }
        self.progress.end();
        Ok(())
    }

    fn order(&self, task: &Task, timeout: Duration, wants_points: bool) -> Order {
        let mut settings = task.settings();
        if wants_points && task.mode == Mode::Once {
            settings.push("MALLOC_FAIL_POINTS=1".to_owned());
        }
        settings.extend(self.scope());
        Order::Run { number: self.number, settings, timeout_ms: timeout.as_millis() as u64 }
    }

    fn interrupt(&self) -> Option<i32> {
        sys::next_signal(INTERRUPTS, Some(Instant::now())).map(|signal| signal.number)
    }

    /// Makes runs again, one after the other as workers are free: what each came to.
    fn again(&mut self, tasks: &[Task], timeout: Duration) -> Result<Vec<Option<Facts>>, Error> {
        let mut results: Vec<Option<Facts>> = tasks.iter().map(|_| None).collect();
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut next = 0;
        while (next < tasks.len() || !places.is_empty()) && self.interrupted.is_none() {
            while next < tasks.len() && self.workers.has_room() {
                self.number += 1;
                self.workers.give(&self.order(&tasks[next], timeout, false))?;
                places.insert(self.number, next);
                next += 1;
            }
            if let Some(answer) = self.workers.answer(TICK)?
                && let Some(place) = places.remove(&answer.number)
            {
                results[place] = Some(answer.facts);
            }
            self.interrupted = self.interrupt();
        }
        Ok(results)
    }

    fn result(
        &mut self,
        mut course: Course,
        subject: &Subject,
        timeout: Duration,
        notes: Vec<String>,
    ) -> Result<model::Sweep, Error> {
        course.stacks.resolve();
        let groups = findings::groups(&course);
        let repeat = |task: &Task, id: &str| result::repeat(self.args, subject, task, id);
        let mut found: Vec<model::Finding> =
            groups.iter().filter_map(|group| findings::finding(&course, group, repeat)).collect();
        let tasks: Vec<Task> = groups
            .iter()
            .filter_map(|group| Some(course.runs.get(*group.runs.first()?)?.task.clone()))
            .flat_map(|task| std::iter::repeat_n(task, self.args.repeat as usize))
            .collect();
        let again = self.again(&tasks, timeout)?;
        for ((group, finding), facts) in
            groups.iter().zip(&mut found).zip(again.chunks(self.args.repeat.max(1) as usize))
        {
            let mut is_same = |facts: &&Facts| findings::is_repeated(&mut course, group, facts);
            finding.repetitions = facts.iter().flatten().count() as u32;
            finding.repeated = facts.iter().flatten().filter(|facts| is_same(facts)).count() as u32;
        }
        Ok(result::build(course, found, self.args, subject, notes, self.interrupted.is_some()))
    }
}

fn glob(pattern: &str, name: &str) -> bool {
    settings::glob(pattern.as_bytes(), name.as_bytes())
}

/// The file of a result for a program.
fn file_of(pattern: &str, target: &Target) -> PathBuf {
    Path::new(&pattern.replace("%e", &target.name.to_string_lossy())).to_path_buf()
}
