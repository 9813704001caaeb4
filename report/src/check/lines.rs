//! A check as JSON lines: what was checked, each finding, what is fixed, and the verdict last.

use std::io::{self, Write};

use serde::Serialize;

use super::model::{Counts, Finding, Fixed, Outcome, Processes, Program, Target, Verdict};
use crate::json;

/// A line.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<'o> {
    Check(Head<'o>),
    Program(&'o Program),
    Finding(&'o Finding),
    Fixed(&'o Fixed),
    Note(&'o String),
    Verdict(Tail<'o>),
}

#[derive(Serialize)]
struct Head<'o> {
    format: &'o str,
    version: u32,
    command: &'o [String],
    profiles: &'o [String],
    policy: &'o Option<String>,
    baseline: &'o Option<String>,
}

#[derive(Serialize)]
struct Tail<'o> {
    #[serde(flatten)]
    verdict: &'o Verdict,
    target: &'o Option<Target>,
    processes: &'o Processes,
    counts: &'o Counts,
}

/// Writes them.
pub fn write(outcome: &Outcome, to: &mut dyn Write) -> io::Result<()> {
    let Outcome { format, version, command, profiles, policy, baseline, .. } = outcome;
    let mut line = |line: &Line| json::append(line, &mut *to);
    line(&Line::Check(Head { format, version: *version, command, profiles, policy, baseline }))?;
    outcome.programs.iter().try_for_each(|program| line(&Line::Program(program)))?;
    outcome.findings.iter().try_for_each(|finding| line(&Line::Finding(finding)))?;
    outcome.fixed.iter().try_for_each(|fixed| line(&Line::Fixed(fixed)))?;
    outcome.notes.iter().try_for_each(|note| line(&Line::Note(note)))?;
    let Outcome { verdict, target, processes, counts, .. } = outcome;
    line(&Line::Verdict(Tail { verdict, target, processes, counts }))
}
