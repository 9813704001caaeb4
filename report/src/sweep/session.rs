//! A sweep under way: the runs without failures, those with, and the repetitions, given to workers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use memtrace_wire::settings;

use super::args::SweepArgs;
use super::baseline::Baseline;
use super::course::{Course, Task};
use super::facts::{Facts, Order};
use super::journal::Journal;
use super::live::Live;
use super::model::{self, End, Mode};
use super::one::{self, Subject};
use super::progress::Progress;
use super::screening::{self, Screens};
use super::since::Earlier;
use super::worker::Workers;
use super::{calls, file, findings, result, text};
use crate::error::Error;
use crate::sys;

/// Signals that end a sweep with what it has.
const INTERRUPTS: &[i32] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Time for the program without failures, if none is given.
const BASELINE_PATIENCE: Duration = Duration::from_secs(120);
/// Runs without failures: at least, and at most while they do not agree.
const BASELINES_MIN: usize = 2;
const BASELINES_MAX: usize = 5;
/// How often signals and the time are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Why a sweep took longer.
const ALONE: &str = "the program writes to the working directory, so its runs were made one after the other";

/// Why no copies were made.
const UNSCREENED: &str =
    "the program writes to the working directory, which a copy of it would change: nothing was screened";

/// A sweep under way.
pub struct Session<'a> {
    args: &'a SweepArgs,
    workers: Workers,
    /// Of the next order.
    number: u64,
    begin: Instant,
    /// The signal that ended it.
    pub interrupted: Option<i32>,
    progress: Progress,
    /// Runs are made one after the other, although there are workers for more.
    is_alone: bool,
}

impl<'a> Session<'a> {
    /// Begins. The workers were started before: they give the program the signals that we were started with.
    pub fn begin(args: &'a SweepArgs, workers: Workers) -> Session<'a> {
        sys::hold_signals(INTERRUPTS);
        let (begin, progress) = (Instant::now(), Progress::new());
        Session { args, workers, number: 0, begin, interrupted: None, progress, is_alone: false }
    }

    /// Tells the workers what need not be told again.
    pub fn tell_known(&mut self, baseline: &Baseline) -> Result<(), Error> {
        let lost = baseline.lost.iter().map(|(&(id, kind), &blocks)| (id, kind, blocks)).collect();
        let points = baseline.first.points.iter().map(|point| point.id).collect();
        self.workers.tell_all(&Order::Known { points, lost })
    }

    /// One run beside which nothing else is done.
    fn run(&mut self, setting: String, timeout: Duration, what: &str) -> Result<Facts, Error> {
        let mut settings = vec![setting];
        settings.extend(self.scope());
        self.workers.give(&Order::Run { number: 0, settings, timeout_ms: timeout.as_millis() as u64 })?;
        loop {
            if let Some(answer) = self.workers.answer(TICK)? {
                return Ok(answer.facts);
            }
            if let Some(signal) = self.interrupt() {
                return Err(Error::Interrupted { signal });
            }
            self.progress.beforehand(what);
        }
    }

    /// Lets each stack fail in a copy of the process.
    pub fn screen(
        &mut self,
        baseline: &Baseline,
        timeout: Duration,
        notes: &mut Vec<String>,
    ) -> Result<Screens, Error> {
        if baseline.touches_here() {
            notes.push(UNSCREENED.to_owned());
            return Ok(Screens::default());
        }
        let (each, all) = screening::patience(baseline, timeout, self.args.budget);
        let setting = format!("MALLOC_FAIL_SCREEN={}", each.as_millis().max(1));
        let facts = self.run(setting, all, "stacks are screened")?;
        notes.extend(screening::trouble(&facts, baseline));
        Ok(Screens::of(&facts, baseline.end))
    }

    /// Runs without failures until they agree.
    pub fn baseline(&mut self) -> Result<Baseline, Error> {
        let timeout = self.args.timeout.unwrap_or(BASELINE_PATIENCE).max(BASELINE_PATIENCE);
        let mut runs: Vec<Facts> = Vec::new();
        loop {
            let what = format!("{} runs without a failure", runs.len() + 1);
            let facts = self.run("MALLOC_FAIL_POINTS=1".to_owned(), timeout, &what)?;
            self.is_usable(&facts)?;
            runs.push(facts);
            if runs.len() < BASELINES_MIN {
                continue;
            }
            let count = runs.len();
            match Baseline::of(&runs) {
                Some(baseline) if baseline.varies.is_empty() || count == BASELINES_MAX => return Ok(baseline),
                None if count == BASELINES_MAX => {
                    let ends = runs.iter().map(|run| text::end_of(run.end)).collect::<Vec<_>>().join(", ");
                    return Err(Error::Unsteady { ends });
                }
                // More runs show better what varies.
                _ => {}
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
        let mut settings = calls::settings(self.args.calls.as_deref(), self.args.calls_only);
        settings.extend(self.args.exe.as_ref().map(|exe| format!("MALLOC_FAIL_EXE={exe}")));
        if !self.args.no_children {
            settings.push(result::IN_CHILDREN.to_owned());
        }
        settings
    }

    /// Puts the points in line that the arguments choose.
    pub fn choose(&mut self, course: &mut Course, modes: &[Mode]) -> Result<(), Error> {
        let args = self.args;
        let since = args.since.as_deref().map(file::read).transpose()?;
        if since.is_some() || !args.within.is_empty() {
            course.stacks.resolve();
        }
        let wanted = since.as_ref().map(|since| Earlier::of(since).wanted(&course.points, &course.stacks));
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
                    && wanted.as_ref().is_none_or(|wanted| wanted.contains(&point.id));
                place += usize::from(is_chosen);
                is_chosen && args.partition.is_none_or(|part| part.has(point.id, place - 1))
            },
            modes,
        );
        Ok(())
    }

    /// Makes all runs, as far as the time goes.
    pub fn sweep(&mut self, course: &mut Course, timeout: Duration, live: &mut Live) -> Result<(), Error> {
        let mut journal = match &self.args.resume {
            Some(path) => Some(Journal::open(path, &self.args.command, course)?),
            None => None,
        };
        live.more(course)?;
        if course.baseline.touches_here() {
            self.make_alone();
        }
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
            if under_way.is_empty() && self.workers.are_idle() {
                break;
            }
            if let Some(answer) = self.workers.answer(TICK)?
                && let Some(task) = under_way.remove(&answer.number)
            {
                if answer.facts.touches_here() && self.make_alone() {
                    // Its neighbours may have seen its files, and it theirs.
                    course.put_back(under_way.drain().map(|(_, task)| task).chain([task]));
                    continue;
                }
                if let Some(journal) = &mut journal {
                    journal.add(&task, &answer.facts)?;
                }
                course.take(task, answer.facts);
            }
            live.more(course)?;
            self.progress.show(course);
            self.interrupted = self.interrupt();
        }
        self.progress.end();
        // Whoever reads the lines does not wait for the repetitions.
        course.stacks.resolve();
        live.more(course)
    }

    /// Has runs made one after the other: the working directory is one for all. False: they are already.
    fn make_alone(&mut self) -> bool {
        let is_new = self.workers.make_alone();
        self.is_alone |= is_new;
        is_new
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
        let signal = sys::next_signal(INTERRUPTS, Some(Instant::now()))?;
        self.workers.hurry();
        Some(signal.number)
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

    /// Repeats what was found, by the names that `sweep` has found, and puts the result together.
    pub fn result(
        &mut self,
        mut course: Course,
        subject: &Subject,
        timeout: Duration,
        mut notes: Vec<String>,
    ) -> Result<model::Sweep, Error> {
        if self.is_alone {
            notes.push(ALONE.to_owned());
        }
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
