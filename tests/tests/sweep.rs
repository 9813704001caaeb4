//! Every failure of the programs in `sweep/` has the outcome that the head of the program says: one or more for each
//! outcome that there is, and the edges of the rules.
//!
//! `memtrace sweep` must find them (see `sweep/truth.rs`); that the heads are true is shown by a sweep of the plainest
//! kind (`sweep/witness.rs`). `MEMTRACE_TEST_SWEEP=NAME` chooses some, by a piece of their names.

#[path = "sweep/truth.rs"]
mod truth;
#[path = "sweep/witness.rs"]
mod witness;

use std::path::{Path, PathBuf};
use std::time::Duration;

use memtrace_tests::{How, Place, pair, read_json, side_by_side, workspace};
use truth::{ANY, Outcomes, Truth, outcome};

/// More than the budget of a sweep.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn the_heads_are_true() {
    all(|place, program, truth| match truth.status {
        Some(_) => Vec::new(),
        None => {
            let truth = truth.seen_from_outside();
            let found = witness::sweep(place, program, &truth);
            said(truth.judge(&found), &found)
        }
    });
}

#[test]
#[ignore = "needs memtrace sweep"]
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
fn all(look: impl Fn(&Place, &Path, &Truth) -> Vec<String> + Sync) {
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
            let program = place.compile(file, "program", &flags);
            look(&place, &program, &truth).into_iter().map(move |found| format!("{} {form}: {found}\n", name(file)))
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
fn sweep(place: &Place, program: &Path, truth: &Truth) -> Vec<String> {
    let result = place.join("sweep.json");
    let mut job = place.job(How::Native, &pair().command).patience(PATIENCE).input(truth.input.clone());
    job = job.arg("sweep").arg("--json").arg(&result);
    job = job.args(["--budget", "60s", "--jobs", "2", "--timeout", "2s", "--"]).arg(program);
    for (name, value) in &truth.variables {
        job = job.env(name, value);
    }
    let ended = job.run();
    if let Some(status) = truth.status {
        let is_right = ended.code() == Some(status) && ended.stderr.contains(&truth.says);
        return if is_right { Vec::new() } else { vec![format!("{}\n{}", ended.status, ended.stderr)] };
    }
    if !result.is_file() {
        return vec![format!("no result: {}\n{}", ended.status, ended.stderr)];
    }
    let result = read_json(&result);
    let findings: Vec<_> = result["findings"].as_array().into_iter().flatten().collect();
    let text = |value: &str| value.to_owned();
    let field = |path: &str| {
        let values = findings.iter().filter_map(|finding| finding.pointer(path)?.as_str());
        values.map(text).collect::<Vec<String>>()
    };
    let mut found: Outcomes = field("/mode").into_iter().zip(field("/outcome")).collect();
    // What is no finding has a count only.
    for (name, count) in result["outcomes"].as_object().into_iter().flatten() {
        let is_in_findings = found.iter().any(|(_, outcome)| outcome == name);
        if count.as_u64() != Some(0) && !is_in_findings {
            found.insert(outcome(ANY, name));
        }
    }
    let mut wrong = said(truth.judge(&found), &found);
    for (names, path) in [(&truth.sites, "/crash/function"), (&truth.failed, "/failed/caller")] {
        let functions = field(path);
        let missing = names.iter().filter(|name| !functions.contains(name));
        wrong.extend(missing.map(|name| format!("{name} is not among {path}: {functions:?}")));
    }
    wrong
}
