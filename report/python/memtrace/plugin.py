"""`pytest --memtrace`: what a test leaks below an extension fails it, in pytest's own report.

    @pytest.mark.memtrace(limit="1 KB", modules=["*myext*"])    # so much may be lost, of these modules alone
    @pytest.mark.oom(modules=["*myext*"])                       # each path to an allocation fails once: a MemoryError is the
                                                                # only right answer, and nothing may be lost

The tests run in a process with `libmemtrace.so` and PYTHONMALLOC=malloc: pytest starts itself again for that. Processes of
pytest-xdist inherit both. Without `--memtrace` the marks mean nothing, and a test runs once.
"""

import gc
import os
import pathlib
import shlex
import sys
import sysconfig

import pytest

from . import asking, paths
from .places import State, News, is_below

UNITS = {"": 1, "b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2}
# Leaks of one test that are shown, and frames of each.
SHOWN, FRAMES = 5, 12
# Seconds for a check and for a profile: a machine may be busy.
PATIENCE = "300"


def pytest_addoption(parser):
    group = parser.getgroup("memtrace")
    group.addoption("--memtrace", action="store_true", help="fail tests that leak memory below an extension")
    group.addoption("--memtrace-limit", default="0", help="bytes that a test may leak: `1 KB`, `4 KiB`")
    group.addoption("--memtrace-path", type=int, metavar="N",
                    help="of tests that are marked `oom`, only the N-th path fails, in pytest's own process")
    group.addoption("--memtrace-timeout", type=float, default=60, metavar="SECONDS",
                    help="how long such a test may take for each path")


def pytest_configure(config):
    config.addinivalue_line("markers", "memtrace(limit, modules): bytes that the test may leak, below code of these modules")
    config.addinivalue_line("markers", "oom(modules): each path to an allocation below code of these modules fails once")
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
        self.only = config.getoption("--memtrace-path")
        self.timeout = config.getoption("--memtrace-timeout")

    def _limits(self, item):
        """Bytes that a test may lose, and the modules that count."""
        mark = item.get_closest_marker("memtrace")
        wanted = mark.kwargs if mark else {}
        return bytes_of(wanted["limit"]) if "limit" in wanted else self.limit, wanted.get("modules")

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        limit, modules = self._limits(item)
        gc.collect()
        before = State()
        # Outermost: whatever is raised below, everybody else has put things back.
        outcome = yield
        try:
            if outcome.excinfo is None:
                gc.collect()
                found = _lost_since(before, modules)
                size = sum(place.bytes for place in found)
                if size > limit:
                    _fail(outcome, told("memtrace: %d bytes lost, %d are allowed" % (size, limit), found))
        finally:
            before.close()

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

        def run():
            pyfuncitem.obj(**given)

        # As it is, and with all that is made at a first call: what fails then is the test itself.
        run()
        swept = paths.Paths(run, ",".join(modules), self.timeout)
        if self.only is not None:
            swept.fail_here(self.only)
            return True
        limit, _ = self._limits(pyfuncitem)
        count, wrong = swept.fail_each(limit)
        if wrong:
            pytest.fail(_told_of_paths(count, wrong, swept.stacks(), pyfuncitem.nodeid), pytrace=False)
        return True


def _fail(outcome, text):
    """Makes a test fail that has passed so far."""
    try:
        pytest.fail(text, pytrace=False)
    except BaseException as error:
        if not hasattr(outcome, "force_exception"):
            raise
        outcome.force_exception(error)


def _lost_since(before, modules):
    """What was lost since a state, below code of these modules."""
    if not asking.leaks_since(before.checkpoint):
        return []
    return [place for place in News(before, lost=True).lost() if is_below(place.stack, modules)]


def _told_of_paths(count, wrong, stacks, nodeid):
    """A message with the failed call of each path, and a command that makes it fail again."""
    lines = ["memtrace: of %d paths to an allocation %d end otherwise than in a MemoryError without a leak" % (count, len(wrong))]
    for number, what in wrong[:SHOWN]:
        lines.append("path %d: %s" % (number, what))
        if number <= len(stacks):
            first, *rest = stacks[number - 1].split("\n")
            lines += ["  failed: " + first.replace(" in 1 block", ""), *_cut(rest)]
        command = [os.path.basename(sys.executable), "-m", "pytest", "--memtrace", "--memtrace-path=%d" % number, nodeid]
        lines.append("  again: " + " ".join(shlex.quote(word) for word in command))
    if len(wrong) > SHOWN:
        lines.append("and %d more" % (len(wrong) - SHOWN))
    return "\n".join(lines)


def _cut(lines):
    return lines[:FRAMES] + (["    …"] if len(lines) > FRAMES else [])


def told(head, found):
    """A message with the largest of them."""
    lines = [head]
    for place in found[:SHOWN]:
        first, *rest = place.inside().split("\n")
        lines += [first, *_cut(rest)]
    if len(found) > SHOWN:
        lines.append("and %d more" % (len(found) - SHOWN))
    return "\n".join(lines)
