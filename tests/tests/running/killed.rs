//! Processes that a signal ends under `memtrace run --crash`, SIGKILL too: what they have lost is told.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use memtrace_tests::{How, Place};

use crate::target::{Target, build, kinds, rung};

/// From outside or by itself, with another thread or without: all blocks are judged, and it ends as without memtrace.
fn killed(place: &Place, signal: i32, by: &str, threads: &str) {
    let program = place.join("killed");
    let arguments = [by, threads, &signal.to_string()];
    let target = Target::start_with(place, How::Run, &["--crash"], &program, &arguments);
    if by == "outside" {
        let pid = target.pid.to_string();
        let status = Command::new("/bin/sh").args(["-c", "kill -$0 $1", &signal.to_string(), &pid]).status();
        assert!(status.expect("there is a shell").success());
    }
    let gone = target.end();
    let what = format!("{signal} {by} {threads}: {}", gone.stderr);
    assert_eq!(gone.status.and_then(|status| status.signal()), Some(signal), "{what}");
    let [process] = &gone.processes[..] else { panic!("one process, not {}: {what}", gone.processes.len()) };
    assert_eq!(process.json["checks"][0]["cause"].as_str(), Some("death"), "{what}");
    assert_eq!(rung(process).0, if threads == "0" { "alone" } else { "stopped" }, "{what}");
    assert_eq!(kinds(process, 1004), "1 definite", "{what}");
    assert_eq!(kinds(process, 2012), "1 reachable", "{what}");
    let on_stacks = match threads {
        "0" => String::new(),
        threads => format!("{threads} reachable"),
    };
    assert_eq!(kinds(process, 3020), on_stacks, "{what}");
}

#[test]
fn what_a_killed_process_has_lost_is_told() {
    let place = Place::new();
    build(&place, "killed");
    for by in ["outside", "itself"] {
        for threads in ["0", "1", "5"] {
            killed(&place, 9, by, threads);
        }
    }
}

#[test]
fn what_a_process_has_lost_that_another_signal_ends_is_told() {
    let place = Place::new();
    build(&place, "killed");
    for by in ["outside", "itself"] {
        killed(&place, 15, by, "1");
    }
}
