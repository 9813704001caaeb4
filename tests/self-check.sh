#!/bin/bash
# Every stack of real programs, compared with libgcc's unwinder and with a walk that keeps nothing.
# Prints a line a process and fails if any stack differs. Builds the shim with the feature `self-check`.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$here/target}/self-check
CARGO_TARGET_DIR=$target cargo build --quiet --release --manifest-path "$here/Cargo.toml" -p memtrace-shim --features self-check
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The library alone, so that each process leaves its recording in the working directory.
cp "$target/release/libmemtrace.so" "$work/"
libgcc=$(cc -print-file-name=libgcc_s.so.1)
differ=0

check() {
    mkdir "$work/run"
    (cd "$work/run" && "${@:2}" >/dev/null 2>&1 </dev/null) || true
    python3 - "$1" "$work/run" <<'P' || differ=1
import glob, struct, sys
checked = differs = walks = 0
for path in glob.glob(sys.argv[2] + "/*.memtrace"):
    data = open(path, "rb").read()
    root, = struct.unpack_from("<Q", data, 40)
    a, b, c = struct.unpack_from("<3Q", data, root + 240)
    checked, differs, walks = checked + a, differs + b, walks + c
print(f"{sys.argv[1]:12} {checked:>10,} stacks, {differs} differ from libgcc, {walks} from a whole walk")
sys.exit(differs + walks != 0 or checked == 0)
P
    rm -rf "$work/run"
}
traced() { env LD_PRELOAD="$work/libmemtrace.so $libgcc" MEMTRACE_SUMMARY=1 MEMTRACE_OUT="$work/out.%p" "$@"; }

cat >"$work/exceptions.cpp" <<'C'
#include <csignal>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>
static int thrower(int n) {
    std::string text(n % 50 + 20, 'x');
    if (n == 0) throw std::runtime_error("deep " + text);
    try { return thrower(n - 1) + (int)text.size(); } catch (std::logic_error &) { return 0; }
}
int main() {
    std::map<std::string, std::vector<int>> seen;
    for (int i = 0; i < 3000; i++) try { thrower(i % 40); } catch (std::exception &e) { seen[e.what()].push_back(i); }
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) threads.emplace_back([i] { for (int k = 0; k < 3000; k++) try { thrower((k + i) % 20); } catch (...) {} });
    for (auto &thread : threads) thread.join();
    signal(SIGUSR1, [](int) { delete new std::string(50, 'y'); });
    for (int i = 0; i < 100; i++) kill(getpid(), SIGUSR1);
}
C
c++ -O2 -pthread -o "$work/exceptions" "$work/exceptions.cpp"
cat >"$work/load.py" <<'P'
import ast, json
data = [{"a": i, "b": [str(j) for j in range(20)]} for i in range(1000)]
json.loads(json.dumps(data))
compile(ast.parse("\n".join(f"def f{i}(x):\n  return [x+{i} for y in range(x)]" for i in range(200))), "x", "exec")
P
sql='create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<5000)
insert into t select x, x||"abc" from c; create index i on t(b); select count(*) from t where b like "%9a%";'

check ls traced ls -l /usr/bin
check python3 traced env PYTHONMALLOC=malloc python3 "$work/load.py"
check sqlite3 traced sqlite3 :memory: "$sql"
check git traced git --git-dir="$here/.git" log --stat
check gcc traced c++ -O1 -c -o "$work/exceptions.o" "$work/exceptions.cpp"
check exceptions traced "$work/exceptions"
exit "$differ"
