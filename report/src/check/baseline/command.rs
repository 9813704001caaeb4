//! `memtrace baseline`: accepts the leaks of a run, each with its reason.

use std::path::PathBuf;
use std::process::ExitCode;

use super::file::{Baseline, Entry};
use crate::check::args::{PolicyArgs, WhatArgs};
use crate::check::model::{Finding, Outcome, State, Word};
use crate::check::{self, args::CheckArgs, gather, text};
use crate::error::{CLEAN, Error, MISUSED};
use crate::formats;
use crate::run::end_as;
use crate::sweep::policy::Day;
use crate::sys;
use crate::text::{Safe, count};

/// `memtrace baseline`.
#[derive(clap::Args, Debug)]
pub struct BaselineArgs {
    #[command(subcommand)]
    task: Task,
}

/// What is done with a baseline.
#[derive(clap::Subcommand, Debug)]
enum Task {
    /// Write a new baseline: what leaks now is accepted
    Write(EditArgs),
    /// Bring a baseline up to date: what is fixed goes, what is new comes, reasons and last days stay
    Update(EditArgs),
    /// The same as `memtrace check --baseline FILE`
    Check(Box<JudgeArgs>),
}

#[derive(clap::Args, Debug)]
struct EditArgs {
    /// The baseline (JSON)
    #[arg(value_name = "BASELINE")]
    file: PathBuf,
    /// Why what is added is accepted
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// The last day on which what is added is accepted: `2026-12-31`
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    expires: Option<Day>,
    /// Keep the entries that this run has not found: it does not come by everything
    #[arg(long)]
    keep_fixed: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    what: WhatArgs,
}

#[derive(clap::Args, Debug)]
struct JudgeArgs {
    /// The baseline (JSON)
    #[arg(value_name = "BASELINE")]
    file: PathBuf,
    #[command(flatten)]
    check: CheckArgs,
}

fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "expected a day as `2026-12-31`".to_owned())
}

/// The body of the command.
pub fn command(args: &BaselineArgs) -> Result<ExitCode, Error> {
    match &args.task {
        Task::Write(args) => {
            if args.file.exists() {
                let found = "it is there already; `memtrace baseline update` brings it up to date";
                return Err(Error::Usage { found: format!("baseline `{}`: {found}", args.file.display()) });
            }
            edit(args, None)
        }
        Task::Update(args) => edit(args, args.file.exists().then(|| Baseline::read(&args.file)).transpose()?),
        Task::Check(args) => check::command_with(&args.check, Some(&args.file)),
    }
}

/// Writes the baseline: the old entries that are still there, and what is new.
fn edit(args: &EditArgs, old: Option<Baseline>) -> Result<ExitCode, Error> {
    let mut policy = args.policy.read()?;
    policy.baseline = old.is_some().then(|| args.file.clone());
    let what = args.what.what();
    let mut gathered = gather::gather(&what, &policy)?;
    if let Some(error) = gathered.trouble.take() {
        return Err(error);
    }
    let outcome = check::outcome(&gathered, &policy, &what, false)?;
    if let Some((_, ended)) = gathered.target.filter(|_| outcome.target.as_ref().is_some_and(|target| target.failed)) {
        let end = outcome.target.as_ref().map(text::end).unwrap_or_default();
        sys::say(&format!("error: the command itself failed: {end}; the baseline is not written\n"));
        return Ok(end_as(ended));
    }
    if !outcome.verdict.reasons.is_empty() && outcome.verdict.word != Word::Broken {
        let reasons = outcome.verdict.reasons.iter().map(|reason| format!("error: {}\n", Safe(reason)));
        sys::say(&(reasons.collect::<String>() + "hint: the baseline is not written: nothing could be judged\n"));
        return Ok(ExitCode::from(MISUSED));
    }
    let (baseline, told) = edited(&outcome, old.unwrap_or_default(), args);
    formats::file(&args.file, formats::FOR_ALL, &mut |to| baseline.write(to))?;
    let path = args.file.display().to_string();
    sys::say(&format!("{told}memtrace: baseline {}: {}\n", Safe(&path), count(baseline.entries.len() as u64, "leak")));
    Ok(ExitCode::from(CLEAN))
}

fn edited(outcome: &Outcome, old: Baseline, args: &EditArgs) -> (Baseline, String) {
    let mut told = String::new();
    let mut left = old.entries;
    let mut entries: Vec<Entry> = Vec::new();
    let leaks = outcome.findings.iter().filter(|finding| finding.rule.is_acceptable() && is_wanted(finding));
    for finding in leaks {
        let was = finding.baseline.as_ref().and_then(|id| left.iter().position(|entry| entry.fingerprint == *id));
        let was = was.map(|place| left.swap_remove(place));
        let is_new = finding.state == State::New;
        let mut entry = Entry::of(finding, &args.reason, args.expires);
        if let Some(was) = was {
            // A reason that somebody gave stays, and so does a day that is not over.
            if !was.reason.is_empty() && (!is_new || args.reason.is_empty()) {
                entry.reason = was.reason;
            }
            if !is_new {
                entry.expires = was.expires;
            }
        }
        let word = if is_new { "added" } else { text::word(finding.state) };
        if is_new || finding.state == State::Grown {
            told.push_str(&format!("{word}: {} {}\n", finding.fingerprint, Safe(&finding.title)));
        }
        entries.push(entry);
    }
    for entry in left {
        let site = entry.trail.first().cloned().unwrap_or_default();
        if args.keep_fixed {
            entries.push(entry);
        } else {
            told.push_str(&format!("fixed: {} {}\n", Safe(&entry.fingerprint), Safe(&site)));
        }
    }
    (Baseline { entries }, told)
}

/// What a rule of the policy accepts needs no entry.
fn is_wanted(finding: &Finding) -> bool {
    finding.state != State::Accepted
}
