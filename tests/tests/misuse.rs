//! Heap errors: 351 programs that each misuse their heap in one way, and their twins that do not (`misuse/misuse.cpp`),
//! and programs that look as if they did and do not.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use memtrace_tests::{Ended, How, Job, Place, Process, pair, side_by_side, workspace};

/// Warnings of gcc's are about what these programs are for.
const FLAGS: [&str; 3] = ["-std=c++17", "-w", "-pthread"];

/// One line of `misuse`'s list.
struct Misuse {
    name: String,
    kind: String,
    setting: Option<(String, String)>,
}

fn built(place: &Place) -> (PathBuf, Vec<Misuse>) {
    let program = place.compile(&workspace().join("tests/misuse/misuse.cpp"), "misuse", &FLAGS);
    let list = Command::new(&program).output().expect("it was just built");
    let list = String::from_utf8(list.stdout).expect("names are plain");
    let misuse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, kind, setting] = words[..] else { panic!("{line}") };
        let setting = setting.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Misuse { name: name.to_owned(), kind: kind.to_owned(), setting }
    };
    (program, list.lines().map(misuse).collect())
}

fn with<'p>(job: Job<'p>, misuse: &Misuse, twin: &str) -> Job<'p> {
    let job = job.arg(&misuse.name).arg(twin);
    misuse.setting.iter().fold(job, |job, (name, value)| job.env(name, value))
}

/// The kinds of the errors of all processes.
fn kinds(ended: &Ended) -> Vec<String> {
    let errors = ended.processes.iter().flat_map(|process| errors(process));
    errors.map(|error| error["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

fn errors(process: &Process) -> Vec<&memtrace_tests::Json> {
    process.json["heap_errors"].as_array().expect("a list").iter().collect()
}

/// The functions of one of the stacks of an error.
fn functions(process: &Process, error: &memtrace_tests::Json, which: &str) -> Vec<String> {
    let Some(stack) = error[which].as_u64() else { return Vec::new() };
    let frames = process.json["stacks"][stack as usize].as_array().expect("a stack");
    let frame = |place: &memtrace_tests::Json| &process.json["frames"][place.as_u64().unwrap_or_default() as usize];
    frames.iter().map(|place| frame(place)["function"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_misuse_is_found_no_twin_is_accused_and_each_ends_as_it_would_without() {
    let place = Place::new();
    let (program, all) = built(&place);
    assert!(all.len() >= 300, "{}", all.len());
    let wrong = side_by_side(&all, |misuse| {
        let mut wrong = Vec::new();
        for twin in ["bad", "good"] {
            let native = with(place.job(How::Native, &program), misuse, twin).run();
            for how in [How::Bare, How::Run] {
                let ended = with(place.job(how, &program), misuse, twin).record();
                let expected = if twin == "bad" { vec![misuse.kind.clone()] } else { Vec::new() };
                let found = kinds(&ended);
                if found != expected {
                    wrong.push(format!("{} {twin} {how:?}: found {found:?}, expected {expected:?}\n", misuse.name));
                }
                let ends = |ended: &Ended| (ended.code(), ended.signal());
                if misuse.setting.is_none() && ends(&ended) != ends(&native) {
                    let (ours, its) = (ends(&ended), ends(&native));
                    wrong.push(format!("{} {twin} {how:?}: ends by {ours:?}, without by {its:?}\n", misuse.name));
                }
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "of {} programs:\n{}", all.len(), wrong.concat());
}

#[test]
#[ignore = "needs valgrind, and minutes; prints how many of each kind it finds"]
fn valgrind_beside() {
    let place = Place::new();
    let (program, all) = built(&place);
    let verdicts = side_by_side(&all, |misuse| {
        let errors = |twin: &str| -> bool {
            let run = Command::new("valgrind")
                .arg("-q")
                .arg(&program)
                .args([&misuse.name, twin])
                .output()
                .expect("valgrind is installed");
            String::from_utf8_lossy(&run.stderr).contains("== ")
        };
        vec![format!("{} {} {}", misuse.kind, errors("bad"), errors("good"))]
    });
    let mut sums: BTreeMap<String, (u32, u32, u32)> = BTreeMap::new();
    for verdict in verdicts {
        let words: Vec<&str> = verdict.split(' ').collect();
        let sum = sums.entry(words[0].to_owned()).or_default();
        sum.0 += 1;
        sum.1 += u32::from(words[1] == "true");
        sum.2 += u32::from(words[2] == "true");
    }
    println!("kind: programs, found by valgrind, twins accused by it");
    sums.iter().for_each(|(kind, (all, bad, good))| println!("{kind}: {all}, {bad}, {good}"));
}

#[test]
fn an_error_has_the_stacks_of_the_call_the_first_free_and_the_allocation() {
    let place = Place::new();
    let source = r#"
        #include <stdlib.h>
        __attribute__((noinline)) void *made(void) { return malloc(100); }
        __attribute__((noinline)) void first(void *p) { free(p); __asm__ volatile(""); }
        __attribute__((noinline)) void second(void *p) { free(p); __asm__ volatile(""); }
        int main(void) { void *volatile p = made(); first(p); second(p); return 0; }"#;
    let program = place.c("twice", source, &["-fno-builtin", "-fno-optimize-sibling-calls", "-w"]);
    for (how, setting) in [(How::Bare, "1"), (How::Run, "1"), (How::Bare, "0")] {
        let ended = place.job(how, &program).env("MEMTRACE_FREE_STACKS", setting).record();
        assert_eq!(ended.signal(), Some(libc::SIGABRT), "glibc still ends it");
        let process = ended.process();
        let [error] = errors(process)[..] else { panic!("{:?}", kinds(&ended)) };
        let innermost = |which| functions(process, error, which).first().cloned().unwrap_or_default();
        assert_eq!((innermost("stack"), innermost("allocated")), ("second".into(), "made".into()));
        assert_eq!(innermost("freed"), if setting == "1" { "first" } else { "" });
        assert_eq!((error["function"].as_str(), error["count"].as_u64()), (Some("free"), Some(1)));
        assert_eq!(error["bytes"].as_u64(), (setting == "1").then_some(100));
    }
    let text = place.job(How::Bare, &program).env("MEMTRACE_FREE_STACKS", "1").run().stderr;
    for line in [
        "double free: a block of 100 bytes is freed again by free\n    at second (twice.c:5)\n",
        "  freed first by\n    at first (twice.c:4)\n",
        "  allocated by malloc\n    at made (twice.c:3)\n",
        "heap errors: double-free 1\n",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
}

#[test]
fn a_crash_on_a_freed_block_says_which_where_allocated_and_where_freed() {
    let place = Place::new();
    // With a mapping of its own, so that it is gone when it is freed.
    let source = r#"
        #include <stdlib.h>
        #include <unistd.h>
        #include <pthread.h>
        __attribute__((noinline)) char *made(void) { return malloc(3000000); }
        __attribute__((noinline)) void dropped(char *p) { free(p); __asm__ volatile(""); }
        __attribute__((noinline)) char used(char *p) { char c = p[1000]; __asm__ volatile(""); return c; }
        static void *idle(void *p) { pause(); return p; }
        int main(int count, char **arguments) {
            pthread_t thread;
            if (count > 1) pthread_create(&thread, NULL, idle, NULL);
            char *volatile p = made();
            dropped(p);
            return used(p);
        }"#;
    let flags = ["-fno-builtin", "-fno-optimize-sibling-calls", "-w", "-pthread"];
    let program = place.c("crash", source, &flags);
    for more in [None, Some("threads")] {
        let profile = place.join("crash.json");
        let _ = std::fs::remove_file(&profile);
        let output = Command::new(&pair().command)
            .args(["run", "--crash", "-o"])
            .arg(&profile)
            .arg("--")
            .arg(&program)
            .args(more)
            .output()
            .expect("the command is there");
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
        let processes = memtrace_tests::read_profile(&profile);
        let [process] = &processes[..] else { panic!("{}", processes.len()) };
        let [error] = errors(process)[..] else { panic!("{:?}", errors(process)) };
        let innermost = |which| functions(process, error, which).first().cloned().unwrap_or_default();
        assert_eq!([innermost("stack"), innermost("freed"), innermost("allocated")], ["used", "dropped", "made"]);
        assert_eq!((error["kind"].as_str(), error["offset"].as_u64()), (Some("crash-on-freed"), Some(1000)));
        assert_eq!(error["bytes"].as_u64(), Some(3_000_000));
    }
}

#[test]
fn errors_change_the_exit_status_on_request_and_end_the_process_on_request() {
    let place = Place::new();
    let source = r#"
        #include <new>
        #include <stdio.h>
        #include <stdlib.h>
        int main() {
            void *volatile p = operator new(8);
            free(p);
            puts("went on");
            return 0;
        }"#;
    let program = place.cpp("mismatch", source, &["-w"]);
    for how in [How::Bare, How::Run] {
        let plain = place.job(how, &program).record();
        assert_eq!((plain.code(), kinds(&plain)), (Some(0), vec!["mismatched-free".to_owned()]));
        assert_eq!(place.job(how, &program).env("MEMTRACE_EXITCODE", "9").run().code(), Some(9));
        let off = place.job(how, &program).env("MEMTRACE_EXITCODE", "9").env("MEMTRACE_HEAP_ERRORS", "0").record();
        assert_eq!((off.code(), kinds(&off)), (Some(0), vec![]));
        let fatal = place.job(how, &program).env("MEMTRACE_FATAL", "1").record();
        assert_eq!((fatal.signal(), fatal.stdout.as_str()), (Some(libc::SIGABRT), ""));
        assert_eq!(kinds(&fatal), ["mismatched-free"]);
    }
}

/// Sources of programs that get memory past us, or have operators of their own: not one error.
const CLEAN: [(&str, &str); 7] = [
    (
        "own_new",
        r#"
        #include <new>
        #include <stdlib.h>
        void *operator new(size_t n) { return malloc(n); }
        int main() { for (int i = 0; i < 50; i++) delete new int; delete[] new int[5]; }"#,
    ),
    (
        "own_delete",
        r#"
        #include <new>
        #include <stdlib.h>
        void operator delete(void *p) noexcept { free(p); }
        void operator delete(void *p, size_t) noexcept { free(p); }
        int main() { for (int i = 0; i < 50; i++) delete new int; }"#,
    ),
    (
        "looked_up",
        r#"
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <string.h>
        int main() {
            void *libc = dlopen("libc.so.6", RTLD_NOW);
            auto take = (void *(*)(size_t))dlsym(libc, "malloc");
            auto give = (void (*)(void *))dlsym(libc, "free");
            for (int round = 0; round < 2000; round++) {
                size_t bytes = 8 + round * 37 % 5000;
                void *ours = malloc(bytes);
                free(ours);
                // Memory that a block of ours had, from past us.
                char *past = (char *)take(bytes);
                memset(past, round % 3 ? 0x41 : 0, bytes);
                void *more = take(bytes * 2);
                memset(more, 0, bytes * 2);
                free(past);
                free(more);
                void *again = malloc(bytes);
                give(again);
            }
        }"#,
    ),
    (
        "fork_child",
        r#"
        #include <stdlib.h>
        #include <string.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main() {
            static void *blocks[4000];
            for (int i = 0; i < 4000; i++) blocks[i] = memset(malloc(8 + i * 13 % 3000), 0, 8);
            if (fork() == 0) {
                for (int i = 0; i < 4000; i += 2) free(blocks[i]);
                for (int i = 1; i < 4000; i += 2) free(realloc(blocks[i], 5000));
                exit(0);
            }
            int status;
            wait(&status);
            return status != 0;
        }"#,
    ),
    (
        "strings",
        r#"
        #include <map>
        #include <memory>
        #include <string>
        #include <vector>
        struct base { virtual ~base() {} };
        struct derived : base { std::string text = std::string(100, 'x'); alignas(64) char wide[64]; };
        int main() {
            std::map<int, std::vector<std::string>> map;
            for (int i = 0; i < 500; i++) map[i % 50].push_back(std::string(i, 'a'));
            std::vector<std::unique_ptr<base>> owned;
            for (int i = 0; i < 50; i++) owned.emplace_back(new derived);
            auto shared = std::make_shared<derived>();
            delete[] new std::string[10];
            try { throw std::string("thrown"); } catch (const std::string &) {}
        }"#,
    ),
    (
        "first_call",
        r#"
        #include <pthread.h>
        #include <string>
        int main() {
            for (int i = 0; i < 50; i++) delete new std::string(50, 'x');
            for (int i = 0; i < 200; i++) {
                pthread_t thread;
                auto run = [](void *p) -> void * { return delete (std::string *)p, nullptr; };
                pthread_create(&thread, nullptr, run, new std::string(50, 'x'));
                pthread_join(thread, nullptr);
            }
        }"#,
    ),
    (
        "usable",
        r#"
        #include <malloc.h>
        #include <stdlib.h>
        #include <string.h>
        int main() {
            for (int i = 1; i < 3000; i++) {
                void *block = malloc(i);
                memset(block, 1, malloc_usable_size(block));
                free(block);
                free(realloc(malloc(i), i + 3));
            }
        }"#,
    ),
];

#[test]
fn nobody_is_accused_who_gets_memory_past_us_or_has_operators_of_its_own() {
    let place = Place::new();
    let all: Vec<(&str, PathBuf)> = CLEAN
        .iter()
        .map(|&(name, source)| (name, place.cpp(name, source, &["-std=c++17", "-w", "-pthread"])))
        .collect();
    let settings: [&[(&str, &str)]; 3] =
        [&[], &[("MEMTRACE_CANARY", "1")], &[("MEMTRACE_QUARANTINE", "4M"), ("MEMTRACE_FREE_STACKS", "1")]];
    let wrong = side_by_side(&all, |(name, program)| {
        let mut wrong = Vec::new();
        for setting in settings {
            // What others free, they free in a quarantine's back.
            if *name == "looked_up" && setting.len() == 2 {
                continue;
            }
            let job = setting.iter().fold(place.job(How::Bare, program), |job, (name, value)| job.env(*name, *value));
            let ended = job.env("MEMTRACE_SUMMARY", "1").record();
            if ended.code() != Some(0) || !kinds(&ended).is_empty() {
                wrong.push(format!("{name} {setting:?}: {:?} {:?}\n", ended.status, kinds(&ended)));
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_library_with_operators_linked_into_it_is_not_accused() {
    let place = Place::new();
    let library = r#"
        extern "C" __attribute__((visibility("default"))) int *made() { return new int(3); }
        extern "C" __attribute__((visibility("default"))) void dropped(int *p) { delete p; }"#;
    let flags = ["-shared", "-fPIC", "-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL"];
    let built = place.cpp("libown.so", library, &flags);
    let source = r#"
        extern "C" int *made();
        extern "C" void dropped(int *);
        int main() {
            for (int i = 0; i < 20; i++) { delete made(); dropped(new int); dropped(made()); }
        }"#;
    let linked = built.display().to_string();
    let program = place.cpp("uses", source, &[&linked, "-Wl,-rpath,$ORIGIN"]);
    let ended = place.job(How::Bare, program).env("MEMTRACE_SUMMARY", "1").record();
    assert_eq!((ended.code(), kinds(&ended)), (Some(0), vec![]));
}

#[test]
fn each_kind_of_the_schema_has_a_program() {
    let place = Place::new();
    let (_, all) = built(&place);
    let kinds: std::collections::BTreeSet<&str> = all.iter().map(|misuse| misuse.kind.as_str()).collect();
    // Crashes have a test of their own.
    assert_eq!(kinds.len() + 1, kinds_of_the_schema(), "{kinds:?}");
}

/// Kinds that the schema of profiles has.
fn kinds_of_the_schema() -> usize {
    let schema = memtrace_tests::read_json(&workspace().join("report/schema/profile-1.schema.json"));
    let errors = &schema["$defs"]["process"]["properties"]["heap_errors"];
    errors["items"]["properties"]["kind"]["enum"].as_array().expect("a list").len()
}
