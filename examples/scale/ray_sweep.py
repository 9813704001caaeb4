#!/usr/bin/env python3
"""A sweep by Ray: ray_sweep.py SHARDS DIRECTORY CMD [ARGUMENT]...

RAY_ADDRESS names a running cluster, whose nodes see DIRECTORY, the program and this directory at the same paths; without it
workers are started here. A shard that fails, or whose worker dies, is run again, and goes on where it was. Status: that of
`memtrace merge`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray

SHARD = Path(__file__).resolve().parent / "shard"


@ray.remote(num_cpus=1, max_retries=3, retry_exceptions=True)
def shard(number, count, to, command, place):
    """Runs one shard; its arguments are all that it depends on, so it may be run anywhere, and again."""
    words = [SHARD, str(number), str(count), to, *command]
    done = subprocess.run(words, cwd=place, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"shard {number}: status {done.returncode}")


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    count, to, command = int(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    address = os.environ.get("RAY_ADDRESS")
    # Of what Ray keeps of a cluster of its own, nothing stays. The name is short, since sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="ray") as kept:
        own = dict(_temp_dir=kept, include_dashboard=False, object_store_memory=100 << 20)
        ray.init(address or "local", **({} if address else own))
        try:
            ray.get([shard.remote(number, count, to, command, os.getcwd()) for number in range(1, count + 1)])
        finally:
            ray.shutdown()
    parts = sorted(str(part) for part in Path(to).glob("*.part"))
    os.execvp("memtrace", ["memtrace", "merge", "--out", f"json:{to}/whole.json", *parts])


if __name__ == "__main__":
    main()
