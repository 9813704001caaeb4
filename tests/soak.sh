#!/bin/bash
# A long run in short: redis-server under `memtrace run`, with 50 clients, a snapshot (a fork) every few seconds and a
# check for leaks every minute. Prints what memtrace takes and what the server does, and holds the end against the start.
#
#   tests/soak.sh [-b DIRECTORY] [MINUTES]
#
#   -b  where libmemtrace.so and memtrace are (default: target/release)
#
# MINUTES is 10. Exit 1: memory of memtrace's has grown by more than a quarter, or throughput has fallen by more than a
# quarter, from the second quarter to the last; a check failed; or the server did not end as it does without memtrace.

set -u
cd "$(dirname "$0")/.." || exit 2
. tests/pair.sh
shift $((OPTIND - 1))
seconds=$((${1:-10} * 60))
memtrace=$(realpath "$build/memtrace") || exit 2
for tool in redis-server redis-benchmark redis-cli; do
    command -v $tool >/dev/null || { echo "soak: $tool is not installed"; exit 2; }
done

top=$(mktemp -d)
launcher='' load=''
finish() {
    [ -z "$load" ] || kill "$load" 2>/dev/null
    [ -z "$launcher" ] || { kill "$launcher" 2>/dev/null; wait "$launcher" 2>/dev/null; }
    rm -rf "$top"
}
trap finish EXIT
cd "$top" || exit 2
cli="redis-cli -s $top/socket"

"$memtrace" run -o "$top/profile.json" -- redis-server --port 0 --unixsocket "$top/socket" --save '' --dir "$top" \
    --maxmemory 100mb --maxmemory-policy allkeys-lru >log 2>&1 &
launcher=$!
for _ in $(seq 100); do $cli ping >/dev/null 2>&1 && break; sleep 0.1; done
server=$($cli info server | tr -d '\r' | sed -n 's/^process_id://p')
[ -n "$server" ] || { cat log; exit 2; }

while :; do
    redis-benchmark -s "$top/socket" -q -c 50 -n 200000 -r 100000 -d 200 -t set,get,lpush,lpop,sadd,hset,zadd >/dev/null 2>&1 || sleep 1
done &
load=$!

# KiB of the recording that the server has touched.
own() { awk '/^[0-9a-f]+-/ { ours = /memfd:memtrace/ } ours && /^Rss:/ { sum += $2 } END { print sum + 0 }' "/proc/$server/smaps"; }
commands() { $cli info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p'; }

printf '%8s %14s %14s %14s %12s\n' second commands/s 'memtrace KiB' 'server KiB' snapshots
: >samples
began=$SECONDS before=$(commands) last=$SECONDS saved=0 checks=0 bad=0
while ((SECONDS - began < seconds)); do
    sleep 3
    $cli bgsave >/dev/null 2>&1 && saved=$((saved + 1))
    if (((SECONDS - began) / 60 > checks)); then
        checks=$((checks + 1))
        timeout 60 "$memtrace" leaks "$server" >check 2>&1
        status=$?
        ((status == 0 || status == 1)) || { bad=1; cat check; }
        echo "         check $checks: status $status, $(grep -v '^$' check | tail -1)"
    fi
    if ((SECONDS - last >= 10)); then
        now=$(commands)
        row="$((SECONDS - began)) $(((now - before) / (SECONDS - last))) $(own) $(awk '/^VmRSS/ { print $2 }' "/proc/$server/status") $saved"
        # shellcheck disable=SC2086
        printf '%8s %14s %14s %14s %12s\n' $row
        echo "$row" >>samples
        before=$now last=$SECONDS
    fi
done
kill "$load"; wait "$load" 2>/dev/null; load=''
pkill -P $$ redis-benchmark 2>/dev/null
$cli shutdown nosave >/dev/null 2>&1
wait "$launcher"; status=$?; launcher=''
grep '^memtrace:' log
((status == 0)) || { echo "soak: the server ended with status $status"; bad=1; }
awk -v bad=$bad '
    { rate[NR] = $2; own[NR] = $3 }
    END {
        part = int(NR / 4); if (part < 1) { print "soak: too short"; exit 1 }
        # The first quarter fills the server.
        for (i = 1; i <= part; i++) { r1 += rate[part + i]; o1 += own[part + i]; r2 += rate[NR - part + i]; o2 += own[NR - part + i] }
        printf "soak: commands a second %d in the second quarter, %d in the last (%.2f); KiB of memtrace %d, %d (%.2f)\n", r1 / part, r2 / part, r2 / r1, o1 / part, o2 / part, o2 / o1
        exit bad || r2 < r1 * 0.75 || o2 > o1 * 1.25
    }' samples
