#!/usr/bin/env python3
"""A sweep by Dask: dask_sweep.py SHARDS DIRECTORY CMD [ARGUMENT]...

DASK_SCHEDULER names a running scheduler (tcp://host:8786), whose workers see DIRECTORY and the program at the same paths; without
it workers are started here. A shard that fails, or whose worker dies, is run again, and goes on where it was. Status: that of
`memtrace merge`.
"""

import os
import subprocess
import sys
from pathlib import Path

from distributed import Client, LocalCluster

SHARD = Path(__file__).resolve().parent / "shard"


def shard(number, count, to, command):
    """Runs one shard; its arguments are all that it depends on, so it may be run anywhere, and again."""
    done = subprocess.run([SHARD, str(number), str(count), to, *command], stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"shard {number}: status {done.returncode}")
    return number


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    count, to, command = int(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    address = os.environ.get("DASK_SCHEDULER")
    # One shard at a time for each worker: a shard is a process of its own.
    here = None if address else LocalCluster(threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1")
    with Client(address or here) as client:
        shards = client.map(shard, range(1, count + 1), count=count, to=to, command=command, retries=3, pure=False)
        client.gather(shards)
    if here:
        here.close()
    parts = sorted(str(part) for part in Path(to).glob("*.part"))
    os.execvp("memtrace", ["memtrace", "merge", "--out", f"json:{to}/whole.json", *parts])


if __name__ == "__main__":
    main()
