//! The course of a sweep: which run comes next, and what those that were made have shown.
//!
//! ```text
//!   points of the baseline ─▶ each once ─▶ each for ever ─▶ pairs: a point, then one that its failure opened
//!        by depth                └─ opens points ───────────────▲
//! ```
//!
//! Shallow stacks come first, so that any part of a sweep covers the program as widely as it can; before them all those
//! whose copies did not end well, behind them those whose copies did (`screening`).

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::facts::Facts;
use super::judge;
use super::model::{End, Mode};
use super::outcome::{Level, Outcome};
use super::screening::{Screen, Screens};
use super::signatures::Signatures;
use super::stacks::Stacks;

/// A run that is to be made.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Names of the points that fail, in order.
    pub points: Vec<u64>,
    /// How long.
    pub mode: Mode,
}

impl Task {
    /// The settings that make it.
    pub fn settings(&self) -> Vec<String> {
        let points: Vec<String> = self.points.iter().map(|point| format!("{point:016x}")).collect();
        let mut settings = vec![format!("MALLOC_FAIL_STACK={}", points.join(","))];
        if self.mode == Mode::Forever {
            settings.push("MALLOC_FAIL_COUNT=inf".to_owned());
        }
        settings
    }
}

/// A point as it is known so far.
pub struct Point {
    /// Its name.
    pub id: u64,
    /// An `Op`.
    pub op: u32,
    /// Bytes that the first call asks for.
    pub bytes: u64,
    /// Calls in one run.
    pub count: u64,
    /// Number of the first call.
    pub first: u64,
    /// Number in `Course::stacks`.
    pub stack: u32,
    /// The point whose failure opened it.
    pub opened_by: Option<u64>,
}

/// A run that was made.
pub struct Run {
    /// What it was.
    pub task: Task,
    /// What it came to: the worst first.
    pub outcomes: Vec<Outcome>,
    /// How it ended.
    pub end: End,
    /// Of one that is worth a finding: everything, with the numbers of its stacks in `Course::stacks`.
    pub facts: Option<(Facts, Vec<u32>)>,
}

/// The state of a sweep.
pub struct Course {
    /// The program without failures.
    pub baseline: Baseline,
    /// How aborts are told.
    pub signatures: Signatures,
    /// All stacks.
    pub stacks: Stacks,
    /// All points: of the baseline first.
    pub points: Vec<Point>,
    numbers: HashMap<u64, usize>,
    /// Runs that were made.
    pub runs: Vec<Run>,
    /// Runs to make: once, for ever, pairs.
    queues: [VecDeque<Task>; 3],
    pairs_are_sorted: bool,
    /// Whether pairs are wanted.
    wants_pairs: bool,
    /// Runs that came to nothing by our own trouble, with the last reason.
    pub troubles: (u64, Option<String>),
    /// What copies of the process came to, where there were any.
    pub screens: Option<Screens>,
}

impl Course {
    /// Nothing was made to fail yet. `wrappers`: a MEMTRACE_WRAPPERS.
    pub fn new(baseline: Baseline, signatures: Signatures, wrappers: Option<String>, wants_pairs: bool) -> Course {
        let mut course = Course {
            stacks: Stacks::with(wrappers),
            signatures,
            points: Vec::new(),
            numbers: HashMap::new(),
            runs: Vec::new(),
            queues: Default::default(),
            pairs_are_sorted: false,
            wants_pairs,
            troubles: (0, None),
            screens: None,
            baseline,
        };
        let first = std::mem::take(&mut course.baseline.first);
        let stacks = course.stacks.take(&first);
        for point in &first.points {
            course.learn(point, &stacks, None);
        }
        course.baseline.first = first;
        course
    }

    /// Puts the points of the baseline in line: those that `is_wanted`.
    pub fn begin(&mut self, mut is_wanted: impl FnMut(&Point, &Stacks) -> bool, modes: &[Mode]) {
        let mut wanted: Vec<&Point> = self.points.iter().filter(|point| is_wanted(point, &self.stacks)).collect();
        wanted.sort_by_key(|point| {
            let turn = self.screen(point).map_or(0, Screen::turn);
            (turn, self.stacks.depth(point.stack), point.first)
        });
        for (queue, mode) in self.queues.iter_mut().zip([Mode::Once, Mode::Forever]) {
            if modes.contains(&mode) {
                queue.extend(wanted.iter().map(|point| Task { points: vec![point.id], mode }));
            }
        }
    }

    fn learn(&mut self, point: &super::facts::Point, stacks: &[u32], opened_by: Option<u64>) -> bool {
        if self.numbers.contains_key(&point.id) {
            return false;
        }
        let Some(&stack) = stacks.get(point.stack as usize) else { return false };
        self.numbers.insert(point.id, self.points.len());
        self.points.push(Point {
            id: point.id,
            op: point.op,
            bytes: point.bytes,
            count: point.count,
            first: point.first,
            stack,
            opened_by,
        });
        true
    }

    /// What came of a point's copies, where points were screened.
    pub fn screen(&self, point: &Point) -> Option<Screen> {
        self.screens.as_ref().filter(|_| point.opened_by.is_none()).map(|screens| screens.point(point.id))
    }

    /// A point by its name.
    pub fn point(&self, id: u64) -> Option<&Point> {
        self.points.get(*self.numbers.get(&id)?)
    }

    /// The next run. `None`: there is none now; those under way may open more.
    pub fn next(&mut self) -> Option<Task> {
        let [once, forever, _] = &mut self.queues;
        if let Some(task) = once.pop_front().or_else(|| forever.pop_front()) {
            return Some(task);
        }
        if !self.pairs_are_sorted {
            self.sort_pairs();
        }
        self.queues[2].pop_front()
    }

    /// Puts the pairs in the order of their depth: all points were tried alone.
    fn sort_pairs(&mut self) {
        self.pairs_are_sorted = true;
        let depth = |task: &Task| {
            let point = task.points.last().and_then(|id| self.points.get(*self.numbers.get(id)?));
            point.map_or(0, |point| self.stacks.depth(point.stack))
        };
        let mut pairs: Vec<Task> = self.queues[2].iter().cloned().collect();
        pairs.sort_by_key(depth);
        self.queues[2] = pairs.into();
    }

    /// Runs that are still to be made, as far as it is known.
    pub fn left(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Takes what a run came to.
    pub fn take(&mut self, task: Task, facts: Facts) {
        if let Some(trouble) = &facts.trouble {
            self.troubles = (self.troubles.0 + 1, Some(trouble.clone()));
            return;
        }
        let outcomes = judge::outcomes(&self.baseline, &self.signatures, &facts);
        let stacks = self.stacks.take(&facts);
        let is_reached = facts.fired > 0;
        let opener = task.points.first().copied();
        if is_reached && task.mode == Mode::Once && self.wants_pairs {
            let mut opened: Vec<u64> = Vec::new();
            for point in &facts.points {
                if self.learn(point, &stacks, opener) {
                    opened.push(point.id);
                }
            }
            self.queues[2].extend(
                opened
                    .into_iter()
                    .map(|id| Task { points: opener.into_iter().chain([id]).collect(), mode: Mode::Pair }),
            );
        }
        let is_worth = outcomes.iter().any(|outcome| outcome.level() != Level::Fair);
        let end = facts.end;
        self.runs.push(Run { task, outcomes, end, facts: is_worth.then_some((facts, stacks)) });
    }

    /// Puts runs in line again that came to nothing.
    pub fn put_back(&mut self, tasks: impl Iterator<Item = Task>) {
        for task in tasks {
            self.queues[task.mode as usize].push_front(task);
        }
    }

    /// Leaves out what was done already.
    pub fn leave_out(&mut self, done: &HashSet<Task>) {
        for queue in &mut self.queues {
            queue.retain(|task| !done.contains(task));
        }
    }
}
