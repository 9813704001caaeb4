"""Puts the package, the library and the command into a wheel: the build backend (PEP 517) of this directory, without any
package of others.

    cargo build --release
    pip install ./report/python

The binaries come from `target/release`, else `target/debug`, or from where MEMTRACE_BINARIES says.
"""

import base64
import hashlib
import os
import pathlib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
NAME, VERSION = "memtrace", "0.1.0"
TAG = "py3-none-linux_x86_64"
LIBRARIES = ["libmemtrace.so", "libmemtrace_calls.so", "libmemtrace_debugmem.so"]
METADATA = """Metadata-Version: 2.1
Name: memtrace
Version: 0.1.0
Summary: Finds leaks and broken out-of-memory paths below Python; carries the library and the command
Requires-Python: >=3.9
Classifier: Private :: Do Not Upload
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: memtrace\nRoot-Is-Purelib: false\nTag: " + TAG + "\n"
ENTRY_POINTS = "[pytest11]\nmemtrace = memtrace.plugin\n"


def _binaries():
    given = os.environ.get("MEMTRACE_BINARIES")
    places = [pathlib.Path(given)] if given else [REPOSITORY / "target" / kind for kind in ("release", "debug")]
    for place in places:
        if all((place / name).is_file() for name in ["memtrace", *LIBRARIES]):
            return place
    looked = ", ".join("`%s`" % place for place in places)
    raise SystemExit("memtrace: cannot build a wheel: no command with its libraries in %s\nhint: cargo build --release" % looked)


def _contents():
    """Name in the wheel, mode, bytes."""
    for source in sorted((HERE / "memtrace").glob("*.py")):
        yield "memtrace/" + source.name, 0o644, source.read_bytes()
    # One file with one text: what a program can ask of the library without this package.
    yield "memtrace/asking.py", 0o644, (REPOSITORY / "shim" / "python" / "memtrace.py").read_bytes()
    binaries, data = _binaries(), "%s-%s.data" % (NAME, VERSION)
    yield data + "/scripts/memtrace", 0o755, (binaries / "memtrace").read_bytes()
    for name in LIBRARIES:
        # Where the command looks for them: see `report/src/run/environment.rs`.
        yield "%s/data/lib/memtrace/%s" % (data, name), 0o755, (binaries / name).read_bytes()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "%s-%s-%s.whl" % (NAME, VERSION, TAG)
    info = "%s-%s.dist-info" % (NAME, VERSION)
    texts = [("METADATA", METADATA), ("WHEEL", WHEEL), ("entry_points.txt", ENTRY_POINTS)]
    record = []
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        def put(path, mode, content):
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content, compresslevel=1)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append("%s,sha256=%s,%d" % (path, digest, len(content)))

        for path, mode, content in _contents():
            put(path, mode, content)
        for path, text in texts:
            put("%s/%s" % (info, path), 0o644, text.encode())
        record.append("%s/RECORD,," % info)
        wheel.writestr(zipfile.ZipInfo("%s/RECORD" % info, (1980, 1, 1, 0, 0, 0)), "\n".join(record) + "\n")
    return name


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError("the binaries are of this repository: build a wheel")


if __name__ == "__main__":
    import sys

    print(build_wheel(sys.argv[1] if len(sys.argv) > 1 else "."))
