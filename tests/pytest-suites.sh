#!/bin/bash
# The own test suites of real extensions under `pytest --memtrace`: each test has the result that it has without, but for those
# that leak by themselves, which are listed. And what it costs: CPU time of the same tests against a plain run, beside memray's.
#
#   tests/pytest-suites.sh [-b DIRECTORY] [PACKAGE==VERSION:DIRECTORY OF TESTS…]
#
#   -b  where the command and its libraries are (default: target/release)
#
# Not part of the suite: the source distributions, pytest and memray come from the network. Exit 1: a test differs.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/tests/pair.sh"
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- msgpack==1.0.8:test
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python=$place/venv/bin/python
if ! "${PYTHON:-/usr/bin/python3}" -m venv "$place/venv" >/dev/null || ! "$python" -m pip install -q pytest memray; then
    echo "pytest-suites: skipped: no virtual environment, or no network" >&2
    exit 0
fi
MEMTRACE_BINARIES=$build "$python" -m pip install -q --no-deps "$here/report/python" || exit 2
unset PYTHONMALLOC MEMTRACE_OUT
# pytest cuts its summary to the width of a terminal.
export COLUMNS=400 PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 MEMTRACE_QUIET=1 MEMTRACE_DEADLINE=300
TIMEFORMAT='%U %S'
differ=0

# CPU seconds of a command; what it says goes to a file.
cpu() {
    local said=$1 times
    shift
    times=$( { time "$@" >"$said" 2>&1; } 2>&1 )
    awk '{ printf "%.2f", $1 + $2 }' <<<"$times"
}

# Tests that fail for a leak alone, with what they lose.
leaks() { sed -n 's/^FAILED \(.*\) - Failed: memtrace: \(.* lost\), .*/\1: \2/p' "$1" | sort; }
without_leaks() { sed 's/^FAILED \(.*\) - Failed: memtrace: .* lost, .*/PASSED \1/' "$1" >"$1-kept"; results "$1-kept"; }
results() { grep -E '^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) ' "$1" | sed 's/ - .*//' | sort; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

for suite in "$@"; do
    package=${suite%%:*} tests=${suite#*:}
    sources=$place/${package%%=*}
    mkdir "$sources"
    "$python" -m pip install -q --no-binary "${package%%=*}" --no-deps "$package" &&
        "$python" -m pip download -q --no-binary "${package%%=*}" --no-deps -d "$sources" "$package" &&
        tar -xzf "$sources"/*.tar.gz -C "$sources" --strip-components=1 || exit 2
    # The tests alone: what is imported is what was installed.
    mkdir "$sources/own" && cp -r "$sources/$tests" "$sources/own/" && cd "$sources/own" || exit 2
    run=("$python" -m pytest -rA -q -p no:cacheprovider "$tests")
    native=$(cpu "$place/native" "${run[@]}")
    plain=$(PYTHONMALLOC=malloc cpu "$place/plain" "${run[@]}")
    memtrace=$(PYTHONMALLOC=malloc cpu "$place/run" "$build/memtrace" run -o "$place/run.json" -- "${run[@]}")
    without=$(PYTHONMALLOC=malloc MEMTRACE_PYTHON=0 cpu "$place/without" "$build/memtrace" run -o "$place/without.json" -- "${run[@]}")
    bare=$(PYTHONMALLOC=malloc LD_PRELOAD=$build/libmemtrace.so cpu "$place/bare" "${run[@]}")
    bare_without=$(PYTHONMALLOC=malloc MEMTRACE_PYTHON=0 LD_PRELOAD=$build/libmemtrace.so cpu "$place/bare-without" "${run[@]}")
    plugin=$(cpu "$place/plugin" "${run[@]}" --memtrace)
    memray=$(PYTHONMALLOC=malloc cpu "$place/memray" "$python" -m memray run --native --trace-python-allocators -q -f \
        -o "$place/memray.bin" -m pytest "${run[@]:3}")
    for how in run without plugin; do
        if ! diff <(results "$place/native") <(without_leaks "$place/$how") >"$place/diff"; then
            echo "$package: $how: other results than without:"
            head -n 20 "$place/diff"
            differ=1
        fi
    done
    echo "$package: $(results "$place/native" | wc -l) results, of which $(leaks "$place/plugin" | wc -l) leak:"
    leaks "$place/plugin" | sed 's/^/  /'
    echo "| what | CPU, s | of a plain run with PYTHONMALLOC=malloc |"
    echo "|---|---|---|"
    for row in "as it is:$native" "PYTHONMALLOC=malloc:$plain" "LD_PRELOAD, names of the end included:$bare" \
        "the same without Python functions:$bare_without" "memtrace run, with its report:$memtrace" \
        "the same without Python functions:$without" "pytest --memtrace:$plugin" "memray run --native:$memray"; do
        echo "| ${row%:*} | ${row##*:} | $(ratio "${row##*:}" "$plain") |"
    done
done
exit $differ
