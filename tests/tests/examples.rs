//! Every program in `examples/` tells its truth: adding a file adds its test.
//!
//! Each is run natively, with the library preloaded, and under `memtrace run`: stdout and exit status must be the
//! same, and the report what the lines at its head say (see `Example`).

use std::path::{Path, PathBuf};

use memtrace_tests::{Ended, Example, Exit, How, Place, Process, side_by_side, workspace};

#[test]
fn every_example_tells_its_truth() {
    let files = examples();
    assert!(files.len() > 20, "examples/ has only {} files", files.len());
    memtrace_tests::pair();
    let wrong = side_by_side(&files, |file| {
        let wrong = check(file).err();
        wrong.map(|found| format!("\nexamples/{}: {found}\n", name(file))).into_iter().collect()
    });
    assert!(wrong.is_empty(), "{} of {} examples are wrong:\n{}", wrong.len(), files.len(), wrong.concat());
}

#[test]
fn the_readme_shows_what_the_leaking_example_prints() {
    let place = Place::new();
    let readme = std::fs::read_to_string(workspace().join("README.md")).expect("README.md is there");
    let (_, rest) = readme.split_once("```\nmemtrace: leak (pid ").expect("README.md shows a report");
    let (shown, _) = rest.split_once("```").expect("the report ends");
    // As the README's command builds it.
    let program = place.compile(&workspace().join("examples/leak.c"), "leak", &["-O0"]);
    let printed = place.job(How::Bare, program).run().stderr;
    assert_eq!(comparable(&printed), comparable(&format!("memtrace: leak (pid {shown}")));
}

/// Without what differs from machine to machine: pids, and all frames below main, which have names where the C library's
/// debug information is installed.
fn comparable(report: &str) -> Vec<String> {
    let mut is_below_main = false;
    let is_of_all = |line: &&str| {
        let is_dropped = is_below_main && line.starts_with("    by ");
        is_below_main = is_dropped || line.starts_with("    by main (");
        !is_dropped
    };
    let without_pid = |line: &str| match line.split_once("(pid ") {
        Some((start, _)) => start.to_owned(),
        None => line.to_owned(),
    };
    report.lines().filter(is_of_all).map(without_pid).collect()
}

/// The programs of `examples/`, where policies lie too; `MEMTRACE_TEST_EXAMPLE=NAME` chooses one.
fn examples() -> Vec<PathBuf> {
    let chosen = std::env::var("MEMTRACE_TEST_EXAMPLE").ok();
    let entries = std::fs::read_dir(workspace().join("examples")).expect("examples/ is there").flatten();
    let is_program = |path: &PathBuf| path.is_file() && !name(path).ends_with(".policy.toml");
    let files = entries.map(|entry| entry.path()).filter(is_program);
    let mut files: Vec<PathBuf> =
        files.filter(|file| chosen.as_ref().is_none_or(|chosen| name(file) == *chosen)).collect();
    files.sort();
    files
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn check(file: &Path) -> Result<(), String> {
    let example = Example::read(file)?;
    let place = Place::new();
    let (program, argument) = build(&place, file, &example);
    let run = |how| {
        let mut job = place.job(how, &program).args(&argument);
        for (name, value) in &example.variables {
            job = job.env(name, value);
        }
        job
    };
    let native = run(How::Native).run();
    for (how, word) in [(How::Bare, "bare"), (How::Run, "run")] {
        if example.only.as_ref().is_some_and(|only| only != word) {
            continue;
        }
        let ended = run(how).record();
        same(&example, &native, &ended).map_err(|found| format!("{how:?}: {found}\n{}", ended.stderr))?;
        if how == How::Bare && example.report.is_none() {
            let report = ended.stderr.as_str();
            match example.is_silent {
                true if report != native.stderr => return Err(format!("{how:?}: it is not silent:\n{report}")),
                true => {}
                false => judge(&example, how, report)?,
            }
        } else {
            judge(&example, how, &report(&place, &example, &ended))?;
        }
        sites(&example, &ended.processes).map_err(|missing| format!("{how:?}: {missing}"))?;
    }
    Ok(())
}

/// What is to be started, with its first arguments.
fn build(place: &Place, file: &Path, example: &Example) -> (PathBuf, Vec<PathBuf>) {
    let flags = |words: &[String]| words.to_vec();
    for library in &example.libraries {
        let [name, source, rest @ ..] = &library[..] else { panic!("`library:` has a name and a source") };
        let mut all = flags(rest);
        all.extend(["-shared".to_owned(), "-fPIC".to_owned()]);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        place.compile(&file.with_file_name(source), name, &all);
    }
    match file.extension().and_then(|ending| ending.to_str()) {
        // The system's own: what stands first in PATH may be a script of a version manager.
        Some("py") => (PathBuf::from("/usr/bin/python3"), vec![file.to_owned()]),
        _ => {
            let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let all: Vec<&str> = example.flags.iter().map(String::as_str).collect();
            (place.compile(file, name, &all), Vec::new())
        }
    }
}

/// Same stdout, and the end that the head names, or else the native one.
fn same(example: &Example, native: &Ended, ended: &Ended) -> Result<(), String> {
    let expected = match example.exit {
        Some(Exit::Status(status)) => (Some(status), None),
        Some(Exit::Signal(signal)) => (None, Some(signal)),
        None => (native.code(), native.signal()),
    };
    let found = (ended.code(), ended.signal());
    if found != expected {
        return Err(format!("status and signal are {found:?}, not {expected:?}\n{}", ended.stdout));
    }
    if ended.stdout != native.stdout {
        return Err(format!("stdout is {:?}, not {:?}", ended.stdout, native.stdout));
    }
    if !ended.stderr.contains(&native.stderr) {
        return Err(format!("stderr does not hold {:?}", native.stderr));
    }
    Ok(())
}

/// What `memtrace report` says about the run's profiles.
fn report(place: &Place, example: &Example, ended: &Ended) -> String {
    let asked = example.report.as_deref().unwrap_or_default();
    let reports = ended.profiles.iter().map(|profile| {
        let command = &memtrace_tests::pair().command;
        let report = place.job(How::Native, command).arg("report").args(asked).arg(profile).run();
        assert!(report.status.success(), "{}: {}", report.command, report.stderr);
        report.stdout
    });
    reports.collect()
}

fn judge(example: &Example, how: How, report: &str) -> Result<(), String> {
    example.judge(report).map_or(Ok(()), |found| Err(format!("{how:?}: {found} in\n{report}")))
}

fn sites(example: &Example, processes: &[Process]) -> Result<(), String> {
    for expected in &example.sites {
        let is_it = |site: &memtrace_tests::Site| {
            let numbers = (site.number("live_bytes"), site.number("live_blocks"));
            site.op == expected.op && numbers == (expected.live_bytes, expected.live_blocks)
        };
        if !processes.iter().flat_map(|process| &process.sites).any(is_it) {
            return Err(format!("no site is {expected:?}"));
        }
    }
    Ok(())
}
