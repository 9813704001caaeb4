#!/bin/bash
# The tables that threads share, under ThreadSanitizer; and what is pure, under miri. Both need a nightly compiler and what
# `rustup component add --toolchain nightly rust-src miri` adds.
#
#   tests/sanitize.sh [threads] [miri]
#
# Exit 1: one of them found something; 2: neither is there.
#
# ThreadSanitizer runs hot's tests with a standard library that is built for it, because the tests use its mutexes; the model
# checker, which lets one thread run at a time, is left out. Miri takes what makes no system call and has no assembly.

set -u
cd "$(dirname "$0")/.." || exit 2
cargo +nightly --version >/dev/null 2>&1 || { echo "sanitize: no nightly compiler"; exit 2; }
host=$(rustc -vV | sed -n 's/^host: //p')
failed=0 count=0
for part in ${*:-threads miri}; do
    case $part in
        threads)
            count=$((count + 1))
            # A standard library that aborts and one that unwinds, for tests, cannot both be built.
            CARGO_PROFILE_DEV_PANIC=unwind RUSTFLAGS=-Zsanitizer=thread nice cargo +nightly test --quiet -Zbuild-std \
                --target "$host" --target-dir target/sanitize -p memtrace-hot --lib -- --skip patch::instruction --skip model::tables || failed=1
            ;;
        miri)
            cargo +nightly miri --version >/dev/null 2>&1 || { echo "sanitize: no miri"; continue; }
            count=$((count + 1))
            nice cargo +nightly miri test --quiet --target-dir target/sanitize -p memtrace-wire --lib || failed=1
            nice cargo +nightly miri test --quiet --target-dir target/sanitize -p memtrace-hot --lib -- \
                patch::plan patch::names function:: || failed=1
            ;;
        *) echo "sanitize: there is no \`$part\`"; exit 2 ;;
    esac
done
((count > 0)) || exit 2
exit $failed
