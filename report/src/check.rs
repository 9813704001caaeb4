//! `memtrace check`: the leak job of a CI. It runs a command, or reads profiles, and its status says whether the policy
//! holds.
//!
//! ```text
//!   command, profiles ──gather──▶ processes ─┬─seen──▶ who was judged, and who was not
//!                                            └─findings─▶ leaks, growth, budgets ─┐
//!   memtrace.toml, flags ──policy────────────────────────────────────────judge────┴─▶ Outcome ─▶ text, JSON, formats
//!                                                baseline ───────────────────────▲
//! ```
//!
//! Status: 0 clean, 1 (or `--exit-code`) broken, 2 nobody can tell, 3 memtrace's own failure. A command that failed itself
//! ends the check as it ended.

pub mod args;
pub mod baseline;
pub mod diff;
mod findings;
mod fingerprint;
pub mod frames;
mod gather;
mod growth;
mod heap;
mod items;
mod judge;
mod lines;
mod model;
mod name;
mod out;
pub mod policy;
mod rule;
mod seen;
pub mod self_test;
mod text;
mod valgrind;

#[cfg(test)]
pub mod tests;

use std::path::Path;
use std::process::ExitCode;

use crate::error::{CLEAN, Error, MISUSED};
use crate::formats;
use crate::profile::{Process, Profile};
use crate::run::{Ended, end_as};
use crate::sweep::policy::Day;
use crate::text::{count, scaled};
use args::CheckArgs;
use findings::Reach;
use fingerprint::Trail;
use gather::Gathered;
use model::{FORMAT, Outcome, Program, Target, VERSION, Verdict, Word};
use policy::Policy;
use seen::Seen;

/// Suppressions that are named: the files of others can have thousands of rules.
const UNUSED_MAX: usize = 5;

/// The body of the command.
pub fn command(args: &CheckArgs) -> Result<ExitCode, Error> {
    command_with(args, None)
}

/// The same with this baseline.
pub fn command_with(args: &CheckArgs, baseline: Option<&Path>) -> Result<ExitCode, Error> {
    formats::check(&args.out)?;
    let mut policy = args.policy()?;
    policy.baseline = baseline.map(Path::to_path_buf).or(policy.baseline);
    if args.self_test {
        return self_test::command(policy, args.exit_zero);
    }
    if let Some(path) = &policy.baseline {
        // Before the command is run: the file may be wrong.
        baseline::Baseline::read(path)?;
    }
    let what = args.what();
    let gathered = gather::gather(&what, &policy)?;
    let outcome = outcome(&gathered, &policy, &what, args.exit_zero)?;
    let mut trouble = gathered.trouble.map(|error| error.print());
    if trouble.is_none()
        && let Err(error) = out::write(&outcome, &gathered.profile, &args.out)
    {
        trouble = Some(error.print());
    }
    let has_failed = outcome.target.as_ref().is_some_and(|target| target.failed);
    Ok(match (gathered.target, trouble) {
        // The target's own failure is the greater news.
        (Some((_, ended)), _) if has_failed => end_as(ended),
        (_, Some(code)) => code,
        _ => ExitCode::from(outcome.verdict.exit_code.unwrap_or(MISUSED)),
    })
}

/// Judges what was gathered.
fn outcome(gathered: &Gathered, policy: &Policy, what: &gather::What, exit_zero: bool) -> Result<Outcome, Error> {
    let profile = &gathered.profile;
    let target = gathered.target.map(|(pid, _)| pid as u32);
    let living = gathered.living.iter().map(|&pid| pid as u32).collect();
    let seen = Seen::of(profile, &policy.scope, target, &living);
    let processes: Vec<&Process> = seen.counted.iter().filter_map(|&place| profile.processes.get(place)).collect();
    let reach = Reach { scope: &policy.scope, wants_own: seen.has_own_code, any_code: policy.any_code };
    let mut found = findings::find(&processes, policy, reach);
    let not_judged = seen.not_judged.iter().filter_map(|&place| profile.processes.get(place));
    let all: Vec<&Process> = processes.iter().copied().chain(not_judged).collect();
    found.findings.extend(heap::find(&all, reach));
    let with_checkpoints = found.with_checkpoints;
    let judged = judge::judge(found, &processes, policy, Day::today())?;
    let mut no_data = match gathered.refused {
        Some(reason) => vec![format!("nothing was recorded: {reason}")],
        None => seen.no_data(&policy.scope, policy.is_strict),
    };
    if no_data.is_empty() && policy.growth.is_some() && with_checkpoints == 0 {
        no_data.push("no process made two checkpoints (calls of memtrace_check_leaks()), so growth is unknown".into());
    }
    let word = match (no_data.is_empty(), judged.counts.failing) {
        // What was found is found, whatever else nobody knows.
        (_, 1..) => Word::Broken,
        (false, 0) => Word::NoData,
        (true, 0) => Word::Clean,
    };
    let target = gathered.target.map(|(_, ended)| ended_as(ended, gathered.refused.is_some()));
    let own_code = match word {
        Word::Clean => CLEAN,
        Word::Broken if exit_zero => CLEAN,
        Word::Broken => policy.exit_code,
        Word::NoData => MISUSED,
    };
    let exit_code = match &target {
        Some(target) if target.failed => target.status.and_then(|status| u8::try_from(status).ok()),
        _ => Some(own_code),
    };
    let text = |path: &std::path::PathBuf| path.display().to_string();
    let mut notes = judged.notes;
    notes.extend(unused(profile));
    notes.extend(seen.notes().into_iter().filter(|_| no_data.is_empty()));
    notes.extend(losses(&processes));
    if judged.counts.foreign > 0 {
        let left_out =
            format!("left out: {} in {}", scaled(judged.counts.foreign_bytes), count(judged.counts.foreign, "leak"));
        notes.push(match policy.scope.is_whole() {
            true => format!(
                "{left_out}, without the project's code on the stack; `--any-code` counts those of system libraries, \
                 interpreters and shells"
            ),
            false => format!("{left_out}, without code of the chosen modules and files on the stack"),
        });
    }
    let is_unnamed = |finding: &&model::Finding| finding.rule.is_leak() && !Trail(finding.trail.clone()).is_named();
    let unnamed = judged.findings.iter().filter(is_unnamed).count();
    if unnamed > 0 {
        notes.push(format!(
            "{} without the name of any function on the stack: such fingerprints tell only modules apart; debug \
             information or a symbol table names them",
            count(unnamed as u64, "leak")
        ));
    }
    if judged.counts.suppressed_blocks > 0 {
        let (blocks, bytes) = (judged.counts.suppressed_blocks, judged.counts.suppressed_bytes);
        notes.push(format!("{} in {} suppressed", scaled(bytes), count(blocks, "block")));
    }
    if word == Word::Broken && exit_zero {
        notes.push("the policy is broken, and the status is 0 all the same: --exit-zero".into());
    }
    Ok(Outcome {
        format: FORMAT,
        version: VERSION,
        command: what.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        profiles: what.profiles.iter().map(text).collect(),
        policy: policy.file.as_ref().map(text),
        baseline: policy.baseline.as_ref().map(text),
        verdict: Verdict { word, exit_code, reasons: no_data },
        target,
        programs: programs(profile, &seen, &judged.findings),
        processes: seen.processes,
        counts: judged.counts,
        findings: judged.findings,
        fixed: judged.fixed,
        notes,
    })
}

/// Judges a profile as `memtrace check PROFILE` does without a policy, and writes it in every format.
#[cfg(any(test, feature = "fuzzing"))]
pub fn write_all(profile: Profile, each: &mut dyn FnMut(formats::Format, String)) {
    use formats::Format;
    let policy = Policy::of(Some("/dev/null".into()), Default::default()).expect("an empty policy is one");
    let profiles = [std::path::PathBuf::from("profile.json")];
    let what = gather::What { profiles: &profiles, ..Default::default() };
    let gathered = Gathered { profile, target: None, living: Default::default(), refused: None, trouble: None };
    let Ok(outcome) = outcome(&gathered, &policy, &what, false) else { return };
    for format in Format::WORDS.iter().filter_map(|word| word.parse::<Format>().ok()) {
        let mut text = Vec::new();
        out::render(&outcome, &gathered.profile, format, &mut text).expect("memory takes it");
        each(format, String::from_utf8(text).expect("reports are UTF-8"));
    }
}

/// `is_refused`: it failed because memtrace was there.
fn ended_as(ended: Ended, is_refused: bool) -> Target {
    match ended {
        Ended::Exited(status) => {
            Target { status: Some(status.into()), signal: None, failed: status != CLEAN && !is_refused }
        }
        Ended::Killed(signal) => Target { status: None, signal: Some(signal), failed: !is_refused },
    }
}

/// The programs that count, judged or not, and what was found in each.
fn programs(profile: &Profile, seen: &Seen, findings: &[model::Finding]) -> Vec<Program> {
    let mut programs: Vec<Program> = Vec::new();
    let mut add = |exe: &str, is_judged: bool| {
        let place = programs.iter().position(|program| program.exe == exe).unwrap_or_else(|| {
            programs.push(Program { exe: exe.to_owned(), images: 0, judged: 0, findings: Vec::new() });
            programs.len() - 1
        });
        if let Some(program) = programs.get_mut(place) {
            program.images += 1;
            program.judged += u64::from(is_judged);
        }
    };
    let counted = seen.counted.iter().filter_map(|&place| profile.processes.get(place));
    counted.for_each(|process| add(&process.exe, true));
    seen.processes.not_judged.iter().for_each(|one| add(&one.exe, false));
    for program in &mut programs {
        let has = |finding: &&model::Finding| finding.processes.iter().any(|had| had.exe == program.exe);
        program.findings = findings.iter().filter(has).map(|finding| finding.fingerprint.clone()).collect();
    }
    programs
}

/// Suppressions that hid nothing.
fn unused(profile: &Profile) -> Option<String> {
    let unused: Vec<&str> =
        profile.suppressions.iter().filter(|one| one.blocks == 0).map(|one| one.name.as_str()).collect();
    let names = unused.iter().take(UNUSED_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = if unused.len() > UNUSED_MAX { ", …" } else { "" };
    (!unused.is_empty()).then(|| format!("{} not used: {names}{more}", count(unused.len() as u64, "suppression")))
}

/// What memtrace could not do in the processes that were judged, each thing once.
fn losses(processes: &[&Process]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut sums: std::collections::BTreeMap<&str, (u64, u64)> = Default::default();
    let mut add = |text, number: u64| {
        let (sum, images) = sums.entry(text).or_insert((0, 0));
        (*sum, *images) = (sum.saturating_add(number), *images + 1);
    };
    for process in processes {
        // A fork child does not know its parent's blocks: they are none of its leaks.
        let losses = process.losses.iter().filter(|(key, _)| key.as_str() != "inherited");
        losses.for_each(|(key, &number)| add(crate::text::loss(key), number));
        let check = crate::views::leaks::last_word(process);
        let Some(check) = check else { continue };
        // A fork child has its parent's heap, and every program that forks has such children.
        let flags = check.flags.iter().filter(|flag| !process.forked || flag.as_str() != "unknown-blocks");
        flags.for_each(|flag| add(crate::text::meaning(flag), 0));
        if check.unreadable_bytes > 0 {
            add("bytes of roots and blocks that could not be read", check.unreadable_bytes);
        }
        if check.rung == "waiting" {
            add("checked without registers: what one may have held is called possibly lost", 0);
        }
    }
    let python: std::collections::BTreeSet<String> =
        processes.iter().filter_map(|process| process.python.as_ref()).flat_map(|python| python.notes()).collect();
    notes.extend(python);
    for (text, (sum, images)) in sums {
        let number = if sum > 0 { format!(": {}", crate::text::thousands(sum)) } else { String::new() };
        notes.push(format!("{text}{number} (in {})", count(images, "process")));
    }
    let sampled = processes.iter().filter(|process| process.summary.sample_bytes > 0).count();
    if sampled > 0 {
        notes.push(format!(
            "only samples were recorded in {}: numbers are of the samples, and a leak without one is not seen",
            count(sampled as u64, "process")
        ));
    }
    notes
}
