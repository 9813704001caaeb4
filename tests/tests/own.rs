//! When a system call of memtrace's own fails, nobody but the report notices.
//!
//! `own/fail.c` makes the n-th call of the library's, or of the command's, fail with the error that fits it: ENOMEM,
//! EMFILE, ENOSPC, EPERM and so on, for n = 1, 2, … until no call is left. Each time the program does what it does
//! without memtrace, nobody is left behind, and what was planted is in the report, or the report says what is missing.
//!
//! `MEMTRACE_TEST_OWN=NAME` chooses some of the programs, `MEMTRACE_TEST_EVERY=K` every K-th call alone (1: all).

#[path = "own/limits.rs"]
mod limits;

use std::path::{Path, PathBuf};
use std::time::Duration;

use memtrace_tests::{Ended, How, Place, Process, pair, read_profile, side_by_side, workspace};

/// Longer than a run of these programs takes when nothing fails, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(40);
/// More calls of its own than any run here makes.
const CALLS_MAX: u32 = 5000;

/// Programs that plant: files of `tests/hosts`, how they are built, and the step from one call that fails to the next.
const PROGRAMS: &[(&str, &[&str], usize)] =
    &[("end_return.c", &[], 1), ("fork_child_leaves.c", &[], 5), ("threads_producers.c", &["-pthread"], 5)];

/// How the report says that something is missing: of these words one.
const MISSING: &[&str] = &[
    "nothing was recorded",
    "nothing recorded",
    "not recorded",
    "not classified",
    "short report",
    "memtrace: cannot ",
    "losses:\n    ",
];

/// Whose calls fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    Library,
    Command,
}

#[test]
fn a_program_is_left_intact_whichever_call_of_the_librarys_fails() {
    each_call_fails(Whose::Library, How::Bare);
}

#[test]
fn a_program_is_left_intact_whichever_call_of_the_librarys_fails_under_a_launcher() {
    each_call_fails(Whose::Library, How::Run);
}

#[test]
fn a_program_is_left_intact_whichever_call_of_the_commands_fails_at_the_end() {
    each_call_fails(Whose::Command, How::Bare);
}

#[test]
fn a_program_is_left_intact_or_not_started_whichever_call_of_the_launchers_fails() {
    each_call_fails(Whose::Command, How::Run);
}

fn each_call_fails(whose: Whose, how: How) {
    let place = Place::new();
    let fail = place.compile(&workspace().join("tests/own/fail.c"), "fail", &["-O1"]);
    let chosen = std::env::var("MEMTRACE_TEST_OWN").unwrap_or_default();
    let every = std::env::var("MEMTRACE_TEST_EVERY").ok().and_then(|every| every.parse().ok());
    let mut wrong = Vec::new();
    for &(name, flags, part) in PROGRAMS.iter().filter(|(name, ..)| name.contains(&chosen)) {
        let flags: Vec<&str> = flags.iter().copied().chain(["-w"]).collect();
        let program = place.compile(&workspace().join("tests/hosts").join(name), &name.replace('.', "_"), &flags);
        let native = place.job(How::Native, &program).run();
        let case = Case { place: &place, fail: &fail, program: &program, whose, how, native: &native };
        let whole = case.run(0);
        assert!(whole.is_planted(), "{name}: {whose:?} {how:?}: {}{}", whole.log, whole.ended.stderr);
        let count = whole.count();
        assert!((5..CALLS_MAX).contains(&count), "{name}: {}", whole.log);
        // A call that fails can lead to others, but not to many.
        let numbers: Vec<u32> = (1..=count + count / 4).step_by(every.unwrap_or(part)).collect();
        let found = side_by_side(&numbers, |&number| case.judge(number).into_iter().collect());
        println!("{name}: {whose:?} {how:?}: {count} calls, {} wrong", found.len());
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// One program in one way.
struct Case<'c> {
    place: &'c Place,
    fail: &'c Path,
    program: &'c Path,
    whose: Whose,
    how: How,
    native: &'c Ended,
}

/// What one failure came to.
struct Outcome {
    ended: Ended,
    /// What `fail` says of it.
    log: String,
    profile: Vec<Process>,
    /// What is wrong with the file, if there is one.
    is_torn: bool,
}

impl Case<'_> {
    /// With the n-th call failing; 0: none.
    fn run(&self, number: u32) -> Outcome {
        let name = self.place.unused_name();
        let log = self.place.join(&format!("log-{name}"));
        let whose = if self.whose == Whose::Library { "library" } else { "command" };
        let mut job = self.place.job(How::Native, self.fail).patience(PATIENCE);
        job = job.arg(&log).arg(whose).arg(number.to_string());
        job = match self.how {
            How::Run => job.args([&pair().command]).args(["run", "-o"]).arg(self.place.join(&name)).arg("--"),
            _ => job.args(["env".into(), format!("LD_PRELOAD={}", pair().library.display())]),
        };
        let ended = job.arg(self.program).run();
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let file: PathBuf = self.place.join(&name);
        let profile = if file.exists() && is_whole(&file) { read_profile(&file) } else { Vec::new() };
        Outcome { ended, log, is_torn: file.exists() && profile.is_empty(), profile }
    }

    /// What is wrong when this call fails.
    fn judge(&self, number: u32) -> Option<String> {
        let outcome = self.run(number);
        let wrong = self.wrong(&outcome)?;
        let stderr: String = outcome.ended.stderr.lines().take(8).map(|line| format!("    {line}\n")).collect();
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        Some(format!("{name} {:?} {:?} {number}: {wrong}; {}{stderr}", self.whose, self.how, outcome.log))
    }

    fn wrong(&self, outcome: &Outcome) -> Option<String> {
        let Outcome { ended, log, .. } = outcome;
        if !log.ends_with("left 0\n") {
            return Some("somebody is left behind".to_owned());
        }
        let is_told = ended.stderr.lines().any(|line| line.starts_with("memtrace: "));
        // `fail` says 128 + signal; the command says 2 or 3 when it does not start the program, and why.
        let is_refused = self.how == How::Run && [Some(2), Some(3)].contains(&ended.code()) && ended.stdout.is_empty();
        if is_refused && is_told {
            return None;
        }
        let expected = self.native.code().or(self.native.signal().map(|signal| 128 + signal));
        // It ran, and nobody knows what it did: 2, or 3 where the command itself failed.
        let is_unknown = [Some(2), Some(3)].contains(&ended.code());
        let is_own_failure = self.how == How::Run && expected == Some(0) && is_unknown && is_told;
        if ended.code() != expected && !is_own_failure {
            return Some(format!("status {:?}, natively {expected:?}", ended.code()));
        }
        if ended.stdout != self.native.stdout {
            return Some(format!("stdout {:?}, natively {:?}", ended.stdout, self.native.stdout));
        }
        if outcome.is_torn {
            return Some("there is half a profile".to_owned());
        }
        let is_named = MISSING.iter().any(|words| ended.stderr.contains(words));
        let is_said = outcome.is_planted() || is_named || outcome.profile.iter().any(says_what_is_missing);
        (!is_said).then(|| "the leak is missing, and nothing says so".to_owned())
    }
}

impl Outcome {
    fn is_planted(&self) -> bool {
        let is_text = self.ended.stderr.contains("30,247 bytes in 7 blocks");
        is_text || self.profile.iter().any(|process| process.of_kind("planted", "definite") == (7 * 4321, 7))
    }

    /// Calls that could fail.
    fn count(&self) -> u32 {
        self.log.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

/// Whether a file of JSON came to its end.
fn is_whole(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|bytes| bytes.ends_with(b"}\n") || bytes.ends_with(b"}"))
}

/// A loss that is counted, a reason why nothing was recorded, or one why nothing was classified.
fn says_what_is_missing(process: &Process) -> bool {
    let has_losses =
        process.json["losses"].as_object().is_some_and(|losses| losses.values().any(|count| count.as_u64() != Some(0)));
    let is_hindered = |check: &memtrace_tests::Json| check["hindrance"].is_string();
    let checks = process.json["checks"].as_array().into_iter().flatten();
    has_losses || process.json["passive"].is_string() || checks.into_iter().any(is_hindered)
}
