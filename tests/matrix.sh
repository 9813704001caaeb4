#!/bin/bash
# Builds each program of the tests that includes memtrace.h with every compiler, standard and level of optimisation that is
# here, with warnings as errors, and runs it without the library, with it, and with the library of sources too: it must end
# with status 0 each time, and say nothing on stderr natively.
#
#   tests/matrix.sh [DIRECTORY]     with the libraries of DIRECTORY; else of target/release, which are built first
#
# One line a build; the last says how many failed.
set -euo pipefail
cd "$(dirname "$0")/.."

pair=${1:-}
if [[ -z $pair ]]; then
    cargo build --quiet --release -p memtrace-shim -p memtrace-debugmem
    pair=target/release
fi
pair=$(realpath "$pair")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

programs=(tests/tests/sources/macros.c tests/tests/sources/adapters.c tests/tests/api/queries.c)
c_only=(tests/tests/api/faults.c)
cpp_only=(tests/tests/api/failing.cpp)
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fno-builtin)
builds=0
failures=0

# What is built, a word for how, and the command without the output.
try() {
    local source=$1 word=$2
    shift 2
    builds=$((builds + 1))
    local program="$work/program" log="$work/log" outcome=ok
    if ! "$@" "${warnings[@]}" -Ishim/include "$source" -o "$program" -pthread >"$log" 2>&1; then
        outcome="does not build: $(head -1 "$log")"
    else
        local libraries
        for libraries in "" "$pair/libmemtrace.so" "$pair/libmemtrace.so:$pair/libmemtrace_debugmem.so"; do
            local status=0
            LD_PRELOAD=$libraries MEMTRACE_QUIET=1 timeout 60 "$program" >/dev/null 2>"$log" || status=$?
            if ((status != 0)) || [[ -s $log ]]; then
                outcome="status $status with '$libraries': $(head -1 "$log")"
                break
            fi
        done
    fi
    [[ $outcome == ok ]] || failures=$((failures + 1))
    printf '%-34s %-44s %s\n' "${source#tests/tests/}" "$word" "$outcome"
}

for level in -O0 -O2 "-O2 -flto" "-O3 -s" "-O1 -fno-pie -no-pie"; do
    read -ra flags <<<"$level"
    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        # clang's own linker plug-in may not be there.
        [[ $compiler == clang && $level == *lto* ]] && continue
        for standard in c89 c99 c11 c17 gnu17; do
            for source in "${programs[@]}" "${c_only[@]}"; do
                try "$source" "$compiler -std=$standard $level" "$compiler" "-std=$standard" "${flags[@]}"
            done
        done
    done
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        [[ $compiler == clang++ && $level == *lto* ]] && continue
        for standard in c++11 c++14 c++17 c++20; do
            for source in "${programs[@]}"; do
                try "$source" "$compiler -std=$standard $level" "$compiler" -xc++ "-std=$standard" "${flags[@]}"
            done
            for source in "${cpp_only[@]}"; do
                try "$source" "$compiler -std=$standard $level" "$compiler" "-std=$standard" "${flags[@]}"
            done
        done
    done
done
echo "$builds builds, $failures failed"
((builds > 0 && failures == 0))
