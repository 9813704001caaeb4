//! Whether a sweep that was read is sound: every number and every id leads somewhere.

use std::collections::HashSet;

use super::model::{Finding, Sweep};

/// Digits of a point's id.
const POINT_DIGITS: usize = 16;
/// Digits of a finding's id.
const FINDING_DIGITS: usize = 12;

/// The first thing that is wrong.
pub fn first_fault(sweep: &Sweep) -> Option<String> {
    let frames = sweep.stacks.iter().flatten().copied();
    let stacks = sweep.points.iter().map(|point| point.stack).chain(sweep.findings.iter().flat_map(stacks_of));
    past("frame", frames, sweep.frames.len())
        .or_else(|| past("stack", stacks, sweep.stacks.len()))
        .or_else(|| fault_of_ids(sweep))
}

/// All stacks that a finding names.
pub fn stacks_of(finding: &Finding) -> impl Iterator<Item = u32> {
    let crash = finding.crash.iter().flat_map(|crash| crash.stack.iter().chain(&crash.threads));
    let leaks = finding.leaks.iter().map(|leak| leak.stack);
    std::iter::once(finding.failed.stack).chain(crash.copied()).chain(leaks)
}

fn fault_of_ids(sweep: &Sweep) -> Option<String> {
    let mut points = HashSet::new();
    for point in &sweep.points {
        let ids = [&point.id, &point.symbolic];
        if let Some(odd) = ids.into_iter().find(|id| !is_hexadecimal(id, POINT_DIGITS)) {
            return Some(format!("a point has an id of {} bytes, expected {POINT_DIGITS} digits", odd.len()));
        }
        if !points.insert(point.id.as_str()) {
            return Some(format!("point {} is there twice", point.id));
        }
    }
    let mut findings = HashSet::new();
    for finding in &sweep.findings {
        if !is_hexadecimal(&finding.id, FINDING_DIGITS) {
            let found = finding.id.len();
            return Some(format!("a finding has an id of {found} bytes, expected {FINDING_DIGITS} digits"));
        }
        if !findings.insert(finding.id.as_str()) {
            return Some(format!("finding {} is there twice", finding.id));
        }
    }
    let of_findings = sweep.findings.iter().flat_map(|finding| finding.points.iter().chain(&finding.all_points));
    let named = sweep.runs.iter().flat_map(|run| &run.points).chain(of_findings);
    let named = named.chain(sweep.points.iter().filter_map(|point| point.opened_by.as_ref()));
    unknown("point", named, &points)
        .or_else(|| unknown("finding", sweep.runs.iter().flat_map(|run| &run.findings), &findings))
}

fn past(what: &str, mut places: impl Iterator<Item = u32>, count: usize) -> Option<String> {
    let place = places.find(|&place| place as usize >= count)?;
    Some(format!("{what} {place} is referred to, but there are {count}"))
}

/// The id itself may be any text, so it is not said.
fn unknown<'s>(what: &str, ids: impl Iterator<Item = &'s String>, known: &HashSet<&str>) -> Option<String> {
    let place = ids.map(String::as_str).position(|id| !known.contains(id))?;
    Some(format!("reference {} to a {what} leads to none of the {}", place + 1, known.len()))
}

fn is_hexadecimal(id: &str, digits: usize) -> bool {
    id.len() == digits && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
