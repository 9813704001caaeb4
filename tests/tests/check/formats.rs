//! A check in every format, read by readers of others: the new leak is told, the accepted and the suppressed one are not.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use memtrace_tests::{Ended, How, Json, pair, read_json};

use crate::work::Work;

/// The file of each format.
const OUTS: [(&str, &str); 10] = [
    ("text", "out.txt"),
    ("json", "out.json"),
    ("jsonl", "out.jsonl"),
    ("markdown", "out.md"),
    ("sarif", "out.sarif"),
    ("junit", "out.xml"),
    ("gitlab", "gl.json"),
    ("github", "out.github"),
    ("valgrind-xml", "valgrind.xml"),
    ("tap", "out.tap"),
];

impl Work {
    /// A check with one accepted leak (a), one suppressed (b) and one new (c), in all formats; or without the new one.
    fn in_all_formats(&self, has_new: bool) -> Ended {
        self.place.write("leaks.supp", "leak:^b$\n");
        let accept = ["baseline", "write", "leaks.json", "--reason", "so it is", "--", "./app", "100:a"];
        let _ = std::fs::remove_file(self.place.join("leaks.json"));
        assert_eq!(self.memtrace(&accept).code(), Some(0));
        let outs: Vec<String> = OUTS.iter().map(|(format, file)| format!("{format}:{file}")).collect();
        let mut words = vec!["check", "--baseline", "leaks.json", "--suppressions", "leaks.supp"];
        words.extend(outs.iter().flat_map(|out| ["--out", out]));
        words.extend(["--", "./app", "100:a", "30:b"]);
        words.extend(has_new.then_some("7:c"));
        let ended = self.memtrace(&words);
        assert_eq!(ended.code(), Some(i32::from(has_new)), "{}", ended.stderr);
        ended
    }

    /// What a reader says of a file; nothing: there is no such reader.
    fn read_by(&self, program: &str, words: &[&str]) -> Option<(Option<i32>, String)> {
        let mut path = std::env::var_os("MEMTRACE_TEST_TOOLS").unwrap_or_default();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command.args(words).current_dir(self.place.path()).env("PATH", &path).stdin(Stdio::null());
        let found = std::env::split_paths(&path).map(|place| place.join(program)).find(|file| file.is_file());
        let Some(found) = found else {
            println!("skipped: there is no {program}");
            return None;
        };
        let output = command_of(&found, command).output().expect("it can be started");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Some((output.status.code(), said))
    }
}

/// The same command by the program's path: the PATH of the child is not that of this process.
fn command_of(program: &PathBuf, command: Command) -> Command {
    let mut found = Command::new(program);
    found.args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        found.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        found.env(name, value.unwrap_or_default());
    }
    found.stdin(Stdio::null());
    found
}

#[test]
fn the_new_leak_alone_is_told_in_every_format() {
    let work = Work::new();
    for has_new in [true, false] {
        let ended = work.in_all_formats(has_new);
        assert_eq!(ended.stdout, "");
        let json = read_json(&work.place.join("out.json"));
        let failing: Vec<&Json> =
            json["findings"].as_array().expect("a list").iter().filter(|one| one["fails"] == true).collect();
        assert_eq!(failing.len(), usize::from(has_new), "{json:#}");
        assert!(failing.iter().all(|one| one["bytes"] == 7 && one["state"] == "new"));
        assert_eq!((&json["counts"]["known"], &json["counts"]["suppressed_bytes"]), (&1.into(), &30.into()));
        let sarif = read_json(&work.place.join("out.sarif"));
        let results = sarif["runs"][0]["results"].as_array().cloned().unwrap_or_default();
        let open = |result: &&Json| result["suppressions"].is_null();
        assert_eq!(
            (results.len(), results.iter().filter(open).count()),
            (1 + usize::from(has_new), usize::from(has_new))
        );
        let gitlab = read_json(&work.place.join("gl.json"));
        assert_eq!(gitlab.as_array().map(Vec::len), Some(usize::from(has_new)));
        for (file, mark) in [
            ("out.txt", "error: 7 bytes in 1 block is definitely lost, allocated in c"),
            ("out.md", "| **error** | 7 bytes in 1 block is definitely lost, allocated in c |"),
            ("out.xml", "<failure type=\"definitely-lost\""),
            ("out.github", "::error title=definitely-lost::7 bytes"),
            ("valgrind.xml", "<kind>Leak_DefinitelyLost</kind>"),
            ("out.tap", "not ok 1 - leaks: app"),
            ("out.jsonl", "\"state\":\"new\""),
        ] {
            let text = work.place.read(file);
            assert_eq!(text.matches(mark).count(), usize::from(has_new), "{file}: {text}");
            assert!(!text.contains("30 bytes in 1 block is"), "{file}: the suppressed one: {text}");
        }
    }
}

#[test]
fn readers_of_others_read_them() {
    let work = Work::new();
    work.in_all_formats(true);
    if let Some((status, said)) = work.read_by("prove", &["-e", "cat", "out.tap"]) {
        assert!(status == Some(1) && said.contains("Failed 1/2 subtests") && !said.contains("Parse errors"), "{said}");
    }
    let script = "import junitparser\nxml = junitparser.JUnitXml.fromfile('out.xml')\n\
                  print(xml.tests, xml.failures, xml.skipped, [case.name for suite in xml for case in suite])";
    // The first python3 of the path need not be the one that has Debian's packages.
    let pythons = ["python3", "/usr/bin/python3"];
    let read = pythons
        .iter()
        .find_map(|python| work.read_by(python, &["-c", script]).filter(|(status, _)| *status == Some(0)));
    if let Some((_, said)) = read {
        assert_eq!(said, "2 1 0 ['app', 'everything was there to be judged']\n");
    } else {
        println!("skipped: there is no junitparser");
    }
    if let Some((status, said)) = work.read_by("sarif", &["summary", "out.sarif"]) {
        assert!(status == Some(0) && said.contains("error: 1") && said.contains("definitely-lost"), "{said}");
    }
    if let Some((status, said)) = work.read_by("valgrind-ci", &["valgrind.xml", "--number-of-errors"]) {
        assert!(status == Some(0) && said.trim() == "1 errors.", "{said}");
    }
    if let Some((status, said)) = work.read_by("valgrind-ci", &["valgrind.xml", "--abort-on-errors"]) {
        assert_eq!(status, Some(1), "{said}");
    }
    if let Some((status, said)) = work.read_by("xmllint", &["--noout", "valgrind.xml", "out.xml"]) {
        assert_eq!((status, said.as_str()), (Some(0), ""));
    }
    let count = "[.[] | select((.description | length > 0) and (.fingerprint | length > 0) and .location.lines.begin > 0 \
                 and (.location.path | startswith(\"/\") | not))] | length";
    if let Some((_, said)) = work.read_by("jq", &[count, "gl.json"]) {
        assert_eq!(said, "1\n");
    }
    if let Some((_, said)) = work.read_by("jq", &["-rs", "[.[] | keys[0]] | join(\" \")", "out.jsonl"]) {
        assert_eq!(said, "check program finding finding note verdict\n");
    }
    work.in_all_formats(false);
    if let Some((status, said)) = work.read_by("prove", &["-e", "cat", "out.tap"]) {
        assert!(status == Some(0) && said.contains("Result: PASS"), "{said}");
    }
}

#[test]
fn githubs_runner_is_served_without_being_asked() {
    let work = Work::new();
    let summary = work.place.write("summary.md", "before\n");
    let check = |options: &[&str], is_github: &str| {
        let job = work.place.job(How::Native, &pair().command).env("GITHUB_ACTIONS", is_github);
        let job = job.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_WORKSPACE", work.place.path());
        job.args(["check"]).args(options.iter().copied()).args(["--", "./app", "100:a"]).run()
    };
    let ended = check(&[], "true");
    let commands: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("::")).collect();
    let [command] = commands.as_slice() else { panic!("{}", ended.stderr) };
    assert!(
        command.starts_with("::error ") && command.contains("title=definitely-lost::100 bytes in 1 block"),
        "{command}"
    );
    let text = work.place.read("summary.md");
    assert!(text.starts_with("before\n## memtrace: check broken: 1 failing, 1 new\n"), "{text}");
    // Where somebody asks for annotations, they go there alone.
    let ended = check(&["--out", "github:a.txt"], "true");
    assert!(!ended.stderr.contains("\n::error"), "{}", ended.stderr);
    assert!(work.place.read("a.txt").starts_with("::error "));
    let before = work.place.read("summary.md");
    assert_eq!(before.matches("## memtrace: ").count(), 2);
    let ended = check(&[], "");
    assert!(!ended.stderr.contains("::error") && work.place.read("summary.md") == before, "{}", ended.stderr);
    // The summary of a step is never longer than its host takes.
    work.place.write("summary.md", &"x".repeat(899_950));
    check(&[], "true");
    assert!(work.place.read("summary.md").len() <= 900_000);
}

#[test]
fn the_objects_are_as_their_schemas_say() {
    let work = Work::new();
    work.in_all_formats(true);
    for (schema, file) in [("check-1", "out.json"), ("baseline-1", "leaks.json")] {
        let path = memtrace_tests::workspace().join(format!("report/schema/{schema}.schema.json"));
        let validator = jsonschema::validator_for(&read_json(&path)).expect("a schema");
        let wrong: Vec<String> = validator
            .iter_errors(&read_json(&work.place.join(file)))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{file}: {wrong:#?}");
    }
}
