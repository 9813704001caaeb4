//! A way that begins in a thread's stack names the function whose frame holds the pointer.

use memtrace_tests::{How, Place, Process, pair};

use crate::target::{Target, build};

/// Bytes of the blocks, and which function of `frames.c` has the pointer: two of the first thread, one of the other.
const HOLDERS: [(u64, &str); 3] = [(1004, "parse"), (1516, "load"), (2012, "weave")];

/// What the last check, or the last of one cause, says of each.
fn roots(process: &Process, cause: &str) -> Vec<(u64, String, bool)> {
    let checks = process.json["checks"].as_array().expect("a list");
    let check = checks.iter().rfind(|check| check["cause"] == cause).expect("such a check");
    let held = check["held"].as_array().expect("a list");
    let root = |(bytes, _): (u64, &str)| {
        let held = held.iter().find(|held| held["address_bytes"] == bytes).expect("it is held");
        let root = &held["path"][0];
        assert_eq!(root["holder"], "stack", "{bytes}: {root}");
        let frame = root["frame"].as_u64().unwrap_or_else(|| panic!("{bytes}: no frame in {root}")) as usize;
        let function = process.json["frames"][frame]["function"].as_str().unwrap_or_default().to_owned();
        (bytes, function, root["tid"] == process.json["pid"])
    };
    HOLDERS.into_iter().map(root).collect()
}

fn expected() -> Vec<(u64, String, bool)> {
    HOLDERS.into_iter().map(|(bytes, function)| (bytes, function.to_owned(), function != "weave")).collect()
}

#[test]
fn the_frame_that_holds_a_block_is_named_whoever_checks() {
    let place = Place::new();
    let program = build(&place, "frames");
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &[]);
        // A tracer's, the program's own, and that of the end.
        assert_eq!(roots(&target.check(), "end"), expected(), "{how:?}");
        target.say("c");
        assert_eq!(target.hear(), "done");
        target.say("e");
        let gone = target.end();
        assert_eq!((gone.code(), gone.processes.len()), (Some(3), 1), "{how:?}: {}", gone.stderr);
        assert_eq!(roots(&gone.processes[0], "end"), expected(), "{how:?}");
        if how == How::Run {
            assert_eq!(roots(&gone.processes[0], "program"), expected());
        }
    }
}

#[test]
fn the_frame_stands_in_the_text_with_its_line() {
    let place = Place::new();
    let program = build(&place, "frames");
    let target = Target::start(&place, How::Run, &program, &[]);
    place.write("profile.json", &target.leaks(&["--format", "json"]).stdout);
    let why = |function: &str| {
        let job = place.job(How::Native, &pair().command).args(["report", "--why", function, "profile.json"]);
        job.run().stdout
    };
    for function in ["parse", "load"] {
        let said = why(function);
        let line = format!("    stack of thread {} (main), frame of {function} (frames.c:", target.pid);
        assert!(said.lines().any(|said| said.starts_with(&line)), "`{line}` is not in\n{said}");
    }
    let said = why("weave");
    let is_there =
        |line: &str| line.starts_with("    stack of thread ") && line.contains(", frame of weave (frames.c:");
    assert!(said.lines().any(is_there) && !said.contains("(main)"), "{said}");
}
