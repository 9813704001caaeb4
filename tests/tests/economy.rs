//! MEMTRACE_SAMPLE and MEMTRACE_MAX_MEMORY: what is recorded when not everything is, and what is said of it.

use memtrace_tests::{Ended, How, Place, Process};

/// Both ways to record.
const BOTH: [How; 2] = [How::Bare, How::Run];

/// A program with its truth inside: blocks of three functions, of which some are kept.
const BLOCKS: &str = r#"
    #include <stdlib.h>
    #include <stdio.h>
    #include <string.h>
    static void *kept[700000];
    __attribute__((noinline)) void *small(void) { return malloc(100); }
    __attribute__((noinline)) void *large(void) { return calloc(7, 10000); }
    __attribute__((noinline)) void *grown(void *old) { return realloc(old, 3000); }
    int main(void) {
        size_t n = 0;
        for (int i = 0; i < 1000000; i++) {
            char *p = small();
            memset(p, i, 100);
            if (i % 2) kept[n++] = p; else free(p);
        }
        for (int i = 0; i < 4000; i++) {
            void *p = large();
            if (i % 4 == 0) kept[n++] = p; else free(p);
        }
        for (int i = 0; i < 40000; i++) {
            void *p = grown(malloc(20));
            if (i % 4 == 0) kept[n++] = p; else free(p);
        }
        for (int i = 0; i < 200000; i++) free(small());
        return printf("%zu\n", n) < 0;
    }"#;

fn blocks(place: &Place, how: How, settings: &[(&str, &str)]) -> Ended {
    let program = place.c("blocks", BLOCKS, &["-fno-builtin", "-O1"]);
    let job = place.job(how, program).env("MEMTRACE_SUMMARY", "1");
    let ended = settings.iter().fold(job, |job, (name, value)| job.env(*name, *value)).record();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.stdout.trim(), "511000");
    ended
}

#[track_caller]
fn near(found: u64, truth: u64, percent: u64) {
    let difference = found.abs_diff(truth);
    assert!(difference * 100 <= truth * percent, "{found} is not within {percent} % of {truth}");
}

#[test]
fn the_estimates_of_samples_are_near_the_truth_and_said_to_be_estimates() {
    for how in BOTH {
        let place = Place::new();
        let ended = blocks(&place, how, &[("MEMTRACE_SAMPLE", "32K")]);
        let process = ended.process();
        // About 3,700 samples of `small`, 1,500 of them live: a deviation of 2.6 % live; five times that is allowed.
        near(process.sum("small", "total_blocks"), 1_200_000, 9);
        near(process.sum("small", "live_bytes"), 50_000_000, 13);
        near(process.sum("large", "live_bytes"), 70_000_000, 20);
        near(process.sum("large", "total_bytes"), 280_000_000, 12);
        near(process.sum("grown", "live_blocks"), 10_000, 18);
        assert_eq!(process.summary("sample_bytes"), 32 << 10);
        assert_eq!(process.summary("unknown_frees"), 0);
        let live = process.sites.iter().map(|site| site.number("live_bytes")).sum::<u64>();
        assert_eq!(process.summary("live_bytes"), live, "what was freed was taken away as it was added");
        assert!(process.losses().is_empty(), "{:?}", process.losses());
    }
    let place = Place::new();
    let program = place.c("blocks", BLOCKS, &["-fno-builtin", "-O1"]);
    let text = place.job(How::Bare, program).env("MEMTRACE_SAMPLE", "32K").run();
    let said = text.stderr;
    assert!(said.contains("sampled: one allocation in about 32,768 bytes"), "{said}");
}

#[test]
fn operators_of_cpp_are_sampled_like_malloc() {
    let place = Place::new();
    let source = r#"
        #include <cstdio>
        #include <new>
        static void *kept[1000000];
        __attribute__((noinline)) void *one() { return ::operator new(200); }
        __attribute__((noinline)) void *several() { return ::operator new[](300); }
        __attribute__((noinline)) void *aligned() { return ::operator new(256, std::align_val_t(64)); }
        int main() {
            int n = 0;
            for (int i = 0; i < 200000; i++) {
                void *a = one(), *b = several(), *c = aligned();
                if (i % 2) { kept[n++] = a; kept[n++] = b; kept[n++] = c; continue; }
                ::operator delete(a, 200);
                ::operator delete[](b);
                ::operator delete(c, std::align_val_t(64));
            }
            return 0;
        }"#;
    let program = place.cpp("operators", source, &["-fno-builtin", "-O1", "-std=c++17"]);
    let ended = place.job(How::Bare, program).env("MEMTRACE_SUMMARY", "1").env("MEMTRACE_SAMPLE", "32K").record();
    let process = ended.process();
    for (function, op, bytes) in
        [("one()", "operator new", 200), ("several()", "operator new[]", 300), ("aligned()", "operator new", 256)]
    {
        near(process.sum(function, "total_bytes"), 200_000 * bytes, 16);
        near(process.sum(function, "live_bytes"), 100_000 * bytes, 22);
        assert!(process.sites_of(function).all(|site| site.op == op), "{function}");
        assert!(process.sites_of(function).all(|site| site.functions().first() == Some(&function)), "{function}");
    }
}

/// A program with many call sites: each bit of a number is another function.
const SITES: &str = r#"
    #include <stdlib.h>
    #include <stdio.h>
    #define STEP(name) __attribute__((noinline)) void *name(unsigned path, int depth); 
    STEP(left) STEP(right)
    volatile int sink;
    __attribute__((noinline)) void *next(unsigned path, int depth) {
        void *p = depth == 0 ? malloc(32) : path & 1 ? left(path >> 1, depth - 1) : right(path >> 1, depth - 1);
        sink++;
        return p;
    }
    void *left(unsigned path, int depth) { void *p = next(path, depth); sink++; return p; }
    void *right(unsigned path, int depth) { void *p = next(path, depth); sink--; return p; }
    int main(void) {
        size_t n = 0;
        for (unsigned i = 0; i < 60000; i++) n += next(i, 16) != NULL;
        for (unsigned i = 0; i < 60000; i++) free(next(i, 16));
        return printf("%zu\n", n) < 0;
    }"#;

#[test]
fn near_its_limit_memtrace_gives_up_in_steps_and_names_them() {
    let place = Place::new();
    let program = place.c("sites", SITES, &["-fno-builtin", "-O1", "-fno-optimize-sibling-calls"]);
    let run = |limit: u64| {
        let ended = place
            .job(How::Bare, &program)
            .env("MEMTRACE_SUMMARY", "1")
            .env("MEMTRACE_TOP", "5")
            .env("MEMTRACE_MAX_MEMORY", limit.to_string())
            .record();
        assert_eq!((ended.code(), ended.stdout.trim()), (Some(0), "60000"), "{limit}");
        let process: &Process = ended.process();
        let own = process.summary("own_bytes");
        (process.summary("memory_level"), process.losses(), own, process.summary("allocations"))
    };
    let (level, losses, without, allocations) = run(4 << 30);
    assert_eq!((level, losses.len(), allocations >= 120_000), (0, 0, true), "{losses:?}");
    let (level, losses, own, _) = run(without * 5 / 4);
    assert!(level == 1 && losses.contains_key("memory_short") && own < without, "{level} {losses:?} {own} {without}");
    // What the start takes is beyond the limit already, and nothing is added.
    let (level, losses, least, _) = run(1 << 20);
    assert!(level == 3 && losses.contains_key("memory_counted") && least < 7 << 20, "{level} {losses:?} {least}");
    let limit = least * 6 / 5;
    let (level, losses, own, _) = run(limit);
    assert!(level >= 2 && losses.contains_key("memory_sampled"), "{level} {losses:?}");
    // By one window of the recording it may be passed.
    assert!(own <= limit + (1 << 20), "{own} {limit}");
}

#[test]
fn what_was_recorded_before_the_limit_and_what_was_sampled_near_it_add_up() {
    let place = Place::new();
    let without = blocks(&place, How::Bare, &[]).process().summary("own_bytes");
    let limit = without * 6 / 5;
    let ended = blocks(&place, How::Bare, &[("MEMTRACE_MAX_MEMORY", &limit.to_string())]);
    let process = ended.process();
    assert_eq!(process.summary("memory_level"), 2, "{:?}", process.losses());
    assert_eq!(process.summary("sample_bytes"), 512 << 10);
    near(process.sum("small", "total_blocks"), 1_200_000, 20);
    near(process.sum("large", "live_bytes"), 70_000_000, 60);
    assert!(process.summary("own_bytes") <= limit + (1 << 20));
}
