#!/bin/bash
# A sweep by a Slurm array: examples/scale/slurm/sweep.sh SHARDS DIRECTORY CMD [ARGUMENT]…
#
# DIRECTORY lies where all nodes see it. Shards whose part is missing when the array is over (a node was lost, a time limit) go
# into another array, and go on where they were. Options for sbatch: SBATCH_PARTITION and the like. Status: that of merge.
set -euo pipefail
count=$1 to=$(realpath -m "$2")
shift 2
mkdir -p "$to"
shard=$(dirname "$(realpath "$0")")/../shard
for _ in 1 2 3; do
    missing=$(for number in $(seq "$count"); do [[ -e $to/$number.part ]] || echo "$number"; done | paste -sd,)
    [[ $missing ]] || break
    # The words go by a script on stdin, each as bash quotes it.
    sbatch --quiet --wait --array="$missing" --output="$to/%a.log" --open-mode=append --chdir="$PWD" <<END || true
#!/bin/bash
exec $(printf '%q ' "$shard") "\$SLURM_ARRAY_TASK_ID" $(printf '%q ' "$count" "$to" "$@")
END
done
[[ $(ls "$to" | grep -c "\.part$") == "$count" ]] || { echo "not all of $count shards are whole" >&2; exit 2; }
exec memtrace merge --out "json:$to/whole.json" "$to"/*.part
