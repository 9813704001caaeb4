#!/bin/bash
# Compares what memtrace counts with what valgrind counts, on real programs.
#
#   tests/valgrind.sh [-b DIRECTORY] [PROGRAM…]
#
#   -b  where libmemtrace.so and memtrace are (default: target/release)
#
# Both count a realloc as an allocation and a free. Exit 1: some numbers differ without a known reason.

set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pair.sh"
shift $((OPTIND - 1))
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
mkdir "$top/work"
cd "$top/work" || exit 2

# Programs copy their environment to the heap, so both sides get the same one: the same names, each as long as on
# the other side. The library lies on a path that makes LD_PRELOAD as long as valgrind's.
added=$(valgrind -q env | grep -E '^(GLIBC|LD_LIBRARY_PATH=)')
long=$(valgrind -q env | sed -n 's/^LD_PRELOAD=//p')
pad=$(printf "%0$((${#long} - ${#top} - 16))d" 0)
mkdir "$top/$pad"
cp "$build/memtrace" "$build/libmemtrace.so" "$top/$pad/" || exit 2
memtrace=$top/$pad/memtrace
readarray -t added <<<"$added"

# ---- what the programs work on ----
seq 20000 >numbers
for i in $(seq 200); do echo "{\"a\": $i, \"b\": [\"x$i\", {\"c\": null}]}"; done >objects.json
mkdir files && for i in $(seq 30); do seq "$i" $((i * 9)) >"files/$i"; done
for i in $(seq 3000); do echo "insert into t values($i, 'text $((i * 7919))');"; done >rows
{ echo 'create table t(a integer primary key, b text);'; echo 'begin;'; cat rows; echo 'commit; create index k on t(b); select count(*), min(b) from t;'; } >script.sql
{ for i in $(seq 60); do echo "static int f$i(int n) { return n ? n * f$i(n - 1) + $i : 1; }"; done; echo 'int main(void) { return f1(3) + f60(4); }'; } >a.c
printf '#include <map>\n#include <string>\n#include <vector>\nint main() { std::map<std::string, std::vector<int>> m; for (int i = 0; i < 1000; i++) m[std::to_string(i %% 50)].push_back(i); return m.size() != 50; }\n' >m.cpp
g++ -g -O1 -o containers m.cpp || exit 2
printf '#include <pthread.h>\n#include <stdlib.h>\nstatic void *f(void *n) { for (int i = 0; i < 500; i++) { void *p = malloc(i); p = realloc(p, 3 * i + 1); if (i %% 50) free(p); } return n; }\nint main(void) { for (int i = 0; i < 8; i++) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); } return 0; }\n' >t.c
gcc -g -O1 -pthread -o threads t.c || exit 2
export PERL_HASH_SEED=0 GIT_CONFIG_NOSYSTEM=1 HOME=$PWD GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_PAGER=cat
git -c init.defaultBranch=main init -q repo && git -C repo config user.name n && git -C repo config user.email e@example.org
for i in 1 2 3 4 5; do echo "$i" >"repo/f$i"; git -C repo add . && git -C repo commit -q -m "change $i"; done
cc1=$(gcc -print-prog-name=cc1)

programs() {
    cat <<END
ls ls -l files
sort sort -R --random-source=numbers numbers
grep grep -cE (1|2)+3\$ numbers
tar tar -cf out.tar files
find find files -name *1*
xz xz -kf numbers
gawk gawk {a[\$1%97]=a[\$1%97]\$1}END{print(length(a[5]))} numbers
jq jq -s map(.b[0])|join("-")|length objects.json
sqlite3 sqlite3 :memory: -init script.sql
perl perl -e for(1..5000){\$h{\$_%97}.="x\$_"}print(scalar(keys(%h)))
git_log git -C repo log --stat -p
cc1 $cc1 -quiet -O2 $PWD/a.c -o $PWD/a.s
lua lua5.4 -e t={};for/**/i=1,1e4/**/do/**/t[i]={i,tostring(i)}end
python3 /usr/bin/python3 -c import/**/json;print(len(json.dumps(list(range(5000)))))
containers ./containers
threads ./threads
END
}

# A difference that has a reason, and the reason.
reason() {
    case "$1: $2" in
        'threads: 0 0 16 | 16, 0') echo 'a thread'"'"'s table of TLS modules has one more place, for our word' ;;
    esac
}

# The numbers of memtrace.
ours() {
    jq -r '[.processes[] | select(.forked | not)][0].summary | "\(.allocations) \(.frees) \(.allocated_bytes) \(.live_bytes) \(.live_blocks) \(.reallocs)"' "$1"
}

# The same of valgrind's log.
theirs() {
    sed 's/,//g' "$1" | awk '/total heap usage:/ { allocations = $5; frees = $7; bytes = $9 } /in use at exit:/ { live = $6; blocks = $9 } END { print allocations, frees, bytes, live, blocks }'
}

differ=0
printf '%-11s | %-30s | %-30s | %s\n' program 'memtrace: allocations frees' 'valgrind: allocations frees' 'difference: allocations frees bytes | live bytes, blocks'
while read -r name line; do
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) ;; *) continue ;; esac
    fi
    read -ra words <<<"$line"
    words=("${words[@]//\/\*\*\// }")
    command -v "${words[0]}" >/dev/null || { printf '%-11s | not installed\n' "$name"; continue; }
    # Addresses are the same in every run, because some programs hash them.
    env MEMTRACE_RUN=$$:3:0123456789abcdef setarch -R valgrind -q --undef-value-errors=no --leak-check=no --run-libc-freeres=no --run-cxx-freeres=no -v --log-file="$top/log.%p" --trace-children=no "${words[@]}" >"$top/out" 2>&1 </dev/null
    env "${added[@]}" setarch -R "$memtrace" run -o "$top/profile.json" -- "${words[@]}" >"$top/out" 2>"$top/err" </dev/null
    log=$(grep -l 'total heap usage' "$top"/log.* | head -1)
    read -r oa of ob ol ok or <<<"$(ours "$top/profile.json")"
    read -r ta tf tb tl tk <<<"$(theirs "$log")"
    rm -f "$top"/log.* "$top/profile.json"
    delta="$((oa - ta)) $((of - tf)) $((ob - tb)) | $((ol - tl)), $((ok - tk))"
    said=$delta
    known=$(reason "$name" "$delta")
    if [ "$delta" = '0 0 0 | 0, 0' ]; then
        said=equal
    elif [ -n "$known" ]; then
        said="$delta ($known)"
    else
        differ=1
    fi
    printf '%-11s | %12s %12s (%s) | %12s %12s | %s\n' "$name" "$oa" "$of" "$or" "$ta" "$tf" "$said"
done < <(programs)
exit $differ
