"""Says on stdout what the module `memtrace` does; without the library the same, and nothing fails."""

import os
import threading

import cborlike
import memtrace

VALUE = [1000, "a text that is longer than an encoder's first buffer", {2000: 3000}]


def round_trip():
    """0: no memory; 1: the value came back."""
    try:
        encoder = cborlike.encoder_new()
        data = cborlike.encoder_write(encoder, VALUE)
        return int(cborlike.decoder_read(cborlike.decoder_new(data)) == VALUE)
    except MemoryError:
        return 0


def four():
    return [round_trip(), round_trip(), round_trip(), round_trip()]


def say(*what):
    os.write(1, (" ".join(str(word) for word in what) + "\n").encode())


def wrong():
    """A failure is not looked at."""
    assert round_trip() == 1


say("active", memtrace.active(), memtrace.last_point())
with memtrace.failing(module="*cborlike*") as failure:
    tried = four()
say("once", tried, failure.fired, failure.seen > 10)
with memtrace.failing(after=1, count=0, module="*cborlike*") as failure:
    tried = four()
say("for ever", tried, failure.fired >= 4)
with memtrace.failing(count=0, module="nowhere*") as failure:
    tried = four()
say("nowhere", tried, failure.fired, failure.seen)
with memtrace.failing(count=0, module="*cborlike*"), memtrace.benign():
    with memtrace.pause():
        paused = four()
    resumed = four()
say("paused", paused, "resumed", resumed)

for all_threads in [False, True]:
    armed, tried = threading.Barrier(2), threading.Barrier(2)
    there = []

    def elsewhere():
        armed.wait()
        there.extend(four())
        tried.wait()

    other = threading.Thread(target=elsewhere)
    other.start()
    with memtrace.failing(count=0, module="*cborlike*", all_threads=all_threads):
        armed.wait()
        tried.wait()
    other.join()
    say("elsewhere", there)

calls = []
points = memtrace.fail_sweep(lambda: calls.append(round_trip()), module="*cborlike*")
say("sweep", calls[0], calls[-1], points == len(calls) - 2, points > 10, calls.count(0) == points)
try:
    memtrace.fail_sweep(wrong, module="*cborlike*")
    say("nothing is wrong")
except AssertionError:
    say("wrong at", len(memtrace.last_point()))
memtrace.marker("begin")
say("marked", four())
try:
    with memtrace.failing(module="x" * 256):
        pass
    say("any length")
except ValueError as error:
    say(error)
# One failure may hit Python itself anywhere; nothing stays armed.
try:
    with memtrace.failing() as failure:
        bytearray(5000)
except MemoryError:
    pass
say("python", failure.fired, list(range(3)), four(), memtrace.check_leaks() is not None)
