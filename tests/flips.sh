#!/bin/bash
# Reads three real recordings with each of their bytes flipped, and each of their prefixes: every one is read or refused,
# by a process that may take 768 MiB of address space and 10 s for each.
#
#   tests/flips.sh [-b DIRECTORY] [-e STEP] [-z EMPTY] [-j JOBS]
#
#   -b  where libmemtrace.so and memtrace are (default: target/release)
#   -e  only one byte in STEP, from one that is chosen at random
#   -z  of pages that are zero throughout, flips of one byte in EMPTY (default: 61; 1: all)
#   -j  processes at a time (default: 2)
#
# The readers are built with optimisation and every check (the profile `fuzz`), into target/fuzz. Debug files of the
# system's libraries, whose names cost more than all the rest, are hidden from them where that is allowed.
#
# What `memtrace report` does not read of a recording cannot change what it says: strace tells which bytes it reads, and of
# the others one in 997 is flipped, to see that it is so. Without strace all are flipped.

set -u
cd "$(dirname "$0")/.." || exit 2
build=${CARGO_TARGET_DIR:-target}/release step=1 jobs=2 empty=61
while getopts b:e:j:z: option; do
    case $option in
        b) build=$OPTARG ;;
        e) step=$OPTARG ;;
        j) jobs=$OPTARG ;;
        z) empty=$OPTARG ;;
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

CARGO_PROFILE_FUZZ_CODEGEN_UNITS=16 nice cargo test --profile fuzz --config 'profile.fuzz.package.memtrace.opt-level=1' \
    -p memtrace --bin memtrace --no-run 2>"$top/built" || { cat "$top/built"; exit 2; }
reader=$(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' "$top/built")
[ -x "$reader" ] || { cat "$top/built"; exit 2; }

# What is read of a recording, from where and how much.
read_of() {
    strace -qq -y -e trace=read,pread64 "$build/memtrace" report "$1" 2>&1 >/dev/null | awk -v file="<$1>" '
        !index($0, file) { next }
        { returned = $NF; arguments = $0; sub(/\) += .*/, "", arguments); count = split(arguments, parts, ", ") }
        /^pread64/ { print parts[count], returned }
        /^read/ { print at + 0, returned; at += returned }'
}

hide=()
unshare -m mount -t tmpfs none /usr/lib/debug 2>/dev/null &&
    hide=(unshare -m bash -c 'mount -t tmpfs none /usr/lib/debug && exec "$@"' bash)
export MEMTRACE_FLIPS_EMPTY=$empty
failed=0 count=0 from=$((RANDOM % step))
for file in "$top"/recordings/*.memtrace*; do
    head -c 8 "$file" | grep -q MEMTRACE || continue
    count=$((count + 1))
    unset MEMTRACE_FLIPS_READ
    if command -v strace >/dev/null; then
        read_of "$file" >"$top/read"
        [ -s "$top/read" ] || { echo "flips: nobody was seen to read $file"; exit 2; }
        export MEMTRACE_FLIPS_READ=$top/read
    fi
    echo "flips: $(basename "$file"): $(stat -c '%s' "$file") bytes, $(awk '{ sum += $2 } END { print sum }' "$top/read" 2>/dev/null) of them read"
    pids=()
    for ((job = 0; job < jobs; job++)); do
        (
            ulimit -c 0 -v $((768 << 10))
            export MEMTRACE_FLIPS=$file MEMTRACE_FLIPS_STEP=$((step * jobs)) MEMTRACE_FLIPS_FROM=$((from + step * job))
            nice "${hide[@]}" "$reader" --exact --ignored --nocapture \
                fuzz::flips::every_prefix_and_every_flip_of_a_real_recording_is_read_or_refused 2>&1 |
                awk '/^at /{ last = $0; next } /flips: /{ sub(/.*flips: /, "flips: "); print }
                    /panicked/{ print; getline; print } /^test result: /{ good = /ok\./ } END { if (!good) print last; exit !good }'
        ) &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
done
[ $count = 3 ] || { echo "flips: $count recordings, expected 3"; ls -la "$top" "$top/recordings"; cat "$top"/said-*; exit 2; }
exit $failed
