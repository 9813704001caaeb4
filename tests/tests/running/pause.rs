//! How long a process stands still, and how much memory a check takes.

use memtrace_tests::{How, Place};

use crate::target::{Target, build, kinds};

const BLOCKS: u64 = 1_000_000;
const BYTES: u64 = 1008;
/// In /proc/meminfo, with room for both copies of what is written meanwhile.
const NEEDED_KIB: u64 = 4 << 20;

fn available_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_million_blocks_of_a_kib_hold_the_process_up_for_a_moment_only() {
    if available_kib() < NEEDED_KIB {
        eprintln!("skipped: less than {NEEDED_KIB} KiB of memory are available");
        return;
    }
    let place = Place::new();
    let program = build(&place, "heap");
    for how in [How::Bare, How::Run] {
        let mut target = Target::start(&place, how, &program, &[&BLOCKS.to_string(), &BYTES.to_string(), "wait"]);
        let process = target.check();
        let check = process.last_word().expect("it was classified");
        let number = |key: &str| check[key].as_u64().unwrap_or_else(|| panic!("no `{key}`"));
        let (pause_ms, cpu_ms) = (number("pause_ns") / 1_000_000, number("cpu_ns") / 1_000_000);
        let percent = number("work_bytes") * 100 / (BLOCKS * BYTES);
        println!("{how:?}: stood still for {pause_ms} ms, {cpu_ms} ms beside it, memory {percent} % of the heap");
        assert_eq!(kinds(&process, BYTES), format!("{BLOCKS} reachable"), "{how:?}");
        assert_eq!(kinds(&process, 1004), "1 definite", "{how:?}");
        assert!(pause_ms < 2000, "{how:?}: {pause_ms} ms");
        assert!(percent <= 20, "{how:?}: {percent} %");
        target.say("e");
        assert_eq!(target.end().code(), Some(3), "{how:?}");
    }
}
