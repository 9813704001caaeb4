//! Checks that a program asks for itself.

use std::time::Duration;

use memtrace_tests::{Ended, How, Place};

use crate::target::{build, kinds};

const SAID: &str = "with memtrace\nfound 0, any 0\nfound 1, any 1\nfound 2, any 1\nfound 3, any 1\n";

fn run(place: &Place, how: How, arguments: [&str; 3]) -> Ended {
    let job = place.job(how, place.join("itself")).args(arguments).patience(Duration::from_secs(20));
    let ended = job.record();
    assert_eq!((ended.stdout.as_str(), ended.code()), (SAID, Some(3)), "{how:?}: {}", ended.stderr);
    ended
}

#[test]
fn a_program_that_checks_itself_is_told_what_is_lost_by_then() {
    let place = Place::new();
    let program = build(&place, "itself");
    let native = place.job(How::Native, &program).args(["3", "0", "0"]).run();
    assert_eq!((native.stdout.as_str(), native.code()), ("without memtrace\n", Some(3)));
    for how in [How::Bare, How::Run] {
        for (waiting, rung) in [("0", "alone"), ("3", "stopped")] {
            let ended = run(&place, how, [waiting, "0", "0"]);
            let process = ended.process();
            // The report is that of the end.
            assert_eq!(kinds(process, 1004), "4 definite", "{how:?} {waiting}");
            let checks = process.json["checks"].as_array().expect("a list");
            let of_the_end: Vec<_> = checks.iter().filter(|check| check["cause"] == "end").collect();
            assert_eq!((of_the_end.len(), of_the_end[0]["rung"].as_str()), (1, Some(rung)), "{how:?}");
            assert_eq!(checks.last().map(|check| check["cause"].as_str()), Some(Some("end")), "{how:?}");
            if how == How::Bare {
                let lines = ["   definitely lost: 4,016 bytes in 4 blocks\n", "SUMMARY: memtrace: 4016 byte(s)"];
                let is_once = |line: &str| ended.stderr.matches(line).count() == 1;
                assert!(lines.into_iter().all(is_once), "{}", ended.stderr);
            }
        }
    }
}

#[test]
fn checks_before_the_end_stand_in_a_recording_that_is_shared() {
    let place = Place::new();
    build(&place, "itself");
    let ended = run(&place, How::Run, ["1", "0", "0"]);
    let checks = ended.process().json["checks"].as_array().expect("a list");
    let of_the_program = checks.iter().filter(|check| check["cause"] == "program");
    let lost: Vec<_> = of_the_program.map(|check| check["summary"]["definite"]["blocks"].as_u64()).collect();
    let each = |blocks| [Some(blocks); 3];
    assert_eq!(lost, [each(0), each(1), each(2), each(3)].concat());
}

#[test]
fn threads_may_check_at_the_same_time() {
    let place = Place::new();
    build(&place, "itself");
    for how in [How::Bare, How::Run] {
        let ended = run(&place, how, ["2", "4", "10"]);
        assert_eq!(kinds(ended.process(), 1004), "4 definite", "{how:?}");
    }
}
