//! What CPython is told by `memtrace check` and `memtrace sweep`, and that it says so.

use std::path::{Path, PathBuf};

use memtrace_tests::{How, Place, pair};

use crate::PYTHON;

/// Says what it was given.
const SCRIPT: &str = "import os\nprint(os.environ.get('PYTHONMALLOC'), os.environ.get('PYTHONHASHSEED'))\n";
pub const TOLD: &str =
    "memtrace: the target is CPython and gets PYTHONMALLOC=malloc PYTHONHASHSEED=0 (`--no-python-env`: nothing)\n";

/// stdout and stderr of a check of this command.
fn check(place: &Place, options: &[&str], command: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let job = place.job(How::Native, &pair().command).arg("check").args(options.iter().copied());
    let job = job.arg("--").args(command.iter().copied());
    let ended = variables.iter().fold(job, |job, (name, value)| job.env(*name, *value)).run();
    (ended.stdout, ended.stderr)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the place has a plain name")
}

#[test]
fn cpython_is_told_by_its_executable_and_a_users_value_wins() {
    let place = Place::new();
    let script = place.write("say.py", SCRIPT);
    let own = place.script("say", &format!("#!{PYTHON}\n{SCRIPT}"));
    // As a virtual environment has it.
    let link: PathBuf = place.join("interpreter");
    std::os::unix::fs::symlink(PYTHON, &link).unwrap();
    let commands: [&[&str]; 4] =
        [&[PYTHON, text(&script)], &[text(&own)], &[text(&link), text(&script)], &[PYTHON, "-m", "say"]];
    for command in commands {
        let (stdout, stderr) = check(&place, &[], command, &[]);
        assert_eq!(stdout, "malloc 0\n", "{command:?}");
        assert!(stderr.starts_with(TOLD), "{command:?}: {stderr}");
        assert!(!stderr.contains("arenas"), "{command:?}: {stderr}");
    }
    let given = [("PYTHONMALLOC", "pymalloc"), ("PYTHONHASHSEED", "3")];
    let (stdout, stderr) = check(&place, &[], &[PYTHON, text(&script)], &given);
    assert_eq!(stdout, "pymalloc 3\n");
    assert!(!stderr.contains("the target is CPython"), "{stderr}");
    assert!(stderr.contains("lie in its arenas, and are not seen; PYTHONMALLOC=malloc shows them"), "{stderr}");
    let (stdout, stderr) = check(&place, &["--no-python-env"], &[PYTHON, text(&script)], &[]);
    assert_eq!(stdout, "None None\n");
    assert!(!stderr.contains("the target is CPython"), "{stderr}");
    // Nothing of this is for another program.
    let (stdout, stderr) = check(&place, &[], &["/bin/sh", "-c", "echo ${PYTHONMALLOC-none}"], &[]);
    assert_eq!(stdout, "none\n");
    assert!(!stderr.contains("CPython"), "{stderr}");
}

#[test]
fn the_interpreters_own_leaks_are_one_line_and_break_no_policy() {
    let place = Place::new();
    // Singletons, caches and interned texts that an interpreter keeps, and a block that is lost below its own functions.
    let script =
        place.write("noise.py", "import json, re, ctypes\nctypes.PyDLL(None).malloc(4321)\nre.compile('a+b')\n");
    let (_, stderr) = check(&place, &[], &[PYTHON, "-S", text(&script)], &[]);
    let left_out: Vec<&str> = stderr.lines().filter(|line| line.contains("left out: ")).collect();
    assert_eq!(left_out.len(), 1, "{stderr}");
    assert!(stderr.contains("memtrace: clean") || stderr.contains("clean"), "{stderr}");
}
