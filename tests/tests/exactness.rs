//! What is counted is true: random traces against a model, and many stacks, and many blocks.
//!
//! A program in C runs a trace that a seed gives; a model in Rust says what every site of the profile must hold.

#[path = "exactness/trace.rs"]
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use memtrace_tests::{How, Place, Process, Site, workspace};
use trace::{Counts, Key, Order, Trace};

const SEEDS: u64 = 12;
const OPERATIONS: usize = 30_000;

fn interpreter(place: &Place) -> std::path::PathBuf {
    place.c(
        "interpreter",
        include_str!("exactness/interpreter.c"),
        &["-fno-optimize-sibling-calls", "-fno-builtin", "-pthread"],
    )
}

/// Which function of the trace a site belongs to; `None`: a site of the interpreter itself.
fn key(process: &Process, site: &Site, is_main: bool) -> Option<Key> {
    let functions = site.functions();
    let act = functions.iter().position(|&function| function == "act")?;
    let interpret = functions.iter().position(|&function| function == "interpret")?;
    let step = |function: &&str| function.strip_prefix("step").and_then(|digit| digit.parse().ok());
    let steps = functions[act..interpret].iter().rev().filter_map(step).collect();
    let op = ["malloc", "calloc", "memalign", "realloc"].into_iter().find(|&op| op == site.op)?;
    let thread = &process.threads[site.thread.expect("a site has a thread")];
    let number = if is_main { 0 } else { thread.name.strip_prefix('w')?.parse().ok()? };
    Some((number, steps, op))
}

fn counts(site: &Site) -> Counts {
    Counts {
        live_blocks: site.number("live_blocks"),
        live_bytes: site.number("live_bytes"),
        total_blocks: site.number("total_blocks"),
        total_bytes: site.number("total_bytes"),
        peak_blocks: site.number("peak_blocks"),
        peak_bytes: site.number("peak_bytes"),
        at_peak_blocks: site.number("at_peak_blocks"),
        at_peak_bytes: site.number("at_peak_bytes"),
        temporary_blocks: site.number("temporary_blocks"),
        largest_bytes: site.number("largest_bytes"),
        realloc_blocks: site.number("realloc_blocks"),
    }
}

/// What holds with several threads too.
fn without_peaks(counts: &Counts) -> Counts {
    Counts { peak_blocks: 0, peak_bytes: 0, at_peak_blocks: 0, at_peak_bytes: 0, ..counts.clone() }
}

/// Runs a trace and compares all sites; gives the process and the bytes that the interpreter itself took, for threads.
fn compare(place: &Place, how: How, trace: &Trace, is_main: bool, said: &str) -> (Process, u64) {
    let ended = place.job(how, place.join("interpreter")).input(trace::words(trace, is_main)).record();
    assert!(ended.status.success(), "{said}: {:?}\n{}", ended.status, ended.stderr);
    let process = ended.process().clone();
    assert_eq!(process.losses(), BTreeMap::new(), "{said}");
    let mut found = BTreeMap::new();
    let mut own = Counts::default();
    for site in &process.sites {
        match key(&process, site, is_main) {
            Some(key) => assert_eq!(found.insert(key, counts(site)), None, "{said}: two sites are one"),
            None => {
                own.live_blocks += site.number("live_blocks");
                own.live_bytes += site.number("live_bytes");
                own.total_blocks += site.number("total_blocks");
                own.total_bytes += site.number("total_bytes");
            }
        }
    }
    let model = &trace.model;
    for (key, expected) in &model.sites {
        let counts = found.get(key).unwrap_or_else(|| panic!("{said}: no site {key:?}, which has {expected:?}"));
        match is_main {
            true => assert_eq!(counts, expected, "{said}: {key:?}"),
            false => assert_eq!(without_peaks(counts), without_peaks(expected), "{said}: {key:?}"),
        }
    }
    assert_eq!(found.len(), model.sites.len(), "{said}");
    assert_eq!(process.summary("allocations"), model.allocations + own.total_blocks, "{said}");
    assert_eq!(process.summary("frees"), model.frees + own.total_blocks - own.live_blocks, "{said}");
    assert_eq!(process.summary("reallocs"), model.reallocs, "{said}");
    assert_eq!(process.summary("failed"), model.failed, "{said}");
    assert_eq!(process.summary("live_bytes"), model.live_bytes + own.live_bytes, "{said}");
    assert_eq!(process.summary("unknown_frees"), 0, "{said}");
    (process, own.total_bytes)
}

#[test]
fn every_count_of_one_thread_equals_the_models() {
    let place = Place::new();
    interpreter(&place);
    for seed in 0..SEEDS {
        let trace = trace::make(seed, 1, OPERATIONS, Order::Turns);
        let how = if seed % 2 == 0 { How::Bare } else { How::Run };
        let said = format!("seed {seed}, {how:?}");
        let (process, own) = compare(&place, how, &trace, true, &said);
        assert_eq!(own, 0, "{said}");
        assert_eq!(process.summary("peak_bytes"), trace.model.peak_bytes, "{said}");
        assert_eq!(process.summary("peak_slack_bytes"), 0, "{said}");
    }
}

#[test]
fn every_count_of_threads_that_take_turns_equals_the_models_and_the_peak_is_within_the_slack() {
    let place = Place::new();
    interpreter(&place);
    for seed in 100..100 + SEEDS / 2 {
        let threads = 2 + (seed % 5) as usize;
        let trace = trace::make(seed, threads, OPERATIONS / 3, Order::Turns);
        let said = format!("seed {seed}, {threads} threads");
        let (process, own) = compare(&place, How::Bare, &trace, false, &said);
        let slack = process.summary("peak_slack_bytes") * (threads as u64 + 1);
        let (found, truth) = (process.summary("peak_bytes"), trace.model.peak_bytes + own);
        assert!(
            slack > 0 && found <= truth + slack && found + slack >= truth,
            "{said}: {found}, not {truth} ± {slack}"
        );
    }
}

#[test]
fn every_count_of_threads_that_run_at_once_equals_the_models() {
    let place = Place::new();
    interpreter(&place);
    for seed in 200..200 + SEEDS {
        let threads = 2 + (seed % 7) as usize;
        let trace = trace::make(seed, threads, OPERATIONS * 2, Order::Rounds);
        let how = if seed % 2 == 0 { How::Bare } else { How::Run };
        compare(&place, how, &trace, false, &format!("seed {seed}, {threads} threads, {how:?}"));
    }
}

#[test]
fn a_failed_realloc_does_not_make_its_block_temporary() {
    let place = Place::new();
    interpreter(&place);
    let operations = [(b'm', 10), (b'x', 0), (b'm', 20)].into_iter().zip(0u32..);
    let operation = |((kind, bytes), number)| trace::Operation { kind, slot: number / 2, bytes, path: 1, turn: 0 };
    let trace = Trace::of(vec![operations.map(operation).collect()]);
    compare(&place, How::Bare, &trace, true, "malloc, failing realloc, malloc");
}

#[test]
fn every_form_of_operator_new_is_counted_once_with_the_size_that_was_asked_for() {
    let place = Place::new();
    let program = place.compile(&workspace().join("examples/operators.cpp"), "operators", &["-std=c++17", "-O0"]);
    let ended = place.job(How::Bare, program).record();
    let process = ended.process();
    let sums = |op: &str| {
        let sites = process.sites_of("main").filter(|site| site.op == op);
        sites.fold((0, 0, 0), |(blocks, bytes, live), site| {
            let live = live + site.number("live_bytes");
            (blocks + site.number("total_blocks"), bytes + site.number("total_bytes"), live)
        })
    };
    // As the example says, line by line: freed, then kept.
    assert_eq!(
        sums("operator new"),
        (7 + 4, 11 + 13 + 15 + 64 + 192 + 320 + 64 + 304, 304),
        "{:?}",
        sums("operator new[]")
    );
    assert_eq!(sums("operator new[]"), (7 + 4, 12 + 14 + 16 + 128 + 256 + 384 + 192 + 436, 436));
    assert_eq!(
        process.summary("allocations"),
        22 + process.sites.iter().filter(|site| !site.has("main")).count() as u64
    );
    assert_eq!(process.summary("frees"), 14);
}

#[test]
fn two_hundred_thousand_stacks_are_told_apart() {
    const STACKS: u32 = 200_000;
    let place = Place::new();
    interpreter(&place);
    // Nine digits tell 262,144 paths apart; the slot is used again, so that all but the last block are lost to it.
    let operation =
        |number| trace::Operation { kind: b'm', slot: 0, bytes: number % 97 + 1, path: 1 << 18 | number, turn: 0 };
    let threads = vec![(0..STACKS).map(operation).collect()];
    let trace = Trace { threads, model: trace::Model::default() };
    let job = place.job(How::Bare, place.join("interpreter")).input(trace::words(&trace, true));
    let ended = job.env("MEMTRACE_OUT", "none").env("MEMTRACE_DEADLINE", "120").record();
    assert!(ended.status.success(), "{}", ended.stderr);
    let process = ended.process();
    assert_eq!(process.losses(), BTreeMap::new());
    assert_eq!(process.sites.len(), STACKS as usize);
    for site in &process.sites {
        let (_, steps, op) = key(process, site, true).expect("all sites are the trace's");
        let number = steps.iter().rev().fold(0u64, |number, &step| number << 2 | u64::from(step));
        assert_eq!((steps.len(), op, site.number("live_blocks")), (9, "malloc", 1));
        assert_eq!(site.number("live_bytes"), number % 97 + 1, "stack {number}");
    }
}

/// Takes `argv[1]` blocks, and frees a third of them all over the heap. The prime does not divide the number.
const MANY: &str = r#"
#include <stdlib.h>
int main(int argc, char **argv) {
    (void)argc;
    size_t count = strtoul(argv[1], 0, 10);
    void **blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++) blocks[i] = malloc(i % 64 + 1);
    for (size_t i = 0; i < count / 3; i++) free(blocks[i * 7919 % count]);
    return 0;
}
"#;

#[test]
fn a_million_live_blocks_are_counted_exactly() {
    many_blocks(1_000_000);
}

/// Ten millions where MEMTRACE_TEST_FULL=1 says that there is time and memory.
#[test]
fn ten_million_live_blocks_are_counted_exactly_in_a_full_run() {
    if std::env::var_os("MEMTRACE_TEST_FULL").is_some_and(|value| value == "1") {
        many_blocks(10_000_000);
    }
}

fn many_blocks(count: u64) {
    let place = Place::new();
    let program = place.c("many", MANY, &["-fno-builtin"]);
    let job = place.job(How::Bare, &program).arg(count.to_string()).patience(Duration::from_secs(300));
    let ended = job.env("MEMTRACE_OUT", "none").record();
    assert!(ended.status.success(), "{}", ended.stderr);
    let mut is_freed = vec![false; count as usize];
    (0..count / 3).for_each(|number| is_freed[(number * 7919 % count) as usize] = true);
    let live = (0..count).filter(|&number| !is_freed[number as usize]);
    let (blocks, bytes) = live.fold((0, 0), |(blocks, bytes), number| (blocks + 1, bytes + number % 64 + 1));
    let process = ended.process();
    assert_eq!(process.losses(), BTreeMap::new());
    assert_eq!(process.summary("live_blocks"), blocks + 1);
    assert_eq!(process.summary("live_bytes"), bytes + count * 8);
}

#[test]
fn stacks_of_an_executable_with_gaps_between_its_segments_are_whole() {
    let place = Place::new();
    let source = r#"
        #include <stdlib.h>
        __attribute__((noinline)) void *made(int bytes) { void *p = malloc(bytes); __asm__ volatile(""); return p; }
        __attribute__((noinline)) void *outer(int bytes) { void *p = made(bytes); __asm__ volatile(""); return p; }
        int main(void) { return outer(10) == outer(20); }"#;
    let gaps = "-Wl,-z,separate-code,-z,common-page-size=0x200000,-z,max-page-size=0x200000";
    let program = place.c("gaps", source, &["-no-pie", "-fno-pie", gaps]);
    let ended = place.job(How::Run, program).record();
    let site = ended.process().sites.iter().find(|site| site.functions().first() == Some(&"made"));
    let functions = site.map(|site| site.functions()).unwrap_or_default();
    assert_eq!(functions.get(..3), Some(&["made", "outer", "main"][..]), "{functions:?}");
}
