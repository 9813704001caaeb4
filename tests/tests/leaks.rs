//! Every block of the programs in `leaks/` is judged as the head of the program says: one root or rule each.
//!
//! Each program runs with the library preloaded and under `memtrace run`; the last check of each process is compared
//! with the head (see `leaks/truth.rs`). Blocks are known by their sizes. Groups are the first word of the files' names.
//!
//! `MEMTRACE_TEST_LEAK=NAME` chooses some, by a piece of their names. The heads themselves are tested with
//! `cargo test -p memtrace-tests --test leaks -- --ignored`, by valgrind.

#[path = "leaks/truth.rs"]
mod truth;

use std::path::{Path, PathBuf};
use std::time::Duration;

use memtrace_tests::{Ended, How, Job, Place, Process, side_by_side, workspace};
use truth::{Found, LOST, Truth, add, read_log};

/// Valgrind is slow, and more so without optimisation.
const PATIENCE: Duration = Duration::from_secs(300);

macro_rules! groups {
    ($($test:ident: $group:literal,)*) => {
        $(#[test]
        fn $test() {
            all($group, check);
        })*

        #[test]
        fn every_program_is_in_a_group() {
            let groups = [$($group),*];
            let is_in_one = |file: &PathBuf| groups.iter().any(|group| name(file).starts_with(group));
            assert_eq!(programs("").into_iter().find(|file| !is_in_one(file)), None);
        }
    };
}

groups! {
    pointers_hold_as_in_the_nine_cases_of_memcheck: "pointers_",
    globals_of_loaded_modules_hold: "globals_",
    stacks_hold_from_their_stack_pointers_on: "stacks_",
    registers_hold: "registers_",
    thread_local_memory_holds_while_its_thread_lives: "tls_",
    mappings_of_the_program_hold: "mappings_",
    blocks_hold_what_is_in_them_until_they_are_freed: "blocks_",
    lost_blocks_are_led_by_those_that_nothing_points_to: "graph_",
    heuristics_are_those_of_memcheck: "heuristics_",
    tagged_pointers_hold_on_request: "tagged_",
    heap_memory_with_unknown_blocks_holds: "foreign_",
    blocks_are_judged_however_a_program_ends: "ends_",
    what_the_program_announces_is_believed: "announced_",
    blocks_of_pools_are_judged_like_others: "pools_",
}

#[test]
#[ignore = "needs valgrind, and minutes"]
fn valgrind_finds_what_the_heads_say() {
    all("", |place, file, truth| {
        ["-O0", "-O1"].into_iter().flat_map(|optimisation| witness(place, file, truth, optimisation)).collect()
    });
}

/// Looks at all programs of a group, and fails with all that is wrong.
fn all(group: &str, look: impl Fn(&Place, &Path, &Truth) -> Vec<String> + Sync) {
    let chosen = std::env::var("MEMTRACE_TEST_LEAK").unwrap_or_default();
    let mut files = programs(group);
    assert!(!files.is_empty(), "no program begins with `{group}`");
    files.retain(|file| name(file).contains(&chosen));
    let wrong = side_by_side(&files, |file| {
        let found = match Truth::read(file) {
            Ok(truth) => look(&Place::new(), file, &truth),
            Err(found) => vec![found],
        };
        found.into_iter().map(|found| format!("{}: {found}\n", name(file))).collect()
    });
    assert!(wrong.is_empty(), "of {} programs:\n{}", files.len(), wrong.concat());
}

/// Files of `leaks/` whose names begin like this.
fn programs(group: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join("tests/leaks")).expect("leaks/ is there").flatten();
    let is_program = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "c" || ending == "cpp");
    let files = entries.map(|entry| entry.path()).filter(is_program);
    let mut files: Vec<PathBuf> = files.filter(|file| name(file).starts_with(group)).collect();
    files.sort();
    files
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn build(place: &Place, file: &Path, truth: &Truth, optimisation: &str) -> PathBuf {
    for library in &truth.libraries {
        let [name, source, rest @ ..] = &library[..] else { panic!("`library:` has a name and a source") };
        let mut flags = vec!["-shared", "-fPIC", optimisation];
        flags.extend(rest.iter().map(String::as_str));
        place.compile(&file.with_file_name(source), name, &flags);
    }
    let mut flags: Vec<&str> = truth.flags.iter().map(String::as_str).collect();
    flags.push(optimisation);
    place.compile(file, "program", &flags)
}

/// Both ways, under memtrace.
fn check(place: &Place, file: &Path, truth: &Truth) -> Vec<String> {
    let program = build(place, file, truth, "-O1");
    let mut wrong = Vec::new();
    for (how, word) in [(How::Bare, "bare"), (How::Run, "run")] {
        if truth.only.as_ref().is_some_and(|only| only != word) {
            continue;
        }
        let job = place.job(how, &program).env("MEMTRACE_OUT", "none");
        let ended = with(job, truth).record();
        let mut found = Found::new();
        let mut rungs = Vec::new();
        for process in &ended.processes {
            rungs.push(last_check(process, &mut found));
        }
        let differences = ended_wrongly(&ended, truth).into_iter().chain(truth.judge(&found));
        wrong.extend(differences.map(|found| format!("{word}: {found} (check: {})", rungs.join(", "))));
    }
    wrong
}

fn with<'p>(job: Job<'p>, truth: &Truth) -> Job<'p> {
    truth.variables.iter().fold(job, |job, (name, value)| job.env(name, value))
}

fn ended_wrongly(ended: &Ended, truth: &Truth) -> Option<String> {
    let expected = if truth.aborts { (None, Some(libc::SIGABRT)) } else { (Some(0), None) };
    let is_right = (ended.code(), ended.signal()) == expected;
    (!is_right).then(|| format!("{}\n{}{}", ended.status, ended.stdout, ended.stderr))
}

/// Adds what the last check of a process found, and says which rung of the ladder it took.
fn last_check(process: &Process, found: &mut Found) -> String {
    let Some(check) = process.json["checks"].as_array().and_then(|checks| checks.last()) else {
        return "none".to_owned();
    };
    for key in ["leaks", "held"] {
        for row in check[key].as_array().into_iter().flatten() {
            let kind = row["kind"].as_str().unwrap_or("reachable");
            let number = |key: &str| row[key].as_u64().unwrap_or(0);
            assert!(key == "held" || LOST.contains(&kind) || kind == "suppressed", "an unknown kind: {kind}");
            add(found, kind, number("blocks"), number("bytes"));
        }
    }
    match check["hindrance"].as_str() {
        Some(hindrance) => format!("{}, for {hindrance}", check["rung"]),
        None => check["rung"].to_string(),
    }
}

/// Under valgrind's Memcheck.
fn witness(place: &Place, file: &Path, truth: &Truth, optimisation: &str) -> Vec<String> {
    if truth.is_unwitnessed {
        return Vec::new();
    }
    let program = build(place, file, truth, optimisation);
    let options =
        ["--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=none", "--trace-children=yes"];
    let job = place.job(How::Native, "valgrind").args(options).args(["--num-callers=20", "--run-libc-freeres=no"]);
    let log = format!("--log-file={}", place.join(&format!("log{optimisation}-%p")).display());
    let ended = with(job.arg(log).arg(program).patience(PATIENCE), truth).run();
    let mut found = Found::new();
    for log in place.files(&format!("log{optimisation}-")) {
        read_log(&place.read(&log), &mut found);
    }
    let differences = ended_wrongly(&ended, truth).into_iter().chain(truth.judge_witness(&found));
    differences.map(|found| format!("{optimisation}: {found}")).collect()
}
