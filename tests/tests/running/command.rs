//! `memtrace leaks`: what it finds, what it says, and with which exit code.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use memtrace_tests::{How, Place, pair, workspace};

use crate::target::{Target, build, kinds, leaks_of, process_of, rung};

#[test]
fn blocks_of_a_running_process_are_told_right() {
    let place = Place::new();
    let program = build(&place, "planted");
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &[]);
        // A check does not change what the next one finds.
        for _ in 0..3 {
            let found = target.leaks(&["--show", "all"]);
            assert_eq!((found.code(), found.stderr.as_str()), (Some(1), ""), "{how:?}: {}", found.stdout);
            for line in [
                "2,520 (1,004 direct, 1,516 indirect) bytes in 1 blocks are definitely lost",
                "1,516 bytes in 1 blocks are indirectly lost",
                "3,020 bytes in 1 blocks are possibly lost",
                "2,012 bytes in 1 blocks are still reachable",
                "   definitely lost: 1,832 bytes in 2 blocks",
                "memtrace: the process stood still for ",
            ] {
                let is_there = found.stdout.lines().any(|said| said.starts_with(line));
                assert!(is_there, "{how:?}: `{line}` is not in\n{}", found.stdout);
            }
            let check = target.check();
            let seen = [1004, 1516, 3020, 2012].map(|bytes| kinds(&check, bytes));
            assert_eq!(seen, ["1 definite", "1 indirect", "1 possible", "1 reachable"], "{how:?}");
            assert_eq!(rung(&check), ("alone".to_owned(), String::new()));
            assert_eq!((check.end(), check.json["pid"].as_u64()), ("none", Some(target.pid.into())));
        }
        // What it finds at the end is what it has then, however often it was checked before.
        target.say("fne");
        let gone = target.end();
        assert_eq!(gone.code(), Some(3), "{how:?}: {}", gone.stderr);
        let [process] = &gone.processes[..] else { panic!("{how:?}: {} processes", gone.processes.len()) };
        let seen = [1004, 1516, 3020, 2012, 828, 620].map(|bytes| kinds(process, bytes));
        assert_eq!(seen, ["1 definite", "1 indirect", "1 possible", "1 reachable", "", "1 definite"], "{how:?}");
    }
}

#[test]
fn a_process_may_be_checked_any_number_of_times() {
    let place = Place::new();
    let program = build(&place, "planted");
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &[]);
        for number in 0..60 {
            let ended = target.leaks(&[]);
            assert_eq!(ended.code(), Some(1), "{how:?}, check {number}: {}", ended.stderr);
        }
        target.say("e");
        let gone = target.end();
        assert_eq!((gone.code(), gone.processes.len()), (Some(3), 1), "{how:?}: {}", gone.stderr);
    }
}

#[test]
fn the_exit_code_is_0_without_leaks_and_1_with_them() {
    let place = Place::new();
    let program = build(&place, "planted");
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &["clean"]);
        let clean = target.leaks(&[]);
        assert_eq!(clean.code(), Some(0), "{how:?}: {}{}", clean.stdout, clean.stderr);
        assert!(clean.stdout.contains("   definitely lost: 0 bytes in 0 blocks\n"), "{how:?}: {}", clean.stdout);
        target.say("n");
        assert_eq!(target.hear(), "done");
        assert_eq!(target.leaks(&[]).code(), Some(1), "{how:?}");
        assert_eq!(target.leaks(&["--format", "json"]).code(), Some(1), "{how:?}");
    }
}

#[test]
fn what_cannot_be_checked_is_said_with_exit_code_2() {
    let place = Place::new();
    let program = build(&place, "planted");
    let leaks = |arguments: &[&str]| {
        let job = place.job(How::Native, &pair().command).arg("leaks").args(arguments.iter().copied());
        let ended = job.run();
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        ended.stderr
    };
    // Linux gives no higher number than this less one.
    assert!(leaks(&["4194304"]).contains("process 4194304"));
    for garbage in ["", "x", "-1", "1x", "0x10", "99999999999", "1.5", "ü"] {
        leaks(&["--", garbage]);
    }
    leaks(&[]);
    leaks(&["0"]);
    for arguments in
        [&["1", "--every", "x"][..], &["1", "--every", "0s"], &["1", "--rounds", "2"], &["1", "--show", "x"]]
    {
        leaks(arguments);
    }
    let native = Target::start(&place, How::Native, &program, &[]);
    let stderr = leaks(&[&native.pid.to_string()]);
    assert!(stderr.contains("memtrace is not in it"), "{stderr}");
}

#[test]
fn a_process_of_somebody_else_is_not_checked() {
    let place = Place::new();
    let (program, confine) = (build(&place, "planted"), build(&place, "confine"));
    let target = Target::start(&place, How::Bare, &program, &[]);
    let pid = target.pid.to_string();
    let job = place.job(How::Native, &confine).args(["nobody", ""]).arg(&pair().command).args(["leaks", &pid]);
    let ended = job.run();
    // Without root there is nobody else to be.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    match ended.code() {
        Some(98) => eprintln!("skipped: others cannot start {}", pair().command.display()),
        code => assert_eq!(code, Some(if is_root { 2 } else { 1 }), "{}{}", ended.stdout, ended.stderr),
    }
}

#[test]
fn a_profile_of_a_running_process_is_as_the_schema_says() {
    let place = Place::new();
    let text =
        std::fs::read_to_string(workspace().join("report/schema/profile-1.schema.json")).expect("the schema is there");
    let validator = jsonschema::validator_for(&text.parse().expect("JSON")).expect("a schema");
    let program = build(&place, "planted");
    for how in [How::Bare, How::Run] {
        let target = Target::start(&place, how, &program, &[]);
        let rounds = target.leaks(&["--format", "json", "--every", "1s", "--rounds", "2"]);
        let lines: Vec<&str> = rounds.stdout.lines().collect();
        assert_eq!((rounds.code(), lines.len()), (Some(1), 2), "{how:?}: {}", rounds.stderr);
        for line in lines {
            let profile = line.parse().expect("JSON");
            let wrong: Vec<String> =
                validator.iter_errors(&profile).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(wrong.is_empty(), "{how:?}: {wrong:#?}");
            assert_eq!(profile["processes"][0]["checks"].as_array().map(Vec::len), Some(1), "{how:?}");
        }
        let found = target.leaks(&["--format", "json"]);
        // It is read as any other.
        place.write("read.json", &found.stdout);
        let report = place.job(How::Native, &pair().command).args(["report", "read.json"]).run();
        assert!(report.stdout.contains("are definitely lost"), "{}{}", report.stdout, report.stderr);
        process_of(&place, &found);
    }
}

#[test]
fn each_round_says_what_is_new_grown_and_gone() {
    let place = Place::new();
    let program = build(&place, "planted");
    let rounds = |how| {
        let mut target = Target::start(&place, how, &program, &[]);
        target.say("g");
        assert_eq!(target.hear(), "done");
        let mut command = Command::new(&pair().command);
        command.args(["leaks", &target.pid.to_string(), "--every", "1s", "--rounds", "3"]);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().expect("the command can be started");
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        let mut text = String::new();
        for line in lines.map_while(Result::ok) {
            let is_end_of_first = line.starts_with("memtrace: the process stood still");
            text += &line;
            text.push('\n');
            if is_end_of_first {
                // All of it lies between the first round and the second.
                target.say("ggnf");
                for _ in 0..4 {
                    assert_eq!(target.hear(), "done");
                }
            }
        }
        let status = child.wait().expect("it is our child");
        let took = began.elapsed();
        assert!(took > Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
        assert_eq!(status.code(), Some(1), "{how:?}: {text}");
        let (_, rest) =
            text.split_once("round 2: 1 new, 1 grown, 1 gone\n").unwrap_or_else(|| panic!("{how:?}: {text}"));
        let (second, third) = rest.split_once("round 3: 0 new, 0 grown, 0 gone\n").unwrap_or_else(|| panic!("{text}"));
        assert!(second.contains("\nnew: 620 bytes in 1 blocks are definitely lost\n"), "{second}");
        assert!(
            second.contains("\ngrown by 824 bytes in 2 blocks: 1,236 bytes in 3 blocks are definitely"),
            "{second}"
        );
        assert!(second.contains("\ngone: 828 bytes in 1 blocks were definitely lost\n"), "{second}");
        assert!(second.contains("by plant_new (planted.c:") && second.contains("by grow (planted.c:"), "{second}");
        assert_eq!(third.trim(), "", "{how:?}");
    };
    thread::scope(|scope| {
        scope.spawn(|| rounds(How::Bare));
        scope.spawn(|| rounds(How::Run));
    });
}

#[test]
fn rounds_end_with_the_process_and_with_their_reader() {
    let place = Place::new();
    let program = build(&place, "planted");
    let mut target = Target::start(&place, How::Bare, &program, &[]);
    let start = || {
        let mut command = Command::new(&pair().command);
        command.args(["leaks", &target.pid.to_string(), "--every", "1s"]);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the command can be started")
    };
    let mut child = start();
    // The reader is gone before the second round: the command ends as any other in a pipe.
    let mut line = String::new();
    let _ = BufReader::new(child.stdout.take().expect("it is a pipe")).read_line(&mut line);
    let status = child.wait().expect("it is our child");
    assert!(status.code() == Some(1) || status.signal() == Some(libc::SIGPIPE), "{status}");
    let child = start();
    thread::sleep(Duration::from_millis(1300));
    target.say("e");
    assert_eq!(target.end().code(), Some(3));
    let output = child.wait_with_output().expect("it is our child");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(1), ""));
}

#[test]
fn a_process_whose_first_thread_has_left_is_checked() {
    let place = Place::new();
    let source = r#"
        #include "../leaks/leaks.h"
        static void *other(void *nothing) {
            char letter;
            usleep(20000);
            dprintf(1, "ready %d\n", getpid());
            CHECK(read(0, &letter, 1) >= 0);
            exit(3);
            return nothing;
        }
        int main(void) {
            pthread_t thread;
            lose(LOST);
            CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
            pthread_exit(NULL);
        }
    "#;
    let folder = workspace().join("tests/running").display().to_string();
    let program = place.c("leaves", source, &["-pthread", "-I", &folder]);
    let mut target = Target::start(&place, How::Bare, &program, &[]);
    assert_eq!(kinds(&target.check(), 1004), "1 definite");
    target.say("e");
    assert_eq!(target.end().code(), Some(3));
}

#[test]
fn a_process_that_was_stopped_by_a_signal_stays_stopped() {
    let place = Place::new();
    let program = build(&place, "planted");
    let mut target = Target::start(&place, How::Bare, &program, &[]);
    let send = |signal: &str| {
        let command = format!("kill -{signal} {}", target.pid);
        assert!(Command::new("/bin/sh").args(["-c", &command]).status().expect("a shell").success());
    };
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", target.pid)).expect("it is there");
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    send("STOP");
    thread::sleep(Duration::from_millis(50));
    let ended = target.leaks(&[]);
    assert_eq!((ended.code(), state()), (Some(1), Some('T')), "{}", ended.stderr);
    send("CONT");
    target.say("e");
    assert_eq!(target.end().code(), Some(3));
}

#[test]
fn two_commands_at_once_do_not_harm_the_process() {
    let place = Place::new();
    let program = build(&place, "crowd");
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &["2", "0", "4", "100"]);
        let pid = target.pid;
        thread::scope(|scope| {
            let check = || {
                for _ in 0..4 {
                    // One of the two may be refused.
                    let code = leaks_of(&place, pid, &[]).code();
                    assert!(matches!(code, Some(1 | 2)), "{how:?}: {code:?}");
                }
            };
            scope.spawn(check);
            scope.spawn(check);
        });
        assert_eq!(target.leaks(&[]).code(), Some(1), "{how:?}");
        target.say("e");
        assert_eq!(target.end().code(), Some(3), "{how:?}");
    }
}

#[test]
fn a_daemon_that_writes_over_its_environment_is_found() {
    let place = Place::new();
    let program = build(&place, "title");
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &[]);
        let found = target.leaks(&[]);
        assert_eq!((found.code(), found.stderr.as_str()), (Some(1), ""), "{how:?}: {}", found.stdout);
        assert!(found.stdout.contains("bytes in 1 blocks are definitely lost"), "{how:?}: {}", found.stdout);
        target.say("e");
        assert_eq!(target.end().code(), Some(3), "{how:?}");
    }
}
