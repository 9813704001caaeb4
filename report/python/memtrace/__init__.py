"""Finds leaks and broken out-of-memory paths below Python, in a process that has `libmemtrace.so` (`pytest --memtrace`,
`memtrace run`, `memtrace check`).

    with memtrace.failing(after=2, module="*myext*"): ...       # below code of the extension two succeed, the third fails
    memtrace.sweep(lambda: myext.parse(text), module="*myext*") # each of its allocations fails once
    with memtrace.region("loading"): ...                        # what is allocated here stands in this region in reports
    memtrace.growth(lambda: myext.parse(text))                  # what each call leaves behind, by stack
    memtrace.check(modules=["*myext*"])                         # what is lost, by stack

Without the library nothing fails, and there is nothing to tell; `memtrace.active()` says which it is. All that
`memtrace.asking` has (see `shim/python/memtrace.py`) is here, too.
"""

from .asking import *  # noqa: F403
from .asking import fail_sweep as sweep
from .places import Frame, Place, check, growth

__all__ = ["Frame", "Place", "check", "growth", "sweep"]
