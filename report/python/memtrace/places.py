"""What is lost and what has grown, by stack: profiles of this process, read and compared."""

import collections
import fnmatch
import gc
import glob
import json
import os
import sys
import tempfile
import warnings

from . import asking

Frame = collections.namedtuple("Frame", "kind function file line module offset")
Frame.__doc__ = "A call: of Python (`kind` is `python`), of native code, or a mark."

LOST = ("definite", "possible", "indirect")


class Place(collections.namedtuple("Place", "blocks bytes stack")):
    """Blocks of one stack, innermost call first."""

    def __str__(self):
        lines = ["%d bytes in %d block%s" % (self.bytes, self.blocks, "" if self.blocks == 1 else "s")]
        return "\n    ".join(lines + [_line(frame) for frame in self.stack])


def _line(frame):
    name = frame.function or "???"
    if frame.file:
        return "%s (%s:%s)" % (name, os.path.basename(frame.file), frame.line)
    return "%s (%s+%#x)" % (name, os.path.basename(frame.module or "?"), frame.offset)


class Taken:
    """A profile of this process, as it was when this was made. It is read when it is asked, so that two can be taken
    without what reading leaves behind."""

    def __init__(self):
        self._file = tempfile.TemporaryFile()
        self.is_there = asking.active()
        if self.is_there and not asking.profile(self._file):
            raise RuntimeError("memtrace: no profile could be made: no command beside the library, or not within "
                               "MEMTRACE_DEADLINE (%s s)" % os.environ.get("MEMTRACE_DEADLINE", "10"))

    def _process(self):
        self._file.seek(0)
        process = json.load(self._file)["processes"][-1]
        python = process.get("python") or {}
        if python.get("arenas"):
            warnings.warn("objects of up to 512 bytes are not seen: PYTHONMALLOC=malloc shows them", stacklevel=4)
        return process

    def live(self):
        """All live blocks."""
        process = self._process() if self.is_there else None
        rows = process["sites"] if process else []
        return _sums(process, ((row["stack"], row["live_blocks"], row["live_bytes"]) for row in rows))

    def lost(self, kinds=LOST):
        """Blocks of these kinds, as the check that was made for the profile has them."""
        process = self._process() if self.is_there else None
        rows = process["checks"][-1]["leaks"] if process and process["checks"] else []
        return _sums(process, ((row["stack"], row["blocks"], row["bytes"]) for row in rows if row["kind"] in kinds))


def _sums(process, rows):
    """Blocks and bytes by stack."""
    if process is None:
        return {}
    modules = [module["path"] for module in process["modules"]]
    frames = [_frame(frame, modules) for frame in process["frames"]]
    sums = {}
    for stack, blocks, size in rows:
        key = tuple(frames[place] for place in process["stacks"][stack])
        before = sums.get(key, (0, 0))
        sums[key] = (before[0] + blocks, before[1] + size)
    return sums


def _frame(frame, modules):
    module = frame.get("module")
    module = None if module is None else modules[module]
    return Frame(frame["kind"], frame.get("function"), frame.get("file"), frame.get("line"), module, _number(frame["offset"]))


def _number(value):
    return int(value, 16) if isinstance(value, str) else value


def is_below(stack, modules):
    """Whether a call of a module that one of these patterns matches (path or name) is on the stack; None: of any extension
    that is no part of Python."""
    if modules is None:
        modules = _extensions()
    paths = {frame.module for frame in stack if frame.module}
    return any(fnmatch.fnmatchcase(text, pattern) for path in paths for pattern in modules
               for text in (path, os.path.basename(path)))


def _extensions():
    """Patterns for what is no part of Python: what was installed, and what was imported from elsewhere."""
    files = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    files = {file for file in files if file.endswith(".so") and "/lib-dynload/" not in file}
    return ["*/site-packages/*", "*/dist-packages/*", *(glob.escape(os.path.realpath(file)) for file in files)]


def _more(after, before):
    """What one has beyond the other, the most bytes first."""
    rows = []
    for stack, (blocks, size) in after.items():
        blocks_before, size_before = before.get(stack, (0, 0))
        if blocks > blocks_before:
            rows.append(Place(blocks - blocks_before, max(size - size_before, 0), stack))
    return sorted(rows, key=lambda place: (-place.bytes, -place.blocks, [_line(frame) for frame in place.stack]))


def growth(run, warmups=2, repeat=5, modules=None):
    """Calls `run()` a few times to warm up, and then `repeat` times: the stacks whose live blocks have grown by one block a
    call at least, with the growth of all calls. A reference that is not given back shows so, although the object is held.

    `modules`: only stacks below code of these (patterns for path or name); None: all. Python's own caches grow, too, until
    they are full: give more warm-ups. A missing Py_DECREF of an object that lives for ever (None, small numbers, interned
    texts) leaves no block behind, and cannot be seen. [] without the library.
    """
    for _ in range(warmups):
        run()
    gc.collect()
    before = Taken()
    for _ in range(repeat):
        run()
    gc.collect()
    after = Taken()
    rows = _more(after.live(), before.live())
    return [place for place in rows if place.blocks >= repeat and (modules is None or is_below(place.stack, modules))]


def check(modules=None, kinds=("definite",)):
    """Checks now: what is lost below code of these modules (patterns for path or name); None: of any extension that is no
    part of Python. [] without the library.

    Pointers to Python's containers lead behind the head that its collector keeps, so what is held by one alone is "possible"
    although it is not lost: that kind is told on request only."""
    gc.collect()
    return [place for place in _more(Taken().lost(kinds), {}) if is_below(place.stack, modules)]
