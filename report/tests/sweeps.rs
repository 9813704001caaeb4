//! `memtrace report` and `memtrace merge` of sweeps from the outside: formats, places, policies, statuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

const SWEEP: &str = include_str!("sweeps/app.sweep.jsonl");

/// A directory that goes away with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sweeps-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("app.jsonl"), SWEEP).unwrap();
        Place(path)
    }

    fn memtrace(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
        command.env_remove("GITHUB_WORKSPACE").env_remove("CI_PROJECT_DIR");
        command.args(arguments).current_dir(&self.0).output().unwrap()
    }

    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.memtrace(arguments);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Status and message of a command that is refused.
    fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.memtrace(arguments);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), message.lines().next().unwrap_or_default().to_owned())
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_sweep_is_reported_in_every_format_that_is_asked_for() {
    let place = Place::new();
    let formats = ["json", "jsonl", "text", "junit", "sarif", "github", "markdown", "gitlab", "tap"];
    let outs: Vec<String> = formats.iter().map(|format| format!("{format}:out.{format}")).collect();
    let mut arguments = vec!["report", "app.jsonl"];
    arguments.extend(outs.iter().flat_map(|out| ["--out", out]));
    let text = place.stdout(&arguments);
    assert!(
        text.starts_with("memtrace: sweep of ./app 'data file'\n") && text.contains("\nSWEEP SUMMARY: findings: 2 ")
    );
    assert_eq!(place.file("out.text"), text);
    assert_eq!(place.file("out.jsonl"), SWEEP);
    assert!(place.file("out.json").starts_with("{\"format\":\"memtrace-sweep\",\"version\":1,"));
    assert!(place.file("out.junit").contains("<testsuite name=\"./app 'data file'\" tests=\"3\" failures=\"2\""));
    assert!(place.file("out.sarif").contains("\"version\":\"2.1.0\""));
    assert!(place.file("out.github").starts_with("::error title=null-dereference::null-dereference in parse"));
    assert!(place.file("out.markdown").starts_with("## memtrace: 2 findings\n"));
    assert!(place.file("out.gitlab").starts_with("[{\"check_name\":\"memtrace/null-dereference\""));
    assert!(place.file("out.tap").starts_with("TAP version 13\n1..3\nnot ok 1 - app: read_all "));
    // What was written is read again, and written over.
    assert_eq!(place.stdout(&["report", "out.json"]), text);
    assert_eq!(place.stdout(&["report", "out.json", "--out", "jsonl:out.json"]), text);
    assert_eq!(place.file("out.json"), SWEEP);
    // One report takes stdout.
    assert_eq!(place.stdout(&["report", "app.jsonl", "--out", "jsonl:-"]), SWEEP);
    let left: Vec<_> = fs::read_dir(&place.0).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), formats.len() + 1, "{left:?}");
}

#[test]
fn what_cannot_be_written_or_is_for_something_else_is_refused() {
    let place = Place::new();
    for (arguments, said) in [
        (
            &["--out", "xml:x"][..],
            "expected FORMAT:PATH with one of text, json, jsonl, junit, sarif, github, markdown, gitlab, tap, valgrind-xml, html",
        ),
        (&["--out", "valgrind-xml:x"], "it is not written as `valgrind-xml`"),
        (&["--out", "json:x", "--out", "text:x"], "two reports go to `x`, expected a place for each"),
        (&["--why", "x"], "`--why` is for profiles, and `app.jsonl` is a sweep"),
        (&["--by", "file"], "`--by` is for profiles"),
        (&["--policy", "none.toml"], "cannot read `none.toml`: no such file"),
    ] {
        let (status, message) = place.refused(&[&["report", "app.jsonl"], arguments].concat());
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(message.contains(said), "{arguments:?}: {message}");
    }
    let (status, message) = place.refused(&["report", "app.jsonl", "--out", "json:no/x"]);
    assert_eq!((status, message.as_str()), (Some(3), "memtrace: cannot write `no/x`: no such file or directory"));
    place.write(
        "profile.json",
        r#"{"format":"memtrace-profile","version":1,"tool":{"name":"memtrace","version":"0"},"processes_lost":0,"processes":[]}"#,
    );
    for (option, said) in [
        ("--out", "which is written as `text`, `json`, `valgrind-xml` or `html`, not as `junit`"),
        ("--policy", "is for sweeps"),
    ] {
        let (status, message) = place.refused(&["report", "profile.json", option, "junit:x"]);
        assert!(status == Some(2) && message.contains(said), "{message}");
    }
    place.stdout(&["report", "profile.json", "--out", "json:again.json"]);
    assert!(place.file("again.json").starts_with("{\"format\":\"memtrace-profile\""));
}

#[test]
fn a_policy_accepts_findings() {
    let place = Place::new();
    place.write(
        "policy.toml",
        "[[rule]]\naction = 'allow'\noutcome = 'null-*'\nreason = 'so'\n\
         [[rule]]\naction = 'known'\nid = '*'\nreason = 'old'\nexpires = '2020-01-01'\n",
    );
    let text = place.stdout(&["report", "app.jsonl", "--policy", "policy.toml"]);
    assert!(text.contains("\n  allow 0000000000f1 null-dereference in parse"), "{text}");
    assert!(
        text.contains("\nnote: policy `policy.toml`, line 5: the rule `known id=*` ended with 2020-01-01"),
        "{text}"
    );
    assert!(text.contains("SWEEP SUMMARY: findings: 2 (hang-deadlocked 1, leak 1); accepted: 1;"), "{text}");
    place.write("policy.toml", "[[rule]]\naction = 'alow'\nreason = 'so'\n");
    let (status, message) = place.refused(&["report", "app.jsonl", "--policy", "policy.toml"]);
    assert_eq!(status, Some(2));
    assert!(message.contains("policy `policy.toml`: line 2: found `alow`, expected `allow`"), "{message}");
}

#[test]
fn parts_are_merged_in_any_order_and_the_status_says_what_they_found() {
    let place = Place::new();
    let of_run = |line: &&str| !line.starts_with("{\"run\"") && !line.starts_with("{\"finding\"");
    let quiet: Vec<&str> = SWEEP.lines().filter(of_run).collect();
    place.write("quiet.jsonl", &(quiet.join("\n").replace("slice:1/4", "slice:2/4") + "\n"));
    let merged = |files: &[&str], status: i32| {
        let output = place.memtrace(&[&["merge", "--out", "json:-"], files].concat());
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let both = merged(&["app.jsonl", "quiet.jsonl"], 1);
    assert!(both.contains("\"partition\":\"slice:1/4, slice:2/4\""), "{both}");
    assert_eq!(merged(&["quiet.jsonl", "app.jsonl", "app.jsonl"], 1), both);
    place.write("both.json", &both);
    assert_eq!(merged(&["both.json", "quiet.jsonl"], 1), both);
    merged(&["quiet.jsonl"], 0);
}

#[test]
fn sweeps_of_other_commands_are_not_merged() {
    let place = Place::new();
    place.write("other.jsonl", &SWEEP.replacen("data file", "other", 1));
    let (status, message) = place.refused(&["merge", "app.jsonl", "other.jsonl"]);
    let expected = "memtrace: cannot read `other.jsonl`: a sweep of `./app other` (app), expected one of \
                    `./app 'data file'` (app) as in the first file";
    assert_eq!((status, message.as_str()), (Some(2), expected));
    place.write("broken.jsonl", &SWEEP.replacen("\"stack\"", "\"stuck\"", 1));
    let (status, message) = place.refused(&["merge", "app.jsonl", "broken.jsonl"]);
    assert!(status == Some(2) && message.contains("something else than a sweep has there"), "{message}");
}
