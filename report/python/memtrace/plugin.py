"""`pytest --memtrace`: what a test leaks below an extension fails it, in pytest's own report.

    @pytest.mark.memtrace(limit="1 KB", modules=["*myext*"])    # so much may be lost, of these modules alone
    @pytest.mark.oom(modules=["*myext*"])                       # each allocation of the test fails once: a MemoryError is
                                                                # the only right answer, and nothing may be lost

The tests run in a process with `libmemtrace.so` and PYTHONMALLOC=malloc: pytest starts itself again for that. Processes of
pytest-xdist inherit both. Without `--memtrace` the marks mean nothing, and a test runs once.
"""

import gc
import os
import pathlib
import sys
import sysconfig

import pytest

from . import asking
from .places import LOST, Taken, _more, is_below

UNITS = {"": 1, "b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2}
# Leaks of one test that are shown, and frames of each.
SHOWN, FRAMES = 5, 12
RUNS_MAX = 10_000
# Seconds for a check and for a profile: a machine may be busy.
PATIENCE = "300"


def pytest_addoption(parser):
    group = parser.getgroup("memtrace")
    group.addoption("--memtrace", action="store_true", help="fail tests that leak memory below an extension")
    group.addoption("--memtrace-limit", default="0", help="bytes that a test may leak: `1 KB`, `4 KiB`")


def pytest_configure(config):
    config.addinivalue_line("markers", "memtrace(limit, modules): bytes that the test may leak, below code of these modules")
    config.addinivalue_line("markers", "oom(modules): each allocation below code of these modules fails once")
    if config.getoption("--memtrace"):
        config.pluginmanager.register(Leaks(config), "memtrace-leaks")


def pytest_report_header(config):
    if config.getoption("--memtrace"):
        return "memtrace: leaks below extensions fail tests"
    return None


def library():
    """Where the wheel has put the library, or what MEMTRACE_LIBRARY says."""
    given = os.environ.get("MEMTRACE_LIBRARY")
    return pathlib.Path(given) if given else pathlib.Path(sysconfig.get_path("data")) / "lib" / "memtrace" / "libmemtrace.so"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if not config.getoption("--memtrace") or asking.active():
        return None
    path = library()
    if not path.is_file():
        raise pytest.UsageError("--memtrace: no library `%s`; MEMTRACE_LIBRARY says where it is" % path)
    # What pytest has caught so far goes where it belongs, and its own descriptors are put back.
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.stop_global_capturing()
    sys.stdout.flush()
    sys.stderr.flush()
    command = pathlib.Path(sysconfig.get_path("scripts")) / "memtrace"
    given = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "MEMTRACE_OUT": "none", "MEMTRACE_CLI": str(command),
             "MEMTRACE_DEADLINE": PATIENCE}
    environment = dict(given, **os.environ)
    environment["LD_PRELOAD"] = ":".join(filter(None, [str(path), os.environ.get("LD_PRELOAD")]))
    words = getattr(sys, "orig_argv", None) or [sys.executable, "-m", "pytest", *sys.argv[1:]]
    os.execve(sys.executable, words, environment)


def bytes_of(text):
    """`1 KB` as a number."""
    digits = str(text).strip().rstrip("abikmABIKM ")
    unit = str(text).strip()[len(digits):].strip().lower()
    if unit not in UNITS or not digits.isdigit():
        raise pytest.UsageError("memtrace: cannot use the limit `%s`, expected bytes as `512`, `1 KB` or `4 KiB`" % text)
    return int(digits) * UNITS[unit]


class Leaks:
    """Compares what is lost before and after a test."""

    def __init__(self, config):
        self.limit = bytes_of(config.getoption("--memtrace-limit"))
        self.before = None

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        if self.before is None:
            # What was lost while tests were collected is nobody's here.
            gc.collect()
            self.before = Taken().lost(LOST)
        checkpoint = asking.checkpoint()
        # Outermost: whatever is raised below, everybody else has put things back.
        outcome = yield
        if outcome.excinfo is not None:
            return
        del outcome
        gc.collect()
        if checkpoint is None:
            pytest.fail("memtrace: nothing could be classified", pytrace=False)
        if not asking.leaks_since(checkpoint):
            return
        mark = item.get_closest_marker("memtrace")
        wanted = mark.kwargs if mark else {}
        limit = bytes_of(wanted["limit"]) if "limit" in wanted else self.limit
        after = Taken().lost(LOST)
        found = [place for place in _more(after, self.before) if is_below(place.stack, wanted.get("modules"))]
        self.before = after
        lost = sum(place.bytes for place in found)
        if lost > limit:
            pytest.fail(told("memtrace: %d bytes lost, %d are allowed" % (lost, limit), found), pytrace=False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        __tracebackhide__ = True
        mark = pyfuncitem.get_closest_marker("oom")
        if mark is None:
            return None
        modules = mark.kwargs.get("modules")
        if not modules:
            raise pytest.UsageError("memtrace: @pytest.mark.oom needs the modules that are meant: modules=[\"*myext*\"]")
        given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        pyfuncitem.obj(**given)
        for index in range(RUNS_MAX):
            failure = asking.failing(index, module=",".join(modules))
            try:
                with failure:
                    pyfuncitem.obj(**given)
            except MemoryError:
                if not failure.fired:
                    raise
            except BaseException as error:
                if failure.fired:
                    words = "memtrace: allocation %d failed (point %s), and what came of it is no MemoryError"
                    raise AssertionError(words % (index, asking.last_point())) from error
                raise
            if not failure.fired:
                return True
        pytest.fail("memtrace: more than %d allocations" % RUNS_MAX, pytrace=False)


def told(head, found):
    """A message with the largest of them."""
    lines = [head]
    for place in found[:SHOWN]:
        text = str(place).split("\n")
        lines += text[: FRAMES + 1] + (["    …"] if len(text) > FRAMES + 1 else [])
    if len(found) > SHOWN:
        lines.append("and %d more" % (len(found) - SHOWN))
    return "\n".join(lines)
