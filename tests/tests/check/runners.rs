//! The fixture under every runner that is here: the job fails for the new leak alone, and is clean without it.
//!
//! The fixture has an accepted leak, a suppressed one and a new one, which it makes only where NEW_LEAK is set. Its
//! baseline was written from other builds, in another directory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use memtrace_tests::{Ended, How, Place, pair, workspace};

/// A runner may build before it runs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A copy of the fixture.
pub struct Fixture {
    place: Place,
}

/// Tools that are not installed for all may lie in a directory of this name.
fn path() -> OsString {
    let mut path = std::env::var_os("MEMTRACE_TEST_TOOLS").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the place can be written to");
    for entry in fs::read_dir(from).expect("the fixture is there").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            fs::copy(&path, to.join(name)).expect("the place can be written to");
        }
    }
}

impl Fixture {
    /// The copy.
    pub fn new() -> Fixture {
        let place = Place::new();
        copy(&workspace().join("tests/fixture"), place.path());
        Fixture { place }
    }

    /// A line of shell in it, with memtrace in the PATH.
    pub fn shell(&self, is_new: bool, line: &str) -> Ended {
        let home = pair().command.parent().expect("it lies in a directory").display();
        self.run("", is_new, &[], &["sh", "-c", &format!("PATH={home}:$PATH; {line}")])
    }

    /// Whether a file is there.
    pub fn has(&self, name: &str) -> bool {
        self.place.join(name).is_file()
    }

    /// Runs a command in it, natively; whether there is such a program, and it succeeded.
    fn prepare(&self, directory: &str, words: &[&str]) -> bool {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.place.join(directory)).env("PATH", path()).stdin(Stdio::null());
        match command.output() {
            Err(_) => {
                println!("skipped: there is no {}", words[0]);
                false
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let all = String::from_utf8_lossy(&output.stdout).into_owned() + &said;
                assert!(output.status.success(), "{words:?}: {all}");
                true
            }
        }
    }

    /// `env PATH=… NEW_LEAK=… memtrace WORDS`, from a directory.
    fn memtrace(&self, directory: &str, is_new: bool, words: &[&str]) -> Ended {
        self.run(directory, is_new, &[], &[&[pair().command.to_str().expect("a path in UTF-8")], words].concat())
    }

    fn run(&self, directory: &str, is_new: bool, variables: &[(&str, String)], words: &[&str]) -> Ended {
        let job = self.place.job(How::Native, "/usr/bin/env").patience(PATIENCE).env("PATH", path());
        let home = std::env::var_os("HOME").unwrap_or_default();
        let mut job = job.arg("-C").arg(self.place.join(directory)).env("CARGO_NET_OFFLINE", "true");
        // Toolchains are found from there.
        for (name, below) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            let default = Path::new(&home).join(below).into_os_string();
            job = job.env(name, std::env::var_os(name).unwrap_or(default));
        }
        if is_new {
            job = job.env("NEW_LEAK", "1");
        }
        for (name, value) in variables {
            job = job.env(*name, value.clone());
        }
        job.args(words.iter().copied()).run()
    }

    /// A whole command under one check: 1 for the new leak, which is the only one told as new, and 0 without it.
    fn check(&self, directory: &str, options: &[&str], words: &[&str], new: u64) {
        for is_new in [false, true] {
            let policy = self.place.join("memtrace.toml");
            let policy = ["--policy", policy.to_str().expect("a path in UTF-8")];
            let words = [&["check"], &policy[..], options, &["--"], words].concat();
            let ended = self.memtrace(directory, is_new, &words);
            let text = format!("{}\n{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code(), Some(i32::from(is_new)), "{words:?}: {text}");
            let expected = if is_new { new } else { 0 };
            let summary = text.lines().find(|line| line.starts_with("CHECK SUMMARY: ")).unwrap_or_default();
            assert!(summary.contains(&format!("failing: {expected}; new: {expected};")), "{words:?}: {text}");
            let is_told = ended.stderr.contains("\nerror: ") && ended.stderr.contains("_new (parts.c:");
            assert!(is_told == is_new || directory == "rust", "{text}");
        }
    }
}

/// A python with pytest.
fn python() -> Option<PathBuf> {
    let own = std::env::var_os("MEMTRACE_TEST_PYTHON").map(PathBuf::from);
    let tools = std::env::var_os("MEMTRACE_TEST_TOOLS").map(|tools| Path::new(&tools).join("python3"));
    let others = ["python3", "/usr/bin/python3"].map(PathBuf::from);
    own.into_iter().chain(tools).chain(others).find(|python| {
        let output = Command::new(python).args(["-c", "import pytest"]).output();
        output.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn plain_make_side_by_side_and_in_a_pipeline() {
    let fixture = Fixture::new();
    assert!(fixture.prepare("", &["make", "-s", "programs"]));
    fixture.check("", &[], &["make", "-s", "-j4", "test"], 1);
    fixture.check("", &[], &["sh", "-c", "set -e; make -s test | grep -c ok; ./build/test_clean | cat"], 1);
    fixture.check("", &[], &["bash", "-c", "for part in build/test_*; do $part & done; wait"], 1);
}

#[test]
fn another_compiler_level_in_another_directory() {
    for flags in ["-g -O0", "-g -O2", "-g -O3 -flto"] {
        let fixture = Fixture::new();
        let flags = format!("CFLAGS={flags}");
        // Other lines, too.
        let source =
            fixture.place.read("src/parts.c").replace("#include <stdlib.h>", "\n\n/* moved */\n#include <stdlib.h>");
        fixture.place.write("src/parts.c", &source);
        assert!(fixture.prepare("", &["make", "-s", &flags, "programs"]));
        fixture.check("", &[], &["make", "-s", "test"], 1);
    }
}

#[test]
fn pytest_with_programs_and_a_library_in_the_interpreter() {
    let fixture = Fixture::new();
    let Some(python) = python() else {
        println!("skipped: there is no python3 with pytest");
        return;
    };
    assert!(fixture.prepare("", &["make", "-s", "programs"]));
    assert!(
        fixture
            .prepare("", &["cc", "-g", "-O1", "-shared", "-fPIC", "-Isrc", "-o", "build/libparts.so", "src/parts.c"])
    );
    let python = python.to_str().expect("a path in UTF-8");
    let words = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_parts.py"];
    // In the program and in the interpreter: two places.
    fixture.check("", &[], &words, 2);
    fixture.check("", &["--module", "libparts.so"], &words, 1);
}

#[test]
fn ctest_whole_and_as_the_emulator_of_each_test() {
    let fixture = Fixture::new();
    if !fixture.prepare("", &["cmake", "-S", ".", "-B", "cbuild"]) {
        return;
    }
    assert!(fixture.prepare("", &["cmake", "--build", "cbuild"]));
    fixture.check("", &[], &["ctest", "--test-dir", "cbuild", "--output-on-failure", "-j2"], 1);
    let command = pair().command.display();
    let policy = fixture.place.join("memtrace.toml");
    let emulator = format!("-DCMAKE_CROSSCOMPILING_EMULATOR={command};check;--policy;{};--", policy.display());
    assert!(fixture.prepare("", &["cmake", "-S", ".", "-B", "each", &emulator]));
    assert!(fixture.prepare("", &["cmake", "--build", "each"]));
    for is_new in [false, true] {
        let ended = fixture.run("", is_new, &[], &["ctest", "--test-dir", "each", "--output-on-failure"]);
        assert_eq!(ended.status.success(), !is_new, "{}{}", ended.stdout, ended.stderr);
        let said = if is_new { "75% tests passed, 1 tests failed out of 4" } else { "100% tests passed" };
        assert!(
            ended.stdout.contains(said) || ended.stdout.contains(&said.replace("1 tests", "1 test")),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn meson_whole_and_as_the_wrapper_of_each_test() {
    let fixture = Fixture::new();
    if !fixture.prepare("", &["ninja", "--version"]) || !fixture.prepare("", &["meson", "setup", "mbuild"]) {
        return;
    }
    assert!(fixture.prepare("", &["meson", "compile", "-C", "mbuild"]));
    fixture.check("", &[], &["meson", "test", "-C", "mbuild", "--no-rebuild"], 1);
    let wrapper =
        format!("{} check --policy {} --", pair().command.display(), fixture.place.join("memtrace.toml").display());
    for is_new in [false, true] {
        let words = ["meson", "test", "-C", "mbuild", "--no-rebuild", "--wrapper", &wrapper];
        let ended = fixture.run("", is_new, &[], &words);
        assert_eq!(ended.status.success(), !is_new, "{}{}", ended.stdout, ended.stderr);
        let count = |word: &str| {
            let line = ended.stdout.lines().find(|line| line.trim_start().to_lowercase().starts_with(word));
            line.and_then(|line| line.split_whitespace().next_back()?.parse::<u32>().ok())
        };
        assert_eq!(count("ok:"), Some(4 - u32::from(is_new)), "{}", ended.stdout);
    }
}

#[test]
fn cargo_test_and_nextest_whole_and_as_their_runner() {
    let fixture = Fixture::new();
    let build = ["cargo", "test", "--offline", "--quiet", "--no-run"];
    assert!(fixture.prepare("rust", &build));
    fixture.check("rust", &[], &["cargo", "test", "--offline", "--quiet"], 1);
    let policy = fixture.place.join("memtrace.toml");
    let runner = format!("{} check --policy {} --", pair().command.display(), policy.display());
    let runner = [("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner)];
    let mut ways = vec![vec!["cargo", "test", "--offline", "--quiet"]];
    let has_nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    if has_nextest.is_ok_and(|output| output.status.success()) {
        fixture.check("rust", &[], &["cargo", "nextest", "run", "--offline"], 1);
        ways.push(vec!["cargo", "nextest", "run", "--offline"]);
    } else {
        println!("skipped: there is no cargo nextest");
    }
    for words in ways {
        for is_new in [false, true] {
            let ended = fixture.run("rust", is_new, &runner, &words);
            assert_eq!(ended.status.success(), !is_new, "{words:?}: {}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.stderr.contains("allocated in parts::new"), is_new, "{words:?}: {}", ended.stderr);
        }
    }
}

#[test]
fn go_test_with_a_check_as_its_exec() {
    let fixture = Fixture::new();
    let cache = Command::new("go").args(["env", "GOCACHE"]).output();
    let Some(cache) = cache.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()) else {
        println!("skipped: there is no go");
        return;
    };
    if !fixture.prepare("golang", &["go", "test", "-c", "-o", "parts.test", "."]) {
        return;
    }
    let policy = fixture.place.join("memtrace.toml");
    let exec = format!("{} check --policy {} --", pair().command.display(), policy.display());
    for is_new in [false, true] {
        // Without these the program that is run has no names.
        let names = "-ldflags=-s=false -w=false";
        let words = ["go", "test", "-count=1", names, "-exec", &exec, "./..."];
        let ended = fixture.run("golang", is_new, &[("GOCACHE", cache.clone())], &words);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.status.success(), !is_new, "{said}");
        assert_eq!(said.contains("by parts_new (parts.c:"), is_new, "{said}");
        assert!(is_new || said.contains("ok  \tparts"), "{said}");
    }
}
