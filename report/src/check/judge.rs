//! From findings to a verdict: rules and the baseline accept, budgets allow, the rest breaks the policy.

use super::baseline::{Baseline, Compared};
use super::findings::{Found, blank};
use super::fingerprint::Trail;
use super::model::{Accepted, Counts, Finding, Fixed, Rule, State};
use super::policy::Policy;
use crate::error::Error;
use crate::profile::Process;
use crate::profile::leaks::Sum;
use crate::sweep::outcome::Outcome;
use crate::sweep::policy::{Day, Leak};
use crate::text::{bytes_in, count, scaled, thousands};
use crate::views::base_name;

/// Findings as they were judged.
pub struct Judged {
    /// What fails first, the most bytes first.
    pub findings: Vec<Finding>,
    /// By state.
    pub counts: Counts,
    /// Entries of the baseline that were not found again.
    pub fixed: Vec<Fixed>,
    /// Sentences about rules and entries.
    pub notes: Vec<String>,
}

/// Judges what was found.
pub fn judge(found: Found, processes: &[&Process], policy: &Policy, today: Day) -> Result<Judged, Error> {
    let mut findings = found.findings;
    let mut notes = Vec::new();
    for finding in findings.iter_mut().filter(|finding| finding.rule.is_acceptable()) {
        let modules: Vec<&str> = finding.stack.iter().filter_map(|step| step.module.as_deref()).collect();
        let leak = Leak {
            outcome: if finding.rule == Rule::HeapError { Outcome::HeapCorruption } else { Outcome::Leak },
            function: finding.site.as_deref().unwrap_or_default(),
            modules: &modules,
            id: &finding.fingerprint,
        };
        if let Some(rule) = policy.rules.as_ref().and_then(|rules| rules.accepts(&leak, today)) {
            finding.state = State::Accepted;
            finding.accepted = Some(Accepted { by: rule.rule, reason: rule.reason, expires: rule.expires });
        } else if let Some(ended) = policy.rules.as_ref().and_then(|rules| rules.ended(&leak, today)) {
            notes.push(ended);
        }
    }
    let compared = match &policy.baseline {
        Some(path) => Baseline::read(path)?.apply(path, &mut findings, today),
        None => Compared::default(),
    };
    let is_total_passed = total(&mut findings, policy);
    peak(&mut findings, processes, policy);
    for finding in &mut findings {
        finding.fails = fails(finding, policy, is_total_passed);
    }
    let rank = |finding: &Finding| (!finding.fails, finding.state, finding.rule.is_leak());
    findings.sort_by(|one, other| {
        let size = |finding: &Finding| (finding.all_bytes(), finding.all_blocks());
        rank(one).cmp(&rank(other)).then(size(other).cmp(&size(one))).then_with(|| one.title.cmp(&other.title))
    });
    let of = |state: State| findings.iter().filter(|finding| finding.state == state).count() as u64;
    let counts = Counts {
        failing: findings.iter().filter(|finding| finding.fails).count() as u64,
        new: of(State::New),
        grown: of(State::Grown),
        known: of(State::Known),
        accepted: of(State::Accepted),
        fixed: compared.fixed.len() as u64,
        foreign: found.foreign_count,
        foreign_bytes: found.foreign.bytes,
        suppressed_blocks: found.suppressed.blocks,
        suppressed_bytes: found.suppressed.bytes,
    };
    notes.extend(compared.notes);
    notes.dedup();
    Ok(Judged { findings, counts, fixed: compared.fixed, notes })
}

/// Whether a finding breaks the policy.
fn fails(finding: &Finding, policy: &Policy, is_total_passed: bool) -> bool {
    match finding.state {
        State::Accepted | State::Known => return false,
        State::Grown if !policy.grown_fails => return false,
        State::Grown | State::New => {}
    }
    if finding.rule == Rule::HeapError {
        return policy.heap_errors_fail;
    }
    if !finding.rule.is_leak() {
        return true;
    }
    let passes = |budget: Option<u64>, has: u64| budget.is_some_and(|budget| has > budget);
    let is_place_passed =
        passes(policy.site.bytes, finding.all_bytes()) || passes(policy.site.blocks, finding.all_blocks());
    // Where a budget is given, what is within it is allowed.
    is_place_passed || is_total_passed || !policy.site.is_of_leaks() && !policy.total.is_of_leaks()
}

/// Whether all leaks that nothing accepts are more than the policy allows; that is a finding, too.
fn total(findings: &mut Vec<Finding>, policy: &Policy) -> bool {
    let mut sum = Sum::default();
    for finding in findings.iter().filter(|finding| finding.rule.is_leak() && finding.accepted.is_none()) {
        sum.add(finding.all_blocks(), finding.all_bytes());
    }
    let over_bytes = policy.total.bytes.filter(|&limit| sum.bytes > limit);
    let over_blocks = policy.total.blocks.filter(|&limit| sum.blocks > limit);
    let allowed = match (over_bytes, over_blocks) {
        (None, None) => return false,
        (Some(bytes), None) => scaled(bytes),
        (None, Some(blocks)) => count(blocks, "block"),
        (Some(bytes), Some(blocks)) => format!("{} or {}", scaled(bytes), count(blocks, "block")),
    };
    findings.push(Finding {
        title: format!("{} leaked in all, {allowed} are allowed", bytes_in(sum.bytes, sum.blocks, "block")),
        blocks: sum.blocks,
        bytes: sum.bytes,
        limit: over_bytes.or(over_blocks),
        ..blank(Rule::LeakBudget, Trail(vec!["leaked in all".into()]))
    });
    true
}

/// The peaks of processes, and all their allocations.
fn peak(findings: &mut Vec<Finding>, processes: &[&Process], policy: &Policy) {
    let highest = processes.iter().max_by_key(|process| process.summary.peak_bytes);
    if let (Some(limit), Some(process)) = (policy.total.peak, highest)
        && process.summary.peak_bytes > limit
    {
        let (exe, peak) = (base_name(&process.exe), process.summary.peak_bytes);
        findings.push(Finding {
            title: format!("{exe} had {} live at its peak, {} are allowed", scaled(peak), scaled(limit)),
            bytes: peak,
            limit: Some(limit),
            ..blank(Rule::PeakBudget, Trail(vec!["peak of a process".into()]))
        });
    }
    let made = processes.iter().map(|process| process.summary.allocations).fold(0, u64::saturating_add);
    if let Some(limit) = policy.total.allocations.filter(|&limit| made > limit) {
        findings.push(Finding {
            title: format!("{} in all, {} are allowed", count(made, "allocation"), thousands(limit)),
            blocks: made,
            limit: Some(limit),
            ..blank(Rule::AllocationBudget, Trail(vec!["allocations in all".into()]))
        });
    }
}
