//! Where the command may not trace a process itself, as under Yama, the launcher of that process checks it.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use memtrace_tests::{Ended, How, Place, pair};

use crate::target::{Target, build, kinds, process_of, rung};

/// `memtrace leaks` that may neither trace a process nor read its memory.
fn leaks(place: &Place, pid: u32, options: &[&str]) -> Ended {
    let job = place.job(How::Native, place.join("confine")).args(["tracing-refused", ""]).arg(&pair().command);
    job.arg("leaks").arg(pid.to_string()).args(options.iter().copied()).run()
}

fn send(signal: &str, pid: u32) {
    let command = format!("kill -{signal} {pid}");
    assert!(Command::new("/bin/sh").args(["-c", &command]).status().expect("a shell").success());
}

/// The launcher of a process that it has started itself.
fn launcher(target: &Target) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", target.pid)).expect("it is there");
    let rest = stat.rsplit(") ").next().expect("there is always one");
    rest.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()).expect("proc(5)")
}

#[test]
fn the_launcher_checks_what_the_command_may_not_trace() {
    let place = Place::new();
    let program = build(&place, "planted");
    build(&place, "confine");
    let mut target = Target::start(&place, How::Run, &program, &[]);
    for _ in 0..3 {
        let found = leaks(&place, target.pid, &["--format", "json"]);
        let check = process_of(&place, &found);
        assert_eq!((found.code(), found.stderr.as_str()), (Some(1), ""));
        let seen = [1004, 1516, 3020, 2012].map(|bytes| kinds(&check, bytes));
        assert_eq!(seen, ["1 definite", "1 indirect", "1 possible", "1 reachable"]);
        assert_eq!(rung(&check), ("alone".to_owned(), String::new()));
    }
    let rounds = leaks(&place, target.pid, &["--every", "1s", "--rounds", "2"]);
    assert!(rounds.stdout.contains("round 2: 0 new, 0 grown, 0 gone\n"), "{}{}", rounds.stdout, rounds.stderr);
    // Neither the target nor the launcher's own report has noticed.
    target.say("fne");
    let gone = target.end();
    assert_eq!((gone.code(), gone.processes.len()), (Some(3), 1), "{}", gone.stderr);
    let seen = [1004, 1516, 3020, 828, 620].map(|bytes| kinds(&gone.processes[0], bytes));
    assert_eq!(seen, ["1 definite", "1 indirect", "1 possible", "", "1 definite"]);
    assert_eq!(gone.stderr.lines().count(), 4, "{}", gone.stderr);
}

#[test]
fn a_descendant_of_the_target_is_checked_too() {
    let place = Place::new();
    let program = build(&place, "planted").display().to_string();
    build(&place, "confine");
    let line = format!("{program}; exit $?");
    let mut target = Target::start(&place, How::Run, "/bin/sh".as_ref(), &["-c", &line]);
    assert_eq!(kinds(&process_of(&place, &leaks(&place, target.pid, &["--format", "json"])), 1004), "1 definite");
    target.say("e");
    assert_eq!(target.end().code(), Some(3));
}

#[test]
fn commands_that_ask_at_once_are_all_answered() {
    let place = Place::new();
    let program = build(&place, "planted");
    build(&place, "confine");
    let target = Target::start(&place, How::Run, &program, &[]);
    let pid = target.pid;
    thread::scope(|scope| {
        let ask = || {
            for _ in 0..5 {
                let ended = leaks(&place, pid, &[]);
                assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
            }
        };
        (0..3).for_each(|_| _ = scope.spawn(ask));
    });
}

#[test]
fn a_process_whose_launcher_cannot_help_is_said_with_the_reason() {
    let place = Place::new();
    let program = build(&place, "planted");
    build(&place, "confine");
    let refused = |target: &Target, reason: &str| {
        let begin = Instant::now();
        let ended = leaks(&place, target.pid, &[]);
        let said = "ptrace was refused (another user, kernel.yama.ptrace_scope, or a debugger is attached)";
        let said = format!("memtrace: cannot read process {}: {said}{reason}\n", target.pid);
        assert_eq!((ended.code(), ended.stderr.as_str(), ended.stdout.as_str()), (Some(2), said.as_str(), ""));
        assert!(begin.elapsed() < Duration::from_secs(5), "it takes {:?}", begin.elapsed());
    };
    let bare = Target::start(&place, How::Bare, &program, &[]);
    refused(&bare, "");
    // Its launcher traces it already.
    let crash = Target::start_with(&place, How::Run, &["--crash"], &program, &[]);
    refused(&crash, ", and its launcher could not stop it either");
    let alone = Target::start(&place, How::Run, &program, &[]);
    send("KILL", launcher(&alone));
    refused(&alone, ", and its launcher is gone");
}
