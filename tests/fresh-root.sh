#!/bin/bash
# Installs memtrace in a fresh Debian 12 by every way there is, and does with each what a new user does first: the README's
# leak, the ten minutes of docs/start.md, a check that fails, and the jobs of examples/ci. For root, with debootstrap.
#
#   tests/fresh-root.sh [-k DIRECTORY] [-t] [WAY…]
#
#   -k  keep the bare system there, and use it if it is there already (about 640 MB; a minute or more to fetch); one of an older
#       release is as good, for what was built for its C library: BUILT=DIRECTORY
#   -t  way `source` runs all of the README's second command: about 20 minutes; without it a part
#
# Ways: deb, tarball, wheel, source (a clean clone, with a copy of the Rust that is used here and of the packages that it has
# fetched: README's commands, make install, and a command that carries its libraries). All of them without words. Exit 0: all
# work; their times are printed.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
kept='' tests=0
while getopts k:t option; do
    case $option in
        k) kept=$(realpath -m "$OPTARG") ;;
        t) tests=1 ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
(($#)) || set -- deb tarball wheel source
if ((EUID != 0)) || ! command -v debootstrap >/dev/null; then
    echo "fresh-root.sh: root and debootstrap are needed to make a system in a directory" >&2
    exit 2
fi

work=$(mktemp -d)
bare=${kept:-$work/bare}
root=$work/root
# Nothing of this machine's own is bound into the system: what lies in it is removed.
clean_up() {
    leave
    rm -rf --one-file-system "$work"
}
leave() {
    ! mountpoint --quiet "$root/proc" || umount "$root/proc" || exit 1
}
trap clean_up EXIT

if [[ ! -e $bare/etc/debian_version ]]; then
    mirror=$(sed -n 's/^URIs: //p; s/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -1)
    debootstrap --variant=minbase --include=gcc,g++,libc6-dev,make,python3,python3-venv bookworm "$bare" "$mirror" >"$work/debootstrap.log" ||
        { tail -5 "$work/debootstrap.log" >&2; exit 1; }
fi

# A copy of the bare system, so that no way sees what another has left.
fresh() {
    leave
    rm -rf --one-file-system "$root"
    cp -a "$bare" "$root"
    mount -t proc proc "$root/proc"
}
inside() { chroot "$root" /usr/bin/env -i HOME=/srv PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 "$@"; }

# What a new user does, with the command here and the libraries in this directory; LD_PRELOAD may be shorter.
first_steps() {
    local command=$1 libraries=$2 library=${3:-$2/libmemtrace.so} said status=0
    mkdir -p "$root/srv/try"
    cp examples/leak.c "$root/srv/try"
    inside cc -g -o /srv/try/leak /srv/try/leak.c
    said=$(inside LD_PRELOAD="$library" /srv/try/leak 2>&1)
    grep -q '^30,247 bytes in 7 blocks are definitely lost' <<<"$said" || { echo "$said" >&2; return 1; }
    grep -q 'at load_page (leak.c:13)' <<<"$said" || { echo "$said" >&2; return 1; }
    said=$(inside sh -c "cd /srv/try && '$command' check -- ./leak" 2>&1) || status=$?
    ((status == 1)) || { echo "check: status $status, not 1: $said" >&2; return 1; }
    inside sh -c "cd /srv/try && '$command' sweep --fail-on none -- ./leak >/dev/null 2>&1"
    inside "$command" doctor >/dev/null
    # The page's own commands and what they print, by the program that tests it.
    mkdir -p "$root$top" "$root/srv/pair"
    cp -r docs examples "$root$top/"
    mkdir -p "$root$top/tests"
    cp -r tests/fixture "$root$top/tests/"
    inside sh -c "ln -sf '$command' '$libraries'/libmemtrace*.so /srv/pair/"
    by_test docs MEMTRACE_TEST_DOC=start.md every_page
    # The CI examples, each as a job that is clean and one that has a new leak.
    by_test check jobs::
}

# by_test NAME [VARIABLE=VALUE] [FILTER]: a test of this tree, run inside with the pair that was installed there.
by_test() {
    local name=$1 program=${test_programs[$1]} variable=MEMTRACE_TEST_PAIR=/srv/pair
    shift
    cp "$program" "$root/srv/$name"
    if ! inside "/srv/$name" --list >/dev/null 2>&1; then
        echo "--test $name is left out: it needs a newer C library" >&2
        return 0
    fi
    [[ ${1:-} != *=* ]] || { variable="$variable $1"; shift; }
    inside sh -c "cd '$top/tests' && $variable /srv/$name $*" >"$work/$name.log" 2>&1 || { tail -30 "$work/$name.log" >&2; return 1; }
    grep -q '^test result: ok. [1-9]' "$work/$name.log" || { echo "--test $name: no test was run" >&2; return 1; }
}

declare -A test_programs
while read -r name program; do
    test_programs[$name]=$program
done < <(cargo test --quiet -p memtrace-tests --test docs --test check --no-run --message-format=json |
    sed -n 's/.*"name":"\(docs\|check\)".*"executable":"\([^"]*\)".*/\1 \2/p')
dist=$work/dist
mkdir "$dist"
needs_built() { [[ -n ${BUILT:-} ]] || { cargo build --quiet --release && BUILT=target/release; }; }

deb() {
    package/deb.sh "$dist" >/dev/null 2>&1
    cp "$dist"/memtrace_*.deb "$root/srv/memtrace.deb"
    inside dpkg -i /srv/memtrace.deb >/dev/null
    first_steps /usr/bin/memtrace /usr/lib/x86_64-linux-gnu libmemtrace.so
}
tarball() {
    package/release.sh "$dist" >/dev/null 2>&1
    (cd "$dist" && sha256sum --quiet -c SHA256SUMS)
    mkdir -p "$root/opt/memtrace"
    tar -xzf "$dist"/memtrace-*.tar.gz --strip-components=1 -C "$root/opt/memtrace"
    first_steps /opt/memtrace/bin/memtrace /opt/memtrace/lib
}
wheel() {
    local binaries
    binaries=$(realpath -e "$BUILT")
    (cd report/python && MEMTRACE_BINARIES=$binaries /usr/bin/python3 -c "import hatchling.build as it; it.build_wheel('$dist')")
    cp "$dist"/memtrace-*.whl "$root/srv/"
    inside sh -c 'python3 -m venv /srv/venv && /srv/venv/bin/pip install --quiet --no-index /srv/memtrace-*.whl'
    inside /srv/venv/bin/python -c 'import memtrace'
    first_steps /srv/venv/bin/memtrace /srv/venv/lib/memtrace
}
source() {
    git clone --quiet "$top" "$root/srv/memtrace"
    # The toolchain without its documentation: what rustup has, or who else keeps one in a directory of its own.
    local rust said first second
    rust=$(rustc --print sysroot)
    [[ $rust != /usr ]] || { echo "the Rust of this machine lies in /usr, from where it is not copied" >&2; return 1; }
    mkdir -p "$root/srv/rust" "$root/srv/.cargo/registry"
    cp -a "$rust/bin" "$rust/lib" "$root/srv/rust/"
    cp -a "${CARGO_HOME:-$HOME/.cargo}"/registry/{cache,index} "$root/srv/.cargo/registry/"
    built() { inside PATH=/srv/rust/bin:/usr/local/bin:/usr/bin:/bin CARGO_NET_OFFLINE=true sh -c "cd /srv/memtrace && $1"; }
    first=$(sed -n 's/^    \(cargo build --release && .*\)/\1/p' README.md | head -1)
    second=$(sed -n 's/^    \(cargo test .*\)/\1/p' README.md | head -1)
    local began=$SECONDS
    said=$(built "$first" 2>&1)
    grep -q '^30,247 bytes in 7 blocks are definitely lost' <<<"$said" || { tail -20 <<<"$said" >&2; return 1; }
    echo "source: README's first command: $((SECONDS - began)) s"
    built 'make --quiet install'
    first_steps /usr/local/bin/memtrace /usr/local/lib
    began=$SECONDS
    local part='' tested="$second --no-fail-fast"
    ((tests)) || part=', a part of it' tested='cargo test -p memtrace-wire -p memtrace-hot -p memtrace-cold &&
        cargo test -p memtrace-tests --test examples'
    built "$tested" >"$work/tests.log" 2>&1 ||
        { grep -E '^(test result|error)|^test .*FAILED|panicked|could not compile' "$work/tests.log" | tail -40 >&2; return 1; }
    echo "source: README's second command$part: $((SECONDS - began)) s," \
        "$(awk '/^test result:/ { passed += $4 } END { print passed }' "$work/tests.log") tests passed"
    built 'cargo install --quiet --path report --features embed --root /srv/one'
    inside sh -c 'cd /srv/try && /srv/one/bin/memtrace run -o one.json -- ./leak' 2>&1 | grep -q 'definitely lost 30,247 bytes in 7 blocks'
}

failed=0
for way; do
    case $way in
        deb | tarball | wheel) needs_built && export BUILT ;;
        source) ;;
        *) echo "fresh-root.sh: no such way: $way" >&2; exit 2 ;;
    esac
    fresh
    began=$SECONDS
    # Not in a condition: `set -e` must hold inside.
    set +e
    (set -e; "$way")
    status=$?
    set -e
    ((status == 0)) && echo "$way: works, $((SECONDS - began)) s" || { echo "$way: does not work"; failed=1; }
done
exit $failed
