//! MALLOC_FAIL_*: which call fails, what the program sees of it, and what the report says.

use std::path::PathBuf;

use memtrace_tests::{Ended, How, Job, Place};

/// Both ways to record.
const BOTH: [How; 2] = [How::Bare, How::Run];

fn c(place: &Place, name: &str, source: &str) -> PathBuf {
    place.c(name, source, &["-fno-builtin", "-w"])
}

fn calls(place: &Place) -> PathBuf {
    c(place, "calls", include_str!("faults/calls.c"))
}

fn functions(place: &Place) -> PathBuf {
    c(place, "functions", include_str!("faults/functions.c"))
}

/// A job with variables as a shell's line has them.
fn with<'p>(mut job: Job<'p>, variables: &str) -> Job<'p> {
    for variable in variables.split_whitespace() {
        let (name, value) = variable.split_once('=').expect("NAME=VALUE");
        job = job.env(name, value);
    }
    job
}

/// A line of `calls`: which of `count` succeed.
fn line(count: usize, failing: impl Fn(usize) -> bool) -> String {
    (0..count).map(|number| if failing(number) { '0' } else { '1' }).chain(['\n']).collect()
}

#[test]
fn exactly_the_calls_that_the_settings_name_fail_with_enomem() {
    let place = Place::new();
    let program = calls(&place);
    let cases: &[(&str, &[usize])] = &[
        ("MALLOC_FAIL_AFTER=0", &[0]),
        ("MALLOC_FAIL_AFTER=10", &[10]),
        ("MALLOC_FAIL_AFTER=19", &[19]),
        ("MALLOC_FAIL_AFTER=20", &[]),
        ("MALLOC_FAIL_AFTER=3,2", &[3, 4]),
        ("MALLOC_FAIL_AFTER=3 MALLOC_FAIL_COUNT=2", &[3, 4]),
        ("MALLOC_FAIL_AFTER=17,inf", &[17, 18, 19]),
        ("MALLOC_FAIL_AFTER=17,0", &[17, 18, 19]),
        ("MALLOC_FAIL_AFTER=17 MALLOC_FAIL_COUNT=0", &[17, 18, 19]),
        ("MALLOC_FAIL_AFTER=17 MALLOC_FAIL_COUNT=inf", &[17, 18, 19]),
        ("MALLOC_FAIL_AT=1", &[0]),
        ("MALLOC_FAIL_AT=3,10-12", &[2, 9, 10, 11]),
        ("MALLOC_FAIL_AT=2 MALLOC_FAIL_AFTER=9", &[1]),
        ("MALLOC_FAIL_AFTER=-1", &[]),
        ("MALLOC_FAIL_AFTER= MALLOC_FAIL_COUNT=3", &[]),
    ];
    for (variables, failing) in cases {
        for how in BOTH {
            let ended = with(place.job(how, &program), variables).run();
            let expected = line(20, |number| failing.contains(&number));
            assert_eq!((ended.stdout.as_str(), ended.code()), (expected.as_str(), Some(0)), "{variables} {how:?}");
        }
    }
}

#[test]
fn a_value_that_is_not_understood_gives_one_warning_line_and_changes_nothing() {
    let place = Place::new();
    let program = calls(&place);
    let native = place.job(How::Native, &program).run();
    for variable in [
        "MALLOC_FAIL_AFTER=-2",
        "MALLOC_FAIL_AFTER=ten",
        "MALLOC_FAIL_AFTER=1.5",
        "MALLOC_FAIL_AFTER=1,2,3",
        "MALLOC_FAIL_COUNT=x",
        "MALLOC_FAIL_AT=0",
        "MALLOC_FAIL_AT=5-4",
        "MALLOC_FAIL_STACK=ff",
        "MALLOC_FAIL_POINTS=all",
        "MALLOC_FAIL_EVERY=0",
        "MALLOC_FAIL_PROB=1.5",
        "MALLOC_FAIL_SIZE=9-8",
        "MALLOC_FAIL_OPS=free",
        "MALLOC_FAIL_IN=f,,g",
        "MALLOC_FAIL_SINCE=never",
        "MALLOC_FAIL_UNTIL=api",
        "MALLOC_FAIL_ACTION=die",
        "MALLOC_FAIL_AFTERMATH=allow",
        "MALLOC_FAIL_CHILDREN=yes",
        "MEMTRACE_TOP=few",
        "MEMTRACE_SUMMARY=yes",
        "MEMTRACE_DEADLINE=-1",
        "MEMTRACE_OUT=%x",
    ] {
        let ended = with(place.job(How::Bare, &program), variable).run();
        assert_eq!((&ended.stdout, ended.code()), (&native.stdout, Some(0)), "{variable}");
        let (name, value) = variable.split_once('=').expect("NAME=VALUE");
        let warnings: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(name)).collect();
        let expected = format!("memtrace: cannot use {name}: found `{value}`, expected ");
        assert!(warnings.len() == 1 && warnings[0].starts_with(&expected), "{variable}: {}", ended.stderr);
    }
}

#[test]
fn fail_at_beats_fail_after_with_a_warning() {
    let place = Place::new();
    let program = calls(&place);
    let ended = with(place.job(How::Bare, &program), "MALLOC_FAIL_AT=2 MALLOC_FAIL_AFTER=9").run();
    let warnings =
        ended.stderr.lines().filter(|line| line.starts_with("memtrace: cannot use MALLOC_FAIL_AFTER: found `9`"));
    assert_eq!(warnings.count(), 1, "{}", ended.stderr);
}

#[test]
fn every_function_fails_by_its_man_page() {
    let place = Place::new();
    let program = functions(&place);
    // dprintf's own calls of malloc count too: an index is found by the function that failed there.
    let native = place.job(How::Native, &program).run();
    let words = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let expected = words(&native.stdout);
    let mut failed = Vec::new();
    for index in 0..40 {
        let ended = place.job(How::Bare, &program).env("MALLOC_FAIL_AFTER", index.to_string()).record();
        let process = ended.process();
        let [fault] = &process.faults[..] else { break };
        assert_eq!(fault.index, index);
        if fault.functions().first() != Some(&"main") && !fault.functions().iter().any(|name| name.contains("strdup")) {
            assert_eq!(words(&ended.stdout), expected, "a failure inside dprintf changes nothing that is seen");
            continue;
        }
        let found: Vec<String> = words(&ended.stdout).into_iter().filter(|line| !expected.contains(line)).collect();
        failed.push((fault.op.clone(), fault.bytes, found.join("; ")));
    }
    let row = |op: &str, bytes, said: &str| (op.to_owned(), bytes, said.to_owned());
    assert_eq!(
        failed,
        [
            row("malloc", 11, "malloc ENOMEM"),
            row("calloc", 12, "calloc ENOMEM"),
            row("realloc", 13, "realloc-null ENOMEM"),
            row("reallocarray", 14, "reallocarray ENOMEM"),
            row("memalign", 15, "memalign ENOMEM"),
            row("aligned_alloc", 64, "aligned_alloc ENOMEM"),
            row("valloc", 17, "valloc ENOMEM"),
            row("pvalloc", 18, "pvalloc ENOMEM"),
            row("posix_memalign", 19, "posix_memalign ENOMEM, errno 99, pointer kept"),
            row("malloc", 9, "strdup ENOMEM"),
            row("malloc", 21, ""),
            row("realloc", 22, "realloc ENOMEM"),
        ]
    );
}

#[test]
fn a_realloc_that_failed_leaves_its_block_live_and_recorded() {
    let place = Place::new();
    let program = functions(&place);
    let native = place.job(How::Bare, &program).record();
    assert_eq!(native.process().live("main"), (22, 1), "{}", native.stderr);
    let index = (0..40).find_map(|index| {
        let ended = place.job(How::Bare, &program).env("MALLOC_FAIL_AFTER", index.to_string()).record();
        let fault = ended.process().faults.first()?.clone();
        (fault.op == "realloc" && fault.bytes == 22).then_some(ended)
    });
    let ended = index.expect("the realloc is reached");
    assert!(ended.stdout.contains("content kept\n"), "{}", ended.stdout);
    assert_eq!(ended.process().live("main"), (21, 1), "{}", ended.stderr);
    assert_eq!(ended.process().summary("unknown_frees"), 0);
    assert_eq!(ended.process().summary("reallocs"), 0);
}

#[test]
fn the_report_names_size_and_stack_of_the_failed_call() {
    let place = Place::new();
    let program = calls(&place);
    for how in BOTH {
        let ended = with(place.job(how, &program), "MALLOC_FAIL_AFTER=7,2").record();
        let process = ended.process();
        let found: Vec<_> = process.faults.iter().map(|fault| (fault.index, fault.bytes, fault.op.as_str())).collect();
        assert_eq!(found, [(7, 107, "malloc"), (8, 108, "malloc")], "{how:?}");
        for fault in &process.faults {
            assert_eq!(fault.functions()[..3], ["one_call", "calls", "main"], "{how:?}");
        }
        let numbers = ["fault_seen", "fault_fired"].map(|key| process.summary(key));
        assert_eq!(numbers, [20, 2], "{how:?}");
    }
    let ended = with(place.job(How::Bare, &program), "MALLOC_FAIL_AFTER=7").run();
    let said = "\nallocation 8 (index 7) was made to fail: malloc of 107 bytes\n    at one_call (calls.c:11)\n    by calls (calls.c:";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn armed_and_never_fired_is_said_with_the_number_of_allocations_seen() {
    let place = Place::new();
    let program = calls(&place);
    let ended = with(place.job(How::Bare, &program), "MALLOC_FAIL_AFTER=20").run();
    let said = "\nMALLOC_FAIL_AFTER=20 armed and never fired: 20 allocations were seen\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    let ended = with(place.job(How::Bare, &program), "MALLOC_FAIL_STACK=0123456789abcdef#2").run();
    let said = "\nMALLOC_FAIL_STACK=0123456789abcdef#2 armed and never fired: 20 allocations were seen\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    let off = with(place.job(How::Bare, &program), "MALLOC_FAIL_AFTER=-1").run();
    assert_eq!(off.stderr, "", "off is silent");
}

#[test]
fn calls_before_main_and_by_the_loader_do_not_count() {
    let place = Place::new();
    place.c("plugin.so", "int answer(void) { return 42; }", &["-shared", "-fPIC"]);
    let source = r#"
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        __attribute__((constructor)) static void before(void) { free(malloc(1)); free(calloc(2, 3)); }
        int main(void) {
            void *plugin = dlopen("./plugin.so", RTLD_NOW);
            int (*answer)(void) = (int (*)(void))dlsym(plugin, "answer");
            void *block = malloc(77);
            int failed = block == NULL;
            free(block);
            return answer() == 42 && failed ? 7 : 8;
        }
    "#;
    let program = c(&place, "loads", source);
    let ended = place.job(How::Bare, &program).env("MALLOC_FAIL_AFTER", "0").record();
    let process = ended.process();
    assert_eq!(ended.code(), Some(7), "{}", ended.stderr);
    let [fault] = &process.faults[..] else { panic!("{:?}", process.faults) };
    assert_eq!((fault.index, fault.bytes), (0, 77));
}

#[test]
fn the_same_run_fails_at_the_same_place_again() {
    let place = Place::new();
    let program = functions(&place);
    let run = |how| {
        let ended = place.job(how, &program).env("MALLOC_FAIL_AFTER", "9").record();
        let process = ended.process().clone();
        let functions: Vec<String> = process.faults[0].functions().iter().map(|name| (*name).to_owned()).collect();
        (process.summary("fault_seen"), process.faults[0].index, process.faults[0].bytes, functions, ended.stdout)
    };
    let first = run(How::Bare);
    for how in [How::Bare, How::Run, How::Bare] {
        assert_eq!(run(how), first);
    }
}

#[test]
fn a_fork_child_fails_as_fail_children_says() {
    let place = Place::new();
    let program = calls(&place);
    let lines = |children: &str| {
        let variables = format!("MALLOC_FAIL_AT=2,5-7 {children}");
        with(place.job(How::Bare, &program).arg("fork"), &variables).run().stdout
    };
    // The parent has made three calls when it forks.
    let (parent, no) = (line(3, |number| number == 1), line(10, |_| false));
    let same = line(10, |number| (4..=6).contains(&(number + 3)));
    let all = line(10, |number| number == 1 || (4..=6).contains(&number));
    assert_eq!(lines(""), format!("{parent}{no}"));
    assert_eq!(lines("MALLOC_FAIL_CHILDREN=no"), format!("{parent}{no}"));
    assert_eq!(lines("MALLOC_FAIL_CHILDREN=same"), format!("{parent}{same}"));
    assert_eq!(lines("MALLOC_FAIL_CHILDREN=all"), format!("{parent}{all}"));
}

#[test]
fn an_exec_begins_at_0_and_exit_handlers_still_count() {
    let place = Place::new();
    let program = calls(&place);
    let exec = with(place.job(How::Bare, &program).arg("exec"), "MALLOC_FAIL_AFTER=1").run();
    assert_eq!(exec.stdout, line(3, |number| number == 1) + &line(20, |number| number == 1));
    let handlers = with(place.job(How::Bare, &program).arg("atexit"), "MALLOC_FAIL_AFTER=4").run();
    assert_eq!(handlers.stdout, line(3, |_| false) + &line(2, |number| number == 1));
}

#[test]
fn threads_count_together_and_so_many_calls_fail_as_were_asked_for() {
    let place = Place::new();
    let source = r#"
        #include <pthread.h>
        #include <stdatomic.h>
        #include <stdio.h>
        #include <stdlib.h>
        static atomic_int failed;
        static void *work(void *unused) {
            for (int i = 0; i < 1000; i++) {
                void *block = malloc(10);
                failed += block == NULL;
                free(block);
            }
            return unused;
        }
        int main(void) {
            pthread_t threads[4];
            for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, NULL);
            for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
            return failed;
        }
    "#;
    let program = place.c("threads", source, &["-fno-builtin", "-pthread"]);
    let ended = with(place.job(How::Bare, &program), "MALLOC_FAIL_AFTER=2000,37").record();
    let process = ended.process();
    assert_eq!(ended.code(), Some(37), "{}", ended.stderr);
    assert_eq!((process.summary("fault_fired"), process.faults.len()), (37, 37));
    let indices: Vec<u64> = process.faults.iter().map(|fault| fault.index).collect();
    let mut sorted = indices.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (2000..2037).collect::<Vec<u64>>());
    assert!(process.faults.iter().all(|fault| fault.functions()[0] == "work"));
}

#[test]
fn the_failure_is_recorded_before_the_program_sees_it() {
    let place = Place::new();
    let source = "#include <stdlib.h>\nint main(void) { volatile char *block = malloc(55); block[3] = 1; return 0; }";
    let program = c(&place, "crash", source);
    let ended = with(place.job(How::Run, &program), "MALLOC_FAIL_AFTER=0").record();
    assert_eq!(ended.signal(), Some(libc::SIGSEGV));
    assert_eq!(ended.process().faults[0].bytes, 55);
}

fn operators(place: &Place, mode: &str, variables: &str) -> Ended {
    let program = place.cpp("operators", include_str!("faults/operators.cpp"), &["-std=c++17"]);
    with(place.job(How::Bare, &program).arg(mode), variables).record()
}

#[test]
fn a_failed_new_throws_and_a_nothrow_one_gives_null() {
    let place = Place::new();
    for (index, said, op, bytes) in [
        (0, "bad_alloc\nblock\nblock\nblock\n", "operator new", 40),
        (1, "block\nbad_alloc\nblock\nblock\n", "operator new[]", 48),
        (2, "block\nblock\nnull\nblock\n", "operator new", 56),
        (3, "block\nblock\nblock\nnull\n", "operator new", 64),
    ] {
        let ended = operators(&place, "plain", &format!("MALLOC_FAIL_AFTER={index}"));
        assert_eq!((ended.stdout.as_str(), ended.code()), (said, Some(0)), "index {index}\n{}", ended.stderr);
        let [fault] = &ended.process().faults[..] else { panic!("index {index}: {}", ended.stderr) };
        assert_eq!((fault.op.as_str(), fault.bytes), (op, bytes), "index {index}: {}", ended.stderr);
    }
}

#[test]
fn a_new_handler_is_called_and_the_second_try_is_the_operators_own_block() {
    let place = Place::new();
    let once = operators(&place, "handler", "MALLOC_FAIL_AFTER=1");
    assert_eq!(once.stdout, "handler\nblock\nblock\nblock\nblock\n", "{}", once.stderr);
    let process = once.process();
    let plain: Vec<_> = process.sites_of("plain()").map(|site| (site.op.as_str(), site.number("live_bytes"))).collect();
    assert_eq!(plain, [("operator new", 40)], "{}", once.stderr);
    assert_eq!(process.summary("fault_fired"), 1);
    let for_ever = operators(&place, "handler", "MALLOC_FAIL_AFTER=1,inf");
    let said = "handler\nhandler\nhandler\nbad_alloc\n";
    assert!(for_ever.stdout.starts_with(said), "{}\n{}", for_ever.stdout, for_ever.stderr);
}
