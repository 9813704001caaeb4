#!/bin/bash
# A sweep by GNU parallel: examples/scale/parallel.sh SHARDS DIRECTORY CMD [ARGUMENT]…
#
# Run again with the same words it makes what DIRECTORY/joblog does not have, and what failed there. Other machines, which see
# DIRECTORY and the program at the same paths: PARALLEL='--sshloginfile machines'. Status: that of `memtrace merge`.
set -euo pipefail
count=$1 to=$(realpath -m "$2")
shift 2
mkdir -p "$to"
shard=$(dirname "$(realpath "$0")")/shard
# The words of the command are nobody's placeholders, and no shell reads them again.
parallel --quote -I '{shard}' --jobs "${WORKERS:-100%}" --joblog "$to/joblog" --resume-failed \
    "$shard" '{shard}' "$count" "$to" "$@" ::: $(seq "$count")
exec memtrace merge --out "json:$to/whole.json" "$to"/*.part
