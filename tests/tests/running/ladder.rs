//! Each rung of the ladder: what hinders a check is said, the rest is found, and the program's end is its own.

use std::process::Command;
use std::time::{Duration, Instant};

use memtrace_tests::{Ended, How, Job, Place, Process, pair, read_profile};

use crate::target::{Target, build, kinds, rung};

const STDOUT: &str = "said by ladder\n";

/// Whether a tool is there; its package has its name (`apt-get install strace gdb`).
pub fn has(tool: &str) -> bool {
    let is_there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("skipped: `{tool}` is not installed (apt-get install {tool})");
    }
    is_there
}

/// The profile that the program has written, if it could.
fn profile_of(place: &Place, piece: &str) -> Process {
    let files = place.files(piece);
    let [file] = &files[..] else { panic!("{piece}: {files:?}") };
    read_profile(&place.join(file)).pop().expect("it has a process")
}

/// Runs `ladder` under something else that starts it.
fn under(place: &Place, tool: &str, arguments: &[&str]) -> (Ended, Process) {
    let json = place.unused_name();
    let job = place.job(How::Native, tool).args(arguments.iter().copied()).env("MEMTRACE_JSON", place.join(&json));
    let ended = job.patience(Duration::from_secs(20)).run();
    let process = profile_of(place, &json);
    (ended, process)
}

/// Threads were not stopped: leaks are found, and what a thread may hold is not called lost.
fn without_registers(ended: &Ended, process: &Process) {
    assert_eq!(rung(process), ("waiting".to_owned(), "ptrace".to_owned()), "{}", ended.stderr);
    let text = "checked without registers: ptrace was refused";
    assert!(ended.stderr.contains(text), "{}", ended.stderr);
    let lost = kinds(process, 1004);
    assert!(["3 definite", "3 possible"].contains(&lost.as_str()), "{lost}");
    assert_eq!(kinds(process, 2012), "1 reachable");
}

/// `ladder` in a sandbox, without a launcher.
fn confined(place: &Place, how: &str, arguments: &[&str]) -> (Ended, Process) {
    let [confine, program] = ["confine", "ladder"].map(|name| build(place, name).display().to_string());
    let library = pair().library.display().to_string();
    let (ended, process) = under(place, &confine, &[&[how, &library, &program], arguments].concat());
    assert_eq!((ended.stdout.as_str(), ended.code()), (STDOUT, Some(7)), "{how}: {}", ended.stderr);
    (ended, process)
}

#[test]
fn all_threads_are_stopped_where_nothing_hinders_it() {
    let place = Place::new();
    let program = build(&place, "ladder");
    for how in [How::Bare, How::Run] {
        let ended = place.job(how, &program).record();
        assert_eq!((ended.stdout.as_str(), ended.code()), (STDOUT, Some(7)), "{how:?}: {}", ended.stderr);
        assert_eq!(rung(ended.process()), ("stopped".to_owned(), String::new()), "{how:?}");
        let seen = [1004, 2012, 3004].map(|bytes| kinds(ended.process(), bytes));
        assert_eq!(seen, ["3 definite", "1 reachable", "1 reachable"], "{how:?}");
    }
}

#[test]
fn under_strace_leaks_are_found_without_registers() {
    if !has("strace") {
        return;
    }
    let place = Place::new();
    let program = build(&place, "ladder").display().to_string();
    let preload = format!("LD_PRELOAD={}", pair().library.display());
    let (ended, process) = under(&place, "strace", &["-f", "-o", "/dev/null", "-E", &preload, &program]);
    assert_eq!((ended.stdout.as_str(), ended.code()), (STDOUT, Some(7)), "{}", ended.stderr);
    without_registers(&ended, &process);
    // The launcher is traced too.
    let command = pair().command.display().to_string();
    let job = place.job(How::Native, "strace").args(["-f", "-o", "/dev/null", &command, "run", "-o", "run.json", "--"]);
    let ended = job.arg(&program).run();
    assert_eq!((ended.stdout.as_str(), ended.code()), (STDOUT, Some(7)), "{}", ended.stderr);
    let process = profile_of(&place, "run.json");
    assert_eq!(rung(&process), ("waiting".to_owned(), "ptrace".to_owned()));
    assert_eq!(kinds(&process, 2012), "1 reachable");
}

#[test]
fn under_gdb_leaks_are_found_without_registers() {
    if !has("gdb") {
        return;
    }
    let place = Place::new();
    let program = build(&place, "ladder").display().to_string();
    let preload = format!("set environment LD_PRELOAD {}", pair().library.display());
    let commands = ["-nx", "-batch", "-ex", "set startup-with-shell off", "-ex", &preload, "-ex", "run", "--args"];
    for mode in ["", "alone"] {
        let mut arguments = [&commands[..], &[program.as_str(), mode]].concat();
        arguments.retain(|argument| !argument.is_empty());
        let (ended, process) = under(&place, "gdb", &arguments);
        assert!(ended.stdout.contains(STDOUT.trim()), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("exited with code 07"), "{}{}", ended.stdout, ended.stderr);
        if mode == "alone" {
            assert_eq!((rung(&process).0.as_str(), kinds(&process, 1004).as_str()), ("alone", "3 definite"));
        } else {
            without_registers(&ended, &process);
            assert!(!kinds(&process, 3004).contains("definite"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_command_says_that_a_debugger_is_in_its_way() {
    if !has("strace") {
        return;
    }
    let place = Place::new();
    let program = build(&place, "planted");
    let target = Target::start(&place, How::Bare, &program, &[]);
    let pid = target.pid.to_string();
    let script = format!(
        "strace -f -o /dev/null -p {pid} 2>attached & while ! grep -q attached attached; do sleep 0.02; done; {} leaks {pid}; code=$?; kill %1; wait %1; exit $code",
        pair().command.display()
    );
    let ended = place.job(How::Native, "/bin/bash").args(["-c", &script]).run();
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("ptrace was refused"), "{}", ended.stderr);
    assert_eq!(kinds(&target.check(), 1004), "1 definite");
}

#[test]
fn behind_a_filter_that_refuses_ptrace_or_kills_for_it_leaks_are_found_without_registers() {
    let place = Place::new();
    for how in ["ptrace-refused", "ptrace-kills"] {
        let (ended, process) = confined(&place, how, &[]);
        without_registers(&ended, &process);
        let (_, process) = confined(&place, how, &["alone"]);
        assert_eq!((rung(&process).0.as_str(), kinds(&process, 1004).as_str()), ("alone", "3 definite"), "{how}");
    }
}

#[test]
fn without_registers_nothing_that_a_register_may_hold_is_definitely_lost() {
    let place = Place::new();
    let (_, process) = confined(&place, "ptrace-refused", &[]);
    assert!(!kinds(&process, 3004).contains("definite"), "{}", kinds(&process, 3004));
}

/// The recording that a program left where no command could be started.
fn left(place: &Place) -> (String, Process) {
    let files = place.files(".memtrace");
    let [file] = &files[..] else { panic!("{files:?}") };
    let report = |format: &str| {
        let job = place.job(How::Native, &pair().command).args(["report", file, "--format", format]);
        let ended = job.run();
        assert!(matches!(ended.code(), Some(0 | 1)), "{}", ended.stderr);
        ended.stdout
    };
    let path = place.write("left.json", &report("json"));
    (report("text"), read_profile(&path).pop().expect("it has a process"))
}

fn without_copy(place: &Place, job: Job<'_>) -> Ended {
    let ended = job.run();
    assert_eq!((ended.stdout.as_str(), ended.code()), (STDOUT, Some(7)), "{}", ended.stderr);
    assert!(ended.stderr.contains("1,004 bytes in 1 block live at the end"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(" lost"), "{}", ended.stderr);
    assert!(place.files("core").is_empty());
    ended
}

#[test]
fn where_no_process_can_be_made_blocks_are_live_and_not_classified() {
    let place = Place::new();
    let (confine, program) = (build(&place, "confine"), build(&place, "ladder"));
    let job = |how| place.job(How::Native, &confine).arg(how).arg(&pair().library).arg(&program);
    for mode in ["threads", "alone"] {
        let job = job("clone-refused");
        without_copy(&place, if mode == "alone" { job.arg(mode) } else { job });
        let (text, process) = left(&place);
        assert_eq!(rung(&process), ("none".to_owned(), "copy".to_owned()), "{mode}");
        assert!(text.contains("not classified: no copy of the process could be made\n"), "{mode}: {text}");
        std::fs::remove_file(place.join(&place.files(".memtrace")[0])).expect("it is there");
    }
    // Too many processes of one user: threads count, so there are none.
    without_copy(&place, job("processes").arg("alone"));
}

#[test]
fn the_short_report_says_why_nothing_was_classified() {
    let place = Place::new();
    let (confine, program) = (build(&place, "confine"), build(&place, "ladder"));
    let job = place.job(How::Native, &confine).arg("clone-refused").arg(&pair().library).arg(&program);
    let ended = without_copy(&place, job);
    assert!(ended.stderr.contains("not classified: no copy of the process could be made"), "{}", ended.stderr);
}

#[test]
fn with_little_address_space_blocks_are_classified_or_the_reason_is_said() {
    let place = Place::new();
    let (confine, program) = (build(&place, "confine"), build(&place, "heap"));
    let mut rungs = Vec::new();
    for mib in ["26", "32", "512"] {
        let json = place.unused_name();
        let job = place.job(How::Native, &confine).arg(mib).arg(&pair().library).arg(&program);
        let ended = job.args(["300000", "28", "end"]).env("MEMTRACE_JSON", place.join(&json)).run();
        assert_eq!(ended.code(), Some(3), "{mib} MiB: {}", ended.stderr);
        let process = profile_of(&place, &json);
        match process.last_word() {
            Some(_) => assert_eq!(kinds(&process, 28), "300000 reachable", "{mib} MiB"),
            None => assert_eq!(rung(&process), ("none".to_owned(), "memory".to_owned()), "{mib} MiB"),
        }
        rungs.push(rung(&process).0);
    }
    assert_eq!((rungs[0].as_str(), rungs[2].as_str()), ("none", "alone"), "both sides");
}

#[test]
fn the_deadline_ends_a_check() {
    let place = Place::new();
    let program = build(&place, "heap");
    let run = |deadline: &str, blocks: &str, how: How| {
        let began = Instant::now();
        let job = place.job(how, &program).args([blocks, "12", "end"]).env("MEMTRACE_DEADLINE", deadline);
        let ended = job.record();
        assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
        (ended, began.elapsed())
    };
    // As long as it takes without a check.
    let (ended, took) = run("0", "2000000", How::Run);
    assert_eq!(rung(ended.process()), ("none".to_owned(), "deadline".to_owned()));
    let job = place.job(How::Run, &program).args(["2000000", "12", "end"]).env("MEMTRACE_LEAKS", "0");
    let began = Instant::now();
    assert_eq!(job.run().code(), Some(3));
    let alone = began.elapsed();
    assert!(took < alone + Duration::from_secs(2), "{took:?}, without a check {alone:?}");
    let (ended, took) = run("0", "2000000", How::Bare);
    assert!(!ended.stderr.contains(" lost") && took < Duration::from_secs(5), "{took:?} {}", ended.stderr);
    let (text, process) = left(&place);
    assert_eq!(rung(&process), ("none".to_owned(), "deadline".to_owned()), "{text}");
    assert!(text.contains("not classified: the deadline passed\n"), "{text}");
    // In time or not: the end comes soon.
    let (ended, took) = run("1", "4000000", How::Run);
    assert!(took < Duration::from_secs(8), "{took:?}");
    let found = rung(ended.process());
    let is_one = ["alone", "none"].contains(&found.0.as_str()) && ["", "deadline"].contains(&found.1.as_str());
    assert!(is_one, "{found:?}");
}

#[test]
fn checks_can_be_switched_off() {
    let place = Place::new();
    let program = build(&place, "ladder");
    for how in [How::Bare, How::Run] {
        let ended = place.job(how, &program).env("MEMTRACE_LEAKS", "0").record();
        assert_eq!((ended.stdout.as_str(), ended.code()), (STDOUT, Some(7)), "{how:?}: {}", ended.stderr);
        assert_eq!(ended.process().json["checks"].as_array().map(Vec::len), Some(0), "{how:?}");
        assert!(!ended.stderr.contains(" lost"), "{how:?}: {}", ended.stderr);
        assert!(how == How::Run || ended.stderr.contains(" live at the end\n"), "{}", ended.stderr);
    }
}

#[test]
fn a_status_for_leaks_is_given_when_there_are_some_and_stdout_is_whole() {
    let place = Place::new();
    let (leaky, clean) = (build(&place, "ladder"), build(&place, "planted"));
    let run = |job: Job<'_>, status: i32| {
        let ended = job.run();
        assert_eq!(
            (ended.stdout.as_str(), ended.code()),
            (STDOUT, Some(status)),
            "{}: {}",
            ended.command,
            ended.stderr
        );
    };
    let asked = |how, mode: &str| place.job(how, &leaky).arg(mode).env("MEMTRACE_EXITCODE", "23");
    for how in [How::Bare, How::Run] {
        for mode in ["threads", "alone"] {
            for out in ["", "none"] {
                run(asked(how, mode).arg("0").env("MEMTRACE_OUT", out), 23);
            }
            // The program's own failure is the greater news.
            run(asked(how, mode), 7);
        }
        // Nothing is asked for, or nothing is looked for: nothing is changed.
        run(place.job(how, &leaky).args(["alone", "0"]), 0);
        run(asked(how, "alone").arg("0").env("MEMTRACE_LEAKS", "0"), 0);
        let ended = place.job(how, &clean).arg("clean").input("e").env("MEMTRACE_EXITCODE", "23").run();
        assert_eq!(ended.code(), Some(3), "{how:?}: {}", ended.stderr);
    }
}
