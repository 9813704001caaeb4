#!/bin/bash
# Makes docs/gallery.md anew: real programs, as memtrace shows them.
#
#   docs/gallery.sh            after `cargo build --release`; what is not installed is left out
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
memtrace=$top/target/release/memtrace
[[ -x $memtrace ]] || { echo "gallery: no $memtrace: run \`cargo build --release\` first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export LC_ALL=C.UTF-8 COLUMNS=110 PYTHONDONTWRITEBYTECODE=1 HOME=$work GIT_CONFIG_NOSYSTEM=1

cat >words.py <<'END'
import collections, json
words = collections.Counter()
for page in range(400):
    text = json.loads(json.dumps({"page": page, "words": [f"word{(page * number) % 997}" for number in range(300)]}))
    words.update(text["words"])
print(words.most_common(1)[0][0])
END
cat >sums.cpp <<'END'
#include <iostream>
#include <map>
#include <string>
#include <vector>
template <int N> struct sum { static std::map<int, std::vector<std::string>> of(int n) { return sum<N - 1>::of(n + N); } };
template <> struct sum<0> { static std::map<int, std::vector<std::string>> of(int n) { return {{n, {"n"}}}; } };
int main() { std::cout << sum<200>::of(1).size() << "\n"; }
END
cat >serve <<'END'
#!/bin/bash
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --daemonize no >server.txt &
server=$!
until [[ -S socket ]]; do sleep 0.05; done
redis-benchmark -s "$PWD/socket" -q -n 40000 -r 5000 -t set,lpush,hset >load.txt
kill $server
wait $server
END
chmod +x serve

# What differs from machine to machine, and from run to run.
tidy() { sed -E "s|$work/||g; s|$work|.|g; s/\(pid [0-9]+\)/(pid …)/; s/^memtrace: [0-9]+ process.*profile .*$//" | cat -s; }

# name, program that is shown, words of report, command
show() {
    local name=$1 image=$2 report=$3
    shift 3
    command -v "${1##*/}" >/dev/null || [[ -x $1 ]] || { echo "gallery: left out: $name" >&2; return 0; }
    rm -f profile.json
    "$memtrace" run -o profile.json -- "$@" >out.txt 2>run.txt || { cat run.txt >&2; return 1; }
    local pid
    pid=$(jq -r --arg image "$image" '[.processes[] | select([.exe, .arguments[0]] | any(endswith($image)))] | max_by(.summary.allocations).pid' profile.json)
    printf '\n## %s\n\n    memtrace run -o profile.json -- %s\n    memtrace report %s profile.json\n\n```\n' "$name" "${*##*/}" "$report"
    # shellcheck disable=SC2086
    "$memtrace" report $report --process "$pid" profile.json | tidy
    printf '```\n'
}

{
    cat <<'END'
# Gallery

Real programs, as the terminal shows them; `docs/gallery.sh` makes this page anew. `memtrace html profile.json -o page.html` makes the same
profiles a page for a browser.
END
    PYTHONMALLOC=malloc show "python3: words of JSON texts" /python3.11 "--overview always --sort peak --top 3" /usr/bin/python3 words.py
    show "redis-server under load" redis-server "--overview always --sort live --top 3" ./serve
    git init -q repository && cd repository && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one
    for number in $(seq 40); do
        seq "$number" 2000 >"file$((number % 7))"
        git add . && git -c user.name=a -c user.email=a@b commit -q -m "change $number"
    done
    cd ..
    show "git log -p" git "--overview always --sort total --top 3" git -C repository --no-pager log -p
    show "gcc: templates" cc1plus "--overview always --sort peak --by module --top 5" g++ -O1 -o sums sums.cpp
} >gallery.md
mv gallery.md "$top/docs/gallery.md"
