//! What a program asks memtrace while it runs, and says of its own course: the same program without the library.

use std::path::{Path, PathBuf};
use std::process::Command;

use memtrace_tests::{How, Place, Process, api_example, pair, read_profile, workspace};

const QUERIES: &str = include_str!("api/queries.c");

/// Compilers and what they are told; warnings are errors.
const BUILDS: &[(&str, &str)] = &[
    ("gcc", "-std=c89 -O1"),
    ("gcc", "-std=c11 -O2"),
    ("g++", "-xc++ -std=c++11 -O1"),
    ("g++", "-xc++ -std=c++20 -O2"),
    ("clang", "-std=c89 -O1"),
    ("clang", "-std=c11 -O2"),
    ("clang++", "-xc++ -std=c++11 -O1"),
    ("clang++", "-xc++ -std=c++20 -O2"),
];

fn build(place: &Place, source: &Path, compiler: &str, flags: &str) -> Option<PathBuf> {
    let program = place.join(&place.unused_name());
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fno-builtin", "-g"]);
    command.arg(format!("-I{}", workspace().join("shim/include").display())).args(flags.split_whitespace());
    let output = command.arg(source).arg("-o").arg(&program).arg("-pthread").output().ok()?;
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

const WITH: &str = "live 2 111 1 11\nsince 3 0 0 1 4 -1, ids 1\npool 1, live 1, then 0\nreport -1 -1\n";
const WITHOUT: &str = "live 0 0 0 0\nsince 0 0 0 0 0 0, ids 0\npool 0, live 0, then 0\nreport -1 -1\n";

/// The names of the regions on the stack of the block of so many bytes, the innermost first.
fn regions(process: &Process, bytes: u64) -> Vec<String> {
    let site = process.sites.iter().find(|site| site.number("live_bytes") == bytes && site.frames.len() > 1);
    let site = site.unwrap_or_else(|| panic!("no site of {bytes} bytes"));
    let tags = site.frames.iter().take_while(|frame| frame.kind == "tag").map(|frame| frame.function.clone()).collect();
    assert!(site.frames.iter().any(|frame| frame.function.starts_with("keep")), "{:?}", site.frames);
    tags
}

#[test]
fn queries_scopes_and_markers_work_in_every_language_and_do_nothing_without_the_library() {
    let place = Place::new();
    let source = place.write("queries.c", QUERIES);
    let mut built = 0;
    for (compiler, flags) in BUILDS {
        let Some(program) = build(&place, &source, compiler, flags) else { continue };
        built += 1;
        let native = place.job(How::Native, &program).run();
        assert_eq!((native.stdout.as_str(), native.code()), (WITHOUT, Some(0)), "{compiler} {flags}");
        for how in [How::Bare, How::Run] {
            let ended = place.job(how, &program).record();
            assert_eq!((ended.stdout.as_str(), ended.code()), (WITH, Some(0)), "{compiler} {flags} {how:?}");
            let process = ended.process();
            assert_eq!(regions(process, 1001), ["outer"]);
            assert_eq!(regions(process, 1002), ["inner region", "outer"]);
            assert_eq!(regions(process, 1003), ["outer"]);
            assert_eq!(regions(process, 1004), [""; 0]);
            let markers = process.json["markers"].as_array().expect("a list");
            let names: Vec<_> = markers.iter().map(|marker| marker["name"].as_str()).collect();
            assert_eq!(names, [Some("begin"), Some("end")]);
            let times: Vec<_> = markers.iter().filter_map(|marker| marker["time_ns"].as_u64()).collect();
            assert!(times[0] < times[1] && times[1] < 60_000_000_000, "{times:?}");
            // Each has a time of its own, and what is inside another is so in time.
            let spans = process.json["regions"].as_array().expect("a list");
            let span = |name: &str| {
                let region = spans.iter().find(|region| region["name"] == name).unwrap_or_else(|| panic!("{spans:?}"));
                (region["begin_ns"].as_u64().expect("a time"), region["end_ns"].as_u64().expect("it ended"))
            };
            let (outer, inner) = (span("outer"), span("inner region"));
            assert!(outer.0 < inner.0 && inner.0 < inner.1 && inner.1 < outer.1, "{spans:?}");
            assert!(times[0] < outer.0 || outer.1 < times[1], "they are of one clock: {times:?} {spans:?}");
        }
    }
    assert!(built >= 4, "no compiler was found");
}

#[test]
fn a_report_now_is_that_of_the_end_and_goes_where_the_program_says() {
    let place = Place::new();
    let program =
        build(&place, &place.write("queries.c", QUERIES), "gcc", "-std=c11 -O1").expect("there is a compiler");
    for (how, quiet) in [(How::Bare, "0"), (How::Bare, "1"), (How::Run, "0")] {
        let file = place.join(&place.unused_name());
        let shell = format!("exec 7>'{}'; exec '{}' x", file.display(), program.display());
        let job = place.job(how, "/bin/sh").args(["-c", &shell]).env("MEMTRACE_QUIET", quiet);
        let ended = job.env("MEMTRACE_EXE", program.file_name().expect("it has a name")).run();
        assert!(ended.stdout.ends_with("report 0 -1\n"), "{how:?} {}", ended.stdout);
        let said = std::fs::read_to_string(&file).expect("it was written");
        let lost = "192 bytes in 3 blocks are definitely lost\n    at lose (queries.c:";
        for part in [lost, "LEAK SUMMARY:\n", "  marker begin after ", "  marker end after ", "losses: none"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    // Regions stand above the stack, and are groups.
    let ended = place.job(How::Run, &program).record();
    let report = |arguments: &[&str]| {
        let job = place.job(How::Native, &pair().command).arg("report").args(arguments.iter().copied());
        job.arg(&ended.profiles[0]).run().stdout
    };
    let text = report(&["--show", "all"]);
    let stack =
        "1,002 bytes in 1 blocks are still reachable\n    in region inner region\n    in region outer\n    at keep (";
    assert!(text.contains(stack), "{text}");
    let groups = report(&["--by", "region"]);
    assert!(groups.contains("\nouter: 2,004 bytes") && groups.contains("inner region: 1,002 bytes"), "{groups}");
}

const NEWS: &str = r#"
#include <stdio.h>
#include <unistd.h>
#include "memtrace.h"
static void *volatile kept[8];
static void keep(int count) { while (count > 0) kept[--count] = malloc(300); }
static void lose(int count) { for (; count > 0; count--) kept[7] = malloc(200); kept[7] = NULL; }
int main(int argc, char **argv) {
    FILE *state = tmpfile(), *news = fopen(argv[argc - 2], "w"), *all = fopen(argv[argc - 1], "w");
    uint64_t id;
    int pipe_ends[2];
    keep(2);
    lose(3);
    id = memtrace_recording(fileno(state));
    keep(2);
    lose(1);
    keep(5);
    printf("%d", (int)(id != 0) + (int)memtrace_leaks_since(id));
    printf(" %d", memtrace_profile_since(fileno(news), fileno(state), 0));
    printf(" %d", memtrace_profile_since(fileno(all), -1, MEMTRACE_LOST));
    /* No recording, none of this process, and nothing that can be written at any place. */
    printf(" %d %d", memtrace_profile_since(fileno(all), 999, 0), memtrace_profile_since(fileno(all), fileno(news), 0));
    if (pipe(pipe_ends) != 0) return 1;
    printf(" %d %d\n", (int)memtrace_recording(pipe_ends[1]), (int)memtrace_recording(-1));
    return 0;
}
"#;

#[test]
fn what_is_new_since_a_recording_stands_in_a_profile_of_its_own() {
    let place = Place::new();
    let program = build(&place, &place.write("news.c", NEWS), "gcc", "-std=gnu11 -O1").expect("there is a compiler");
    let native = place.job(How::Native, &program).args(["news.json", "all.json"]).run();
    assert_eq!(native.stdout, "0 -1 -1 -1 -1 0 0\n");
    for how in [How::Bare, How::Run] {
        let ended = place.job(how, &program).args(["news.json", "all.json"]).run();
        assert_eq!(ended.stdout, "6 0 0 -1 -1 0 0\n", "{how:?} {}", ended.stderr);
        let [news, all] = ["news.json", "all.json"].map(|name| read_profile(&place.join(name)).remove(0));
        let mut grown: Vec<_> =
            news.sites.iter().map(|site| (site.number("live_blocks"), site.number("live_bytes"))).collect();
        grown.sort_unstable();
        for expected in [(1, 200), (2, 600), (5, 1500)] {
            assert!(grown.contains(&expected), "{how:?} {grown:?}");
        }
        // The blocks of the first two `keep`s are lost now, too; three of `lose` were lost before.
        let lost = |process: &Process| {
            let leaks = process.json["checks"][0]["leaks"].as_array().expect("a list");
            let number = |number: Option<u64>| number.expect("a number");
            let rows = leaks.iter().map(|leak| (number(leak["blocks"].as_u64()), number(leak["bytes"].as_u64())));
            let mut rows: Vec<(u64, u64)> = rows.collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(lost(&news), [(1, 200), (2, 600), (2, 600)], "{how:?}");
        assert_eq!(lost(&all).iter().map(|row| row.0).sum::<u64>(), 8, "{how:?}");
        assert!(all.sites.is_empty());
    }
}

const THREADS: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>
#include "memtrace.h"
static void *kept[64];
static void *work(void *place) {
    long number = (long)place, turn;
    char name[20];
    sprintf(name, "worker %ld", number % 4);
    for (turn = 0; turn < 2000; turn++) {
        memtrace_region_begin(name);
        free(malloc(10));
        if (turn == 1000) kept[number] = malloc(700);
        if (turn % 500 == 0) {
            memtrace_live_bytes();
            memtrace_marker(name);
        }
        if (turn + number % 2 < 2000) memtrace_region_end();
    }
    return NULL;
}
int main(void) {
    pthread_t threads[16];
    long place;
    pid_t child;
    uint64_t point;
    int status = 0;
    for (place = 0; place < 16; place++) pthread_create(&threads[place], NULL, work, (void *)place);
    for (place = 0; place < 16; place++) pthread_join(threads[place], NULL);
    point = memtrace_checkpoint();
    memtrace_region_begin("parent");
    child = fork();
    if (child == 0) {
        void *volatile block = malloc(800);
        _exit(memtrace_leaks_since(point) == -1 && block != NULL ? 0 : 9);
    }
    waitpid(child, &status, 0);
    printf("%d %d\n", (int)memtrace_leaks_since(point), WEXITSTATUS(status));
    return 0;
}
"#;

#[test]
fn each_thread_has_its_own_regions_and_a_child_begins_without() {
    let place = Place::new();
    let program = build(&place, &place.write("threads.c", THREADS), "gcc", "-std=gnu11").expect("there is a compiler");
    let ended = place.job(How::Run, &program).record();
    assert_eq!((ended.stdout.as_str(), ended.code()), ("0 0\n", Some(0)), "{}", ended.stderr);
    let [parent, child] = ended.processes.as_slice() else { panic!("{} processes", ended.processes.len()) };
    let mut blocks = [0; 4];
    for site in parent.sites.iter().filter(|site| site.number("live_bytes") >= 700) {
        if site.number("largest_bytes") == 700 {
            let name = &site.frames[0].function;
            let number: usize = name.strip_prefix("worker ").and_then(|digit| digit.parse().ok()).expect(name);
            blocks[number] += site.number("live_blocks");
            assert!(site.frames[1].kind != "tag", "{:?}", site.frames);
        }
    }
    assert_eq!(blocks, [4; 4]);
    let own = child.sites.iter().find(|site| site.number("largest_bytes") == 800).expect("it is there");
    assert!(own.frames[0].kind == "native", "{:?}", own.frames);
    assert_eq!(parent.json["markers"].as_array().map(Vec::len), Some(64));
    // Of 32,000 times in a region the first are kept, and there is room for markers.
    let spans = parent.json["regions"].as_array().expect("a list");
    assert!((2_000..=4_096).contains(&spans.len()), "{}", spans.len());
    assert!(spans.iter().all(|span| span["end_ns"].is_null() || span["end_ns"].as_u64() >= span["begin_ns"].as_u64()));
    assert!(child.json.get("regions").is_none());
}

#[test]
fn the_crate_for_rust_programs_asks_the_same() {
    let place = Place::new();
    let program = api_example("asking");
    let with = "1000 bytes in 1 blocks more\nlost Some(2)\nignored Some(0)\nreport true\n";
    let without = "0 bytes in 0 blocks more\nlost None\nignored None\nreport false\n";
    let ended = place.job(How::Native, &program).run();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (without, ""));
    let ended = place.job(How::Bare, &program).env("MEMTRACE_QUIET", "1").run();
    assert_eq!(ended.stdout, with);
    let lost = "501 bytes in 1 blocks are definitely lost\n";
    let in_region = "503 bytes in 1 blocks are definitely lost\n    in region inner\n    in region outer\n    at ";
    assert!(ended.stderr.contains(lost) && ended.stderr.contains(in_region), "{}", ended.stderr);
}

const RAII: &str = r#"
#include <cstdio>
#include "memtrace.h"
void *volatile passing;
__attribute__((noinline)) static void lose(std::size_t size) {
    passing = ::operator new(size);
    passing = nullptr;
}
int main() {
    memtrace::checkpoint before;
    lose(601);
    {
        memtrace::ignored ignored;
        lose(602);
    }
    {
        memtrace::region outer("outer");
        memtrace::region inner("inner");
        lose(603);
    }
    std::printf("%d\n", static_cast<int>(before.leaks()));
}
"#;

#[test]
fn classes_of_the_header_end_what_they_began() {
    let place = Place::new();
    let source = place.write("raii.cpp", RAII);
    for (compiler, flags) in [("g++", "-std=c++11"), ("g++", "-std=c++20 -O2"), ("clang++", "-std=c++20")] {
        let Some(program) = build(&place, &source, compiler, flags) else { continue };
        assert_eq!(place.job(How::Native, &program).run().stdout, "0\n");
        for how in [How::Bare, How::Run] {
            let ended = place.job(how, &program).record();
            assert_eq!(ended.stdout, "2\n", "{compiler} {flags} {how:?}");
            // A region does not hide which function allocated, nor an operator's frame.
            let sites = &ended.process().sites;
            let of = |bytes| sites.iter().find(|site| site.number("live_bytes") == bytes).expect("it is there");
            let (plain, named) = (of(601), of(603));
            assert_eq!((plain.op.as_str(), named.op.as_str()), ("operator new", "operator new"));
            let functions: Vec<&str> = named.frames.iter().map(|frame| frame.function.as_str()).take(3).collect();
            assert!(functions[..2] == ["inner", "outer"] && functions[2].starts_with("lose"), "{functions:?}");
        }
    }
}

const SCRIPT: &str = r#"
import ctypes, sys
import memtrace
libc = ctypes.PyDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def lose(size, count=1):
    for _ in range(count):
        libc.malloc(size)
blocks, size = memtrace.live_blocks(), memtrace.live_bytes()
kept = libc.malloc(1 << 20)
print(memtrace.live_blocks() > blocks, memtrace.live_bytes() - size >= 1 << 20)
libc.free(kept)
point = memtrace.checkpoint()
lose(70001, 5)
# What is left on stacks may hold the last.
lost = memtrace.leaks_since(point)
print(lost is not None and 3 <= lost <= 5)
with memtrace.region("loading"):
    lose(70002, 3)
point = memtrace.checkpoint()
with memtrace.ignore():
    lose(70003)
lost = memtrace.leaks_since(point)
print(lost is not None and lost <= 3, memtrace.leaks_since(99))
sys.stdout.flush()
print(memtrace.report(sys.stdout))
"#;

#[test]
fn the_python_module_asks_the_same() {
    let place = Place::new();
    let script = place.write("asking.py", SCRIPT);
    let run = |how| {
        let job = place.job(how, "/usr/bin/python3").args(["-S", "-B"]).arg(&script).env("MEMTRACE_QUIET", "1");
        job.env("PYTHONPATH", workspace().join("shim/python")).run()
    };
    let ended = run(How::Native);
    assert_eq!(ended.stdout, "False False\nFalse\nFalse None\nFalse\n", "{}", ended.stderr);
    let ended = run(How::Bare);
    let said = "True True\nTrue\nTrue None\n";
    assert!(ended.stdout.starts_with(said) && ended.stdout.ends_with("\nTrue\n"), "{} {}", ended.stdout, ended.stderr);
    let in_region = " blocks are definitely lost\n    in region loading\n    at ";
    assert!(ended.stdout.contains(in_region), "{}", ended.stdout);
}
