#!/bin/sh
# Real programs with operators new and delete, and one with a runtime of its own: none may be accused of a heap error.
# Needs gcc, clang, cmake, gdb, node and Qt's tools; what is not installed is named and left out.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --quiet -p memtrace-shim -p memtrace
library=$PWD/target/release/libmemtrace.so
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

cat > program.cpp <<'TEXT'
#include <map>
#include <regex>
#include <string>
#include <vector>
struct object { virtual ~object() {} std::string name; };
int main(int count, char **words) {
    std::map<std::string, std::vector<object>> map;
    for (int i = 0; i < count; i++) map[words[i]].push_back({});
    return std::regex_match(words[0], std::regex("x+")) ? 1 : 0;
}
TEXT
cat > thing.h <<'TEXT'
#include <QObject>
class Thing : public QObject { Q_OBJECT public slots: void slot(); signals: void signal(int); };
TEXT
printf '%s' '<ui version="4.0"><class>F</class><widget class="QWidget" name="F"><layout class="QVBoxLayout"><item><widget class="QLabel" name="l"/></item></layout></widget></ui>' > form.ui
printf 'cmake_minimum_required(VERSION 3.10)\nproject(p CXX)\nadd_executable(p program.cpp)\n' > CMakeLists.txt
printf '%s' '<TS version="2.1"><context><name>c</name><message><source>a</source><translation>b</translation></message></context></TS>' > a.ts
printf '%s' 'const m = new Map(); for (let i = 0; i < 1e5; i++) m.set("k" + i, Buffer.alloc(i % 100)); JSON.stringify([...m.keys()]); require("zlib").gzipSync("x".repeat(1e6)); require("crypto").createHash("sha256").update("a").digest("hex");' > work.js

failed=0
run() {
    if ! command -v "$1" > /dev/null; then
        echo "$1: not installed"
        return
    fi
    name=$(basename "$1")
    status=0
    LD_PRELOAD=$library MEMTRACE_OUT=none MEMTRACE_JSON="$place/profile.$name.%p.json" "$@" > output 2>&1 || status=$?
    errors=$(cat "profile.$name".*.json 2> /dev/null | grep -o '"kind":"[a-z-]*","function":"[^"]*"' | sort | uniq -c || true)
    processes=$(ls "profile.$name".*.json 2> /dev/null | wc -l)
    rm -f "profile.$name".*.json
    if [ "$processes" -eq 0 ]; then
        echo "$*: status $status, nothing was recorded"
        failed=1
    elif [ -n "$errors" ]; then
        echo "$*: status $status, $processes processes:"
        echo "$errors"
        failed=1
    else
        echo "$*: status $status, $processes processes, no heap error"
    fi
}

run g++ -O2 -c program.cpp -o a.o
run g++ program.cpp -o program
run clang++ -O2 -c program.cpp -o b.o
run clang -x c -c /dev/null -o c.o
run cmake -S . -B build
run cmake --build build
run gdb -batch -ex 'break main' -ex run -ex bt -ex 'info locals' ./program
run node work.js
run moc thing.h
run uic form.ui
run lrelease a.ts
run lupdate program.cpp -ts b.ts
run python3 -c 'import json, re, sqlite3; json.dumps(list(range(1000)))'
run git --version
exit $failed
