//! The package of `report/python`: a wheel of it, in a virtual environment, with the command and the library; growth by
//! stack, and tests that fail in pytest's own report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memtrace_tests::{Ended, How, Place, pair, workspace};

use crate::{PYTHON, extension, includes};

/// Each profile names thousands of stacks, which takes a build without optimisation seconds.
pub const PATIENCE: Duration = Duration::from_secs(600);

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
        if place.job(How::Native, &python).args(["-c", "import hatchling"]).run().code() != Some(0) {
            println!("skipped: hatchling is missing (Debian: python3-hatchling)");
            return None;
        }
        let pip = place.job(How::Native, &python).args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]);
        let installed =
            pip.arg("--no-build-isolation").arg(&source).env("MEMTRACE_BINARIES", binaries).patience(PATIENCE).run();
        assert_eq!(installed.code(), Some(0), "{}{}", installed.stdout, installed.stderr);
        assert!(!source.join("build").exists(), "pip leaves nothing in the source");
        let mut flags = vec!["-shared", "-fPIC", "-fno-builtin"];
        flags.extend(includes.iter().map(String::as_str));
        place.compile(&workspace().join("tests/tests/python/leaky.c"), "leaky.so", &flags);
        Some(Environment { place, python })
    }

    /// Whether pytest is there; otherwise it is said.
    fn has_pytest(&self) -> bool {
        let is_there = self.run(&self.python, &["-c", "import pytest"]).code() == Some(0);
        if !is_there {
            println!("skipped: pytest is missing (Debian: python3-pytest)");
        }
        is_there
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Ended {
        let job = self.place.job(How::Native, program).args(arguments.iter().copied());
        let job = job.env("PYTHONPATH", self.place.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        job.env("MEMTRACE_DEADLINE", "300").patience(PATIENCE).run()
    }

    /// Results by test of `test_leaky.py`, as pytest says them; and its output.
    fn pytest(&self, arguments: &[&str]) -> (BTreeMap<String, bool>, Ended) {
        self.pytest_of("test_leaky.py", arguments)
    }

    /// The same of another file.
    fn pytest_of(&self, file: &str, arguments: &[&str]) -> (BTreeMap<String, bool>, Ended) {
        let words = [&["-m", "pytest", "-rA", "-p", "no:cacheprovider"][..], arguments, &[file]].concat();
        let ended = self.run(&self.python, &words);
        let result = |line: &str| {
            let (word, rest) = line.split_once(&format!(" {file}::"))?;
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
fn the_package_names_what_grows_and_what_is_lost() {
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
}

/// What the file's tests come to, as pytest itself says it.
fn assert_told(results: &BTreeMap<String, bool>, ended: &Ended) {
    assert_eq!(ended.code(), Some(1), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(results.len(), TESTS, "{}", ended.stdout);
    for (name, passed) in results {
        assert_eq!(*passed, name.starts_with("test_passes"), "{name}: {}", ended.stdout);
    }
    for part in [
        "00 bytes lost, 0 are allowed\n",
        "00 bytes lost, 500 are allowed\n",
        "test_fails_loses (test_leaky.py:13)",
        "\npath 2: ",
        "path 1: no MemoryError: RuntimeError: something\n  failed: 100 bytes\n    careless (leaky.c:",
        " blocks\n    forgetful (leaky.c:",
        "memtrace: of 3 paths to an allocation 1 end otherwise",
        "path 3: a crash: SIGSEGV\n  failed: 100 bytes\n    crashing (leaky.c:",
        "path 1: not at its end after 15 s\n  failed: 100 bytes\n    hanging (leaky.c:",
        "-m pytest --memtrace --memtrace-path=3 test_leaky.py::test_fails_crashing\n",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("_multicall"), "what has called the test is no part of a path: {}", ended.stdout);
}

/// Tests of the file.
const TESTS: usize = 14;

#[test]
fn tests_fail_in_pytests_own_report_by_what_they_lose_and_by_paths() {
    let Some(environment) = Environment::new() else { return };
    let Environment { place, python } = &environment;
    if !environment.has_pytest() {
        return;
    }
    place.write("test_leaky.py", include_str!("test_leaky.py"));
    // A path takes a second or two of a quiet machine; one of them hangs for ever.
    let hangs = "--memtrace-timeout=15";
    let (results, ended) = environment.pytest(&["--memtrace", hangs, "--junitxml=junit.xml"]);
    assert_told(&results, &ended);
    let junit = place.read("junit.xml");
    assert!(junit.contains("failures=\"6\"") && junit.contains("tests=\"14\""), "{junit}");
    assert!(junit.contains("path 3: a crash: SIGSEGV"), "{junit}");
    // One path alone fails in pytest's own process: a debugger finds it there.
    let again = |path: &str, test: &str| environment.pytest(&["--memtrace", path, "-k", test]).1;
    let crash = again("--memtrace-path=3", "crashing");
    assert_eq!(crash.signal(), Some(11), "{}{}", crash.stdout, crash.stderr);
    let lost = again("--memtrace-path=2", "forgetful");
    assert_eq!(lost.code(), Some(1));
    assert!(lost.stdout.contains("00 bytes lost, 0 are allowed\n"), "{}", lost.stdout);
    assert_eq!(again("--memtrace-path=1", "forgetful").code(), Some(0));
    // Without it the marks mean nothing.
    let (results, ended) = environment.pytest(&[]);
    assert_eq!((ended.code(), results.len()), (Some(0), TESTS), "{}", ended.stdout);
    if environment.run(python, &["-c", "import xdist"]).code() != Some(0) {
        return println!("skipped: pytest-xdist is missing (Debian: python3-pytest-xdist)");
    }
    let (results, ended) = environment.pytest(&["--memtrace", hangs, "-n", "2"]);
    assert_told(&results, &ended);
}

#[test]
fn the_examples_own_tests_pass_for_the_corrected_extension_and_name_the_defects_of_the_other() {
    const FILE: &str = "test_cborlike.py";
    let Some(environment) = Environment::new() else { return };
    if !environment.has_pytest() {
        return;
    }
    let place = &environment.place;
    std::fs::copy(workspace().join("examples/python-ext").join(FILE), place.join(FILE)).unwrap();
    for (main, is_corrected) in [("corrected.c", true), ("defective.c", false)] {
        extension(place, main).expect("the headers are there");
        let (results, ended) = environment.pytest_of(FILE, &[]);
        assert!(ended.code() == Some(0) && results.len() == 5, "{main}: without failures: {}", ended.stdout);
        let (results, ended) = environment.pytest_of(FILE, &["--memtrace"]);
        assert_eq!(results.len(), 5, "{main}: {}{}", ended.stdout, ended.stderr);
        for (test, passed) in &results {
            assert_eq!(*passed, is_corrected || test == "test_nothing_is_kept", "{main} {test}: {}", ended.stdout);
        }
        for part in [
            "a crash: SIGSEGV\n  failed: 16 bytes\n    encoder_binding (defective.c:",
            "a crash: SIGABRT\n  failed: 24 bytes\n    decoder_binding (defective.c:",
            "    decoder_source (defective.c:",
            "    cbor_decoder_new (cbor_like.c:",
            "path 6: 85 bytes lost\n85 bytes in 1 block\n",
            "    write_text (defective.c:",
            "    round_trip (test_cborlike.py:",
        ] {
            assert_eq!(ended.stdout.contains(part), !is_corrected, "{main}: {part}: {}", ended.stdout);
        }
    }
}
