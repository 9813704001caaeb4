"""What hatchling adds to the wheel: the library and the command, where the command looks for them.

    cargo build --release
    pip install ./report/python

They come from `target/release`, else `target/debug`, or from where MEMTRACE_BINARIES says.
"""

import os
import pathlib

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARIES = ["libmemtrace.so", "libmemtrace_calls.so", "libmemtrace_debugmem.so"]


def _found(repository):
    given = os.environ.get("MEMTRACE_BINARIES")
    places = [pathlib.Path(given)] if given else [repository / "target" / kind for kind in ("release", "debug")]
    for place in places:
        if all((place / name).is_file() for name in ["memtrace", *LIBRARIES]):
            return place
    looked = ", ".join("`%s`" % place for place in places)
    raise SystemExit("memtrace: cannot build a wheel: no command with its libraries in %s\nhint: cargo build --release" % looked)


class Binaries(BuildHookInterface):
    def initialize(self, version, build_data):
        if self.target_name != "wheel":
            raise SystemExit("memtrace: cannot build a source distribution: the binaries are of this repository\nhint: build a wheel")
        place = _found(pathlib.Path(self.root).parent.parent)
        build_data.update(pure_python=False, tag="py3-none-linux_x86_64")
        # Beside the scripts of the environment. Hatchling before 1.24 knows it as a setting alone.
        data = build_data.setdefault("shared_data", self.build_config.shared_data)
        data[str(place / "memtrace")] = "bin/memtrace"
        # See `report/src/run/environment.rs`.
        data.update((str(place / name), "lib/memtrace/" + name) for name in LIBRARIES)
