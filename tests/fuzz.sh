#!/bin/bash
# Fuzzes every reader with libFuzzer and AddressSanitizer, where a nightly compiler is installed; without one, by the
# driver of the tests.
#
#   tests/fuzz.sh [SECONDS [TARGET…]]
#
# SECONDS (60) are spent on each target: recording, profile, sweep, baseline, policy, suppressions, elf, settings,
# import. What is found goes on in target/fuzz/TARGET; a crash is left there, and the exit is 1.

set -u
cd "$(dirname "$0")/.." || exit 2
seconds=${1:-60}
shift
targets=${*:-recording profile sweep baseline policy suppressions elf settings import}
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: no nightly compiler: by the driver of the tests"
    MEMTRACE_FUZZ_SECONDS=$seconds exec cargo test --quiet -p memtrace fuzz:: -- --nocapture
fi
# What the driver begins with, of which some is made by code, is what libFuzzer begins with.
MEMTRACE_FUZZ_SEEDS=$PWD/target/fuzz nice cargo test --quiet -p memtrace fuzz::driver::the_corpus >/dev/null || exit 2
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1 -Zsanitizer=address'
nice cargo +nightly build --quiet -p memtrace --features fuzzing --target "$host" --target-dir target/fuzz --profile fuzz || exit 2
failed=0
for target in $targets; do
    work=target/fuzz/$target
    mkdir -p "$work/corpus"
    MEMTRACE_FUZZ=$target ASAN_OPTIONS=allocator_may_return_null=0:detect_leaks=0 \
        "target/fuzz/$host/fuzz/memtrace" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=512 \
        -max_len=1048576 -artifact_prefix="$work/" -print_final_stats=1 "$work/corpus" "$work/seeds" >"$work/log" 2>&1
    status=$?
    rounds=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
    echo "fuzz: $target: ${rounds:-no} rounds, status $status"
    ((status == 0)) || { failed=1; grep -m5 -e panicked -e ERROR -e SUMMARY "$work/log"; }
done
exit $failed
