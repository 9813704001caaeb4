//! However an interpreter is started, its functions stand in stacks, and it is told what it gets: in a virtual environment, in
//! processes that it makes itself, in threads. And of an interpreter whose functions are not read the report says why.

use std::path::{Path, PathBuf};

use memtrace_tests::{How, Place, Process, Site, pair};

use crate::PYTHON;
use crate::environment::TOLD;
use crate::frames::{interpreters, misplaced, python_frames};
use crate::package::PATIENCE;

/// Loses one block in a function of its own, in the way that is asked for.
const WORK: &str = r#"
import ctypes, multiprocessing, os, sys, threading
libc = ctypes.PyDLL(None)
def inner(): libc.malloc(70_011)
def outer():
    inner()
    print(os.environ.get("PYTHONMALLOC"), sys.prefix != sys.base_prefix, flush=True)
if __name__ == "__main__":
    way = sys.argv[1]
    if way == "main":
        outer()
    elif way == "thread":
        thread = threading.Thread(target=outer)
        thread.start()
        thread.join()
    else:
        process = multiprocessing.get_context(way).Process(target=outer)
        process.start()
        process.join()
        sys.exit(process.exitcode)
"#;

/// Each way, and the functions that stand behind `inner` and `outer`, as far as versions agree.
const WAYS: [(&str, &[&str]); 4] = [
    ("main", &["<module>"]),
    ("thread", &["Thread.run", "Thread._bootstrap_inner", "Thread._bootstrap"]),
    ("fork", &["BaseProcess.run", "BaseProcess._bootstrap", "Popen._launch"]),
    ("spawn", &["BaseProcess.run", "BaseProcess._bootstrap", "_main"]),
];

/// A virtual environment's interpreter; `None`: Python cannot make one here, which is said.
fn of_venv(place: &Place, python: &Path) -> Option<PathBuf> {
    let venv = place.join(&place.unused_name());
    let made = place.job(How::Native, python).args(["-m", "venv", "--without-pip"]).arg(&venv).run();
    if made.code() != Some(0) {
        println!("{} is skipped: it makes no virtual environment: {}", python.display(), made.stdout);
        return None;
    }
    let python = venv.join("bin/python");
    assert!(python.is_symlink() && venv.join("pyvenv.cfg").exists(), "as Python makes them");
    Some(python)
}

fn sites_of_it(processes: &[Process]) -> Vec<&Site> {
    let sites = processes.iter().flat_map(|process| &process.sites);
    sites.filter(|site| site.number("largest_bytes") == 70_011).collect()
}

#[test]
fn functions_stand_in_stacks_however_python_is_started() {
    let place = Place::new();
    let script = place.write("work.py", WORK);
    for python in interpreters() {
        let Some(venv) = of_venv(&place, &python) else { continue };
        for (way, outside) in WAYS {
            let job = place.job(How::Run, &venv).arg("-B").arg(&script).arg(way).env("PYTHONMALLOC", "malloc");
            let ended = job.patience(PATIENCE).record();
            let which = format!("{} {way}", python.display());
            assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "malloc True\n"), "{which}: {}", ended.stderr);
            if ended.processes.iter().any(|process| process.json["python"]["frames"] != true) {
                println!("{which} is skipped: its functions are not read");
                break;
            }
            let [site] = sites_of_it(&ended.processes)[..] else { panic!("{which}: one block, one site") };
            let frames = python_frames(site);
            let expected = [("inner:4", &script), ("outer:6", &script)];
            let expected = expected.map(|(place, path)| format!("{place}:{}", path.display()));
            assert_eq!(frames.get(..2), Some(&expected[..]), "{which}");
            let names: Vec<&str> = frames.iter().filter_map(|frame| frame.split(':').next()).collect();
            let mut rest = names[2..].iter();
            assert!(outside.iter().all(|name| rest.any(|met| met == name)), "{which}: {names:?}");
            assert!(way == "thread" || names.last() == Some(&"<module>"), "{which}: {names:?}");
            assert_ne!(site.frames[0].kind, "python", "{which}: what allocates is native");
            assert_eq!(misplaced(site), [""; 0], "{which}");
        }
    }
}

#[test]
fn what_python_is_told_reaches_the_processes_that_it_makes_and_is_said_once() {
    let place = Place::new();
    let script = place.write("work.py", WORK);
    let Some(venv) = of_venv(&place, Path::new(PYTHON)) else { return };
    for (way, _) in WAYS {
        let job = place.job(How::Native, &pair().command).args(["check", "--any-code", "--exit-zero", "--"]);
        let ended = job.arg(&venv).arg("-B").arg(&script).arg(way).patience(PATIENCE).run();
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "malloc True\n"), "{way}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches(TOLD).count(), 1, "{way}: {}", ended.stderr);
        assert!(ended.stderr.contains("70,011 bytes (68.4 KiB) in 1 block"), "{way}: {}", ended.stderr);
        for frame in ["inner (work.py:4)", "outer (work.py:6)"] {
            assert!(ended.stderr.contains(frame), "{way}: {frame}: {}", ended.stderr);
        }
    }
}

/// Minor version, and 1 where there is no lock.
const ASKED: &str = "import sys, sysconfig\n\
    print(sys.version_info[1], int(sysconfig.get_config_var('Py_GIL_DISABLED') or 0))\n";

#[test]
fn why_functions_are_not_in_stacks_is_said() {
    let place = Place::new();
    let script = place.write("asked.py", ASKED);
    for python in interpreters() {
        let ended = place.job(How::Run, &python).arg("-B").arg(&script).patience(PATIENCE).record();
        let (minor, is_free) = ended.stdout.trim_end().split_once(' ').expect("two numbers");
        let told = &ended.process().json["python"];
        let (reason, note) = match (minor.parse(), is_free) {
            (_, "1") => (Some("free-threaded"), "a free-threaded build, where no lock says whose may be read"),
            (Ok(11..=14), _) => (None, ""),
            _ => (Some("version"), "this version is not known, those of 3.11 to 3.14 are"),
        };
        assert_eq!(told["unread"].as_str(), reason, "{}: {told}", python.display());
        assert_eq!(told["frames"], reason.is_none(), "{}: {told}", python.display());
        let report = place.job(How::Native, &pair().command).arg("report").arg(&ended.profiles[0]).run();
        let (said, has_reason) = ("Python functions are not in stacks", reason.is_some());
        assert_eq!(report.stdout.contains(&format!("{said}: {note}")), has_reason, "{}", report.stdout);
        assert_eq!(report.stdout.contains(said), has_reason, "{}", report.stdout);
    }
}
