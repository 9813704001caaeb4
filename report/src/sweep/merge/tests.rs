//! Merging of made-up sweeps, in every order.

use super::super::check;
use super::super::model::{Coverage, Crash, End, Failed, Frame, Mode};
use super::super::outcome::Outcome;
use super::super::sample::{self, COMPLAIN, COPY, READ, sweep};
use super::super::screening::Screen;
use super::*;

fn merged(sweeps: &[&Sweep]) -> Sweep {
    let merged = merge(sweeps.iter().map(|&sweep| sweep.clone()).collect()).unwrap();
    assert_eq!(check::first_fault(&merged), None);
    merged
}

/// A part of the sample: the runs of these places, and nothing else that only they need.
fn part(partition: &str, runs: &[usize]) -> Sweep {
    let mut part = sweep();
    part.runs = runs.iter().map(|&place| part.runs[place].clone()).collect();
    let ids: Vec<String> = part.runs.iter().flat_map(|run| run.findings.clone()).collect();
    part.findings.retain(|finding| ids.contains(&finding.id));
    for finding in &mut part.findings {
        let own = part.runs.iter().filter(|run| run.findings.contains(&finding.id));
        let mut points: Vec<String> = own.clone().filter_map(|run| run.points.last().cloned()).collect();
        points.dedup();
        (finding.runs, finding.all_points) = (own.count() as u64, points);
    }
    part.partition = Some(partition.into());
    part.parts = Vec::new();
    part.coverage = coverage::of(&part);
    part.coverage.not_run = 1;
    part.coverage.interrupted = false;
    part
}

#[test]
fn parts_become_the_whole() {
    let (one, other) = (part("slice:1/2", &[0, 2, 4]), part("slice:2/2", &[1, 3]));
    let whole = merged(&[&one, &other]);
    assert_eq!((whole.runs.len(), whole.points.len(), whole.findings.len()), (5, 3, 3));
    assert_eq!(whole.outcomes, sweep().outcomes);
    assert_eq!(whole.partition, None);
    let counts: Vec<_> = whole.findings.iter().map(|finding| (finding.runs, finding.all_points.len())).collect();
    assert_eq!(counts, [(2, 2), (1, 1), (1, 1)]);
    let coverage = Coverage { points: 3, failed: 3, functions: 3, functions_failed: 3, not_run: 2, interrupted: false };
    assert_eq!(whole.coverage, coverage);
    // Stacks say the same as before.
    let stack = |sweep: &Sweep, number: u32| -> Vec<Frame> {
        sweep.stacks[number as usize].iter().map(|&frame| sweep.frames[frame as usize].clone()).collect()
    };
    let crash = |sweep: &Sweep| stack(sweep, sweep.findings[0].crash.as_ref().unwrap().stack.unwrap());
    assert_eq!(crash(&whole), crash(&sweep()));
}

#[test]
fn a_stack_that_was_screened_twice_is_what_the_worse_of_its_copies_came_to() {
    let screens = |sweep: &Sweep| sweep.points.iter().map(|point| point.screen).collect::<Vec<_>>();
    let (mut one, mut other, mut none) = (part("a", &[0]), part("b", &[2]), part("c", &[1]));
    other.points[0].screen = Some(Screen::Clean);
    other.points[1].screen = Some(Screen::Hang);
    one.screening = Some(Screening::of(one.points.iter(), 7));
    other.screening = Some(Screening::of(other.points.iter(), 9));
    none.points.iter_mut().for_each(|point| point.screen = None);
    none.screening = None;
    let whole = merged(&[&one, &other, &none]);
    assert_eq!(screens(&whole), [Some(Screen::Signal), Some(Screen::Hang), None]);
    let expected = Screening { screened: 2, suspicious: 2, not_screened: BTreeMap::new(), time_ms: 9 };
    assert_eq!(whole.screening, Some(expected));
    assert_eq!(merged(&[&none, &merged(&[&other, &one])]), whole);
    assert_eq!(merged(&[&whole, &one]), whole);
    assert_eq!(merged(&[&none]).screening, None);
}

#[test]
fn a_part_that_lacks_is_named() {
    let parts = |names: &[&str]| {
        let sweeps: Vec<Sweep> = names.iter().map(|name| part(name, &[0])).collect();
        merged(&sweeps.iter().collect::<Vec<_>>()).partition
    };
    assert_eq!(parts(&["hash:2/3", "hash:1/3"]).as_deref(), Some("hash:1/3, hash:2/3"));
    assert_eq!(parts(&["hash:2/3", "hash:1/3", "hash:3/3"]), None);
    assert_eq!(parts(&["hash:1/2", "slice:2/2"]).as_deref(), Some("hash:1/2, slice:2/2"));
    let mut whole = part("x", &[0]);
    whole.partition = None;
    assert_eq!(merged(&[&whole, &part("hash:1/2", &[1])]).partition, None);
}

#[test]
fn a_run_that_came_to_two_ends_keeps_the_worse_and_tells_both() {
    let (mut one, mut other) = (part("a", &[0]), part("b", &[0]));
    (one.runs[0].outcome, one.runs[0].end) = (Outcome::Tolerated, End::Exited(0));
    (other.runs[0].outcome, other.runs[0].also) = (Outcome::Leak, vec![Outcome::CleanError]);
    let merged = merged(&[&one, &other]);
    assert_eq!(merged.runs.len(), 1);
    assert_eq!((merged.runs[0].outcome, merged.runs[0].end), (Outcome::Leak, End::Exited(1)));
    assert_eq!(merged.runs[0].also, [Outcome::CleanError, Outcome::Tolerated]);
}

#[test]
fn the_shortest_way_is_kept_and_what_one_part_does_not_accept_is_not_accepted() {
    let (one, mut other) = (part("a", &[4]), part("b", &[4]));
    assert!(merged(&[&one, &one]).findings[0].accepted.is_some());
    other.findings[0].accepted = None;
    assert_eq!(merged(&[&one, &other]).findings[0].accepted, None);
    other.findings[0].points = vec![READ.into()];
    other.findings[0].title = "zzz".into();
    for merged in [merged(&[&one, &other]), merged(&[&other, &one])] {
        assert_eq!(merged.findings[0].title, "zzz");
    }
}

#[test]
fn parts_that_end_differently_without_a_failure_are_told_of() {
    let (one, mut other) = (part("a", &[0]), part("b", &[1]));
    other.baseline.end = End::Exited(7);
    let merged = merged(&[&one, &other]);
    assert!(merged.notes.iter().any(|note| note == "the parts end in different ways without a failure"));
    assert_eq!(merged.baseline.end, End::Exited(0));
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn some<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// A sweep of a few points, runs and findings out of few, so that several sweeps have much in common and differ in
/// everything that may differ.
fn any(random: &mut Random) -> Sweep {
    let mut any = sweep();
    let frame = |random: &mut Random| Frame {
        function: random.some(&[None, Some("f".into()), Some("g".into())]),
        offset: random.below(3) as u64,
        ..Frame::default()
    };
    any.frames = (0..1 + random.below(4)).map(|_| frame(random)).collect();
    let frames = any.frames.len();
    let stack = |random: &mut Random| (0..random.below(3)).map(|_| random.below(frames) as u32).collect();
    any.stacks = (0..1 + random.below(4)).map(|_| stack(random)).collect();
    let stacks = any.stacks.len();
    any.points = sweep().points;
    for point in &mut any.points {
        point.stack = random.below(stacks) as u32;
        point.first = random.below(3) as u64;
        point.bytes = random.below(2) as u64;
    }
    let outcomes = [Outcome::Leak, Outcome::NullDereference, Outcome::Tolerated, Outcome::NotReached];
    let ids = ["0000000000f1", "0000000000f2", "0000000000f3"];
    any.findings.clear();
    for id in ids {
        let mut finding = sample::finding(id, outcomes[0], "", READ, Failed::default());
        finding.outcome = random.some(&outcomes[..2]);
        finding.title = random.some(&["one".into(), "other".into()]);
        finding.points = random.some(&[vec![READ.into()], vec![COPY.into()], vec![READ.into(), COMPLAIN.into()]]);
        finding.all_points = random.some(&[vec![READ.into()], vec![COPY.into(), READ.into()], Vec::new()]);
        finding.runs = random.below(5) as u64;
        finding.failed.stack = random.below(stacks) as u32;
        let crash = Crash { stack: Some(random.below(stacks) as u32), ..Crash::default() };
        finding.crash = random.some(&[None, Some(crash)]);
        if random.below(3) > 0 {
            any.findings.push(finding);
        }
    }
    any.runs.clear();
    for points in [vec![READ], vec![COPY], vec![READ, COMPLAIN]] {
        for mode in [Mode::Once, Mode::Forever] {
            let known: Vec<String> = any.findings.iter().map(|finding| finding.id.clone()).collect();
            let mut run = sweep().runs[0].clone();
            run.points = points.iter().map(|id| (*id).to_owned()).collect();
            (run.mode, run.outcome, run.end) = (mode, random.some(&outcomes), End::Exited(random.below(2) as u8));
            run.findings = known.into_iter().filter(|_| random.below(3) == 0).collect();
            if random.below(3) > 0 {
                any.runs.push(run);
            }
        }
    }
    any.wrappers = random.some(&[None, Some("a".into()), Some("b,a".into())]);
    any.calls = random.some(&[None, Some("io".into()), Some("files,io".into()), Some("pipes".into())]);
    any.partition = random.some(&[None, Some("slice:1/2".into()), Some("slice:2/2".into()), Some("hash:1/2".into())]);
    any.parts.clear();
    any.coverage.not_run = random.below(4) as u64;
    any.coverage.interrupted = random.below(2) == 0;
    any.baseline.end = End::Exited(random.below(2) as u8);
    any.baseline.varies = random.some(&[vec!["stdout".into()], vec!["order".into(), "files".into()]]);
    any.notes = random.some(&[vec!["b".into(), "a".into()], vec!["c".into()]]);
    any.directory = random.some(&["/a".into(), "/b".into()]);
    any
}

#[test]
fn merging_is_associative_commutative_and_idempotent() {
    for seed in 1..500_u64 {
        let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let [a, b, c] = [any(random), any(random), any(random)];
        let flat = merged(&[&a, &b, &c]);
        assert_eq!(merged(&[&c, &a, &b]), flat, "seed {seed}");
        assert_eq!(merged(&[&merged(&[&a, &b]), &c]), flat, "seed {seed}");
        assert_eq!(merged(&[&a, &merged(&[&c, &b])]), flat, "seed {seed}");
        assert_eq!(merged(&[&a, &b, &c, &a, &flat]), flat, "seed {seed}");
        assert_eq!(merged(&[&flat]), flat, "seed {seed}");
    }
}
