//! Python functions on stacks are those that Python itself takes for its stack, in every kind of call, and each run of
//! them stands before the call of the interpreter's function that runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use memtrace_tests::{Ended, How, Place, Process, Site};

use crate::PYTHON;
use crate::package::PATIENCE;

/// The system's interpreter, and others: their paths with colons between.
const OTHERS: &str = "MEMTRACE_TEST_PYTHONS";

pub fn interpreters() -> Vec<PathBuf> {
    let others = std::env::var(OTHERS).unwrap_or_default();
    let all = [PYTHON.to_owned()].into_iter().chain(others.split(':').map(str::to_owned));
    all.filter(|path| !path.is_empty()).map(PathBuf::from).collect()
}

/// Whether an interpreter's functions are read: 3.11 to 3.14.
fn has_frames(process: &Process) -> bool {
    process.json["python"]["frames"] == true
}

/// `function:line:file` of the Python frames, innermost first.
pub fn python_frames(site: &Site) -> Vec<String> {
    let frames = site.frames.iter().filter(|frame| frame.kind == "python");
    frames.map(|frame| format!("{}:{}:{}", frame.function, frame.line, frame.file)).collect()
}

/// Runs of Python frames whose outer neighbour is not the interpreter's function, as far as that has a name.
pub fn misplaced(site: &Site) -> Vec<String> {
    let pairs = site.frames.windows(2).filter(|pair| pair[0].kind == "python" && pair[1].kind != "python");
    // Where code was inlined into the function, its frames come first.
    let is_named = |function: &str| !function.is_empty() && !function.starts_with("_PyEval_EvalFrameDefault");
    let wrong = pairs.filter(|pair| is_named(&pair[1].function) && !pair[1].inlined);
    // Where the native stack was too deep, what it has no call for stands at its end.
    let is_cut = site.frames.iter().any(|frame| frame.kind == "cut");
    let last = site.frames.last().filter(|frame| frame.kind == "python" && !is_cut);
    wrong.map(|pair| pair[1].function.clone()).chain(last.map(|_| "the outer end".to_owned())).collect()
}

fn record(place: &Place, python: &PathBuf, script: &PathBuf, variables: &[(&str, &str)]) -> (Ended, String) {
    let said = place.join(&place.unused_name());
    let job = place.job(How::Run, python).args(["-S", "-B"]).arg(script).arg(&said).patience(PATIENCE);
    let ended = variables.iter().fold(job, |job, (name, value)| job.env(*name, *value)).record();
    assert_eq!(ended.code(), Some(0), "{}: {}", python.display(), ended.stderr);
    (ended, std::fs::read_to_string(said).unwrap_or_default())
}

#[test]
fn python_functions_stand_where_python_says_they_do() {
    let place = Place::new();
    let script = place.write("called.py", include_str!("called.py"));
    for python in interpreters() {
        for (malloc, perf) in [("malloc", "0"), ("pymalloc", "0"), ("malloc", "1")] {
            // The second is `-X perf`, which is not known to 3.11; it leaves a table of names behind.
            let variables = [("PYTHONMALLOC", malloc), ("PYTHONPERFSUPPORT", perf)];
            let (ended, said) = record(&place, &python, &script, &variables);
            let process = ended.process();
            let _ = std::fs::remove_file(format!("/tmp/perf-{}.map", process.json["pid"]));
            if !has_frames(process) {
                println!("{} is skipped: its functions are not read", python.display());
                continue;
            }
            let expected: BTreeMap<u64, Vec<String>> = said
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(size, lines)| (size.parse().unwrap(), lines.split('|').map(str::to_owned).collect()))
                .collect();
            assert!(expected.len() > 300, "{}", expected.len());
            let mut met = BTreeSet::new();
            for site in process.sites.iter().filter(|site| site.has("block")) {
                let frames = python_frames(site);
                assert_eq!(misplaced(site), [""; 0], "{} {malloc}: {:?}", python.display(), site.functions());
                if let Some(expected) = expected.get(&site.number("largest_bytes")) {
                    assert_eq!(&frames, expected, "{} {malloc}", python.display());
                    met.insert(frames);
                }
            }
            let missing: Vec<_> = expected.values().filter(|stack| !met.contains(*stack)).collect();
            assert!(missing.is_empty(), "{} {malloc}: {missing:?}", python.display());
            assert_eq!(process.json["python"]["arenas"], malloc == "pymalloc", "{}", python.display());
            let losses = process.losses();
            assert!(
                ["cut_python", "cut_unwind", "cut_bounds"].iter().all(|cut| !losses.contains_key(*cut)),
                "{losses:?}"
            );
        }
    }
}

#[test]
fn the_offsets_are_those_of_the_headers() {
    let place = Place::new();
    let source = memtrace_tests::workspace().join("tests/tests/python/offsets.c");
    for python in interpreters() {
        let words = ["-S", "-c", "import sysconfig; print(sysconfig.get_path('include'))"];
        let include = PathBuf::from(place.job(How::Native, &python).args(words).run().stdout.trim_end());
        let internal = include.join("internal");
        if !internal.join("pycore_frame.h").exists() || !internal.join("pycore_runtime.h").exists() {
            println!("{} is skipped: its internal headers are missing", python.display());
            continue;
        }
        let flags = [include, internal].map(|path| format!("-I{}", path.display()));
        if include_version(&flags[0]) >= 11 {
            place.compile(&source, "offsets.o", &["-c", "-w", &flags[0], &flags[1]]);
        }
    }
}

/// The minor version of headers, by the name of their directory.
fn include_version(flag: &str) -> u32 {
    flag.rsplit("python3.").next().and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// Allocates with the interpreter's lock and without it, in a fork child, and in a thread that C code made; the last words
/// of the interpreter come when it ends.
const LOCKED: &str = r#"
import ctypes, multiprocessing, threading
with_lock, without = ctypes.PyDLL(None), ctypes.CDLL(None)
def held(): with_lock.malloc(70_001)
def given_up(): without.malloc(70_003)
def in_child(): with_lock.malloc(70_005)
class Last:
    def __del__(self, with_lock=with_lock): with_lock.malloc(70_007)
held()
given_up()
thread = threading.Thread(target=held)
thread.start()
thread.join()
child = multiprocessing.get_context("fork").Process(target=in_child)
child.start()
child.join()
import sys
sys.modules["last"] = Last()
threading.Thread(target=threading.Event().wait, daemon=True).start()
"#;

#[test]
fn only_a_thread_that_holds_the_lock_is_asked_for_its_functions() {
    let place = Place::new();
    let script = place.write("locked.py", LOCKED);
    for python in interpreters() {
        let (ended, _) = record(&place, &python, &script, &[]);
        let [parent, child] = &ended.processes[..] else { panic!("two processes, not {}", ended.processes.len()) };
        if !has_frames(parent) {
            continue;
        }
        let of = |process: &Process, bytes: u64| {
            let sites = process.sites.iter().filter(|site| site.number("largest_bytes") == bytes);
            sites.map(python_frames).map(|frames| frames.first().cloned()).collect::<Vec<_>>()
        };
        let held = format!("held:4:{}", script.display());
        assert_eq!(of(parent, 70_001), [Some(held.clone()), Some(held)], "{}", python.display());
        assert_eq!(of(parent, 70_003), [None], "{}", python.display());
        assert_eq!(of(child, 70_005), [Some(format!("in_child:6:{}", script.display()))], "{}", python.display());
        assert_eq!(of(parent, 70_007), [None], "the interpreter ends: {}", python.display());
    }
}

#[test]
fn without_the_setting_no_python_function_is_looked_for() {
    let place = Place::new();
    let script = place.write("none.py", "import ctypes\nctypes.PyDLL(None).malloc(70_001)\n");
    let (ended, _) = record(&place, &PathBuf::from(PYTHON), &script, &[("MEMTRACE_PYTHON", "0")]);
    let process = ended.process();
    assert!(process.json.get("python").is_none());
    assert!(process.sites.iter().all(|site| python_frames(site).is_empty()));
}

/// Runs an interpreter that it loads, and allocates after that has ended and its library is gone. A module that is a
/// library of its own would keep it. Bytes have 33 more than their contents.
const EMBEDS: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static void *volatile kept;
__attribute__((noinline)) static void behind(void) { for (volatile int i = 0; i < 3; i++) kept = malloc(70009); }
int main(int argc, char **argv) {
    void *python = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (argc < 2 || !python) return 77;
    void (*begin)(int) = (void (*)(int))dlsym(python, "Py_InitializeEx");
    int (*run)(const char *) = (int (*)(const char *))dlsym(python, "PyRun_SimpleString");
    int (*end)(void) = (int (*)(void))dlsym(python, "Py_FinalizeEx");
    begin(0);
    int is_wrong = run("def inner():\n    return bytes(69968)\nfor _ in range(3): inner()\n");
    if (is_wrong || end() || dlclose(python)) return 78;
    behind();
    printf("%s\n", dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) ? "stays" : "gone");
    return 0;
}
"#;

#[test]
fn where_the_interpreters_library_is_gone_stacks_have_sites_of_their_own_again() {
    let place = Place::new();
    let libraries = ["3.11", "3.12", "3.13", "3.14"].map(|version| format!("libpython{version}.so.1.0"));
    let program = place.compile(&place.write("embeds.c", EMBEDS), "embeds", &["-O1", "-ldl"]);
    for library in libraries {
        let ended = place.job(How::Run, &program).arg(&library).record();
        if ended.code() == Some(77) {
            println!("{library} is skipped: it is not installed");
            continue;
        }
        assert_eq!(ended.code(), Some(0), "{library}: {}", ended.stderr);
        let process = ended.process();
        let of = |bytes: u64| {
            let sites = process.sites.iter().filter(|site| site.number("largest_bytes") == bytes);
            let told = |site: &Site| (site.number("total_blocks"), python_frames(site).first().cloned());
            sites.map(told).collect::<Vec<_>>()
        };
        assert_eq!(of(70_001), [(3, Some("inner:2:<string>".to_owned()))], "{library}");
        assert_eq!(ended.stdout, "gone\n", "{library}");
        assert_eq!(of(70_009), [(3, None)], "{library}");
    }
}
