#!/bin/bash
# Prints the licences of memtrace and of every package that the command and the libraries are built from.
set -euo pipefail
cd "$(dirname "$0")/.."
rule() { printf '%s\n' '--------------------------------------------------------------------------------'; }

echo "memtrace is under the MIT licence or the Apache License, version 2.0, as you choose."
for file in LICENSE-MIT LICENSE-APACHE; do
    rule
    cat "$file"
done
# Name, version, licence and directory of each: metadata has the directories, the tree what is built in.
built=$(${CARGO:-cargo} tree --quiet --locked --target x86_64-unknown-linux-gnu -p memtrace -p memtrace-shim -p memtrace-calls -p memtrace-debugmem \
    -e normal --prefix none --format '{p}' | sed 's/ (.*//; s/ v/ /' | sort -u)
${CARGO:-cargo} metadata --quiet --locked --format-version 1 --filter-platform x86_64-unknown-linux-gnu |
    python3 -c '
import json, os, sys
built = set(sys.argv[1].splitlines())
seen = {}
for package in sorted(json.load(sys.stdin)["packages"], key=lambda package: package["name"]):
    if package["source"] and "{name} {version}".format(**package) in built:
        print("-" * 80)
        print("{name} {version}: {license}\n".format(**package))
        folder = os.path.dirname(package["manifest_path"])
        words = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE")
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.upper().startswith(words) and os.path.isfile(path):
                text = open(path, encoding="utf-8", errors="replace").read()
                key = " ".join(text.split())
                first = seen.setdefault(key, "{name} {version}".format(**package) + ", " + name)
                is_first = first.startswith("{name} {version}, ".format(**package))
                print(text if is_first else f"{name}: the text is that of {first}")
' "$built"
