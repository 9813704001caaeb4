"""What a Python program and its tests can tell memtrace, and ask of it. This one file is all; copy it, or put it in the path.

Without `libmemtrace.so` in the process (LD_PRELOAD, `memtrace run`, `memtrace sweep`) nothing fails, every number is 0, and
what is run for each allocation is run once; `active()` says which it is. The functions are those of `memtrace.h`.

    import memtrace

    with memtrace.failing(after=2, module="*myext*"):     # below code of this extension two succeed, the third fails
        try:
            myext.parse(text)
        except MemoryError:
            pass

    memtrace.fail_sweep(lambda: myext.parse(text), module="*myext*")

Python itself allocates at nearly every step, and parts of its arenas are no allocations (PYTHONMALLOC=malloc makes them
such): name the extension that is meant by `module`. Where all memory is refused, CPython itself may hang or abort.
"""

import contextlib
import ctypes

__all__ = ["active", "benign", "check_leaks", "checkpoint", "failing", "fail_sweep", "ignore", "last_point", "leaks_since",
           "live_blocks", "live_bytes", "marker", "pause", "profile", "profile_since", "recording", "region", "report"]

_THIS_THREAD, _EACH_STACK, _ONLY_RECORD = 1, 2, 4
_DIGITS = 16


def _find(name, result, *arguments):
    """The library's function, or None. It is called with the interpreter's lock held, so no other thread of Python's
    allocates meanwhile."""
    try:
        function = getattr(ctypes.PyDLL(None), name)
    except AttributeError:
        return None
    function.restype = result
    function.argtypes = arguments
    return function


_u64 = ctypes.c_uint64
_arm = _find("memtrace_fault_arm_for", ctypes.c_int, _u64, _u64, ctypes.c_char_p, ctypes.c_uint)
_disarm = _find("memtrace_fault_disarm", None)
_fired = _find("memtrace_fault_fired", _u64)
_seen = _find("memtrace_fault_seen", _u64)
_pause = _find("memtrace_fault_pause", None)
_resume = _find("memtrace_fault_resume", None)
_benign_begin = _find("memtrace_fault_benign_begin", None)
_benign_end = _find("memtrace_fault_benign_end", None)
_marker = _find("memtrace_marker", None, ctypes.c_char_p)
_last = _find("memtrace_fault_last", ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
_check_leaks = _find("memtrace_check_leaks", ctypes.c_int64)
_checkpoint = _find("memtrace_checkpoint", _u64)
_leaks_since = _find("memtrace_leaks_since", ctypes.c_int64, _u64)
_live_bytes = _find("memtrace_live_bytes", _u64)
_live_blocks = _find("memtrace_live_blocks", _u64)
_ignore_begin = _find("memtrace_ignore_begin", None)
_ignore_end = _find("memtrace_ignore_end", None)
_region_begin = _find("memtrace_region_begin", None, ctypes.c_char_p)
_region_end = _find("memtrace_region_end", None)
_report = _find("memtrace_report", ctypes.c_int, ctypes.c_int)
_profile = _find("memtrace_profile", ctypes.c_int, ctypes.c_int)
_recording = _find("memtrace_recording", _u64, ctypes.c_int)
_profile_since = _find("memtrace_profile_since", ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_uint)


def active():
    """Whether `libmemtrace.so` is in the process."""
    return _arm is not None


class failing:
    """`with failing(after, count, module, …) as failure`: a failure is armed in the block.

    after        so many allocations of this thread succeed before
    count        so many in a row fail; 0: all that follow
    module       patterns for names of files with commas between them (`*` and `?` match): only allocations with code of
                 such a library or program on their stack count; None: all do
    all_threads  other threads' count too
    each_stack   of each stack, Python functions included, the first allocation alone counts: a loop is one of them
    only_record  what would fail is recorded as failed, and made all the same
    """

    def __init__(self, after=0, count=1, module=None, all_threads=False, each_stack=False, only_record=False):
        if after < 0 or count < 0:
            raise ValueError("after and count are numbers of allocations")
        flags = (0 if all_threads else _THIS_THREAD) | (_EACH_STACK if each_stack else 0)
        flags |= _ONLY_RECORD if only_record else 0
        self._plan = (after, count, None if module is None else module.encode(), flags)

    def __enter__(self):
        if _arm is not None and not _arm(*self._plan):
            raise ValueError("the list of modules is too long")
        return self

    def __exit__(self, *exception):
        if _disarm is not None:
            _disarm()
        return False

    @property
    def fired(self):
        """Allocations that have failed since a failure was armed last."""
        return _fired() if _fired is not None else 0

    @property
    def seen(self):
        """Allocations that counted since then, failed ones included."""
        return _seen() if _seen is not None else 0


def fail_sweep(run, count=1, module=None, all_threads=False, each_stack=False):
    """Calls `run()` once without a failure, and then again and again: each time one allocation later fails, and `count` in
    a row from it on, until a call comes to its end before it fails. A MemoryError that comes out of `run` counts as handled
    where something has failed; another exception ends the sweep, and `last_point()` then names the stack that failed.

    `each_stack`: not each allocation, but of each stack the first. Gives how many have failed in turn; 0 without memtrace. A crash ends the process, as it should.
    """
    run()
    points = 0
    while active():
        failure = failing(points, count, module, all_threads, each_stack)
        try:
            with failure:
                run()
        except MemoryError:
            if failure.fired == 0:
                raise
        if failure.fired == 0:
            break
        points += 1
    return points


@contextlib.contextmanager
def _between(begin, end):
    if begin is not None:
        begin()
    try:
        yield
    finally:
        if end is not None:
            end()


def pause():
    """`with pause()`: this thread's allocations neither count nor fail in the block."""
    return _between(_pause, _resume)


def benign():
    """`with benign()`: this thread's failures are recorded as benign in the block; whatever comes of them is meant to be."""
    return _between(_benign_begin, _benign_end)


def ignore():
    """`with ignore()`: what this thread allocates in the block is no leak, and holds what it points to."""
    return _between(_ignore_begin, _ignore_end)


def region(name):
    """`with region("loading")`: what this thread allocates in the block stands in a region of this name in reports."""
    return _between(_region_begin and (lambda: _region_begin(name.encode())), _region_end)


def marker(name):
    """A place in the program's run: MALLOC_FAIL_SINCE=marker:NAME and MALLOC_FAIL_UNTIL=marker:NAME mean it, and the
    profile says when it was passed."""
    if _marker is not None:
        _marker(name.encode())


def last_point():
    """The name of the stack whose allocation failed last, for MALLOC_FAIL_STACK: 16 hexadecimal digits. None: none has."""
    if _last is None:
        return None
    buffer = ctypes.create_string_buffer(_DIGITS + 1)
    return buffer.value.decode() if _last(buffer, len(buffer)) == _DIGITS else None


def check_leaks():
    """Checks now: blocks that are definitely or possibly lost, or held by such ones. None: nothing could be classified, or
    there is no library."""
    lost = _check_leaks() if _check_leaks is not None else -1
    return None if lost < 0 else lost


def checkpoint():
    """Checks now, and keeps what is lost: an id for `leaks_since`. None: nothing could be classified, or there is no
    library. The latest 16 are kept."""
    return (_checkpoint() or None) if _checkpoint is not None else None


def leaks_since(checkpoint):
    """Checks now: blocks, definitely or possibly lost or held by such ones, beyond those of the same stacks that were lost
    at the checkpoint. None: nothing could be classified, or there is no such checkpoint."""
    lost = _leaks_since(checkpoint) if _leaks_since is not None and checkpoint is not None else -1
    return None if lost < 0 else lost


def live_bytes():
    """Bytes of the live blocks, as they were asked for: exact while no other thread allocates. 0 without the library."""
    return _live_bytes() if _live_bytes is not None else 0


def live_blocks():
    """The live blocks; as `live_bytes`."""
    return _live_blocks() if _live_blocks is not None else 0


def report(file):
    """Writes to this file (an object with `fileno()`, or a descriptor) what would be reported if the process ended here, and
    waits for it. False: it could not be, or only in short."""
    return _write(_report, file)


def profile(file):
    """The same as a profile (JSON), for `memtrace report` and other readers."""
    return _write(_profile, file)


def recording(file):
    """As `checkpoint`, and the recording itself is written to this file, which is emptied first: what `memtrace report`
    reads, without names, so it takes a fraction of the time of a profile. None: it could not be."""
    return (_recording(_descriptor(file)) or None) if _recording is not None else None


def profile_since(file, before=None, lost=False):
    """Writes a profile (JSON) of what has come since `recording` wrote to the file `before`; None: of all. Sites have the
    blocks by which they have grown, the check those that are lost beyond what was lost then, and only they are named.
    `lost`: only the latter."""
    return _write(_profile_since, file, -1 if before is None else _descriptor(before), _LOST if lost else 0)


_LOST = 1


def _descriptor(file):
    if isinstance(file, int):
        return file
    file.flush()
    return file.fileno()


def _write(function, file, *more):
    return function is not None and function(_descriptor(file), *more) == 0
