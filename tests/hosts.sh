#!/bin/bash
# Runs every host of tests/hosts natively, under bare LD_PRELOAD and under `memtrace run`, again and again, and once more
# with all on one processor. Prints how often each was left intact, and how often its planted leak was found.
#
#   tests/hosts.sh [-b DIRECTORY] [-h NAME] [-p] [TIMES]
#
#   -b  where libmemtrace.so and memtrace are (default: they are built)
#   -h  only hosts with this in their names
#   -p  other tools on the same hosts instead: heaptrack, valgrind, LSan, those that are installed (MEMTRACE_TEST_PEER=NAME: one)
#
# TIMES is 20. Exit 1: some run was wrong; what it was is printed.

set -u
cd "$(dirname "$0")/.." || exit 2
peers=0
while getopts b:h:p option; do
    case $option in
        b) MEMTRACE_TEST_PAIR=$(cd "$OPTARG" && pwd) && export MEMTRACE_TEST_PAIR || exit 2 ;;
        h) export MEMTRACE_TEST_HOST=$OPTARG ;;
        p) peers=1 ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
export MEMTRACE_TEST_TIMES=${1:-20}
hosts() { "$@" cargo test --quiet -p memtrace-tests --test hosts -- --nocapture; }

if [ $peers = 1 ]; then
    exec cargo test --quiet -p memtrace-tests --test hosts -- --ignored --nocapture other_tools
fi
failed=0
echo "== on all processors, $MEMTRACE_TEST_TIMES times"
hosts env || failed=1
echo "== on one processor, $MEMTRACE_TEST_TIMES times"
hosts taskset -c 0 || failed=1
exit $failed
