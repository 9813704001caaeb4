//! `memtrace doctor`: each finding, its status, and that a program of which it says so is recorded, or not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use memtrace_tests::{Ended, How, Json, Place, pair};

const PROGRAM: &str = "#include <stdlib.h>\nint main(void) { free(malloc(10)); return 0; }\n";
const OWN: &str = "#include <stddef.h>\nstatic char heap[1 << 16]; static size_t used;\n\
    void *malloc(size_t n) { used += 4096; return heap + used % sizeof heap; } void free(void *p) { (void)p; }\n\
    int main(void) { free(malloc(10)); return 0; }\n";

fn doctor(place: &Place, words: &[&str]) -> Ended {
    place.job(How::Native, &pair().command).arg("doctor").args(words.iter().copied()).run()
}

/// State and text of one finding for a program.
fn finding(place: &Place, program: &Path, name: &str) -> (String, String) {
    let ended = doctor(place, &["--out", "json:-", "--", program.to_str().expect("a plain path")]);
    let report: Json = ended.stdout.parse().unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr));
    let findings = report["findings"].as_array().expect("a list");
    let fails = findings.iter().any(|finding| finding["state"] == "fails");
    assert_eq!((ended.code(), &report["ok"]), (Some(i32::from(fails)), &Json::Bool(!fails)), "{report:#}");
    let of = |finding: &Json, key: &str| finding[key].as_str().expect("a text").to_owned();
    let found = findings.iter().find(|finding| finding["name"] == name);
    found
        .map(|finding| (of(finding, "state"), of(finding, "text")))
        .unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

/// That the program is refused for this reason, and that `memtrace run` records nothing of it either.
fn is_refused(place: &Place, program: &Path, reason: &str) {
    let (state, text) = finding(place, program, "program");
    assert!(state == "fails" && text.contains(reason), "{state}: {text}");
    let run = place.job(How::Run, program).run();
    assert!(run.code() == Some(2) && run.stderr.contains(reason), "{}", run.stderr);
}

#[test]
fn on_a_machine_where_all_works_it_says_so_line_by_line() {
    let place = Place::new();
    let ended = doctor(&place, &[]);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let names: Vec<&str> = ended.stdout.lines().filter_map(|line| line.split("  ").next()).collect();
    for name in
        ["library", "memfd", "ptrace", "process_vm_readv", "seccomp", "limits", "tmp", "debuginfod", "python", "perf"]
    {
        assert!(names.contains(&name), "{name}: {}", ended.stdout);
    }
    assert!(ended.stdout.ends_with("memtrace: all that is needed works here\n"));
    assert!(place.files("").is_empty(), "{:?}", place.files(""));
}

#[test]
fn what_is_missing_and_matters_makes_the_status_one() {
    let place = Place::new();
    let lonely = place.join("memtrace");
    fs::copy(&pair().command, &lonely).expect("the command can be copied");
    let ended = place.job(How::Native, &lonely).arg("doctor").run();
    assert_eq!(ended.code(), Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("cannot find libmemtrace.so: looked for"), "{}", ended.stdout);
    let ended = place.job(How::Native, &pair().command).arg("doctor").env("TMPDIR", "/proc").run();
    assert_eq!(ended.code(), Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("/proc cannot be written to"), "{}", ended.stdout);
    let shell = "ulimit -n 32; exec \"$0\" doctor";
    let ended = place.job(How::Native, "/bin/sh").args(["-c", shell]).arg(&pair().command).run();
    assert_eq!(ended.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("32 open files (RLIMIT_NOFILE)"), "{}", ended.stdout);
}

#[test]
fn wrong_use_is_status_two() {
    let place = Place::new();
    for (words, said) in [
        (&["--", "./nowhere"][..], "cannot run `./nowhere`: no such file"),
        (&["nowhere-at-all"], "cannot run `nowhere-at-all`: not found in PATH"),
        (&["--out", "junit:x"], "is not for findings of a doctor, expected `text` or `json`"),
        (&["--out", "json:x", "--out", "text:x"], "two reports go to `x`"),
    ] {
        let ended = doctor(&place, words);
        assert_eq!(ended.code(), Some(2), "{words:?}");
        assert!(ended.stderr.contains(said) && ended.stdout.is_empty(), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn a_plain_program_has_glibcs_allocator_and_what_names_it_was_built_with() {
    let place = Place::new();
    let program = place.c("plain", PROGRAM, &[]);
    assert_eq!(finding(&place, &program, "program").0, "works");
    assert!(finding(&place, &program, "allocator").1.starts_with("glibc's malloc (libc.so.6)"));
    assert!(finding(&place, &program, "debug-info").1.starts_with("in the program itself"));
    let without = place.c("without", PROGRAM, &["-g0"]);
    assert!(finding(&place, &without, "debug-info").1.starts_with("names of functions only"));
    let stripped = place.c("stripped", PROGRAM, &["-s"]);
    assert!(finding(&place, &stripped, "debug-info").1.starts_with("none: it is stripped"));
    let script = place.script("script", "#!/bin/sh\n");
    let (state, text) = finding(&place, &script, "program");
    assert!(state == "works" && text.ends_with("/bin/sh runs it"), "{text}");
}

#[test]
fn programs_that_no_library_can_be_loaded_into_are_refused() {
    let place = Place::new();
    is_refused(&place, &place.c("static", PROGRAM, &["-static"]), "statically linked");
    let place_of = |name: &str| PathBuf::from(format!("/usr/bin/{name}"));
    if place_of("musl-gcc").is_file() {
        let source = place.write("musl.c", PROGRAM);
        let program = place.join("musl");
        let built = Command::new("musl-gcc").arg("-o").args([&program, &source]).status().expect("it is there");
        assert!(built.success());
        is_refused(&place, &program, "musl");
    } else {
        println!("not shown: musl-gcc is not installed");
    }
    let source = place.write("small.c", PROGRAM);
    let program = place.join("small");
    let built = Command::new("cc").arg("-m32").arg("-o").args([&program, &source]).output().expect("cc is there");
    if built.status.success() {
        is_refused(&place, &program, "32-bit");
    } else {
        println!("not shown: the compiler makes no programs of 32 bits");
    }
}

#[test]
fn a_set_id_program_of_somebody_else_is_refused() {
    const NOBODY: u32 = 65534;
    let place = Place::new();
    let program = place.c("set_id", PROGRAM, &[]);
    if chown(&program, Some(NOBODY), None).is_err() {
        println!("not shown: this user cannot give a file away");
        return;
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("it can be changed");
    is_refused(&place, &program, "set-user-id");
}

#[test]
fn other_allocators_are_named_and_one_of_the_programs_own_fails() {
    let place = Place::new();
    let own = place.c("own", OWN, &["-fno-builtin", "-rdynamic"]);
    let (state, text) = finding(&place, &own, "allocator");
    assert!(state == "fails" && text.contains("malloc of its own"), "{state}: {text}");
    let other = place.c(
        "libother.so",
        &OWN.replace("int main", "int unused"),
        &["-shared", "-fPIC", "-fno-builtin", "-Wl,-soname,libother.so"],
    );
    let linked =
        place.c("linked", PROGRAM, &["-Wl,--no-as-needed,-rpath,$ORIGIN", other.to_str().expect("a plain path")]);
    assert!(
        finding(&place, &linked, "allocator").1.starts_with("that of"),
        "{:?}",
        finding(&place, &linked, "allocator")
    );
    fs::remove_file(&other).expect("it was there");
    let (state, text) = finding(&place, &linked, "allocator");
    assert!(state == "fails" && text.contains("libother.so is not found"), "{state}: {text}");
    let jemalloc = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
    if Path::new(jemalloc).is_file() {
        let program = place.c("with_jemalloc", PROGRAM, &["-Wl,--no-as-needed", jemalloc]);
        assert!(finding(&place, &program, "allocator").1.starts_with("jemalloc (libjemalloc.so.2)"));
    } else {
        println!("not shown: jemalloc is not installed");
    }
}

#[test]
fn a_sanitizer_is_named() {
    let place = Place::new();
    let program = place.c("sanitized", PROGRAM, &["-fsanitize=address"]);
    let (state, text) = finding(&place, &program, "allocator");
    assert!(state == "fails" && text.contains("built with a sanitizer"), "{state}: {text}");
}

#[test]
fn an_interpreter_of_python_says_its_version_and_its_pools() {
    let place = Place::new();
    let python = Path::new("/usr/bin/python3");
    if !python.is_file() {
        println!("not shown: python3 is not installed");
        return;
    }
    let (_, text) = finding(&place, python, "python");
    assert!(text.starts_with("3."), "{text}");
    let ended = place.job(How::Native, &pair().command).args(["doctor"]).env("PYTHONMALLOC", "malloc").run();
    assert!(ended.stdout.contains("each object is a block of malloc's"), "{}", ended.stdout);
}
