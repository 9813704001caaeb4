//! The Python module: a failure below code of an extension is a MemoryError of its own, and without the library nothing
//! fails. Beside it: what CPython is told, and its functions on stacks.

#[path = "python/environment.rs"]
mod environment;
#[path = "python/frames.rs"]
mod frames;
#[path = "python/package.rs"]
mod package;
#[path = "python/ways.rs"]
mod ways;

use std::path::{Path, PathBuf};

use memtrace_tests::{How, Place, workspace};

/// The system's own: what stands first in PATH may be a script of a version manager.
const PYTHON: &str = "/usr/bin/python3";

const WITH: &str = "active True None\n\
    once [0, 1, 1, 1] 1 True\n\
    for ever [0, 0, 0, 0] True\n\
    nowhere [1, 1, 1, 1] 0 0\n\
    paused [1, 1, 1, 1] resumed [0, 0, 0, 0]\n\
    elsewhere [1, 1, 1, 1]\n\
    elsewhere [0, 0, 0, 0]\n\
    sweep 1 1 True True True\n\
    wrong at 16\n\
    marked [1, 1, 1, 1]\n\
    the list of modules is too long\n\
    python 1 [0, 1, 2] [1, 1, 1, 1] True\n";
const WITHOUT: &str = "active False None\n\
    once [1, 1, 1, 1] 0 False\n\
    for ever [1, 1, 1, 1] False\n\
    nowhere [1, 1, 1, 1] 0 0\n\
    paused [1, 1, 1, 1] resumed [1, 1, 1, 1]\n\
    elsewhere [1, 1, 1, 1]\n\
    elsewhere [1, 1, 1, 1]\n\
    sweep 1 1 False False True\n\
    nothing is wrong\n\
    marked [1, 1, 1, 1]\n\
    any length\n\
    python 0 [0, 1, 2] [1, 1, 1, 1] False\n";

/// Flags for the headers. `None`: they are missing.
fn includes(place: &Place) -> Option<Vec<String>> {
    let config = format!("{PYTHON}-config");
    let said = Path::new(&config).exists().then(|| place.job(How::Native, config).arg("--includes").run().stdout)?;
    let flags: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
    let is_there =
        |flag: &String| flag.strip_prefix("-I").is_some_and(|path| Path::new(path).join("Python.h").exists());
    flags.iter().any(is_there).then_some(flags)
}

/// The example's extension by its main file, as `cborlike`. `None`: the headers of Python are missing.
fn extension(place: &Place, main: &str) -> Option<PathBuf> {
    let includes = includes(place)?;
    let directory = workspace().join("examples/python-ext");
    let native = directory.join("cbor_like.c").display().to_string();
    let mut flags = vec!["-shared", "-fPIC", "-fno-builtin", "-DOOM_RETURNS_NULL", &native];
    flags.extend(includes.iter().map(String::as_str));
    Some(place.compile(&directory.join(main), "cborlike.so", &flags))
}

#[test]
fn failures_below_an_extension_are_memory_errors_and_without_the_library_nothing_fails() {
    let place = Place::new();
    let Some(_) = extension(&place, "corrected.c") else {
        return println!("skipped: Python.h is missing (Debian: python3-dev)");
    };
    let path = format!("{}:{}", place.path().display(), workspace().join("shim/python").display());
    let script = place.write("driven.py", include_str!("python/driven.py"));
    for (how, said) in [(How::Native, WITHOUT), (How::Bare, WITH)] {
        let run = |variables: &[(&str, &str)]| {
            let job = place.job(how, PYTHON).args(["-S", "-B"]).arg(&script);
            let job = job.env("PYTHONPATH", &path).env("PYTHONMALLOC", "malloc").env("MEMTRACE_QUIET", "1");
            let ended = variables.iter().fold(job, |job, (name, value)| job.env(*name, *value)).run();
            assert_eq!(ended.code(), Some(0), "{how:?}: {}", ended.stderr);
            ended.stdout
        };
        assert_eq!(run(&[]), said, "{how:?}");
        // The marker opens what the settings say, and only then.
        let module = ("MALLOC_FAIL_MODULE", "cborlike.so");
        let marked = run(&[("MALLOC_FAIL_SINCE", "marker:begin"), module, ("MALLOC_FAIL_COUNT", "1")]);
        let since = if how == How::Bare { "marked [0, 1, 1, 1]\n" } else { "marked [1, 1, 1, 1]\n" };
        assert!(marked.contains(since), "{how:?}: {marked}");
    }
}
