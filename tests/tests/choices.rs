//! The settings that narrow what MALLOC_FAIL_* counts, and those that choose in it.

use memtrace_tests::{Ended, How, Place};

const PLUGIN: &str = r#"
    #include <stdlib.h>
    void plugged(void (*keep)(void *)) { void *block = malloc(40); keep(block); free(block); }
"#;

fn calls(place: &Place) {
    place.c("plugin.so", PLUGIN, &["-O0", "-shared", "-fPIC"]);
    place.c("calls", include_str!("choices/calls.c"), &["-O0", "-w", "-pthread"]);
}

fn run(place: &Place, mode: &str, variables: &str) -> Ended {
    let mut job = place.job(How::Bare, place.join("calls")).arg(mode);
    for variable in variables.split_whitespace() {
        let (name, value) = variable.split_once('=').expect("NAME=VALUE");
        job = job.env(format!("MALLOC_FAIL_{name}"), value);
    }
    job.record()
}

/// Each case: settings, and what the program says then.
fn said(place: &Place, mode: &str, cases: &[(&str, &str)]) {
    for (variables, expected) in cases {
        let ended = run(place, mode, variables);
        assert_eq!((ended.stdout.trim_end(), ended.code()), (*expected, Some(0)), "{variables}\n{}", ended.stderr);
    }
}

#[test]
fn only_what_is_in_scope_fails() {
    let place = Place::new();
    calls(&place);
    // alpha, beta, gamma-delta, delta, plugged, the block of grow, its realloc, aligned, alpha
    let cases = [
        ("SIZE=30 COUNT=inf", "110011111"),
        ("SIZE=40-64 COUNT=inf", "111100001"),
        ("SIZE=1K- COUNT=inf", "101111111"),
        ("SIZE=30", "110111111"),
        ("SIZE=30 AFTER=1", "111011111"),
        ("OPS=calloc,realloc COUNT=0", "101111011"),
        ("OPS=posix_memalign COUNT=0", "111111101"),
        ("CALLER=delta COUNT=inf", "110011111"),
        ("CALLER=gamma COUNT=inf", "111111111"),
        ("IN=gamma COUNT=inf", "110111111"),
        ("IN=delta,grow COUNT=inf", "110010011"),
        ("IN=*a COUNT=inf", "000011110"),
        ("NOT=all COUNT=inf", "111111111"),
        ("NOT=delta,aligned COUNT=inf", "001100010"),
        ("IN=delta NOT=gamma COUNT=inf", "111011111"),
        ("MODULE=plugin.so COUNT=inf", "111101111"),
        ("MODULE=plug* COUNT=inf", "111101111"),
        ("MODULE=calls SIZE=40 COUNT=inf", "111101111"),
        ("MODULE=libm.so.6 COUNT=inf", "111111111"),
        ("THREAD=main SIZE=10", "011111111"),
        ("THREAD=1 SIZE=10 COUNT=inf", "111111111"),
    ];
    said(&place, "", &cases);
    // dlopen asks libc for memory of its own: what is counted is told apart by its size.
    said(
        &place,
        "",
        &[
            ("SINCE=call:delta SIZE=10-64 COUNT=inf", "110000000"),
            ("SINCE=call:plugged SIZE=10-64 COUNT=inf", "111100000"),
            ("UNTIL=call:delta SIZE=10-3000 COUNT=inf", "001111111"),
            ("SINCE=call:delta UNTIL=call:plugged SIZE=30-40 COUNT=inf", "110011111"),
            ("UNTIL=2 SIZE=10-64 COUNT=inf", "010111111"),
            ("SINCE=call:gamma IN=delta COUNT=inf", "110011111"),
        ],
    );
    // A library that comes again has its names again.
    said(&place, "twice", &[("IN=plugged COUNT=inf", "111101111111101111"), ("IN=plugged AT=2", "111111111111101111")]);
}

#[test]
fn the_number_of_allocations_seen_is_that_of_the_scope() {
    let place = Place::new();
    calls(&place);
    let ended = run(&place, "twice", "IN=gamma AFTER=5");
    assert_eq!(["fault_seen", "fault_fired"].map(|key| ended.process().summary(key)), [2, 0]);
    let ended = run(&place, "twice", "IN=gamma AFTER=1");
    assert_eq!(["fault_seen", "fault_fired"].map(|key| ended.process().summary(key)), [2, 1]);
    assert_eq!(ended.process().faults[0].functions()[..3], ["delta", "gamma", "all"]);
    let ended = place.job(How::Bare, place.join("calls")).env("MALLOC_FAIL_IN", "nobody").run();
    let said = "\nMALLOC_FAIL_IN=nobody armed and never fired: 0 allocations were seen\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn functions_of_cpp_are_named_as_programmers_write_them() {
    let place = Place::new();
    let program = place.cpp("functions", include_str!("choices/functions.cpp"), &["-O0"]);
    for (setting, name, expected) in [
        ("IN", "method", "100"),
        ("IN", "Class::method", "101"),
        ("IN", "space::Class::method", "101"),
        ("IN", "space::method", "110"),
        ("IN", "_ZN5space5Class6methodEi", "101"),
        ("IN", "Class::Class", "011"),
        ("IN", "Class", "011"),
        ("IN", "Box::fill", "000"),
        ("CALLER", "fill", "000"),
        ("CALLER", "method", "111"),
        ("NOT", "Class::*", "110"),
        ("OPS", "new", "000"),
        ("OPS", "malloc", "111"),
    ] {
        let job = place.job(How::Bare, &program).env(format!("MALLOC_FAIL_{setting}"), name);
        // puts has a buffer of its own.
        let ended = job.env("MALLOC_FAIL_COUNT", "inf").env("MALLOC_FAIL_SIZE", "4-8").run();
        assert_eq!(ended.stdout.trim_end(), expected, "{setting}={name}\n{}", ended.stderr);
    }
}

#[test]
fn the_scope_may_begin_before_main_and_be_of_one_thread() {
    let place = Place::new();
    calls(&place);
    let ended = run(&place, "", "SINCE=start SIZE=7");
    assert_eq!(ended.process().faults[0].functions()[0], "before", "{}", ended.stderr);
    assert_eq!(run(&place, "", "SIZE=7 COUNT=inf").process().summary("fault_seen"), 0);
    let cases = [
        ("THREAD=main SIZE=10 COUNT=inf", "000001111111111"),
        ("THREAD=first SIZE=10 COUNT=inf", "111110000011111"),
        ("THREAD=sec* SIZE=10 COUNT=inf", "111111111100000"),
        ("THREAD=1 SIZE=10 COUNT=inf", "111110000011111"),
        ("THREAD=2 SIZE=10", "111111111101111"),
        ("THREAD=3 SIZE=10", "111111111111111"),
    ];
    said(&place, "threads", &cases);
}

#[test]
fn a_rate_or_a_limit_chooses_what_fails() {
    let place = Place::new();
    calls(&place);
    let every = |step: usize| (1..=50).map(|number| if number % step == 0 { '0' } else { '1' }).collect::<String>();
    said(&place, "many", &[("EVERY=7", &every(7)), ("EVERY=1", &every(1)), ("PROB=0", &every(99))]);
    said(&place, "many", &[("EVERY=20 COUNT=1", &every(20).replacen("0", "x", 1).replace('0', "1").replace('x', "0"))]);
    said(&place, "many", &[("BYTES=100", &("1".repeat(10) + &"0".repeat(40)))]);
    said(&place, "many", &[("EVERY=20 AFTER=0", &every(20).replacen('1', "0", 1))]);
    // The live bytes of libc's own start count too.
    said(&place, "bytes", &[("BYTES=200 SIZE=60-", "1100"), ("BYTES=190 SIZE=60-", "1001"), ("LIVE=100", "1101")]);
}

#[test]
fn chance_strikes_the_same_allocations_each_time() {
    let place = Place::new();
    calls(&place);
    let at = |mode: &str, seed: &str| run(&place, mode, &format!("PROB=0.3 SIZE=10 {seed}")).stdout;
    let first = at("many", "SEED=1");
    let failed = first.bytes().filter(|&byte| byte == b'0').count();
    assert!((5..=25).contains(&failed), "{first}");
    assert_eq!(first, at("many", "SEED=1"));
    assert_ne!(first, at("many", "SEED=2"));
    assert_eq!(at("many", ""), at("many", "SEED=0"));
    // Each thread has numbers of its own.
    let threads = at("threads", "SEED=4");
    assert_eq!(threads, at("threads", "SEED=4"));
    assert!(threads[..5] != threads[5..10] || threads[5..10] != threads[10..15], "{threads}");
}

#[test]
fn a_failure_can_stop_the_process_or_end_it() {
    let place = Place::new();
    calls(&place);
    for (action, signal) in [("trap", libc::SIGTRAP), ("abort", libc::SIGABRT)] {
        let ended = run(&place, "", &format!("AFTER=0 ACTION={action}"));
        assert_eq!(ended.signal(), Some(signal), "{action}: {}", ended.stdout);
    }
    said(&place, "traps", &[("AFTER=0 ACTION=trap", "01"), ("AFTER=0 ACTION=null", "00")]);
    let ended = run(&place, "stops", "AFTER=0 ACTION=stop CHILDREN=all");
    assert_eq!(ended.stdout, "0\ns\n", "{}", ended.stderr);
    // It is recorded before: nothing is left to run afterwards.
    let variables = [("MALLOC_FAIL_SIZE", "30"), ("MALLOC_FAIL_ACTION", "trap")];
    let job = place.job(How::Run, place.join("calls"));
    let ended = variables.into_iter().fold(job, |job, (name, value)| job.env(name, value)).record();
    assert_eq!((ended.signal(), ended.process().faults[0].bytes), (Some(libc::SIGTRAP), 30));
}

#[test]
fn allocations_after_a_failure_are_counted_where_they_are_forbidden() {
    let place = Place::new();
    calls(&place);
    let after = |variables: &str| {
        let ended = run(&place, "many", variables);
        let line = ended.stderr.lines().find(|line| line.contains("after the first failure")).map(str::to_owned);
        (ended.process().summary("fault_after"), line)
    };
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(after("AFTER=47"), (0, None));
    assert_eq!(after("AFTER=49 AFTERMATH=forbid"), (0, None));
    let line = "1 allocation was made after the first failure, expected none";
    assert_eq!(after("AFTER=48 AFTERMATH=forbid"), (1, said(line)));
    // Whatever the scope.
    let line = "10 allocations were made after the first failure, expected none";
    assert_eq!(after("AFTER=39 COUNT=3 UNTIL=45 AFTERMATH=forbid"), (10, said(line)));
}

#[test]
fn only_the_program_that_is_named_fails() {
    let place = Place::new();
    calls(&place);
    let job = |name: &str| {
        let job = place.job(How::Bare, "timeout").arg("60").arg(place.join("calls")).arg("many");
        job.env("MALLOC_FAIL_AFTER", "0").env("MALLOC_FAIL_EXE", name).run()
    };
    let ended = job("calls");
    assert_eq!((&ended.stdout[..3], ended.code()), ("011", Some(0)), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("was made to fail").count(), 1, "{}", ended.stderr);
    assert_eq!(&job("c?lls*").stdout[..3], "011");
    // The scope of one program's run is nobody's else.
    let ended = job("nobody");
    assert_eq!((&ended.stdout[..3], ended.code(), ended.stderr.as_str()), ("111", Some(0), ""));
}
