//! A sweep as a report for other programs: a rule for each outcome, a case for each point, the way to each finding.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use super::model::{Crash, Finding, Frame, Mode, Sweep};
use super::outcome::{Level as Weight, Outcome};
use super::stacks::caller;
use super::text;
use crate::formats::model::{Case, Item, Level, Location, Report, Rule, Step};
use crate::run::word;
use crate::site::Wrappers;
use crate::text::{Call, asked, bytes_in, count, signal};
use crate::views::base_name;

/// Frames of one stack.
const FRAMES_MAX: usize = 64;

/// The report of a sweep. `fails`: outcomes that make a job fail; `root`: where paths are named from.
pub fn report(sweep: &Sweep, fails: impl Fn(Outcome) -> bool, root: PathBuf) -> Report<'_> {
    let level = |outcome: Outcome| match outcome.level() {
        _ if fails(outcome) => Level::Error,
        Weight::Bad | Weight::Poor => Level::Warning,
        Weight::Fair => Level::Note,
    };
    let outcomes: BTreeSet<Outcome> = sweep.findings.iter().map(|finding| finding.outcome).collect();
    let rule = |outcome: Outcome| Rule { id: outcome.name(), text: outcome.text(), level: level(outcome) };
    let rules = outcomes.into_iter().map(rule).collect();
    // What was not seen again is no reason to fail.
    let level_of = |finding: &Finding| match level(finding.outcome) {
        Level::Error if finding.repeated == 0 => Level::Warning,
        level => level,
    };
    let items = sweep.findings.iter().map(|finding| item(sweep, finding, level_of(finding), &root)).collect();
    let command: Vec<String> = sweep.command.iter().map(|argument| word(argument)).collect();
    let summary = count(sweep.findings.iter().filter(|finding| finding.accepted.is_none()).count() as u64, "finding");
    Report { suite: command.join(" "), summary, root, rules, items, cases: cases(sweep), notes: sweep.notes.clone() }
}

/// A case for each point.
fn cases(sweep: &Sweep) -> Vec<Case> {
    let mut items: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, finding) in sweep.findings.iter().enumerate() {
        for id in &finding.all_points {
            items.entry(id).or_default().push(place);
        }
    }
    let tried: HashSet<&str> = sweep.runs.iter().flat_map(|run| &run.points).map(String::as_str).collect();
    let wrappers = Wrappers::of(sweep.wrappers.as_deref());
    let case = |point: &super::model::Point| {
        let id = point.id.as_str();
        let function = caller(sweep, point.stack, &wrappers).unwrap_or_default();
        let skipped = if tried.contains(id) { None } else { Some("no run was made in which it fails") };
        let items = items.remove(id).unwrap_or_default();
        Case {
            group: base_name(&sweep.program).to_owned(),
            name: format!("{function} {id}"),
            items,
            skipped,
            failure: None,
        }
    };
    sweep.points.iter().map(case).collect()
}

fn item<'s>(sweep: &'s Sweep, finding: &'s Finding, level: Level, root: &std::path::Path) -> Item<'s> {
    let mut detail = Vec::new();
    // Writing to memory does not fail.
    let _ = text::finding(sweep, finding, &mut detail);
    let calls = failed_calls(sweep, finding);
    let (crash, threads) = finding.crash.as_ref().map(|crash| crash_steps(sweep, crash)).unwrap_or_default();
    let lost: Vec<Step> = finding
        .leaks
        .iter()
        .map(|leak| {
            let message =
                format!("{} lost ({}), allocated here", bytes_in(leak.bytes, leak.blocks, "block"), leak.kind);
            Step { message, frames: calls_of(sweep, leak.stack) }
        })
        .collect();
    let best = crash.iter().chain(&threads).chain(&lost).chain(calls.iter().rev()).map(|step| step.frames.as_slice());
    let location = Location::best(best, root);
    let repeat = [&finding.repeat.memtrace, &finding.repeat.plain];
    let repeat = repeat.into_iter().filter(|command| !command.is_empty()).map(|command| format!("repeat: {command}\n"));
    let accepted = finding.accepted.as_ref().map(|rule| {
        let until = rule.expires.as_ref().map(|day| format!(" (until {day})")).unwrap_or_default();
        format!("{}: {}{until}", rule.rule, rule.reason)
    });
    Item {
        rule: finding.outcome.name(),
        level,
        title: finding.title.clone(),
        message: format!("{}\n{}", finding.outcome.text(), repeat.collect::<String>()),
        detail: String::from_utf8_lossy(&detail).into_owned(),
        location,
        flow: calls.into_iter().chain(crash).collect(),
        related: threads.into_iter().chain(lost).collect(),
        fingerprint: finding.id.clone(),
        accepted,
    }
}

/// The calls that failed, in their order.
fn failed_calls<'s>(sweep: &'s Sweep, finding: &Finding) -> Vec<Step<'s>> {
    let earlier = finding.points.len().saturating_sub(1);
    let earlier =
        finding.points.iter().take(earlier).filter_map(|id| sweep.points.iter().find(|point| point.id == *id));
    let mut steps: Vec<Step> = earlier
        .map(|point| Step {
            message: format!("{} fails", asked(&point.op, point.bytes)),
            frames: calls_of(sweep, point.stack),
        })
        .collect();
    let failed = &finding.failed;
    let and = if finding.mode == Mode::Forever { ", and all after it" } else { "" };
    steps.push(Step {
        message: format!("{} fails{and}", asked(&failed.op, failed.bytes)),
        frames: calls_of(sweep, failed.stack),
    });
    steps
}

/// Where it crashed; and where all its threads were, if it hung.
fn crash_steps<'s>(sweep: &'s Sweep, crash: &Crash) -> (Vec<Step<'s>>, Vec<Step<'s>>) {
    let threads = crash.threads.iter().enumerate().map(|(place, &stack)| Step {
        message: format!("thread {} of {} hangs", place + 1, crash.threads.len()),
        frames: calls_of(sweep, stack),
    });
    let message = match (crash.signal, crash.address) {
        (0, _) => "hangs".to_owned(),
        (number, Some(address)) => format!("{} at address {address:#x}", signal(number)),
        (number, None) => signal(number),
    };
    let step = crash.stack.map(|stack| Step { message, frames: calls_of(sweep, stack) });
    (step.into_iter().collect(), threads.collect())
}

fn frames(sweep: &Sweep, stack: u32) -> impl Iterator<Item = &Frame> {
    let places = sweep.stacks.get(stack as usize).into_iter().flatten();
    places.filter_map(|&place| sweep.frames.get(place as usize))
}

fn calls_of(sweep: &Sweep, stack: u32) -> Vec<Call<'_>> {
    frames(sweep, stack).take(FRAMES_MAX).map(text::call).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::sweep;
    use super::*;
    use crate::formats::{annotations, junit, sarif};

    fn reported(sweep: &Sweep) -> Report<'_> {
        report(sweep, |outcome| outcome.level() == Weight::Bad, "/src/app".into())
    }

    #[test]
    fn a_finding_has_its_way_and_its_place() {
        let sweep = sweep();
        let report = reported(&sweep);
        assert_eq!(report.suite, "./app 'data file'");
        let rules: Vec<&str> = report.rules.iter().map(|rule| rule.id).collect();
        assert_eq!(rules, ["null-dereference", "hang-deadlocked", "leak"]);
        let [crash, hang, leak] = report.items.as_slice() else { panic!() };
        let way = |item: &Item| item.flow.iter().map(|step| step.message.clone()).collect::<Vec<_>>();
        assert_eq!(way(crash), ["malloc of 24 bytes fails, and all after it", "SIGSEGV at address 0xb8"]);
        let place = |path: &str, line| Some(Location { path: path.into(), is_own: true, line: Some(line) });
        assert_eq!(crash.location, place("parse.c", 33));
        assert!(crash.detail.starts_with("null-dereference in parse,") && crash.detail.contains("  repeated 3 of 3;"));
        assert!(crash.message.starts_with("memory at an address near 0 was used\nrepeat: memtrace repro "));
        assert_eq!(way(hang), ["malloc of 24 bytes fails", "malloc of 100 bytes fails"]);
        assert_eq!(hang.related.len(), 2);
        assert_eq!(hang.accepted.as_deref(), Some("known: waits for the new reader (until 2026-12-31)"));
        assert_eq!(leak.related[0].message, "2,048 bytes in 2 blocks lost (definite), allocated here");
        assert_eq!(leak.location, place("io.c", 12));
    }

    #[test]
    fn each_point_is_a_case_and_the_job_decides_what_is_an_error() {
        let mut sweep = sweep();
        sweep.runs.pop();
        let report = reported(&sweep);
        let cases: Vec<_> = report.cases.iter().map(|case| (case.name.as_str(), case.items.as_slice())).collect();
        let expected = [
            ("read_all 00000000000000a1", &[0][..]),
            ("copy 00000000000000a2", &[0, 2]),
            ("complain 00000000000000a3", &[1]),
        ];
        assert_eq!(cases, expected);
        assert_eq!(report.cases[0].skipped, None);
        assert!(report.cases[2].skipped.is_some());
        sweep.findings[0].repeated = 0;
        assert_eq!(reported(&sweep).items[0].level, Level::Warning);
        let lenient = super::report(&sweep, |_| false, "/".into());
        assert!(lenient.items.iter().all(|item| item.level == Level::Warning));
    }

    #[test]
    fn every_writer_takes_every_sweep() {
        let mut json = Vec::new();
        crate::sweep::file::write(&sweep(), &mut json).unwrap();
        for place in 0..json.len() {
            json[place] ^= 1;
            let read = crate::json::Head::of(&json, "x", "sweep")
                .and_then(|head| crate::sweep::file::read_behind(&head, &json, "x"));
            if let Ok(sweep) = read {
                let report = reported(&sweep);
                let to = &mut std::io::sink();
                junit::write(&report, to).unwrap();
                sarif::write(&report, to).unwrap();
                annotations::write(&report, to).unwrap();
                text::report(&sweep, crate::text::Style::default(), to).unwrap();
            }
            json[place] ^= 1;
        }
    }
}
