//! The package of `report/python`: a wheel of it, in a virtual environment, with the command and the library; growth by
//! stack, and tests that fail in pytest's own report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memtrace_tests::{Ended, How, Place, pair, workspace};

use crate::{PYTHON, includes};

/// Each profile names thousands of stacks, which takes a build without optimisation seconds.
const PATIENCE: Duration = Duration::from_secs(600);

/// A virtual environment with the package.
struct Environment {
    place: Place,
    python: PathBuf,
}

impl Environment {
    /// `None`: something is missing, which is said.
    fn new() -> Option<Environment> {
        let place = Place::new();
        let venv = place.join("venv");
        let made = place.job(How::Native, PYTHON).args(["-m", "venv", "--system-site-packages"]).arg(&venv).run();
        if made.code() != Some(0) {
            println!("skipped: no virtual environment (Debian: python3-venv): {}", made.stdout);
            return None;
        }
        let Some(includes) = includes(&place) else {
            println!("skipped: Python.h is missing (Debian: python3-dev)");
            return None;
        };
        let python = venv.join("bin/python");
        let binaries = pair().command.parent().expect("a command has a directory").to_path_buf();
        let source = workspace().join("report/python");
        let pip = place.job(How::Native, &python).args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]);
        let installed = pip.arg(&source).env("MEMTRACE_BINARIES", binaries).run();
        assert_eq!(installed.code(), Some(0), "{}{}", installed.stdout, installed.stderr);
        assert!(!source.join("build").exists(), "pip leaves nothing in the source");
        let mut flags = vec!["-shared", "-fPIC", "-fno-builtin"];
        flags.extend(includes.iter().map(String::as_str));
        place.compile(&workspace().join("tests/tests/python/leaky.c"), "leaky.so", &flags);
        Some(Environment { place, python })
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Ended {
        let job = self.place.job(How::Native, program).args(arguments.iter().copied());
        let job = job.env("PYTHONPATH", self.place.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        job.env("MEMTRACE_DEADLINE", "300").patience(PATIENCE).run()
    }

    /// Results by test, as pytest says them; and its output.
    fn pytest(&self, arguments: &[&str]) -> (BTreeMap<String, bool>, Ended) {
        let words = [&["-m", "pytest", "-rA", "-p", "no:cacheprovider"][..], arguments, &["test_leaky.py"]].concat();
        let ended = self.run(&self.python, &words);
        let result = |line: &str| {
            let (word, rest) = line.split_once(" test_leaky.py::")?;
            let name = rest.split(" - ").next()?.to_owned();
            matches!(word, "PASSED" | "FAILED").then(|| (name, word == "PASSED"))
        };
        (ended.stdout.lines().filter_map(result).collect(), ended)
    }
}

const GROWTH: &str = "import leaky, memtrace\n\
    kept = []\n\
    print(memtrace.active(), memtrace.growth(leaky.fine, modules=['leaky*']))\n\
    def call():\n    leaky.unreleased(kept)\n\
    for place in memtrace.growth(call, warmups=2, repeat=5, modules=['leaky*']):\n\
    \x20   names = [frame.function for frame in place.stack]\n\
    \x20   print(place.blocks, 'unreleased' in names, 'call' in names, '<module>' in names)\n\
    for _ in range(3):\n    leaky.lose()\n\
    print([(place.blocks, place.bytes) for place in memtrace.check(modules=['leaky*'])])\n\
    print(memtrace.sweep(leaky.careful, module='leaky*'))\n";

#[test]
#[ignore = "not shown yet on a quiet machine: `cargo test -p memtrace-tests --test python package -- --ignored`"]
fn the_package_names_what_grows_and_what_is_lost_and_its_tests_fail_in_pytest() {
    let Some(environment) = Environment::new() else { return };
    let Environment { place, python } = &environment;
    let script = place.write("grow.py", GROWTH);
    // The command of the wheel finds the library of the wheel.
    let command = python.with_file_name("memtrace");
    let grown =
        environment.run(&command, &["check", "--exit-zero", "--", python.to_str().unwrap(), script.to_str().unwrap()]);
    assert_eq!(grown.stdout, "True []\n5 True True True\n[(3, 3000)]\n2\n", "{}", grown.stderr);
    assert!(grown.stderr.contains("3,000 bytes (2.9 KiB) in 3 blocks"), "{}", grown.stderr);
    // Without the library there is nothing to tell.
    let without = environment.run(python, &[script.to_str().unwrap()]);
    assert_eq!(without.stdout, "False []\n[]\n0\n", "{}", without.stderr);

    let has_pytest = environment.run(python, &["-c", "import pytest"]).code() == Some(0);
    if !has_pytest {
        return println!("skipped: pytest is missing (Debian: python3-pytest)");
    }
    place.write("test_leaky.py", include_str!("test_leaky.py"));
    let (results, ended) = environment.pytest(&["--memtrace", "--junitxml=junit.xml"]);
    assert_eq!(ended.code(), Some(1), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(results.len(), 10, "{}", ended.stdout);
    for (name, passed) in &results {
        assert_eq!(*passed, name.starts_with("test_passes"), "{name}: {}", ended.stdout);
    }
    assert!(ended.stdout.contains("memtrace: 1000 bytes lost, 0 are allowed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("test_fails_loses (test_leaky.py:14)"), "the Python function: {}", ended.stdout);
    assert!(ended.stdout.contains("and what came of it is no MemoryError"), "{}", ended.stdout);
    let junit = place.read("junit.xml");
    assert!(junit.contains("failures=\"4\"") && junit.contains("tests=\"10\""), "{junit}");
    // Without it the marks mean nothing.
    let (results, ended) = environment.pytest(&[]);
    assert_eq!((ended.code(), results.len()), (Some(0), 10), "{}", ended.stdout);
    if environment.run(python, &["-c", "import xdist"]).code() != Some(0) {
        return println!("skipped: pytest-xdist is missing (Debian: python3-pytest-xdist)");
    }
    let (results, ended) = environment.pytest(&["--memtrace", "-n", "2"]);
    assert_eq!(ended.code(), Some(1), "{}{}", ended.stdout, ended.stderr);
    let wrong = results.iter().find(|(name, passed)| **passed != name.starts_with("test_passes"));
    assert_eq!((wrong, results.len()), (None, 10), "{}", ended.stdout);
}
