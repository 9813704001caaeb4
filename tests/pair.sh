# Sourced by scripts that take `-b DIRECTORY`, where libmemtrace.so and memtrace are (default: target/release): `build` is that
# directory. The caller shifts by OPTIND - 1.
build=${CARGO_TARGET_DIR:-$(dirname "${BASH_SOURCE[0]}")/../target}/release
while getopts b: option; do
    case $option in
        b) build=$OPTARG ;;
        *) exit 2 ;;
    esac
done
build=$(realpath -e "$build") || exit 2
