#!/bin/bash
# Installs memtrace in a fresh Debian 12 by every way there is, and does with each what a new user does first: the README's
# leak, the ten minutes of docs/start.md, and a check that fails. For root, with debootstrap.
#
#   tests/fresh-root.sh [-k DIRECTORY] [-t] [WAY…]
#
#   -k  keep the bare system there, and use it if it is there already (about 640 MB; a minute or more to fetch); one of an older
#       release is as good, for what was built for its C library: BUILT=DIRECTORY
#   -t  way `source` runs the README's second command, too: the tests, about 20 minutes
#
# Ways: deb, tarball, wheel, source (this machine's Rust, in a clean clone: README's first command, make install, and a command
# that carries its libraries). All of them without words. Exit 0: all work; their times are printed.
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
    debootstrap --variant=minbase --include=gcc,libc6-dev,make,python3,python3-venv bookworm "$bare" "$mirror" >"$work/debootstrap.log" ||
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
    cp "$pages" "$root/srv/pages"
    inside sh -c "ln -sf '$command' '$libraries'/libmemtrace*.so /srv/pair/"
    if ! inside /srv/pages --list >/dev/null 2>&1; then
        echo "docs/start.md is left out: its test needs a newer C library" >&2
        return 0
    fi
    inside sh -c "cd '$top/tests' && MEMTRACE_TEST_DOC=start.md MEMTRACE_TEST_PAIR=/srv/pair /srv/pages" >"$work/pages.log" 2>&1 ||
        { tail -30 "$work/pages.log" >&2; return 1; }
}

pages=$(cargo test --quiet -p memtrace-tests --test docs --no-run --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
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
    cp -a "${RUSTUP_HOME:-$HOME/.rustup}" "$root/srv/.rustup"
    cp -a "${CARGO_HOME:-$HOME/.cargo}" "$root/srv/.cargo"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    local path=/srv/.cargo/bin:/usr/local/bin:/usr/bin:/bin said
    said=$(inside PATH=$path sh -c "cd /srv/memtrace && $(sed -n 's/^    \(cargo build --release && .*\)/\1/p' README.md | head -1)" 2>&1)
    grep -q '^30,247 bytes in 7 blocks are definitely lost' <<<"$said" || { tail -20 <<<"$said" >&2; return 1; }
    inside PATH=$path sh -c 'cd /srv/memtrace && make --quiet install'
    first_steps /usr/local/bin/memtrace /usr/local/lib
    inside PATH=$path sh -c 'cd /srv/memtrace && cargo install --quiet --path report --features embed --root /srv/one'
    inside sh -c 'cd /srv/try && /srv/one/bin/memtrace run -o one.json -- ./leak' 2>&1 | grep -q 'definitely lost 30,247 bytes in 7 blocks'
    ((tests == 0)) || inside PATH=$path sh -c 'cd /srv/memtrace && cargo test --workspace'
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
