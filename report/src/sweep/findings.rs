//! Findings: runs that came to the same bad end for the same reason, told by the shortest way to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use memtrace_wire::layout::Op;
use memtrace_wire::point::{frame_key, module_key};

use super::course::{Course, Run, Task};
use super::facts::{self, Facts, Lost};
use super::judge;
use super::model::{Crash, Failed, Finding, Leak, Mode, Repeat};
use super::outcome::{Level, Outcome};
use super::stacks::Stacks;
use crate::profile::leaks::Kind;

/// Lines of stderr that are shown.
const MESSAGE_LINES_MAX: usize = 8;

/// What runs have in common: outcome, where it happened, and whose call had failed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// What it came to.
    pub outcome: Outcome,
    place: String,
    failed: String,
}

impl Key {
    /// 12 hexadecimal digits.
    pub fn id(&self) -> String {
        let parts = [self.outcome.name(), &self.place, &self.failed];
        let hash = parts.iter().fold(0, |hash, part| frame_key(hash, module_key(part.as_bytes(), b"")));
        format!("{:012x}", hash & 0xffff_ffff_ffff)
    }
}

/// What a run came to that is worth telling, each with its place.
fn keys(course: &Course, run: &Run) -> Vec<Key> {
    let Some((facts, stacks)) = &run.facts else { return Vec::new() };
    let place = Places { course, facts, stacks, mode: run.task.mode };
    let caller = |stack: Option<u32>| stack.and_then(|stack| course.stacks.caller(stack)).unwrap_or_default();
    let mut failed = caller(place.failed_stack());
    if run.task.mode == Mode::Pair {
        let first = run.task.points.first().and_then(|&id| course.point(id));
        failed = format!("{failed} after {}", caller(first.map(|point| point.stack)));
    }
    let mut keys = Vec::new();
    for &outcome in run.outcomes.iter().filter(|outcome| outcome.level() != Level::Fair) {
        let places: Vec<String> = match outcome {
            Outcome::Leak => place.lost().into_iter().map(|lost| place.name(lost.stack)).collect(),
            Outcome::FileLeft | Outcome::FdLeft | Outcome::LockLeft => vec![String::new()],
            Outcome::HangSpinning | Outcome::HangDeadlocked => {
                vec![place.thread().and_then(|stack| course.stacks.caller(stack)).unwrap_or_default()]
            }
            _ => vec![place.crash_stack().and_then(|stack| course.stacks.caller(stack)).unwrap_or_default()],
        };
        keys.extend(places.into_iter().map(|place| Key { outcome, place, failed: failed.clone() }));
    }
    keys.sort();
    keys.dedup();
    keys
}

/// Where things of a run happened.
struct Places<'c> {
    course: &'c Course,
    facts: &'c Facts,
    stacks: &'c [u32],
    mode: Mode,
}

impl Places<'_> {
    fn number(&self, stack: u32) -> Option<u32> {
        self.stacks.get(stack as usize).copied()
    }

    fn name(&self, stack: u32) -> String {
        self.number(stack).and_then(|stack| self.course.stacks.caller(stack)).unwrap_or_default()
    }

    fn crash_stack(&self) -> Option<u32> {
        self.number(judge::crash(&self.course.baseline, self.facts)?.stack?)
    }

    fn failed_stack(&self) -> Option<u32> {
        self.number(self.failed()?.stack?)
    }

    /// The call that a finding is about: the one that was asked for; of a pair the second.
    fn failed(&self) -> Option<&facts::Failed> {
        let failed = &self.facts.failed;
        if self.mode == Mode::Pair { failed.last() } else { failed.first() }
    }

    fn thread(&self) -> Option<u32> {
        self.number(*self.facts.threads.first()?)
    }

    /// Lost blocks that are told of: those that nothing lost holds, if there are any.
    fn lost(&self) -> Vec<&Lost> {
        let lost = judge::lost(self.facts);
        let definite: Vec<&Lost> = lost.iter().copied().filter(|lost| lost.kind == Kind::Definite).collect();
        if definite.is_empty() { lost } else { definite }
    }
}

/// Runs with the same key.
pub struct Group {
    /// What they have in common.
    pub key: Key,
    /// Places in `Course::runs`: the shortest way first.
    pub runs: Vec<usize>,
}

/// What each failure comes to alone: that is no news of a pair. A pair's first failure was a run of its own before it.
#[derive(Default)]
pub struct Alone(HashSet<(u64, Outcome, String)>);

impl Alone {
    /// The findings that a run belongs to. It is asked for the runs in their order, whose names are resolved.
    pub fn keys(&mut self, course: &Course, run: &Run) -> Vec<Key> {
        let first = run.task.points.first().copied().unwrap_or(0);
        let mut keys = keys(course, run);
        let told = |key: &Key| (first, key.outcome, key.place.clone());
        match run.task.mode {
            Mode::Once => self.0.extend(keys.iter().map(told)),
            Mode::Forever => {}
            Mode::Pair => keys.retain(|key| !self.0.contains(&told(key))),
        }
        keys
    }
}

/// All groups, the worst first. Names are resolved.
pub fn groups(course: &Course) -> Vec<Group> {
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    let mut alone = Alone::default();
    for (place, run) in course.runs.iter().enumerate() {
        for key in alone.keys(course, run) {
            groups.entry(key).or_default().push(place);
        }
    }
    let length = |place: &usize| {
        let task = course.runs.get(*place).map(|run| &run.task);
        let depth = |id: &u64| course.point(*id).map_or(0, |point| course.stacks.depth(point.stack));
        task.map(|task| (task.mode == Mode::Pair, task.mode, task.points.iter().map(depth).sum::<usize>()))
    };
    let mut groups: Vec<Group> = groups.into_iter().map(|(key, runs)| Group { key, runs }).collect();
    for group in &mut groups {
        // Of equally short ways the same one each time, whichever worker was first.
        let names = |place: &usize| course.runs.get(*place).map(|run| run.task.points.clone());
        group.runs.sort_by_cached_key(|place| (length(place), names(place), *place));
    }
    groups
}

/// A finding, as it leaves, before it was repeated.
pub fn finding(course: &Course, group: &Group, repeat: impl Fn(&Task, &str) -> Repeat) -> Option<Finding> {
    let run = course.runs.get(*group.runs.first()?)?;
    let (facts, stacks) = run.facts.as_ref()?;
    let place = Places { course, facts, stacks, mode: run.task.mode };
    let key = &group.key;
    let failed = place.failed().map(|failed| Failed {
        op: op(failed.op),
        bytes: failed.bytes,
        caller: place.failed_stack().and_then(|stack| course.stacks.caller(stack)),
        stack: place.failed_stack().unwrap_or(0),
    });
    let failed = failed.unwrap_or_default();
    let mut all_points: Vec<u64> =
        group.runs.iter().filter_map(|&run| course.runs.get(run)?.task.points.last().copied()).collect();
    all_points.sort_unstable();
    all_points.dedup();
    let id = key.id();
    Some(Finding {
        title: title(key, &failed, facts, course),
        outcome: key.outcome,
        points: run.task.points.iter().map(hex).collect(),
        mode: run.task.mode,
        end: run.end,
        crash: crash(&place, key.outcome),
        leaks: if key.outcome == Outcome::Leak { leaks(&place, &key.place) } else { Vec::new() },
        left: left(key.outcome, facts, course),
        message: message(&facts.errors.tail),
        repeated: 0,
        repetitions: 0,
        runs: group.runs.len() as u64,
        all_points: all_points.iter().map(hex).collect(),
        repeat: repeat(&run.task, &id),
        accepted: None,
        failed,
        id,
    })
}

/// What is left.
fn left(outcome: Outcome, facts: &Facts, course: &Course) -> Vec<String> {
    match outcome {
        Outcome::FileLeft => course.baseline.files_left(facts),
        Outcome::FdLeft => course.baseline.descriptors_left(facts),
        Outcome::LockLeft => course.baseline.locks_left(facts),
        _ => Vec::new(),
    }
}

fn title(key: &Key, failed: &Failed, facts: &Facts, course: &Course) -> String {
    let after = match &failed.caller {
        Some(caller) => format!("after {} in {caller} failed", failed.op),
        None => format!("after {} failed", failed.op),
    };
    let place = if key.place.is_empty() { String::new() } else { format!(" in {}", key.place) };
    match key.outcome {
        Outcome::Leak => {
            let lost: u64 = judge::lost(facts).iter().map(|lost| lost.bytes).sum();
            format!("leak of {lost} bytes allocated{place}, {after}")
        }
        Outcome::FileLeft | Outcome::FdLeft | Outcome::LockLeft => {
            format!("{}: {}, {after}", key.outcome.name(), left(key.outcome, facts, course).join(", "))
        }
        outcome => format!("{}{place}, {after}", outcome.name()),
    }
}

fn crash(place: &Places, outcome: Outcome) -> Option<Crash> {
    let threads: Vec<u32> = place.facts.threads.iter().filter_map(|&stack| place.number(stack)).collect();
    if matches!(outcome, Outcome::HangSpinning | Outcome::HangDeadlocked) {
        let stack = threads.first().copied();
        let function = stack.and_then(|stack| place.course.stacks.caller(stack));
        return Some(Crash { signal: 0, address: None, function, stack, threads, handled: false });
    }
    let crash = judge::crash(&place.course.baseline, place.facts)?;
    let stack = place.crash_stack();
    let is_fault = [libc::SIGSEGV, libc::SIGBUS].contains(&crash.signal) && crash.code > 0;
    Some(Crash {
        signal: crash.signal,
        address: is_fault.then_some(crash.address),
        function: stack.and_then(|stack| place.course.stacks.caller(stack)),
        stack,
        threads: Vec::new(),
        handled: crash.is_handled,
    })
}

/// The lost blocks of a finding: those of its place first, then those that they hold.
fn leaks(place: &Places, name: &str) -> Vec<Leak> {
    let mut lost = judge::lost(place.facts);
    lost.sort_by_key(|lost| (place.name(lost.stack) != name, lost.kind, std::cmp::Reverse(lost.bytes)));
    let leak = |lost: &&Lost| {
        let stack = place.number(lost.stack)?;
        let kind = match lost.kind {
            Kind::Definite => "definite",
            Kind::Indirect => "indirect",
            Kind::Possible => "possible",
            Kind::Reachable | Kind::Suppressed => return None,
        };
        let caller = place.course.stacks.caller(stack);
        Some(Leak { kind: kind.to_owned(), blocks: lost.blocks, bytes: lost.bytes, caller, stack })
    };
    lost.iter().filter_map(leak).collect()
}

/// The last lines of a text.
fn message(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(MESSAGE_LINES_MAX)..].join("\n")
}

/// The name of a function that allocates.
pub fn op(number: u32) -> String {
    Op::from_number(number).unwrap_or(Op::Unknown).name().to_owned()
}

/// The id of a point.
pub fn hex(id: &u64) -> String {
    format!("{id:016x}")
}

/// Whether a repetition came to the same as the runs of a group, as far as that can be told without names: the same
/// outcome, and the same innermost frames.
pub fn is_repeated(course: &mut Course, group: &Group, facts: &Facts) -> bool {
    let outcomes = judge::outcomes(&course.baseline, &course.signatures, facts);
    let numbers = course.stacks.take(facts);
    let first = group.runs.first().and_then(|&run| course.runs.get(run)?.facts.as_ref());
    let Some((known, known_numbers)) = first else { return false };
    outcomes.contains(&group.key.outcome)
        && innermost(&course.stacks, group.key.outcome, known, known_numbers)
            == innermost(&course.stacks, group.key.outcome, facts, &numbers)
}

/// The innermost frame of the crash, or of the lost blocks' allocations.
fn innermost(stacks: &Stacks, outcome: Outcome, facts: &Facts, numbers: &[u32]) -> BTreeSet<(u32, u64)> {
    let frame = |stack: u32| stacks.innermost(*numbers.get(stack as usize)?);
    match outcome {
        Outcome::Leak => judge::lost(facts).into_iter().filter_map(|lost| frame(lost.stack)).collect(),
        Outcome::HangSpinning | Outcome::HangDeadlocked | Outcome::StackOverflow => BTreeSet::new(),
        _ => facts.crashes.iter().filter_map(|crash| frame(crash.stack?)).collect(),
    }
}
