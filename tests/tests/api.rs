//! memtrace.h and what is made of it for Rust: it compiles everywhere without a warning, does what it says with the
//! library, and nothing without.

use std::path::{Path, PathBuf};
use std::process::Command;

use memtrace_tests::{How, Place, Recording, api_example, workspace};
use memtrace_wire::layout::BENIGN;

const C: &str = include_str!("api/faults.c");
const CPP: &str = include_str!("api/failing.cpp");

fn include() -> String {
    format!("-I{}", workspace().join("shim/include").display())
}

/// Compiles with all warnings, each of which is an error. `None`: there is no such compiler.
fn strictly(place: &Place, compiler: &str, source: &Path, flags: &str) -> Option<PathBuf> {
    let program = place.join(&place.unused_name());
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fno-builtin"]);
    command.arg(include()).args(flags.split_whitespace()).arg(source).arg("-o").arg(&program);
    let output = command.output().ok()?;
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

const WITH: &str = "start\n\
    last 0 ''\n\
    armed 10011 2 of 5\n\
    disarmed 11111 2 of 5\n\
    last 16 16 0 ''\n\
    paused 11111 resumed 00000\n\
    failing 11110 then 11111\n\
    each 11111 01111 10111 11011 11101 11110 11111 then 11111\n\
    sweep 3 in 5 calls, for ever 3, wrong -2, broken 1\n\
    modules 1 11111 1 10011 copied 1 2 of 5\n\
    here 00000 there 11111 here 00000 there 11111\n\
    long 0 1 then 11111\n\
    here 1, leaks 0\n";
const WITHOUT: &str = "start\n\
    last 0 ''\n\
    armed 11111 0 of 0\n\
    disarmed 11111 0 of 0\n\
    last 0 0 0 ''\n\
    paused 11111 resumed 11111\n\
    failing 11111 then 11111\n\
    each 11111 then 11111\n\
    sweep 0 in 1 calls, for ever 0, wrong 0, broken 1\n\
    modules 0 11111 0 11111 copied 1 0 of 0\n\
    here 11111 there 11111 here 11111 there 11111\n\
    long 0 0 then 11111\n\
    here 0, leaks 0\n";

#[test]
fn the_header_is_clean_c_and_works_with_and_without_the_library() {
    let place = Place::new();
    let source = place.write("faults.c", C);
    let mut compiled = 0;
    for compiler in ["gcc", "clang"] {
        for flags in ["-std=c89", "-std=c99", "-std=c11 -O2", "-std=c17 -fPIE -pie", "-std=gnu17 -fno-pie -no-pie -O2"]
        {
            let Some(program) = strictly(&place, compiler, &source, flags) else { continue };
            compiled += 1;
            for (how, said) in [(How::Native, WITHOUT), (How::Bare, WITH)] {
                let ended = place.job(how, &program).run();
                assert_eq!((ended.stdout.as_str(), ended.code()), (said, Some(0)), "{compiler} {flags} {how:?}");
            }
        }
        // Nothing of it is needed where nothing is used.
        let unused = place.write("unused.c", "#include \"memtrace.h\"\nint main(void) { return 0; }\n");
        let _ = strictly(&place, compiler, &unused, "-std=c89");
        if let Some(program) = strictly(&place, compiler, &source, "-std=c11 -static") {
            assert_eq!(place.job(How::Native, &program).run().stdout, WITHOUT, "{compiler} -static");
        }
    }
    assert!(compiled >= 5, "no compiler was found");
}

#[test]
fn the_header_is_clean_cpp_and_its_classes_undo_what_they_did() {
    let place = Place::new();
    let source = place.write("failing.cpp", CPP);
    let with = "start\n101 1 of 4\n111\n111\n011\n3\nnot handled\n111\n";
    let without = "start\n111 0 of 0\n111\n111\n111\n0\n111\n";
    let mut compiled = 0;
    for compiler in ["g++", "clang++"] {
        for flags in ["-std=c++11", "-std=c++14 -O2", "-std=c++20 -fno-pie -no-pie"] {
            let Some(program) = strictly(&place, compiler, &source, flags) else { continue };
            compiled += 1;
            for (how, said) in [(How::Native, without), (How::Bare, with)] {
                let ended = place.job(how, &program).run();
                assert_eq!((ended.stdout.as_str(), ended.code()), (said, Some(0)), "{compiler} {flags} {how:?}");
            }
        }
        let unused = place.write("unused.cpp", "#include \"memtrace.h\"\nint main() { return 0; }\n");
        let _ = strictly(&place, compiler, &unused, "-std=c++11 -fno-exceptions -fno-rtti");
    }
    assert!(compiled >= 3, "no compiler was found");
}

fn program(place: &Place) -> PathBuf {
    place.c("faults", C, &["-fno-builtin", &include()])
}

#[test]
fn markers_and_arming_open_the_scope() {
    let place = Place::new();
    let program = program(&place);
    let run = |mode: &str, variables: &[(&str, &str)]| {
        let job = place.job(How::Bare, &program).arg(mode).env("MALLOC_FAIL_SIZE", "10");
        variables.iter().fold(job, |job, (name, value)| job.env(format!("MALLOC_FAIL_{name}"), value)).run().stdout
    };
    let for_ever = ("COUNT", "inf");
    let since = ("SINCE", "marker:begin");
    assert_eq!(run("marker", &[for_ever, since]), "start\n11111 00000 00000 00000\n");
    assert_eq!(run("marker", &[for_ever, since, ("UNTIL", "marker:end")]), "start\n11111 00000 11111 00000\n");
    assert_eq!(run("marker", &[for_ever, ("UNTIL", "marker:end")]), "start\n00000 00000 11111 11111\n");
    assert_eq!(run("marker", &[for_ever, ("SINCE", "marker:never")]), "start\n11111 11111 11111 11111\n");
    // The settings of the scope hold for what the program arms, and theirs for as long as it is armed.
    let api = run("", &[("SINCE", "api"), ("EVERY", "2")]);
    assert!(api.starts_with("start\nlast 0 ''\narmed 10001 2 of 5\ndisarmed 11111 2 of 5\n"), "{api}");
    let others = run("", &[("SIZE", "11")]);
    assert!(others.contains("\narmed 11111 0 of 0\n"), "{others}");
}

#[test]
fn a_fork_child_may_give_a_marker_first() {
    let place = Place::new();
    let program = program(&place);
    for (children, child) in [("same", "00000"), ("no", "11111")] {
        let job = place.job(How::Bare, &program).arg("fork").env("MALLOC_FAIL_SIZE", "10");
        let job = job.env("MALLOC_FAIL_SINCE", "marker:begin").env("MALLOC_FAIL_COUNT", "inf");
        let ended = job.env("MALLOC_FAIL_CHILDREN", children).run();
        assert_eq!(ended.stdout, format!("start\nchild {child}\nparent 11111\n"), "{}", ended.stderr);
    }
}

#[test]
fn failures_that_the_program_asked_for_are_recorded_and_benign_ones_say_so() {
    let place = Place::new();
    let program = program(&place);
    let recording = Recording::create(&place, &["MALLOC_FAIL_SIZE=10", "MALLOC_FAIL_POINTS=1"]);
    let ended = place.job(How::Bare, &program).env("MEMTRACE_RUN", recording.way()).run();
    let image = recording.images().remove(0);
    let flags: Vec<u64> = image.faults.iter().map(|fault| fault.flags.get()).collect();
    // armed 2, resumed 5 in a benign region, failing 1, each 5, modules 2, here 5 and 5
    assert_eq!(flags, [[0; 2].as_slice(), &[BENIGN; 5], &[0; 18]].concat(), "{}", ended.stdout);
    let names: Vec<u64> = image.points.iter().map(|point| point.name.get()).collect();
    assert!(image.faults.iter().all(|fault| names.contains(&fault.name.get())));
    assert_eq!(image.header.fault_armed.get(), 0, "nothing was asked for by settings");
}

#[test]
fn the_crate_for_rust_programs_does_the_same_and_nothing_without_the_library() {
    let place = Place::new();
    let program = api_example("failing");
    let said = |how, variables: &[(&str, &str)]| {
        let job = place.job(how, &program).env("MEMTRACE_QUIET", "1");
        let ended = variables.iter().fold(job, |job, (name, value)| job.env(*name, *value)).run();
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        ended.stdout
    };
    let with = "here true, failed before false\n\
        armed 10011\n2 of 5, then true\na name of 16 digits\n\
        paused 11111\nresumed 00000\n\
        in no module 11111\nin this one 00000\n\
        elsewhere 11111\nelsewhere 00000\n\
        sweep 3 in 5 calls, 3 refused\n\
        since the marker 11111\nleaks checked true\n";
    let without = "here false, failed before false\n\
        armed 11111\n0 of 0, then true\na name of 0 digits\n\
        paused 11111\nresumed 11111\n\
        in no module 11111\nin this one 11111\n\
        elsewhere 11111\nelsewhere 11111\n\
        sweep 0 in 1 calls, 0 refused\n\
        since the marker 11111\nleaks checked false\n";
    assert_eq!(said(How::Bare, &[]), with);
    assert_eq!(said(How::Native, &[]), without);
    let since = [("MALLOC_FAIL_SINCE", "marker:begin"), ("MALLOC_FAIL_SIZE", "10"), ("MALLOC_FAIL_COUNT", "inf")];
    let marked = said(How::Bare, &since);
    assert!(marked.contains("armed 11111\n") && marked.contains("since the marker 00000\n"), "{marked}");
}
