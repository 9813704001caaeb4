//! What suppressions hide in a process that runs, and what is said of a file that cannot be used.

use std::thread;
use std::time::Duration;

use memtrace_tests::{How, Place, pair};

use crate::target::{Target, build, kinds, process_of};

/// Hides the block that `plant` lost, and with it the one that it holds.
const PLANT: &str = "leak:plant$\n";
/// Matches nothing.
const NOBODY: &str = "{\n   nobody\n   Memcheck:Leak\n   fun:nobody\n}\n";

#[test]
fn what_files_suppress_is_no_leak_of_a_running_process() {
    let place = Place::new();
    let program = build(&place, "planted");
    let (plant, nobody) = (place.write("plant", PLANT), place.write("nobody", NOBODY));
    let files = [&plant, &nobody].map(|path| path.to_str().expect("the place has a plain name"));
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &[]);
        let options = ["--suppressions", files[0], "--suppressions", files[1]];
        let found = target.leaks(&options);
        // What is possibly lost still is a leak.
        assert_eq!((found.code(), found.stderr.as_str()), (Some(1), ""), "{how:?}: {}", found.stdout);
        for line in [
            "   definitely lost: 828 bytes in 1 blocks",
            "   indirectly lost: 0 bytes in 0 blocks",
            "        suppressed: 2,520 bytes in 2 blocks",
        ] {
            assert!(found.stdout.lines().any(|said| said.starts_with(line)), "`{line}` is not in\n{}", found.stdout);
        }
        assert!(!found.stdout.contains("1,004"), "{how:?}: {}", found.stdout);
        assert!(found.stdout.contains(&format!("nobody ({}:2)", files[1])), "unused: {}", found.stdout);
        let json = process_of(&place, &target.leaks(&[&options[..], &["--format", "json"]].concat()));
        assert_eq!([1004, 1516, 3020].map(|bytes| kinds(&json, bytes)), ["1 suppressed", "1 suppressed", "1 possible"]);
        // Each round is judged by them.
        target.say("g");
        assert_eq!(target.hear(), "done");
        let round = ["--every", "1s", "--rounds", "2", "--suppressions", files[0]];
        let rounds = target.leaks(&round);
        assert!(rounds.stdout.contains("round 2: 0 new, 0 grown, 0 gone\n"), "{how:?}: {}", rounds.stdout);
        assert!(rounds.stdout.contains("suppressed: 2,520 bytes"), "{how:?}: {}", rounds.stdout);
        target.say("e");
        target.end();
    }
}

#[test]
fn a_process_whose_leaks_are_all_suppressed_is_clean() {
    let place = Place::new();
    let program = build(&place, "planted");
    let target = Target::start(&place, How::Bare, &program, &[]);
    let all = place.write("all", "leak:*\n");
    let ended = target.leaks(&["--suppressions", all.to_str().expect("a plain name")]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stdout);
    // The setting of the command's own environment is the same.
    let job = place.job(How::Native, &pair().command).arg("leaks").arg(target.pid.to_string());
    let ended = job.env("MEMTRACE_SUPPRESSIONS", all.to_str().expect("a plain name")).run();
    assert_eq!(ended.code(), Some(0), "{}", ended.stdout);
}

#[test]
fn a_launchers_rounds_are_judged_by_its_files() {
    let place = Place::new();
    let program = build(&place, "planted");
    let plant = place.write("plant", PLANT);
    let options = ["--every", "1s", "--suppressions", plant.to_str().expect("a plain name")];
    let mut target = Target::start_with(&place, How::Run, &options, &program, &[]);
    thread::sleep(Duration::from_millis(1500));
    target.say("e");
    let gone = target.end();
    assert!(gone.stderr.contains("round 1: 2 new, 0 grown, 0 gone\n"), "{}", gone.stderr);
    assert!(gone.stderr.contains("new: 828 bytes") && !gone.stderr.contains("by plant ("), "{}", gone.stderr);
}

#[test]
fn a_bad_file_is_said_before_the_process_is_looked_for() {
    let place = Place::new();
    let bad = place.write("bad", "leak:fine\nrace:b\n");
    let bad = bad.to_str().expect("a plain name");
    // There is no such process: that would be said next.
    let leaks =
        |file: &str| place.job(How::Native, &pair().command).args(["leaks", "4194304", "--suppressions", file]).run();
    let ended = leaks(bad);
    let said = format!("memtrace: cannot read suppressions `{bad}`: line 2: found `race:b`, expected `leak:PATTERN`\n");
    assert_eq!((ended.code(), ended.stderr.as_str(), ended.stdout.as_str()), (Some(2), said.as_str(), ""));
    let ended = leaks("missing");
    assert_eq!(ended.code(), Some(2));
    assert!(ended.stderr.contains("`missing`"), "{}", ended.stderr);
}
