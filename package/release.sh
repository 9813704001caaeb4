#!/bin/bash
# Makes what a release consists of, in dist/ or DIRECTORY: package/release.sh [DIRECTORY]
#
#   memtrace-VERSION-x86_64-linux-gnu.tar.gz   a prefix that can be unpacked anywhere: bin, lib, include, share
#   memtrace_VERSION_amd64.deb
#   SHA256SUMS
#
# With cargo-zigbuild (and zig) everything is built against glibc 2.28, the oldest that is served; without it, against that of
# this machine, which a line on stderr says. BUILT names a directory with what is built already. Equal input gives equal files.
set -euo pipefail
to=$(realpath -m "${1:-dist}")
cd "$(dirname "$0")/.."
mkdir -p "$to"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=memtrace-$version-x86_64-linux-gnu
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

packages=(-p memtrace -p memtrace-shim -p memtrace-calls -p memtrace-debugmem)
if [[ ${BUILT:-} ]]; then
    built=$BUILT
elif cargo zigbuild --version >/dev/null 2>&1; then
    # The library takes care of its own symbol versions; the command takes what its C library offers.
    cargo zigbuild --release --features memtrace/tls --target x86_64-unknown-linux-gnu.2.28 "${packages[@]}"
    built=${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release
else
    echo "release.sh: without cargo-zigbuild the command needs the C library of this machine" >&2
    cargo build --release --features memtrace/tls "${packages[@]}"
    built=${CARGO_TARGET_DIR:-target}/release
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
make --quiet install-strip BUILT="$built" PREFIX="$tree/$name"
cp README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE "$tree/$name"
package/third-party.sh >"$tree/$name/THIRD-PARTY"
tar --create --directory="$tree" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode=u+rw,go+r-w "$name" | gzip -9n >"$to/$name.tar.gz"
BUILT=$built package/deb.sh "$to" >/dev/null
cd "$to"
sha256sum "$name.tar.gz" "memtrace_${version}_amd64.deb" >SHA256SUMS
cat SHA256SUMS
