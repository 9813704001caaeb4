#!/bin/bash
# Own test suites of real programs, natively, with the library preloaded, and under `memtrace run`: every test must come to
# the same. The sources are Debian's, fetched by apt-get source into a folder that goes away.
#
#   tests/suites.sh [-b DIRECTORY] [-k FOLDER] [NAME…]
#
#   -b  where libmemtrace.so and memtrace are (default: target/release)
#   -k  keep sources and logs there, and use what is there already
#
# NAME is one of zlib bzip2 gzip xz-utils sed grep sqlite3 jq lua5.1 git; default: all. Exit 1: a suite came to something else;
# 2: none could be run.

set -u
cd "$(dirname "$0")/.." || exit 2
build=${CARGO_TARGET_DIR:-target}/release top=''
while getopts b:k: option; do
    case $option in
        b) build=$OPTARG ;;
        k) mkdir -p "$OPTARG" && top=$(realpath "$OPTARG") || exit 2 ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
build=$(realpath "$build") || exit 2
[ -e "$build/memtrace" ] && [ -e "$build/libmemtrace.so" ] || { echo "suites: no memtrace in $build"; exit 2; }
if [ -z "$top" ]; then
    top=$(mktemp -d)
    trap 'rm -rf "$top"' EXIT
fi

# Name, how it is built with its test programs, how it is tested, and which lines of that say what came of a test.
cases() {
    case $1 in
        zlib) make='./configure && make' check='make test' results='OK|FAIL' ;;
        bzip2) make='make' check='make test' results='^cmp|^If|differ' ;;
        gzip) make='./configure && make MAKEINFO=true' check='make check MAKEINFO=true' results='^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR)' ;;
        xz-utils) make='./configure --disable-nls && make && make check TESTS=' check='make check' results='^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR)' ;;
        sed) make='./configure && make' check='make check SUBDIRS=.' results='^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR)' ;;
        grep) make='./configure && make' check='make -C tests check' results='^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR)' ;;
        sqlite3) make='./configure --disable-amalgamation && make testfixture' check='for t in select1 insert join where trans index func expr collate1 subquery; do ./testfixture test/$t.test; done' results='^[a-z0-9.-]+\.\.\. |errors out of' ;;
        # Its tests would run under valgrind where that is installed.
        jq) make='autoreconf -fi && ./configure --disable-docs --disable-maintainer-mode && make' check='make check NO_VALGRIND=1' results='^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR)' ;;
        # The programs in its folder test/ that end by themselves and tell no time.
        lua5.1) make='echo "#define DEB_HOST_MULTIARCH \"none\"" >src/lua5.1-deb-multiarch.h && cc -O2 -w -DLUA_USE_LINUX -Wl,-E -o src/lua $(ls src/*.c | grep -vE "/(luac|print).c") -lm -ldl -lreadline'
            check='for t in bisect cf echo factorial fibfor hello readonly sieve sort table trace-calls xd; do src/lua test/$t.lua <README; echo "$t: $?"; done 2>&1 | sed "s/^/lua: /"' results='^lua: ' ;;
        # Of its thousand files those of what git is most used for.
        git) make="make -j2 $git_options" check="make -C t $git_options DEFAULT_TEST_TARGET=test GIT_TEST_OPTS=--no-color T=\"$git_tests\"" results='^(ok|not ok|#) ' ;;
        *) return 1 ;;
    esac
}
git_options='NO_GETTEXT=1 NO_TCLTK=1 NO_CURL=1 NO_EXPAT=1 NO_OPENSSL=1 NO_PERL=1 NO_PYTHON=1'
git_tests='t0001-init.sh t0005-signals.sh t1006-cat-file.sh t1300-config.sh t2000-conflict-when-checking-files-out.sh t3200-branch.sh t3404-rebase-interactive.sh t3903-stash.sh t4001-diff-rename.sh t4013-diff-various.sh t4202-log.sh t5300-pack-object.sh t5304-prune.sh t5510-fetch.sh t6020-bundle-misc.sh t6300-for-each-ref.sh t7600-merge.sh'

fetch() {
    [ -d "$top/$1" ] && return 0
    local state=$top/apt key=/usr/share/keyrings/debian-archive-keyring.gpg suite=bookworm
    mkdir -p "$state/lists/partial" || return 1
    [ -e /etc/os-release ] && suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
    echo "deb-src [signed-by=$key] http://deb.debian.org/debian $suite main" >"$state/sources.list"
    local apt=(apt-get -qq -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$state/lists" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache=)
    [ -e "$state/ready" ] || { "${apt[@]}" update && touch "$state/ready"; } || return 1
    (mkdir -p "$state/$1" && cd "$state/$1" && "${apt[@]}" source --download-only "$1" && dpkg-source -x ./*.dsc "$top/$1") || return 1
    # Patches make what autoconf and its like have generated look old.
    (cd "$top/$1" && find . -name aclocal.m4 -exec touch {} + && sleep 1 &&
        find . \( -name configure -o -name '*.in' -o -name '*.hin' -o -name '*.info' \) -exec touch {} +)
}

# One suite in one way. $2: the way; the rest: what is put before it.
run() {
    local name=$1 way=$2
    shift 2
    (cd "$top/$name" && "$@" bash -c "$check") >"$top/$name.$way.log" 2>&1 </dev/null
    echo "status $?" >"$top/$name.$way"
    grep -aE "$results" "$top/$name.$way.log" | sed -E 's/[0-9.]+ ?m?s(ec)?\b//g; s/ \([0-9.]+ .*\)//' >>"$top/$name.$way"
}

failed=0 count=0
for name in ${*:-zlib bzip2 gzip xz-utils sed grep sqlite3 jq lua5.1 git}; do
    cases "$name" || { echo "suites: there is no \`$name\`"; exit 2; }
    if ! fetch "$name" >"$top/$name.fetch.log" 2>&1; then
        echo "suites: $name: no source: $(tail -1 "$top/$name.fetch.log")"
        continue
    fi
    if [ ! -e "$top/$name/.built" ]; then
        if ! (cd "$top/$name" && bash -c "$make" && touch "$top/$name/.built") >"$top/$name.build.log" 2>&1; then
            echo "suites: $name: cannot be built: $(tail -1 "$top/$name.build.log")"
            continue
        fi
    fi
    count=$((count + 1))
    # Tests compare what programs print, so reports go to files.
    mkdir -p "$top/$name.reports"
    run "$name" native env
    run "$name" preload env LD_PRELOAD="$build/libmemtrace.so" MEMTRACE_OUT="$top/$name.reports/%e.%p"
    run "$name" run "$build/memtrace" run -o "$top/$name.json" --
    said="suites: $name: $(($(wc -l <"$top/$name.native") - 1)) results, $(head -1 "$top/$name.native") natively"
    for way in preload run; do
        if cmp -s "$top/$name.native" "$top/$name.$way"; then
            said="$said, the same by $way"
        else
            said="$said, OTHERS by $way"
            failed=1
        fi
    done
    echo "$said; $(find "$top/$name.reports" -type f | wc -l) reports, $(grep -aE '^memtrace: [0-9,]+ (process|allocation)' "$top/$name.run.log" | tail -1)"
    for way in preload run; do
        diff "$top/$name.native" "$top/$name.$way" | head -20
    done
done
((count > 0)) || exit 2
exit $failed
