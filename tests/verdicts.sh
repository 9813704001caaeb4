#!/bin/bash
# What real programs have lost at their end, by valgrind and by memtrace: a line for each, blocks and bytes of each kind.
#
#   tests/verdicts.sh [-b DIRECTORY] [PROGRAM…]
#
#   -b  where libmemtrace.so and memtrace are (default: target/release)
#
# Exit 1: memtrace calls something definitely or indirectly lost that valgrind does not. `same`: all four kinds are
# equal. Known reasons for a difference:
#   - programs copy their environment to the heap, and valgrind's has more variables (bash, make, perl, gawk, vim);
#   - the loader's own blocks (dtv, dl_find_object's tables) are held by it, where valgrind sees only pointers behind
#     their starts and says `possibly lost` (nm, python3);
#   - hash tables with random seeds (redis-server, gdb).
# valgrind is told not to free what libc holds at the end, because the program does not either.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pair.sh"
shift $((OPTIND - 1))
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
cd "$top" || exit 2
seq 2000 >words
printf '{"a": [1, 2, {"b": null}]}\n' >x.json
printf '#include <stdio.h>\nint main(void) { puts("x"); return 0; }\n' >x.c
export PYTHONMALLOC=malloc HOME=$top GIT_CONFIG_NOSYSTEM=1
git init -q repository && git -C repository -c user.name=n -c user.email=e@example.org commit -q --allow-empty -m one
cc1=$(gcc -print-prog-name=cc1)
python=$(PATH=/usr/bin:/bin command -v python3)

programs() {
    cat <<END
ls ls -lR /usr/share/doc/bash
sort sort words
grep grep -c 7 words
sed sed -n s/7/8/p words
find find /usr/share/doc/bash -name x*
tar tar -cf out.tar words
xz xz -kc words
gzip gzip -kc words
diff diff words x.c
bash bash --norc -c x=1;y=\$((x+2));echo\${IFS}\$y
gawk gawk {n[\$1%7]++}END{print(length(n))} words
perl perl -ne \$n{\$_}++;END{print(scalar(keys(%n)))} words
sqlite3 sqlite3 -csv :memory: .import\${IFS}words\${IFS}t
python3 $python -m json.tool x.json
git-log git -C repository log
git-status git -C repository status
jq jq .a x.json
curl curl --silent file://$top/words
cc1 $cc1 -quiet x.c -o /dev/null
as as --version
ld ld --version
nm nm -D /bin/bash
openssl openssl version -a
redis-server redis-server --version
vim vim --version
gdb gdb --version
make make --version
file file words
END
}

# The last sums in a report, `blocks:bytes` of each kind; zeroes where it has none.
sums() {
    local kind found
    for kind in "definitely lost" "indirectly lost" "possibly lost" "still reachable"; do
        found=$(sed -n "s/.*$kind: \([0-9,]*\) bytes in \([0-9,]*\) blocks.*/\2:\1/p" "$1" 2>/dev/null | tr -d , | tail -1)
        printf '%s ' "${found:-0:0}"
    done
}

red=0 same=0 count=0
printf '%-13s %-6s %s\n' program "" "definite indirect possible reachable (blocks:bytes): valgrind | memtrace"
while read -r name first rest; do
    (($#)) && [[ " $* " != *" $name "* ]] && continue
    set -f
    # shellcheck disable=SC2206
    command=($first $rest)
    set +f
    if ! command -v "$first" >/dev/null; then
        printf '%-13s not installed\n' "$name"
        continue
    fi
    rm -f "$top"/report.*
    valgrind --leak-check=full --show-leak-kinds=all --run-libc-freeres=no --run-cxx-freeres=no \
        --child-silent-after-fork=yes --log-file="$top/report.valgrind" "${command[@]}" >/dev/null 2>&1 </dev/null
    # Only the program itself, not what it starts.
    MEMTRACE_EXE=$(basename "$(realpath "$(command -v "$first")")") MEMTRACE_SUMMARY=1 MEMTRACE_OUT=$top/report.memtrace \
        LD_PRELOAD=$build/libmemtrace.so "${command[@]}" >/dev/null 2>&1 </dev/null
    read -r -a theirs <<<"$(sums "$top/report.valgrind")"
    read -r -a ours <<<"$(sums "$top/report.memtrace")"
    verdict=other
    ((count++))
    if [[ ${theirs[*]} == "${ours[*]}" ]]; then
        verdict=same
        ((same++))
    elif ((${ours[0]%%:*} > ${theirs[0]%%:*} || ${ours[1]%%:*} > ${theirs[1]%%:*})); then
        verdict=RED
        red=1
    fi
    printf '%-13s %-6s %s | %s\n' "$name" "$verdict" "${theirs[*]}" "${ours[*]}"
done < <(programs)
echo "verdicts: $same of $count the same in all four kinds"
exit $red
