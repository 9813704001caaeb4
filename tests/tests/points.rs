//! Points: the list of stacks that allocate, their names, and the stack of a thread that a tracer has stopped.

use std::collections::{BTreeMap, BTreeSet};

use memtrace_tests::{Ended, How, Image, Job, Place, Recording};
use memtrace_wire::layout::{Op, frame};

/// Runs a job into a recording of its own; all images that came of it.
fn recorded(
    place: &Place,
    settings: &[&str],
    job: impl FnOnce(Job<'_>) -> Job<'_>,
    program: &str,
) -> (Ended, Vec<Image>) {
    let recording = Recording::create(place, settings);
    let ended = job(place.job(How::Bare, place.join(program)).env("MEMTRACE_RUN", recording.way())).run();
    (ended, recording.images())
}

/// Three functions, one of them recursive, one on a second thread, and a plug-in.
const MANY: &str = r#"
    #include <pthread.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    static void take(int size) { free(malloc(size)); }
    static void one(void) { take(11); }
    static void two(void) { for (int i = 0; i < 5; i++) take(12); }
    static void nested(int level) { if (level > 0) nested(level - 1); else free(calloc(1, 13)); __asm__ volatile(""); }
    static void *thread(void *unused) { one(); return unused; }
    __attribute__((constructor)) static void before(void) { free(malloc(99)); }
    int main(int argc, char **argv) {
        pthread_t other;
        int levels = argc > 1 ? atoi(argv[1]) : 5;
        one();
        two();
        nested(levels);
        pthread_create(&other, NULL, thread, NULL);
        pthread_join(other, NULL);
        void *block = malloc(14);
        block = realloc(block, 15);
        free(block);
        return 0;
    }
"#;

fn many(place: &Place) {
    place.c("many", MANY, &["-O0", "-w", "-pthread"]);
}

fn points(image: &Image) -> BTreeMap<u64, (u32, u64, u64)> {
    image
        .points
        .iter()
        .map(|point| (point.name.get(), (point.op.get(), point.bytes.get(), point.count.get())))
        .collect()
}

#[test]
fn a_launchers_settings_come_before_those_of_the_environment() {
    let place = Place::new();
    many(&place);
    let settings = ["MALLOC_FAIL_AFTER=2", "MEMTRACE_TOP=5", "NOT_OURS=1"];
    let (ended, images) = recorded(&place, &settings, |job| job.env("MALLOC_FAIL_AFTER", "0"), "many");
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert_eq!(images[0].settings, ["MALLOC_FAIL_AFTER=2", "MEMTRACE_TOP=5", "MALLOC_FAIL_AFTER=0"]);
    assert_eq!(images[0].faults.iter().map(|fault| fault.index.get()).collect::<Vec<_>>(), [2]);
    // Without points in the plan there is no list of them, and the failure has its name.
    let (_, with) = recorded(&place, &["MALLOC_FAIL_AFTER=2", "MALLOC_FAIL_POINTS=1"], |job| job, "many");
    assert_eq!((images[0].points.len(), images[0].faults[0].name.get()), (0, with[0].faults[0].name.get()));
    assert!(points(&with[0]).contains_key(&with[0].faults[0].name.get()));
}

#[test]
fn every_stack_in_scope_is_a_point_with_its_count_and_first_index() {
    let place = Place::new();
    many(&place);
    let (ended, images) = recorded(&place, &["MALLOC_FAIL_POINTS=1"], |job| job, "many");
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    let image = &images[0];
    let own = |bytes: u64| image.points.iter().filter(|point| point.bytes.get() == bytes).collect::<Vec<_>>();
    let [first, thread] = own(11)[..] else { panic!("one() is called on two stacks") };
    assert_eq!((first.count.get(), thread.count.get(), first.first.get()), (1, 1, 0));
    assert_ne!((first.thread.get(), first.name.get()), (thread.thread.get(), thread.name.get()));
    let [two] = own(12)[..] else { panic!("two() calls from one place") };
    assert_eq!((two.count.get(), two.first.get(), two.op.get()), (5, 1, Op::Malloc as u32));
    assert_eq!((own(13).len(), own(13)[0].op.get(), own(13)[0].first.get()), (1, Op::Calloc as u32, 6));
    assert_eq!((own(14).len(), own(15).len(), own(15)[0].op.get()), (1, 1, Op::Realloc as u32));
    assert!(own(99).is_empty(), "the scope begins at main");
    assert!(image.points.iter().all(|point| point.ready.get() == 1 && point.name.get() != 0));
    assert_eq!(image.header.fault_seen.get(), image.points.iter().map(|point| point.count.get()).sum::<u64>());
    assert_eq!((image.header.fault_armed.get(), image.header.fault_fired.get()), (0, 0), "nothing fails by it");
    let names: BTreeSet<u64> = image.points.iter().map(|point| point.name.get()).collect();
    assert_eq!(names.len(), image.points.len());
}

#[test]
fn names_hold_for_every_run_and_recursion_is_folded() {
    let place = Place::new();
    many(&place);
    let run = |levels: &str| points(&recorded(&place, &["MALLOC_FAIL_POINTS=1"], |job| job.arg(levels), "many").1[0]);
    let first = run("5");
    assert_eq!(first, run("5"), "addresses differ from run to run, names do not");
    assert_eq!(first, run("50"));
    let differing = run("1");
    assert_eq!(first.keys().filter(|name| !differing.contains_key(name)).count(), 1);
}

#[test]
fn points_after_a_failure_are_listed_too() {
    let place = Place::new();
    let source =
        "#include <stdlib.h>\nint main(void) { void *a = malloc(5); if (a == NULL) free(malloc(6)); free(a); }";
    place.c("path", source, &["-fno-builtin", "-w"]);
    let settings = ["MALLOC_FAIL_POINTS=1", "MALLOC_FAIL_AFTER=0"];
    let image = &recorded(&place, &settings, |job| job, "path").1[0];
    assert_eq!(image.points.iter().map(|point| point.bytes.get()).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(image.faults[0].name.get(), image.points[0].name.get());
}

#[test]
fn thousands_of_points_from_several_threads_are_each_listed_once() {
    let place = Place::new();
    // A path of 12 left or right turns: 4,096 stacks below each of the two callers of `tree`.
    let source = r#"
        #include <pthread.h>
        #include <stdlib.h>
        static void tree(int level, int path) {
            if (level == 12) free(malloc(100 + path));
            else if (path >> level & 1) { tree(level + 1, path); __asm__ volatile(""); }
            else { tree(level + 1, path); __asm__ volatile("nop"); }
        }
        static void *work(void *unused) {
            for (int path = 0; path < 4096; path++) tree(0, path);
            return unused;
        }
        int main(void) {
            pthread_t threads[4];
            for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, NULL);
            for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        }
    "#;
    place.c("tree", source, &["-fno-builtin", "-w", "-pthread", "-fno-optimize-sibling-calls"]);
    let image = &recorded(&place, &["MALLOC_FAIL_POINTS=1"], |job| job, "tree").1[0];
    let own: Vec<_> = image.points.iter().filter(|point| (100..5000).contains(&point.bytes.get())).collect();
    let mut nodes: Vec<u32> = own.iter().map(|point| point.node.get()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    assert_eq!((own.len(), nodes.len()), (4096, 4096));
    assert!(own.iter().all(|point| point.count.get() == 4));
}

const CRASHES: [&str; 4] = ["-pthread", "-w", "-fno-builtin", "-fno-optimize-sibling-calls"];

/// The indices at which a program's allocations fail, and those of all that it made.
fn struck(place: &Place, program: &str, settings: &[&str]) -> (Vec<u64>, u64) {
    let image = &recorded(place, settings, |job| job, program).1[0];
    let faults = image.faults.iter().map(|fault| fault.index.get()).collect();
    assert_eq!(image.header.fault_armed.get(), 1, "{settings:?}");
    (faults, image.header.fault_seen.get())
}

#[test]
fn the_allocations_that_fail_stack_names_fail_one_after_the_other() {
    let place = Place::new();
    // a a a a a b b b b b a a a a a b b b b b, and nothing else.
    let source = r#"
        #include <stdlib.h>
        static void a(void) { free(malloc(21)); }
        static void b(void) { free(malloc(22)); }
        int main(void) {
            for (int i = 0; i < 20; i++) { if (i / 5 % 2 == 0) a(); else b(); }
            return 0;
        }
    "#;
    place.c("ab", source, &["-O0", "-w"]);
    let all = recorded(&place, &["MALLOC_FAIL_POINTS=1"], |job| job, "ab").1.remove(0);
    let name = |bytes: u64| all.points.iter().find(|point| point.bytes.get() == bytes).expect("a point").name.get();
    let (a, b) = (format!("{:016x}", name(21)), format!("{:016x}", name(22)));
    let to_the_end = (9..20).collect::<Vec<_>>();
    let cases: &[(String, &str, &[u64])] = &[
        (a.clone(), "", &[0]),
        (format!("{a}#1"), "", &[0]),
        (b.clone(), "", &[5]),
        (format!("{a}#7"), "", &[11]),
        (format!("{a}#11"), "", &[]),
        (format!("{b},{a}"), "", &[5, 10]),
        (format!("{a}#2,{a}#2"), "", &[1, 3]),
        (format!("{a}#2,{b}#3,{a}"), "", &[1, 7, 10]),
        (format!("{b}#2"), "MALLOC_FAIL_COUNT=3", &[6, 7, 8]),
        (format!("{a},{b}#5"), "MALLOC_FAIL_COUNT=2", &[0, 9, 10]),
        (format!("{b}#5"), "MALLOC_FAIL_COUNT=inf", &to_the_end),
        (format!("{b}#5"), "MALLOC_FAIL_COUNT=0", &to_the_end),
        ("0123456789abcdef".into(), "MALLOC_FAIL_COUNT=inf", &[]),
    ];
    for (stacks, count, failing) in cases {
        for points in ["MALLOC_FAIL_POINTS=0", "MALLOC_FAIL_POINTS=1"] {
            let setting = format!("MALLOC_FAIL_STACK={stacks}");
            let settings: Vec<&str> = [&*setting, count, points].into_iter().filter(|text| !text.is_empty()).collect();
            assert_eq!(struck(&place, "ab", &settings), (failing.to_vec(), 20), "{settings:?}");
        }
    }
}

#[test]
fn a_stack_fails_once_however_many_threads_have_it() {
    let place = Place::new();
    let source = r#"
        #include <pthread.h>
        #include <stdlib.h>
        static void *work(void *unused) {
            for (int i = 0; i < 1000; i++) free(malloc(31));
            return unused;
        }
        int main(void) {
            pthread_t threads[4];
            for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, NULL);
            for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        }
    "#;
    place.c("work", source, &["-O0", "-w", "-pthread"]);
    let all = recorded(&place, &["MALLOC_FAIL_POINTS=1"], |job| job, "work").1.remove(0);
    let point = all.points.iter().find(|point| point.bytes.get() == 31).expect("a point");
    assert_eq!(point.count.get(), 4000);
    for occurrence in [1, 500, 4000] {
        let setting = format!("MALLOC_FAIL_STACK={:016x}#{occurrence}", point.name.get());
        let image = &recorded(&place, &[&setting], |job| job, "work").1[0];
        let names: Vec<u64> = image.faults.iter().map(|fault| fault.name.get()).collect();
        assert_eq!(names, [point.name.get()], "{setting}");
    }
}

#[test]
fn a_stack_of_an_operator_new_fails_by_its_name_too() {
    let place = Place::new();
    let source = r#"
        #include <cstdio>
        #include <cstdlib>
        #include <new>
        static int one() { try { delete[] new int[10]; } catch (std::bad_alloc &) { return 1; } return 0; }
        static int two() { try { delete new long; } catch (std::bad_alloc &) { return 1; } return 0; }
        int main() { return two() + 2 * one() + 4 * two() + 8 * one(); }
    "#;
    place.cpp("news", source, &["-O0", "-w"]);
    let run = |settings: &[&str]| {
        let (ended, mut images) = recorded(&place, settings, |job| job, "news");
        (ended.code(), images.remove(0))
    };
    let (_, all) = run(&["MALLOC_FAIL_POINTS=1"]);
    let ops = [(40, Op::NewArray, 2), (8, Op::New, 1)];
    for (bytes, op, status) in ops {
        let points: Vec<_> = all.points.iter().filter(|point| point.bytes.get() == bytes).collect();
        assert_eq!((points.len(), points[0].op.get()), (2, op as u32));
        let (code, image) = run(&[&format!("MALLOC_FAIL_STACK={:016x}", points[0].name.get())]);
        assert_eq!((code, image.faults.len()), (Some(status), 1), "{bytes}");
        assert_eq!((image.faults[0].op.get(), image.faults[0].bytes.get()), (op as u32, bytes));
    }
}

#[test]
fn a_fork_child_goes_on_looking_for_stacks_as_fail_children_says() {
    let place = Place::new();
    let source = r#"
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static int failed(void) { void *block = malloc(41); free(block); return block == NULL; }
        static int three(void) { int bits = 0; for (int i = 0; i < 3; i++) bits |= failed() << i; return bits; }
        int main(void) {
            // One call, so that parent and child have one stack.
            int status = 0, child = 0;
            for (int round = 0; round < 2; round++) {
                int bits = three();
                if (round == 1) return child ? bits : (wait(&status), bits | WEXITSTATUS(status) << 3);
                child = fork() == 0;
            }
        }
    "#;
    place.c("forks", source, &["-O0", "-w"]);
    let all = recorded(&place, &["MALLOC_FAIL_POINTS=1"], |job| job, "forks").1.remove(0);
    let point = all.points.iter().find(|point| point.bytes.get() == 41).expect("a point").name.get();
    // The parent's first three calls are before the fork.
    for (children, status) in [("no", 0b000_010), ("same", 0b010_010), ("all", 0b000_010)] {
        let settings = [format!("MALLOC_FAIL_STACK={point:016x}#5"), format!("MALLOC_FAIL_CHILDREN={children}")];
        let (ended, _) = recorded(&place, &[&settings[0], &settings[1]], |job| job, "forks");
        assert_eq!(ended.code(), Some(status), "{children}: {}", ended.stderr);
    }
    let settings = [format!("MALLOC_FAIL_STACK={point:016x}#3"), "MALLOC_FAIL_CHILDREN=all".into()];
    let (ended, _) = recorded(&place, &[&settings[0], &settings[1]], |job| job, "forks");
    assert_eq!(ended.code(), Some(0b100_000));
}

/// What `crashes` says in a mode: the frame words of the stack that was taken, and the functions that it names.
fn stack_at(mode: &str) -> (Vec<u64>, Vec<[u64; 2]>) {
    let place = Place::new();
    place.c("crashes", include_str!("points/crashes.c"), &CRASHES);
    let (ended, images) = recorded(&place, &[], |job| job.args(mode.split(' ')), "crashes");
    let numbers: Vec<u64> = ended.stdout.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [pid, node, ref rest @ ..] = numbers[..] else { panic!("{mode}: {} {}", ended.stdout, ended.stderr) };
    let image = images.iter().find(|image| u64::from(image.header.pid.get()) == pid).expect("the child recorded");
    let functions = rest.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
    (image.stack(u32::try_from(node).expect("a node")), functions)
}

#[test]
fn the_stack_of_a_crashed_thread_is_taken_wherever_it_crashed() {
    for mode in ["data", "raise", "thread", "corrupt"] {
        let (stack, functions) = stack_at(mode);
        let mut at = 0;
        for [start, end] in &functions {
            let found = stack[at..].iter().position(|&word| Image::is_in(word, *start, *end));
            at += found.unwrap_or_else(|| panic!("{mode}: {start:x}..{end:x} is not in {stack:x?} from {at} on")) + 1;
        }
        assert_eq!(stack.iter().filter(|&&word| word & frame::EXACT != 0).count(), 1, "{mode}: {stack:x?}");
        assert_ne!(stack[0] & frame::EXACT, 0, "{mode}");
        assert!(stack.len() > at && stack.iter().all(|&word| frame::kind(word) == frame::NATIVE), "{mode}: {stack:x?}");
        assert!(mode != "data" || Image::is_in(stack[0], functions[0][0], functions[0][1]), "{stack:x?}");
    }
}

#[test]
fn a_call_of_what_is_no_code_has_its_caller_as_the_next_frame() {
    for (mode, address) in [("call", 0), ("wild", 0x1234_5678_9abc)] {
        let (stack, functions) = stack_at(mode);
        assert_eq!(stack[0], address | frame::EXACT, "{mode}");
        for (place, [start, end]) in functions.iter().enumerate() {
            assert!(Image::is_in(stack[place + 1], *start, *end), "{mode}: {stack:x?}");
        }
    }
}

#[test]
fn a_stack_that_is_used_up_can_still_be_taken() {
    let (stack, functions) = stack_at("deep");
    let inside = stack.iter().filter(|&&word| Image::is_in(word, functions[0][0], functions[0][1])).count();
    assert_eq!((inside, stack.len()), (1024, 1025), "{stack:x?}");
    assert_eq!(stack[1024], frame::CUT_DEPTH);
}

#[test]
fn a_thread_is_asked_at_any_moment_and_never_hangs() {
    let place = Place::new();
    place.c("crashes", include_str!("points/crashes.c"), &CRASHES);
    let (ended, _) = recorded(&place, &["MALLOC_FAIL_POINTS=1"], |job| job.arg("busy"), "crashes");
    let said: Vec<u64> = ended.stdout.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(said[..], [none, stacks, 0] if none + stacks == 300 && stacks > 250), "{}", ended.stdout);
}

#[test]
fn a_fork_child_that_has_called_nothing_begins_to_record_when_it_is_asked() {
    let (stack, functions) = stack_at("data raw");
    assert!(Image::is_in(stack[0], functions[0][0], functions[0][1]), "{stack:x?}");
    assert!(Image::is_in(stack[1], functions[1][0], functions[1][1]), "{stack:x?}");
}
