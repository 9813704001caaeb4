"""What is lost and what has grown, by stack: of this process, compared with an earlier state of it."""

import collections
import fnmatch
import gc
import glob
import json
import os
import sys
import warnings

from . import asking

Frame = collections.namedtuple("Frame", "kind function file line module offset")
Frame.__doc__ = "A call: of Python (`kind` is `python`), of native code, or a mark."

# Directories of what calls a test.
_RUNNERS = ("memtrace", "_pytest", "pluggy", "unittest")
LOST = ("definite", "possible", "indirect")


class Place(collections.namedtuple("Place", "blocks bytes stack")):
    """Blocks of one stack, innermost call first."""

    def inside(self):
        """As text, but for what runs a test: the calls outside it."""
        runners = (number for number, frame in enumerate(self.stack)
                   if frame.kind == "python" and os.path.basename(os.path.dirname(frame.file or "")) in _RUNNERS)
        return str(self._replace(stack=self.stack[: next(runners, None)]))

    def __str__(self):
        lines = ["%d bytes in %d block%s" % (self.bytes, self.blocks, "" if self.blocks == 1 else "s")]
        return "\n    ".join(lines + [_line(frame) for frame in self.stack])


def _line(frame):
    name = frame.function or "???"
    if frame.file:
        return "%s (%s:%s)" % (name, os.path.basename(frame.file), frame.line)
    return "%s (%s+%#x)" % (name, os.path.basename(frame.module or "?"), frame.offset)


class State:
    """This process's blocks as they were when this was made: a recording, in memory, without any name, and a checkpoint.
    Where nothing could be classified, `checkpoint` is None."""

    def __init__(self):
        self.file = _memory()
        self.checkpoint = asking.recording(self.file)
        if asking.active() and self.checkpoint is None:
            raise RuntimeError("memtrace: no recording could be made" + _PATIENCE)

    def close(self):
        self.file.close()


_PATIENCE = ": no command beside the library, or not within MEMTRACE_DEADLINE (%s s)" % os.environ.get("MEMTRACE_DEADLINE", "10")


def _memory():
    return os.fdopen(os.memfd_create("memtrace"), "w+b")


class News:
    """What has come since a state, or at all: named, and read from a profile of that alone."""

    def __init__(self, before=None, lost=False):
        self._process = None
        if not asking.active():
            return
        with _memory() as file:
            if not asking.profile_since(file, before and before.file, lost):
                raise RuntimeError("memtrace: no profile could be made" + _PATIENCE)
            file.seek(0)
            processes = json.load(file)["processes"]
        self._process = processes[-1] if processes else None
        python = (self._process or {}).get("python") or {}
        if python.get("arenas"):
            warnings.warn("objects of up to 512 bytes are not seen: PYTHONMALLOC=malloc shows them", stacklevel=4)

    def grown(self):
        """Live blocks that have come, by stack, the most bytes first."""
        rows = self._process["sites"] if self._process else []
        return _places(self._process, ((row["stack"], row["live_blocks"], row["live_bytes"]) for row in rows))

    def lost(self, kinds=LOST):
        """Blocks of these kinds that were lost, by stack, the most bytes first."""
        rows = self._process["checks"][-1]["leaks"] if self._process and self._process["checks"] else []
        return _places(self._process, ((row["stack"], row["blocks"], row["bytes"]) for row in rows if row["kind"] in kinds))

    def failed(self):
        """The stacks of the allocations that failed, in their order, with the bytes that were asked for."""
        faults = self._process["faults"] if self._process else []
        return [place for fault in faults for place in _places(self._process, [(fault["stack"], 1, fault["bytes"])])]


def _places(process, rows):
    """Blocks and bytes by stack."""
    if process is None:
        return []
    modules = [module["path"] for module in process["modules"]]
    frames = [_frame(frame, modules) for frame in process["frames"]]
    sums = {}
    for stack, blocks, size in rows:
        key = tuple(frames[place] for place in process["stacks"][stack])
        before = sums.get(key, (0, 0))
        sums[key] = (before[0] + blocks, before[1] + size)
    places = [Place(blocks, size, stack) for stack, (blocks, size) in sums.items()]
    return sorted(places, key=lambda place: (-place.bytes, -place.blocks, [_line(frame) for frame in place.stack]))


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
    before = State()
    for _ in range(repeat):
        run()
    gc.collect()
    rows = News(before).grown()
    before.close()
    return [place for place in rows if place.blocks >= repeat and (modules is None or is_below(place.stack, modules))]


def check(modules=None, kinds=("definite",)):
    """Checks now: what is lost below code of these modules (patterns for path or name); None: of any extension that is no
    part of Python. [] without the library.

    `kinds`: a reference that was lost takes what the object holds with it, as "indirect"."""
    gc.collect()
    return [place for place in News(lost=True).lost(kinds) if is_below(place.stack, modules)]
