#!/bin/bash
# A Slurm cluster of this machine alone, for as long as a command runs: examples/scale/slurm/localhost.sh CMD [ARGUMENT]…
#
# Starts munged, slurmctld and slurmd (Debian: munge, slurmctld, slurmd) in a directory of their own, on ports that nobody has,
# and ends them with the command. For trying things out; needs root.
set -euo pipefail
(($# > 0)) || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
export PATH=$PATH:/usr/sbin
home=$(mktemp -d /tmp/slurm.XXXXXX)
chmod 755 "$home"
daemons=()
finish() {
    local pid
    # The last first: slurmd before its controller, both before munged.
    for ((at = ${#daemons[@]} - 1; at >= 0; at--)); do
        pid=${daemons[at]}
        kill "$pid" 2>/dev/null || true
        for _ in {1..50}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$home"
}
trap finish EXIT
start() {
    "$@" >>"$home/daemons.log" 2>&1 &
    daemons+=($!)
}
failed() {
    echo "localhost.sh: $1" >&2
    tail -n 30 "$home"/*.log >&2
    exit 1
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

head -c 1024 /dev/urandom >"$home/munge.key"
mkdir -m 755 "$home/munge"
mkdir -m 700 "$home/state" "$home/spool"
chmod 400 "$home/munge.key"
start munged --foreground --force --key-file="$home/munge.key" --socket="$home/munge/socket" --pid-file="$home/munge/pid" \
    --seed-file="$home/munge/seed" --log-file="$home/munged.log"
for _ in {1..50}; do [[ -S $home/munge/socket ]] && break; sleep 0.1; done
[[ -S $home/munge/socket ]] || failed "munged does not answer"

export SLURM_CONF=$home/slurm.conf
cat >"$SLURM_CONF" <<END
ClusterName=localhost
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=$(id -un)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$home/munge/socket
CredType=cred/munge
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
NodeName=localhost NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
start slurmctld -D -f "$SLURM_CONF"
start slurmd -D -N localhost -f "$SLURM_CONF"
for _ in {1..300}; do
    [[ $(sinfo --noheader --format=%t 2>/dev/null || true) == idle ]] && break
    sleep 0.1
done
[[ $(sinfo --noheader --format=%t 2>/dev/null || true) == idle ]] || failed "no node is idle"
"$@"
