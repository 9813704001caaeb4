#!/bin/bash
# Reads every prefix and every flip of one byte of three real recordings: each is read or refused, by a process that may
# take 768 MiB of address space and 10 s for each.
#
#   tests/flips.sh [-b DIRECTORY] [-e STEP]
#
#   -b  where libmemtrace.so is (default: target/release)
#   -e  only one byte in STEP, from one that is chosen at random
#
# All of it takes hours; what is zero is looked at in every 16th place only.

set -u
cd "$(dirname "$0")/.." || exit 2
build=${CARGO_TARGET_DIR:-target}/release step=1
while getopts b:e: option; do
    case $option in
        b) build=$OPTARG ;;
        e) step=$OPTARG ;;
        *) exit 2 ;;
    esac
done
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
mkdir "$top/bin" "$top/recordings"
# Without a command beside it the library leaves its recording as a file.
cp "$build/libmemtrace.so" "$top/bin/" || exit 2
cc -g -O1 -w -o "$top/one" tests/hosts/end_plain.c && cc -g -O1 -w -pthread -o "$top/two" tests/hosts/threads_producers.c &&
    c++ -g -O1 -w -std=c++17 -o "$top/three" tests/hosts/misuse_mismatch.cpp || exit 2
for name in one two three; do
    (cd "$top/recordings" && LD_PRELOAD=$top/bin/libmemtrace.so MEMTRACE_OUT=$top/recordings/text-$name "$top/$name" >/dev/null 2>"$top/said-$name")
done
export MEMTRACE_FLIPS_STEP=$step MEMTRACE_FLIPS_FROM=$((RANDOM % step))
failed=0 count=0
ulimit -c 0
for file in "$top"/recordings/* "$top"/*.memtrace*; do
    head -c 8 "$file" 2>/dev/null | grep -q MEMTRACE || continue
    count=$((count + 1))
    echo "flips: $(basename "$file"): $(stat -c '%s bytes, %b blocks' "$file")"
    MEMTRACE_FLIPS=$file cargo test --quiet -p memtrace every_flip_of_a_real -- --ignored --nocapture >"$top/log" 2>&1 || {
        failed=1
        grep -v '^at ' "$top/log" | tail -20
        grep '^at ' "$top/log" | tail -1
    }
    grep '^flips' "$top/log"
done
[ $count = 3 ] || { echo "flips: $count recordings, expected 3"; ls -la "$top" "$top/recordings"; cat "$top"/said-*; exit 2; }
exit $failed
