#!/bin/bash
# A profile and a recording of 200,000 sites and ten million live blocks, read by each command that reads one: what it takes of a
# processor and of memory, held against 5 s and 1 GiB. Takes 4 GiB of memory and 2 GiB of disk.
#
#   tests/large.sh [-b DIRECTORY] [SITES [BLOCKS]]
#
#   -b  where libmemtrace.so and memtrace are (default: target/release); a debug build takes several times as long
#
# Exit 1: a command failed, or took more than 5 s of a processor, or more than 1 GiB.

set -u
cd "$(dirname "$0")/.." || exit 2
. tests/pair.sh
shift $((OPTIND - 1))
sites=${1:-200000} blocks=${2:-10000000}
command -v python3 >/dev/null || { echo "large: python3 is not installed"; exit 2; }
top=$(mktemp -d "${TMPDIR:-/tmp}/memtrace-large.XXXXXX")
trap 'rm -rf "$top"' EXIT
cd "$top" || exit 2

# Each number of a site is a path of its own: nine calls of one of four functions.
cat >many.c <<'C'
#include <stdlib.h>
static void *take(unsigned path, int depth, size_t bytes);
#define WAY(n) __attribute__((noinline)) static void *way##n(unsigned path, int depth, size_t bytes) \
    { void *block = take(path >> 2, depth - 1, bytes); __asm__ volatile(""); return block; }
WAY(0) WAY(1) WAY(2) WAY(3)
__attribute__((noinline)) static void *take(unsigned path, int depth, size_t bytes)
{
    static void *(*const ways[])(unsigned, int, size_t) = {way0, way1, way2, way3};
    void *block = depth == 0 ? malloc(bytes) : ways[path & 3](path, depth, bytes);
    __asm__ volatile("");
    return block;
}
int main(int count, char **words)
{
    unsigned long sites = strtoul(words[count - 2], 0, 10), blocks = strtoul(words[count - 1], 0, 10);
    // What is taken behind this is lost; one in three is held.
    void **held = calloc(blocks / 3 + 1, sizeof *held);
    for (unsigned long at = 0; at < blocks; at++) {
        void *block = take(at % sites, 9, at % 97 + 1);
        if (at % 3 == 0)
            held[at / 3] = block;
    }
    return held == NULL;
}
C
cc -O1 -g -fno-optimize-sibling-calls -o many many.c || exit 2

# What a command takes: seconds of a processor, and its highest memory.
measured() {
    python3 - "$@" <<'P'
import os, resource, subprocess, sys
label, limits, words = sys.argv[1], sys.argv[2] == "limits", sys.argv[3:]
with open(os.devnull, "wb") as nothing:
    status = subprocess.run(words, stdout=nothing, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds, mib = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
bad = status not in (0, 1) or limits and (seconds > 5 or mib > 1024)
print(f"{label:34} {seconds:8.2f} s {mib:8.0f} MiB{'   !' if bad else ''}")
sys.exit(bad)
P
}

status=0
echo "$sites sites, $blocks live blocks"
measured "memtrace run (with its target)" free "$build/memtrace" run -o profile.json -- ./many "$sites" "$blocks" || status=1
# Without the command beside it the library leaves its recording as a file.
mkdir alone && cp "$build/libmemtrace.so" alone/ || exit 2
MEMTRACE_CLI=/none LD_PRELOAD=$top/alone/libmemtrace.so ./many "$sites" "$blocks" >/dev/null 2>said || true
recording=$(sed -n "s/.*memtrace report \([^ \`']*\).*/\1/p" said | head -n 1)
ls -l profile.json ${recording:+"$recording"} | awk '{ printf "%-34s %8.0f MiB\n", $NF, $5 / 1048576 }'
for file in profile.json $recording; do
    name=$(basename "$file")
    measured "report ${name:0:20}" limits "$build/memtrace" report --overview never "$file" || status=1
done
measured "report --overview, by function" limits "$build/memtrace" report --overview always --by function profile.json || status=1
measured "report --top-down" limits "$build/memtrace" report --top-down profile.json || status=1
measured "html" limits "$build/memtrace" html profile.json -o page.html || status=1
for format in pprof speedscope folded dhat massif heaptrack callgrind firefox csv; do
    measured "export --to $format" limits "$build/memtrace" export --to "$format" profile.json -o "out.$format" || status=1
done
measured "diff with itself" limits "$build/memtrace" diff profile.json profile.json || status=1
exit $status
