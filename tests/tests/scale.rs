//! `examples/scale`: a sweep in shards by engines of others comes to what one machine finds, also when a worker is killed
//! half-way and its shard is run again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use memtrace_tests::{Ended, How, Json, Place, pair, read_json, workspace};

/// An engine starts daemons and interpreters, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(300);
const SHARDS: &str = "4";
/// On a busy machine a run takes its time, and hangs nowhere.
const TIMEOUT: [&str; 2] = ["--timeout", "60s"];

/// Sixteen functions that allocate, of which two do not look at what they got. Each run takes a while, so that a worker can be
/// killed half-way.
const PROGRAM: &str = "#include <stdlib.h>\n#include <unistd.h>\n\
    #define SITE(n) __attribute__((noinline)) int site##n(void) { char *p = malloc(64 + n); if (!p) return 1; *p = 1; free(p); return 0; }\n\
    #define BAD(n) __attribute__((noinline)) int site##n(void) { volatile char *p = malloc(64 + n); *p = 1; free((void *)p); return 0; }\n\
    SITE(1) SITE(2) SITE(3) BAD(4) SITE(5) SITE(6) SITE(7) SITE(8) SITE(9) SITE(10) BAD(11) SITE(12) SITE(13) SITE(14) SITE(15)\n\
    SITE(16)\n\
    int main(void) { usleep(20000); return site1() || site2() || site3() || site4() || site5() || site6() || site7() || site8()\n\
    || site9() || site10() || site11() || site12() || site13() || site14() || site15() || site16() ? 3 : 0; }\n";

/// Stands for `memtrace` in PATH: the first time that shard 2 is swept it is killed when it has kept three lines.
const KILLER: &str = r#"#!/bin/bash
case "$*" in
*slice:2/*)
    if mkdir "PLACE/killed" 2>/dev/null; then
        "COMMAND" "$@" &
        until [[ $(wc -l <"PLACE/shards/2.runs" 2>/dev/null || echo 0) -ge 3 ]]; do sleep 0.01; done
        kill -9 $!
        wait $! 2>/dev/null
        [[ -e PLACE/shards/2.part ]] && echo late >"PLACE/killed/late"
        exit 137
    fi ;;
esac
exec "COMMAND" "$@"
"#;

/// A place with the program, the command that is killed once, and what one machine finds.
struct Work {
    place: Place,
    program: PathBuf,
    alone: Found,
}

/// What a sweep found, without times and directories: names of points, runs with outcome and end, findings, sums.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    points: BTreeSet<String>,
    runs: BTreeSet<String>,
    findings: BTreeSet<String>,
    outcomes: Json,
    coverage: Json,
}

impl Found {
    fn of(path: &Path) -> Found {
        let sweep = read_json(path);
        let all = |key: &str, parts: &[&str]| {
            let rows = sweep[key].as_array().expect("a list").iter();
            rows.map(|row| parts.iter().map(|part| row[*part].to_string()).collect::<Vec<_>>().join(" ")).collect()
        };
        Found {
            points: all("points", &["id"]),
            runs: all("runs", &["points", "mode", "outcome", "end"]),
            findings: all("findings", &["id", "outcome", "runs"]),
            outcomes: sweep["outcomes"].clone(),
            coverage: sweep["coverage"].clone(),
        }
    }
}

impl Work {
    fn new() -> Work {
        let place = Place::new();
        let program = place.c("app", PROGRAM, &[]);
        let fill = |text: &str| {
            let text = text.replace("PLACE", &place.path().display().to_string());
            text.replace("COMMAND", &pair().command.display().to_string())
        };
        std::fs::create_dir(place.join("bin")).expect("the place can be written to");
        place.script("bin/memtrace", &fill(KILLER));
        let ended = place
            .job(How::Native, &pair().command)
            .args(["sweep", "--fail-on", "none", "-o", "alone.part"])
            .args(TIMEOUT)
            .args(["--", "./app"])
            .patience(PATIENCE)
            .run();
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let merge = ["merge", "--out", "json:alone.json", "alone.part"];
        place.job(How::Native, &pair().command).args(merge).run();
        let alone = Found::of(&place.join("alone.json"));
        assert!(alone.points.len() >= 16 && alone.findings.len() >= 2, "{alone:#?}");
        Work { place, program, alone }
    }

    /// An example with the shards' directory and the program, behind the command `before`.
    fn engine(&self, before: &[&Path], example: &str) -> Ended {
        let example = workspace().join("examples/scale").join(example);
        let mut words: Vec<PathBuf> = before.iter().map(|word| word.to_path_buf()).collect();
        words.extend([example, SHARDS.into(), "shards".into(), "./app".into()]);
        let path = format!("{}:{}", self.place.join("bin").display(), std::env::var("PATH").unwrap_or_default());
        let job = self.place.job(How::Native, &words[0]).args(&words[1..]).env("PATH", path);
        job.env("SWEEP", TIMEOUT.join(" ")).patience(PATIENCE).run()
    }

    /// That the merged result is that of one machine, and that a worker was killed on the way.
    fn is_whole(&self, ended: &Ended) {
        assert_eq!(ended.code(), Some(1), "{}\n{}\n{}", ended.command, ended.stdout, ended.stderr);
        assert!(self.place.join("killed").is_dir(), "no worker was killed");
        assert!(!self.place.join("killed/late").exists(), "the worker was killed when its shard was whole");
        assert_eq!(Found::of(&self.place.join("shards/whole.json")), self.alone);
        assert!(self.program.is_file());
    }
}

/// Whether all of these tools are here; if not, says what is not shown.
fn has(tools: &[&str]) -> bool {
    let mut path: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    path.push("/usr/sbin".into());
    let missing: Vec<&&str> =
        tools.iter().filter(|tool| !path.iter().any(|place| place.join(tool).is_file())).collect();
    if !missing.is_empty() {
        println!("not shown: {missing:?} are not installed");
    }
    missing.is_empty()
}

#[test]
fn gnu_parallel_runs_a_killed_shard_again_by_its_job_log() {
    if !has(&["parallel", "flock"]) {
        return;
    }
    let work = Work::new();
    let first = work.engine(&[], "parallel.sh");
    assert_eq!(first.code(), Some(1), "{}", first.stderr);
    assert!(!work.place.join("shards/whole.json").exists(), "it is whole without the killed shard");
    let log = |work: &Work| work.place.read("shards/joblog").lines().count();
    assert_eq!(log(&work), 5, "a line for each shard, and the head");
    let second = work.engine(&[], "parallel.sh");
    assert_eq!(log(&work), 6, "the killed shard alone is run again");
    work.is_whole(&second);
}

/// A python that has this module: one below MEMTRACE_TEST_TOOLS, the system's, or the first in PATH.
fn python_with(module: &str, below_tools: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("MEMTRACE_TEST_TOOLS").map(|tools| Path::new(&tools).join(below_tools));
    let pythons = tools.into_iter().chain(["/usr/bin/python3".into(), "python3".into()]);
    let imports = |python: &PathBuf| {
        let asked = Command::new(python).args(["-c", &format!("import {module}")]).output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    let found = pythons.into_iter().find(imports);
    if found.is_none() {
        println!("not shown: no python has {module}");
    }
    found
}

#[test]
fn dask_runs_a_killed_shard_again() {
    let Some(python) = python_with("distributed", "python3") else { return };
    if has(&["flock"]) {
        let work = Work::new();
        let ended = work.engine(&[&python], "dask_sweep.py");
        work.is_whole(&ended);
    }
}

#[test]
fn ray_runs_a_killed_shard_again() {
    let Some(python) = python_with("ray", "venv/bin/python3") else { return };
    if has(&["flock"]) {
        let work = Work::new();
        let ended = work.engine(&[&python], "ray_sweep.py");
        work.is_whole(&ended);
    }
}

#[test]
fn a_slurm_array_runs_a_killed_shard_again() {
    if !has(&["munged", "slurmctld", "slurmd", "sbatch", "flock", "python3"]) {
        return;
    }
    if !Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n") {
        println!("not shown: this user cannot start slurmd");
        return;
    }
    let work = Work::new();
    let cluster = workspace().join("examples/scale/slurm/localhost.sh");
    let ended = work.engine(&[&cluster], "slurm/sweep.sh");
    work.is_whole(&ended);
}

#[test]
fn the_files_for_kubernetes_and_github_have_commands_that_find_the_same() {
    if !has(&["flock"]) {
        return;
    }
    let work = Work::new();
    std::fs::create_dir(work.place.join("killed")).expect("the place can be written to");
    std::fs::copy(&work.program, work.place.join("tests")).expect("the program was built");
    let read = |name: &str| {
        let text = std::fs::read_to_string(workspace().join("examples/scale").join(name));
        text.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let path = format!("{}:{}", work.place.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let shell = |text: &str, index: usize| {
        let job = work.place.job(How::Native, "/bin/bash").args(["-c", text, "shard", "./app"]).env("PATH", &path);
        job.env("JOB_COMPLETION_INDEX", index.to_string()).env("SWEEP", TIMEOUT.join(" ")).patience(PATIENCE).run()
    };
    // The Job: each pod by its index, and the script that merges.
    let job = read("kubernetes.yaml");
    let pod = job.split_once("command: [bash, -c, '").and_then(|(_, rest)| rest.split_once("', shard]"));
    let shard = workspace().join("examples/scale/shard").display().to_string();
    let here =
        |text: &str| text.replace("/opt/memtrace/shard", &shard).replace("16", SHARDS).replace("/sweep", "./pods");
    for index in 0..4 {
        let ended = shell(&here(pod.expect("a pod has a command").0), index);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    }
    let merge = job.split_once("- |\n").and_then(|(_, rest)| rest.split_once("volumeMounts"));
    let merged = shell(&here(merge.expect("a script merges").0), 0);
    assert_eq!(merged.code(), Some(0), "{}", merged.stderr);
    assert_eq!(Found::of(&work.place.join("pods/whole.json")), work.alone);
    // The matrix: each job, and the one that merges; its program is called `tests`.
    let matrix = read("github.yml");
    let runs: Vec<&str> = matrix.lines().filter_map(|line| line.trim().strip_prefix("- run: memtrace ")).collect();
    let [sweep, merge] = runs[..] else { panic!("{runs:?}") };
    for number in 1..=4 {
        let sweep =
            sweep.replace("${{ matrix.shard }}", &number.to_string()).replacen("sweep", "sweep --timeout 60s", 1);
        let ended = shell(&format!("memtrace {sweep}"), 0);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    }
    std::fs::remove_file(work.place.join("alone.part")).expect("it was written");
    let merged = shell(&format!("memtrace {merge}"), 0);
    assert_eq!(merged.code(), Some(1), "{}", merged.stderr);
    let found = Found::of(&work.place.join("whole.json"));
    assert_eq!((found.runs.len(), found.outcomes), (work.alone.runs.len(), work.alone.outcomes.clone()));
}
