"""Allocates at the end of many kinds of calls. Each allocation has a size of its own; the file that is named says for each
what Python itself takes for the stack: innermost first, `function:line:file` with bars between."""

import asyncio
import ctypes
import functools
import re
import sys
import threading
import weakref

libc = ctypes.PyDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
sizes = iter(range(100_003, 1_000_000_000, 16))
lock = threading.Lock()
said = []
Callback = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int)


def told(frame):
    lines = []
    while frame is not None:
        lines.append("%s:%d:%s" % (getattr(frame.f_code, "co_qualname", frame.f_code.co_name), frame.f_lineno, frame.f_code.co_filename))
        frame = frame.f_back
    return lines


def block(*_, **__):
    with lock:
        size = next(sizes)
    libc.malloc(size); lines = told(sys._getframe())
    with lock:
        said.append((size, lines))
    return 0


def recursion(depth):
    if depth == 0:
        block()
    else:
        recursion(depth - 1)
        if depth % 100 == 0:
            block()


def inner_generator():
    block()
    got = yield 1
    block(got)
    try:
        yield 2
    finally:
        block()


def outer_generator():
    yield from inner_generator()
    block()


def generators():
    for _ in outer_generator():
        block()
    one = outer_generator()
    next(one)
    one.send(3)
    one.close()
    [block() for _ in range(3)]
    list(block() for _ in range(3))
    {n: block() for n in range(2)}


async def leaf():
    block()
    await asyncio.sleep(0)
    block()


async def numbers():
    for number in range(3):
        block()
        yield number
        await leaf()


async def coroutines():
    await leaf()
    await asyncio.gather(leaf(), leaf())
    async for _ in numbers():
        block()


class Thing:
    def __init__(self):
        block()

    def __del__(self):
        block()

    def __enter__(self):
        block()
        return self

    def __exit__(self, *_):
        block()

    def __getattr__(self, name):
        block()
        return name

    def __eq__(self, other):
        return block() == 0

    def __hash__(self):
        block()
        return 7

    def __getitem__(self, place):
        block()
        return place

    @property
    def value(self):
        block()
        return 1

    @functools.cached_property
    def cached(self):
        return block()


def objects():
    thing = Thing()
    thing.value, thing.cached, thing.missing, thing[3]
    {thing: 1}[Thing()]
    with thing:
        del thing
    dropped = Thing()
    weakref.finalize(dropped, block)
    del dropped


def callbacks():
    sorted([3, 1, 2], key=block)
    functools.reduce(lambda sum, one: sum + block(one), [1, 2, 3])
    list(map(block, "ab"))
    list(filter(lambda one: block(one), "ab"))
    max([1, 2], key=lambda one: [block(), one][1])
    re.sub("a", lambda _: str(block()), "banana")
    Callback(block)(1)
    Callback(lambda depth: sorted([1], key=Callback(block)) and 0)(2)
    functools.partial(block, 1)()
    functools.lru_cache(block)(5)


def made_code():
    # Code that goes, and other code in its place.
    for place in range(60):
        exec(compile("\n" * (place % 7) + "block()", "made-%d" % (place % 3), "exec"), {"block": block})
    for place in range(60):
        name = "f%02d" % place
        room = {"block": block}
        exec("def %s():\n%s    block()\n" % (name, "\n" * (place % 5)), room)
        room[name]()
    eval("block()")


def failures():
    for what in ["unknown_name", "1 + ''", "[][1]", "None.x", "int('x')"]:
        try:
            eval(what)
        except Exception:
            block()
        finally:
            block()
    try:
        recursion("deep")
    except TypeError as error:
        raise_from(error)


def raise_from(error):
    try:
        raise ValueError("ü" * 10) from error
    except ValueError:
        block()


def überall(größe):
    block()
    (lambda: block())()


def worker(turns):
    for turn in range(turns):
        recursion(turn)
        sorted([2, 1], key=block)


def threads():
    all = [threading.Thread(target=worker, args=(5,)) for _ in range(4)]
    for one in all:
        one.start()
    for one in all:
        one.join()


recursion(3)
recursion(450)
generators()
asyncio.run(coroutines())
objects()
callbacks()
made_code()
failures()
überall(1)
threads()
for _ in range(3):
    recursion(2)
    generators()
    callbacks()
with open(sys.argv[1], "w", encoding="utf-8") as to:
    for size, lines in said:
        print(size, "|".join(lines), file=to)
