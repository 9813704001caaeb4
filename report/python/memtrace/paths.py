"""Each path to an allocation fails once, each in a copy of the process: what crashes or hangs there is a finding, and the
tests go on.

A path is a stack, with the Python functions on it: however often a loop comes by, it is one. Paths have numbers in the
order in which a run comes to them.
"""

import gc
import json
import os
import select
import signal
import time
import traceback
import warnings

from . import asking
from .places import News, is_below

# More of them are a test of something else.
PATHS_MAX = 10_000
# Stacks of leaks that a copy tells of.
LEAKS_MAX = 3
LETTERS_MAX = 10_000


class Paths:
    """The paths below code of some modules (patterns with commas between them) in a function."""

    def __init__(self, run, modules, timeout):
        self._run, self._modules, self._timeout = run, modules, timeout

    def _failing(self, number, **more):
        return asking.failing(number, module=self._modules, each_stack=True, **more)

    def fail_here(self, number):
        """Lets this path fail in this process, from 1; a MemoryError is right."""
        failure = self._failing(number - 1)
        try:
            with failure:
                self._run()
        except MemoryError:
            if not failure.fired:
                raise

    def fail_each(self, limit=0):
        """Number of paths, and for each that comes to something else than a MemoryError: its number, and what it is.
        `limit`: bytes that each may lose."""
        wrong = []
        for number in range(1, PATHS_MAX + 1):
            said, end = self._apart(lambda: self._failed(number, limit))
            if said is None:
                wrong.append((number, end))
            elif not said["fired"]:
                return number - 1, wrong
            elif said["what"]:
                wrong.append((number, said["what"]))
        wrong.append((PATHS_MAX, "there are more paths than are tried"))
        return PATHS_MAX, wrong

    def stacks(self):
        """The stack of each path, as far as they can be told: none fails."""
        said, _ = self._apart(self._listed)
        return said or []

    def _failed(self, number, limit):
        failure, what = self._failing(number - 1), None
        try:
            with failure:
                self._run()
        except MemoryError as error:
            what = None if failure.fired else _line(error)
        except BaseException as error:
            what = _line(error)
        fired = failure.fired > 0
        gc.collect()
        if fired and what is None and asking.check_leaks():
            patterns = self._modules.split(",")
            lost = [place for place in News(lost=True).lost() if is_below(place.stack, patterns)]
            size = sum(place.bytes for place in lost)
            if size > limit:
                what = "\n".join(["%d bytes lost" % size, *(place.inside() for place in lost[:LEAKS_MAX])])
        return {"fired": fired, "what": what and what[:LETTERS_MAX]}

    def _listed(self):
        with self._failing(0, count=0, only_record=True):
            self._run()
        return [place.inside() for place in News(lost=True).failed()]

    def _apart(self, work):
        """What `work` gives in a copy of this process, or None and how that ended."""
        ours, theirs = os.pipe()
        with warnings.catch_warnings():
            # CPython 3.12 says what can happen to a copy of a process with threads; ours runs a test and ends.
            warnings.simplefilter("ignore")
            copy = os.fork()
        if copy == 0:
            try:
                os.close(ours)
                # The collector need not look at what was there before.
                gc.freeze()
                text = json.dumps(work()).encode()
                while text:
                    text = text[os.write(theirs, text):]
            finally:
                os._exit(0)
        os.close(theirs)
        try:
            text, is_late = _read(ours, time.monotonic() + self._timeout)
        finally:
            os.close(ours)
        if is_late:
            os.kill(copy, signal.SIGKILL)
        _, status = os.waitpid(copy, 0)
        if is_late:
            return None, "not at its end after %g s" % self._timeout
        if os.WIFSIGNALED(status):
            return None, "a crash: " + signal.Signals(os.WTERMSIG(status)).name
        try:
            return json.loads(text), None
        except ValueError:
            return None, "the process ended: status %d" % os.WEXITSTATUS(status)


def _line(error):
    return "no MemoryError: " + "".join(traceback.format_exception_only(type(error), error)).strip()


def _read(file, limit):
    """All of it, and whether it took too long."""
    parts = []
    while True:
        left = limit - time.monotonic()
        if left <= 0 or not select.select([file], [], [], left)[0]:
            return b"".join(parts), True
        part = os.read(file, 65536)
        if not part:
            return b"".join(parts), False
        parts.append(part)
