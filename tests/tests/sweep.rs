//! Every failure of the programs in `sweep/` has the outcome that the head of the program says: one or more for each
//! outcome that there is, and the edges of the rules.
//!
//! `memtrace sweep` must find them (see `sweep/truth.rs`); that the heads are true is shown by a sweep of the plainest
//! kind (`sweep/witness.rs`). `MEMTRACE_TEST_SWEEP=NAME` chooses some, by a piece of their names.

#[path = "sweep/engine.rs"]
mod engine;
#[path = "sweep/reviewed.rs"]
mod reviewed;
#[path = "sweep/target.rs"]
mod target;
#[path = "sweep/truth.rs"]
mod truth;
#[path = "sweep/witness.rs"]
mod witness;

use std::path::{Path, PathBuf};

use memtrace_tests::{Place, pair, side_by_side, workspace};
use target::Target;
use truth::{Outcomes, Truth, outcome};
use witness::{Points, Seen, outcomes};

#[test]
fn the_heads_are_true() {
    all(|target, truth| match truth.status {
        Some(_) => Vec::new(),
        None => {
            let truth = truth.seen_from_outside();
            let is_enough = |seen: &[Seen]| truth.judge(&outcomes(seen)).is_empty();
            let found = outcomes(&witness::sweep(target, &Points::ALL, is_enough));
            said(truth.judge(&found), &found)
        }
    });
}

#[test]
fn the_sweep_finds_what_the_heads_say() {
    all(sweep);
}

#[test]
fn every_outcome_has_its_program() {
    let truths: Vec<Truth> = programs().iter().filter_map(|file| Truth::read(file).ok()).collect();
    let expects: Outcomes =
        truths.iter().flat_map(|truth| truth.builds()).flat_map(|(_, truth)| truth.expects).collect();
    let is_missing = |name: &&str| !expects.iter().any(|(_, outcome)| outcome == name);
    assert_eq!(truth::BAD.into_iter().chain(truth::HARMLESS).find(is_missing), None);
    let has_all = |name: &str| truth::MODES.iter().all(|mode| expects.contains(&outcome(mode, name)));
    assert_eq!(truth::BAD.into_iter().find(|name| !has_all(name)), None, "a mode is missing");
}

/// Looks at every build of every program, and fails with all that is wrong.
fn all(look: impl Fn(&Target<'_>, &Truth) -> Vec<String> + Sync) {
    let chosen = std::env::var("MEMTRACE_TEST_SWEEP").unwrap_or_default();
    let mut files = programs();
    files.retain(|file| name(file).contains(&chosen));
    assert!(!files.is_empty(), "no program is called `{chosen}`");
    pair();
    let wrong = side_by_side(&files, |file| {
        let truth = match Truth::read(file) {
            Ok(truth) => truth,
            Err(found) => return vec![format!("{}: {found}\n", name(file))],
        };
        let builds = truth.builds().into_iter().flat_map(|(form, truth)| {
            let place = Place::new();
            let mut flags = vec!["-O0", "-fno-builtin"];
            flags.extend(truth.flags.iter().map(String::as_str));
            let mut target = Target::new(&place, place.compile(file, "program", &flags));
            target.variables.clone_from(&truth.variables);
            target.input.clone_from(&truth.input);
            look(&target, &truth).into_iter().map(move |found| format!("{} {form}: {found}\n", name(file)))
        });
        builds.collect()
    });
    assert!(wrong.is_empty(), "of {} programs:\n{}", files.len(), wrong.concat());
}

/// The files of `sweep/`.
fn programs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join("tests/sweep")).expect("sweep/ is there").flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What is wrong, each with all that was found.
fn said(wrong: Vec<String>, found: &Outcomes) -> Vec<String> {
    let found: Vec<String> = found.iter().map(|(mode, outcome)| format!("{mode} {outcome}")).collect();
    wrong.into_iter().map(|wrong| format!("{wrong} (found: {})", found.join(", "))).collect()
}

/// What `memtrace sweep` finds in a program, against its truth.
fn sweep(target: &Target<'_>, truth: &Truth) -> Vec<String> {
    let swept = engine::sweep(target, &[]);
    let said_so = format!("{}\n{}", swept.ended.status, swept.ended.stderr);
    if let Some(status) = truth.status {
        let is_right = swept.ended.code() == Some(status) && swept.ended.stderr.contains(&truth.says);
        return if is_right { Vec::new() } else { vec![said_so] };
    }
    let Some(result) = swept.result else { return vec![format!("no result: {said_so}")] };
    let mut wrong = said(truth.judge(&result.outcomes), &result.outcomes);
    let sites: Vec<&String> = result.findings.iter().map(|finding| &finding.site).collect();
    let callers: Vec<&String> = result.findings.iter().map(|finding| &finding.caller).collect();
    for (names, found, what) in [(&truth.sites, sites, "crashes"), (&truth.failed, callers, "failed")] {
        let missing = names.iter().filter(|name| !found.contains(name));
        wrong.extend(missing.map(|name| format!("{name} is not among what {what}: {found:?}")));
    }
    wrong
}
