//! `memtrace merge`: sweeps of parts of one program become one sweep.
//!
//! ```text
//!   sweeps ──table──▶ one set of frames and stacks, numbered by what they hold
//!          ──union──▶ points, runs, findings by their names; of two of one name the smaller ──▶ counts, made anew
//! ```
//!
//! Invariant: merging is associative, commutative and idempotent: the result depends on the set of points, runs and
//! findings alone. So all that is a sum is counted from the runs, and everything else is a smallest one or a union.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;

use super::model::{Baseline, Finding, Part, Point, Run, Sweep};
use super::outcome::Level;
use super::screening::Screening;
use super::table::Table;
use super::{coverage, file, out};
use crate::error::{CLEAN, Error, FOUND};
use crate::formats::Out;
use crate::input::Input;
use crate::run::word;
use crate::views::base_name;

/// What `memtrace merge` takes.
#[derive(clap::Args, Debug)]
pub struct MergeArgs {
    /// Results of sweeps of the same command (JSON or JSON lines)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write the result to PATH, `-` for stdout, as `text`, `json`, `jsonl` (JSON lines), `junit`, `sarif` (2.1.0),
    /// `github` (annotations), `markdown`, `gitlab`, `tap` or `html`. A file that is there is replaced; may be given several times. The text goes to stdout
    /// unless another does
    #[arg(long, value_name = "FORMAT:PATH", value_parser = crate::formats::parser())]
    pub out: Vec<Out>,
}

/// Merges the files.
pub fn command(args: &MergeArgs) -> Result<ExitCode, Error> {
    let mut sweeps: Vec<Sweep> = Vec::new();
    for path in &args.files {
        let name = || format!("`{}`", path.display());
        let Input::Sweep(sweep) = Input::read(path, None)? else {
            return Err(Error::read(name(), format!("it is a profile, expected a {}", file::FORMAT.noun)));
        };
        if let Some(first) = sweeps.first()
            && !is_same(first, &sweep)
        {
            let [found, expected] = [&sweep, first].map(in_words);
            return Err(Error::read(
                name(),
                format!("a sweep of {found}, expected one of {expected} as in the first file"),
            ));
        }
        sweeps.push(*sweep);
    }
    let Some(sweep) = merge(sweeps) else { return Err(Error::Usage { found: "no file to merge".to_owned() }) };
    out::write(&sweep, &args.out, |outcome| outcome.level() == Level::Bad)?;
    let fails = |finding: &Finding| finding.fails(|outcome| outcome.level() == Level::Bad);
    Ok(ExitCode::from(if sweep.findings.iter().any(fails) { FOUND } else { CLEAN }))
}

/// Whether two sweeps are of the same command. Machines may keep it in different directories.
fn is_same(one: &Sweep, other: &Sweep) -> bool {
    one.command == other.command && base_name(&one.program) == base_name(&other.program)
}

fn in_words(sweep: &Sweep) -> String {
    let command: Vec<String> = sweep.command.iter().map(|argument| word(argument)).collect();
    format!("`{}` ({})", crate::text::Safe(&command.join(" ")), crate::text::Safe(base_name(&sweep.program)))
}

/// One sweep of all that these have; `None`: there are none. They are of the same command.
pub fn merge(sweeps: Vec<Sweep>) -> Option<Sweep> {
    let mut sweeps = sweeps;
    let table = Table::take(&mut sweeps);
    let parts = parts(&sweeps);
    let ends: BTreeSet<_> = sweeps.iter().map(|sweep| sweep.baseline.end).collect();
    let mut notes: BTreeSet<String> = sweeps.iter().flat_map(|sweep| &sweep.notes).cloned().collect();
    if ends.len() > 1 {
        notes.insert("the parts end in different ways without a failure".to_owned());
    }
    let least = |text: fn(&Sweep) -> &String| sweeps.iter().map(text).min().cloned();
    let first = sweeps.first()?;
    let mut sweep = Sweep {
        format: first.format.clone(),
        version: first.version,
        command: first.command.clone(),
        program: least(|sweep| &sweep.program)?,
        directory: least(|sweep| &sweep.directory)?,
        partition: partition(&parts),
        calls: words(&sweeps, |sweep| sweep.calls.as_deref()),
        wrappers: words(&sweeps, |sweep| sweep.wrappers.as_deref()),
        given: words(&sweeps, |sweep| sweep.given.as_deref()),
        baseline: baseline(&sweeps),
        screening: None,
        frames: Vec::new(),
        stacks: Vec::new(),
        points: Vec::new(),
        runs: Vec::new(),
        findings: Vec::new(),
        outcomes: BTreeMap::new(),
        coverage: Default::default(),
        notes: notes.into_iter().collect(),
        parts,
    };
    let time_ms = sweeps.iter().filter_map(|sweep| Some(sweep.screening.as_ref()?.time_ms)).max();
    sweep.points = points(&mut sweeps);
    sweep.screening = time_ms.map(|time_ms| Screening::of(sweep.points.iter(), time_ms));
    sweep.runs = runs(&mut sweeps, &sweep.points);
    sweep.findings = findings(&mut sweeps, &sweep.runs);
    table.give(&mut sweep);
    sweep.outcomes = coverage::outcomes(&sweep.runs);
    sweep.coverage.not_run = sweep.parts.iter().map(|part| part.not_run).fold(0, u64::saturating_add);
    sweep.coverage.interrupted = sweep.parts.iter().any(|part| part.interrupted);
    sweep.coverage = coverage::of(&sweep);
    Some(sweep)
}

/// The words of all, which stand with commas between.
fn words(sweeps: &[Sweep], of: fn(&Sweep) -> Option<&str>) -> Option<String> {
    let words = sweeps.iter().filter_map(of).flat_map(|words| words.split(','));
    let words: BTreeSet<&str> = words.collect();
    (!words.is_empty()).then(|| words.into_iter().collect::<Vec<_>>().join(","))
}

/// Each partition once. One that was swept twice is as complete as the better sweep.
fn parts(sweeps: &[Sweep]) -> Vec<Part> {
    let mut parts: BTreeMap<Option<String>, Part> = BTreeMap::new();
    let own = |sweep: &Sweep| Part {
        partition: sweep.partition.clone(),
        not_run: sweep.coverage.not_run,
        interrupted: sweep.coverage.interrupted,
    };
    let of = |sweep: &Sweep| if sweep.parts.is_empty() { vec![own(sweep)] } else { sweep.parts.clone() };
    for part in sweeps.iter().flat_map(of) {
        let known = parts.entry(part.partition.clone()).or_insert_with(|| part.clone());
        known.not_run = known.not_run.min(part.not_run);
        known.interrupted &= part.interrupted;
    }
    parts.into_values().collect()
}

/// What they are together: nothing to say if one is the whole, or if all K of N are there.
fn partition(parts: &[Part]) -> Option<String> {
    let mut numbers: BTreeMap<(&str, u64), BTreeSet<u64>> = BTreeMap::new();
    for partition in parts.iter().map(|part| part.partition.as_deref()) {
        let partition = partition?;
        if let Some((kind, (number, count))) =
            partition.split_once(':').and_then(|(kind, rest)| Some((kind, rest.split_once('/')?)))
            && let (Ok(number), Ok(count)) = (number.parse(), count.parse())
        {
            numbers.entry((kind, count)).or_default().insert(number);
        }
    }
    let is_whole = numbers.iter().any(|(&(_, count), found)| found.len() as u64 == count);
    let names: Vec<&str> = parts.iter().filter_map(|part| part.partition.as_deref()).collect();
    (!is_whole).then(|| names.join(", "))
}

fn baseline(sweeps: &[Sweep]) -> Baseline {
    let all = || sweeps.iter().map(|sweep| &sweep.baseline);
    let varies: BTreeSet<&String> = all().flat_map(|baseline| &baseline.varies).collect();
    Baseline {
        runs: all().map(|baseline| baseline.runs).max().unwrap_or(0),
        end: all().map(|baseline| baseline.end).min().unwrap_or_default(),
        allocations: all().map(|baseline| baseline.allocations).max().unwrap_or(0),
        varies: varies.into_iter().cloned().collect(),
        time_ms: all().map(|baseline| baseline.time_ms).max().unwrap_or(0),
        lost_blocks: all().map(|baseline| baseline.lost_blocks).max().unwrap_or(0),
    }
}

/// Each point once: of two that differ, what is earlier in the sweep.
fn points(sweeps: &mut [Sweep]) -> Vec<Point> {
    let mut points: BTreeMap<String, Point> = BTreeMap::new();
    let order = |point: &Point| (point.order, point.first, point.clone());
    for point in sweeps.iter_mut().flat_map(|sweep| sweep.points.drain(..)) {
        let known = points.remove(&point.id);
        // What the worst of its copies came to.
        let screen = known.as_ref().and_then(|known| known.screen).into_iter().chain(point.screen).min();
        let first = known.filter(|known| order(known) <= order(&point)).unwrap_or(point);
        points.insert(first.id.clone(), Point { screen, ..first });
    }
    let mut points: Vec<Point> = points.into_values().collect();
    points.sort_by_key(|point| (point.order, point.first, point.id.clone()));
    points
}

/// Each run once. The same may have come to different ends: the worst stays, and what else came of it.
fn runs(sweeps: &mut [Sweep], points: &[Point]) -> Vec<Run> {
    let places: HashMap<&str, usize> =
        points.iter().enumerate().map(|(place, point)| (point.id.as_str(), place)).collect();
    let place = |id: &String| places.get(id.as_str()).copied().unwrap_or(usize::MAX);
    let mut runs = BTreeMap::new();
    for run in sweeps.iter_mut().flat_map(|sweep| sweep.runs.drain(..)) {
        let key = (run.mode, run.points.iter().map(place).collect::<Vec<_>>(), run.points.clone());
        let merged = match runs.remove(&key) {
            Some(known) => joined(known, run),
            None => joined(run.clone(), run),
        };
        runs.insert(key, merged);
    }
    runs.into_values().collect()
}

fn joined(one: Run, other: Run) -> Run {
    let outcomes = |run: &Run| run.also.iter().copied().chain([run.outcome]).collect::<BTreeSet<_>>();
    let findings: BTreeSet<String> = one.findings.iter().chain(&other.findings).cloned().collect();
    let all = &outcomes(&one) | &outcomes(&other);
    let (outcome, end) = (one.outcome, one.end).min((other.outcome, other.end));
    Run {
        also: all.into_iter().filter(|&also| also != outcome).collect(),
        findings: findings.into_iter().collect(),
        outcome,
        end,
        ..one
    }
}

/// Each finding once: the shortest way to it, and the numbers of all runs.
fn findings(sweeps: &mut [Sweep], runs: &[Run]) -> Vec<Finding> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    runs.iter().flat_map(|run| &run.findings).for_each(|id| *counts.entry(id).or_default() += 1);
    let mut findings: BTreeMap<String, (Finding, BTreeSet<String>, u64)> = BTreeMap::new();
    for mut finding in sweeps.iter_mut().flat_map(|sweep| sweep.findings.drain(..)) {
        let all_points: BTreeSet<String> = finding.all_points.drain(..).collect();
        let told = std::mem::take(&mut finding.runs);
        let order = |finding: &Finding| (finding.points.len(), finding.mode, finding.clone());
        match findings.get_mut(&finding.id) {
            Some((known, known_points, known_runs)) => {
                known_points.extend(all_points);
                *known_runs = told.max(*known_runs);
                if order(&finding) < order(known) {
                    *known = finding;
                }
            }
            None => {
                findings.insert(finding.id.clone(), (finding, all_points, told));
            }
        }
    }
    let with_counts = |(finding, all_points, told): (Finding, BTreeSet<String>, u64)| Finding {
        runs: counts.get(finding.id.as_str()).copied().unwrap_or(told),
        all_points: all_points.into_iter().collect(),
        ..finding
    };
    let mut findings: Vec<Finding> = findings.into_values().map(with_counts).collect();
    findings.sort_by_key(|finding| (finding.outcome, finding.id.clone()));
    findings
}
