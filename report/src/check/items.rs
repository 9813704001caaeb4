//! A check as a report for other programs: a rule for each kind of finding, a case for each program and budget.

use std::path::PathBuf;

use super::model::{Finding, Outcome, Rule, State, Word};
use super::text;
use crate::formats::model::{Case, Item, Level, Report, Rule as ReportRule, Step};
use crate::text::{Style, bytes_in};
use crate::views::base_name;

/// The report of a check. `root`: where paths are named from.
pub fn report(outcome: &Outcome, root: PathBuf) -> Report<'_> {
    let is_used = |rule: &Rule| outcome.findings.iter().any(|finding| finding.rule == *rule);
    let rules = Rule::ALL.into_iter().filter(is_used);
    let rules = rules.map(|rule| ReportRule { id: rule.id(), text: rule.text(), level: Level::Error }).collect();
    let items = outcome.findings.iter().map(|finding| item(finding, &root)).collect();
    let mut notes = outcome.verdict.reasons.clone();
    notes.extend(outcome.notes.iter().cloned());
    if let Some(target) = outcome.target.as_ref().filter(|target| target.failed) {
        notes.insert(0, format!("the target itself failed: {}", text::end(target)));
    }
    let summary = text::in_a_line(outcome);
    Report { suite: text::subject(outcome), summary, root, rules, items, cases: cases(outcome), notes }
}

fn item<'o>(finding: &'o Finding, root: &std::path::Path) -> Item<'o> {
    let mut detail = Vec::new();
    // Writing to memory does not fail.
    let _ = text::finding(finding, Style::default(), &mut detail);
    let first = match finding.rule {
        Rule::HeapError => "the call".to_owned(),
        _ => format!("{} allocated here", bytes_in(finding.all_bytes(), finding.all_blocks(), "block")),
    };
    let others = finding.related.iter().map(|related| Step {
        message: related.what.clone(),
        frames: related.stack.iter().map(super::model::Step::call).collect(),
    });
    let allocated = Step { message: first, frames: finding.stack.iter().map(super::model::Step::call).collect() };
    let within = if finding.processes.is_empty() {
        String::new()
    } else {
        format!("in {}\n", text::processes(&finding.processes))
    };
    Item {
        rule: finding.rule.id(),
        level: level(finding),
        title: finding.title.clone(),
        message: format!("{}\n{within}", finding.rule.text()),
        detail: String::from_utf8_lossy(&detail).into_owned(),
        location: finding.location(root),
        flow: Vec::new(),
        related: if finding.stack.is_empty() { Vec::new() } else { std::iter::once(allocated).chain(others).collect() },
        fingerprint: finding.fingerprint.clone(),
        accepted: accepted(finding),
    }
}

fn level(finding: &Finding) -> Level {
    match finding.state {
        _ if finding.fails => Level::Error,
        State::New | State::Grown => Level::Warning,
        State::Known | State::Accepted => Level::Note,
    }
}

fn accepted(finding: &Finding) -> Option<String> {
    // What has grown is told, whoever accepted less of it.
    let accepted = finding.accepted.as_ref().filter(|_| matches!(finding.state, State::Known | State::Accepted))?;
    let until = accepted.expires.as_ref().map(|day| format!(" (until {day})")).unwrap_or_default();
    let reason = if accepted.reason.is_empty() { "accepted" } else { &accepted.reason };
    Some(format!("{}: {reason}{until}", accepted.by))
}

/// A case for each program, one for each thing that is of no program, and one that says whether there was anything to
/// judge.
fn cases(outcome: &Outcome) -> Vec<Case> {
    let place = |fingerprint: &String| outcome.findings.iter().position(|finding| finding.fingerprint == *fingerprint);
    let mut cases: Vec<Case> = outcome
        .programs
        .iter()
        .map(|program| Case {
            group: "leaks".into(),
            name: match base_name(&program.exe) {
                "" => "(unknown program)".into(),
                name => name.into(),
            },
            items: program.findings.iter().filter_map(place).collect(),
            skipped: if program.judged == 0 { Some("it was not judged") } else { None },
            failure: None,
        })
        .collect();
    for (place, finding) in outcome.findings.iter().enumerate().filter(|(_, finding)| finding.processes.is_empty()) {
        let name = finding.trail.first().cloned().unwrap_or_default();
        cases.push(Case { group: "budgets".into(), name, items: vec![place], skipped: None, failure: None });
    }
    let no_data = outcome.verdict.word == Word::NoData;
    let failure = no_data.then(|| format!("nothing can be said: {}", outcome.verdict.reasons.join("; ")));
    cases.push(Case {
        group: "check".into(),
        name: "everything was there to be judged".into(),
        items: Vec::new(),
        skipped: None,
        failure,
    });
    cases
}
