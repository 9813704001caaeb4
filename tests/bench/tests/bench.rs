//! The benchmark end to end: every cell is there, nothing stays, wrong use is said. No time is looked at.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use memtrace_bench::{INSTRUCTIONS_A_PAIR_MAX, instructions_a_pair, read_json};
use memtrace_tests::{Place, pair};

/// Longer than a folder takes to go away on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

fn pair_folder() -> &'static Path {
    pair().library.parent().expect("the library lies in a folder")
}

/// The benchmark, with a temporary directory of its own.
fn bench(place: &Place, arguments: &[&str]) -> Command {
    let temporary = place.join("temporary");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace-bench"));
    command.current_dir(place.path()).env("TMPDIR", temporary).args(arguments);
    command
}

fn left(place: &Place) -> usize {
    fs::read_dir(place.join("temporary")).unwrap().count()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(output: &Output) -> String {
    text(&output.stderr)
}

#[test]
fn every_cell_is_there_and_nothing_stays() {
    let place = Place::new();
    place.write("README.md", "a\n<!-- speed -->\n<!-- /speed -->\nb\n");
    let mut command = bench(&place, &["--quick", "--rounds", "1", "--peers", "none", "--out", "out"]);
    command.args(["--rows", "churn-d20-t2,churn-d60-fp", "--readme", "README.md", "--pair"]).arg(pair_folder());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let stdout = text(&output.stdout);
    assert_eq!(stdout, place.read("out/speed.txt"));
    assert!(stdout.contains("CPU time against native"), "{stdout}");
    let result = read_json(&place.read("out/speed.json")).unwrap();
    let rows = result["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let cells = row["cells"].as_array().unwrap();
        let ways: Vec<&str> = cells.iter().filter_map(|cell| cell["way"].as_str()).collect();
        assert_eq!(ways, ["native", "memtrace", "run", "sampled"], "{row}");
        for cell in &cells[..3] {
            assert_eq!(cell["runs"].as_array().map(Vec::len), Some(1), "{cell}");
            assert!(cell["rss_bytes"].as_f64().is_some_and(|bytes| bytes > 0.0), "{cell}");
        }
        assert!(cells[3]["runs"].is_array() || cells[3]["nothing"].is_string(), "{row}");
    }
    let picture = place.read("out/speed.svg");
    assert!(picture.contains("churn-d20-t2, memtrace: "), "{picture}");
    let readme = place.read("README.md");
    assert!(readme.contains("2 threads |") && readme.ends_with("<!-- /speed -->\nb\n"), "{readme}");
    assert_eq!(left(&place), 0);
}

/// The allocator's own checks are a peer that is part of the C library.
#[test]
fn peers_run_in_as_many_rounds_as_are_wanted_of_them() {
    let place = Place::new();
    let ways = ["--ways", "memtrace,malloc-debug", "--rounds", "2", "--peer-rounds", "1", "--out", "out"];
    let mut command = bench(&place, &["--quick", "--rows", "churn-d8"]);
    let output = command.args(ways).arg("--pair").arg(pair_folder()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let result = read_json(&place.read("out/speed.json")).unwrap();
    let cells = result["rows"][0]["cells"].as_array().unwrap();
    let runs: Vec<_> = cells.iter().filter_map(|cell| cell["runs"].as_array().map(Vec::len)).collect();
    assert_eq!(runs, [2, 2, 1], "{result}");
}

#[test]
fn nothing_stays_of_a_benchmark_that_is_killed() {
    let place = Place::new();
    let mut command = bench(&place, &["--rows", "live-5e6", "--peers", "none", "--rounds", "1000", "--pair"]);
    let mut child = command.arg(pair_folder()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    let started =
        || fs::read_dir(place.join("temporary")).unwrap().flatten().any(|at| at.path().join("errors").exists());
    while !started() {
        assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "no target was started");
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while left(&place) > 0 {
        assert!(Instant::now() < until + PATIENCE, "the folder is still there");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn wrong_use_is_said_before_anything_is_run() {
    let place = Place::new();
    place.write("plain.md", "no marks\n");
    let pair = pair_folder().display().to_string();
    let cases: [(&[&str], &str); 5] = [
        (&["--rows", "churn-d7*"], "no row is named `churn-d7*`"),
        (&["--ways", "slowest", "--pair", &pair], "no way is named `slowest`"),
        (&["--readme", "plain.md", "--pair", &pair], "no `<!-- speed -->` in it"),
        (&["--pair", "nowhere"], "`nowhere` has no `libmemtrace.so`"),
        (&["--rounds", "none"], "none"),
    ];
    for (arguments, message) in cases {
        let output = bench(&place, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(message), "{}", said(&output));
        assert_eq!(left(&place), 0);
    }
}

#[test]
fn a_pair_costs_no_more_instructions_than_its_limit() {
    let Some(added) = instructions_a_pair(pair_folder()).unwrap() else {
        eprintln!("valgrind is not installed: not counted");
        return;
    };
    assert!(added > 0.0 && added <= INSTRUCTIONS_A_PAIR_MAX, "{added} instructions, limit {INSTRUCTIONS_A_PAIR_MAX}");
}
