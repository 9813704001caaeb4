#!/bin/bash
# Makes a Debian package of what was built, and prints its path: package/deb.sh DIRECTORY
#
# BUILT: the directory with the command and the libraries (target/release). Equal input gives an equal file.
set -euo pipefail
to=$(realpath "$1")
cd "$(dirname "$0")/.."
built=${BUILT:-${CARGO_TARGET_DIR:-target}/release}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
make --quiet install-strip BUILT="$built" DESTDIR="$tree" PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu \
    PYTHONDIR=/usr/lib/python3/dist-packages ZSHDIR=/usr/share/zsh/vendor-completions >&2
gzip -9n "$tree/usr/share/man/man1/memtrace.1"
documents=$tree/usr/share/doc/memtrace
mkdir -p "$documents" "$tree/DEBIAN"
cat >"$documents/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: memtrace

Files: *
Copyright: The memtrace authors
License: MIT or Apache-2.0
 The texts of both licences, and those of the packages that the command is built from, are in THIRD-PARTY.gz.
END
package/third-party.sh | gzip -9n >"$documents/THIRD-PARTY.gz"
gzip -9nc CHANGELOG.md >"$documents/changelog.gz"

# The newest version of the C library that any file asks for.
libc=$(objdump -T "$tree/usr/bin/memtrace" "$tree"/usr/lib/x86_64-linux-gnu/*.so |
    grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -1)
(cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
cat >"$tree/DEBIAN/control" <<END
Package: memtrace
Version: $version
Architecture: amd64
Maintainer: The memtrace authors <memtrace@invalid>
Installed-Size: $(du -sk --apparent-size "$tree/usr" | cut -f1)
Depends: libc6 (>= $libc), libgcc-s1
Section: devel
Priority: optional
Description: finds leaks in programs that nobody recompiled
 A library for LD_PRELOAD records every allocation of a program with its stack. The command reports what was not freed and
 where it came from, and can make allocations fail, to run the error paths that never run.
END
file=$to/memtrace_${version}_amd64.deb
dpkg-deb --root-owner-group -Zxz -z3 --build "$tree" "$file" >&2
echo "$file"
