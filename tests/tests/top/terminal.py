"""Runs a command on a terminal of its own, types what it is told when it sees what it waits for, and says what it saw.

terminal.py COLUMNS ROWS PATIENCE [SEEN TYPED]... -- COMMAND...

A TYPED of `signal:N` is a signal, of `size:C:R` a new size. Behind the output stand a line with the status, and whether the
terminal was left as it was found.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time


def size(terminal, columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


columns, rows, patience = map(int, sys.argv[1:4])
split = sys.argv.index("--")
steps = list(zip(sys.argv[4:split:2], sys.argv[5:split:2]))
master, slave = pty.openpty()
size(master, columns, rows)
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    os.closerange(3, 100)
    os.execv(sys.argv[split + 1], sys.argv[split + 1 :])
out, mark, until, status = b"", 0, time.time() + patience, None
while time.time() < until:
    if select.select([master], [], [], 0.05)[0]:
        out += os.read(master, 65536)
        continue
    if steps and out.find(steps[0][0].encode(), mark) >= 0:
        seen, typed = steps.pop(0)
        mark = len(out)
        if typed.startswith("signal:"):
            os.kill(child, int(typed[7:]))
            time.sleep(0.1)
        elif typed.startswith("size:"):
            size(master, *map(int, typed[5:].split(":")))
        else:
            os.write(master, typed.encode().decode("unicode_escape").encode("latin-1"))
    elif status is None:
        ended, found = os.waitpid(child, os.WNOHANG)
        status = found if ended else None
    else:
        break
if status is None:
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
sys.stdout.buffer.write(out)
after = termios.tcgetattr(slave)
print(f"\nstatus {os.waitstatus_to_exitcode(status)}, waiting for {[seen for seen, _ in steps]}")
print("restored" if before == after else f"terminal changed: {before} {after}")
