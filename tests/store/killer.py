"""Run an operation of the store again and again, each time killed -9 a little later.

    python killer.py OPERATION TEMPLATE OUT OFFSET STRIDE

Each attempt works on its own copy of the run folder TEMPLATE, OUT/0000, OUT/0001, ..., and is
killed just before a call that changes the disk: before each STRIDE-th one of the store itself
from OFFSET on, and before every 70th of all (most of which zarr makes while it writes aside).
Prints the number of copies.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr
from salt import KEY, Salt

from ionflow.store import Store

CALLS = ("fsync", "link", "replace", "rename", "unlink", "rmdir", "mkdir")
DECISIVE = ("link", "replace", "rename", "unlink")

SMALL = Salt(repeat=1, frames=2)

OPERATIONS: dict[str, Callable[[Store], None]] = {
    "commit": lambda store: SMALL.commit(store, store.next_segment(KEY)),
    "seal": lambda store: store.seal(KEY),
    "result": lambda store: store.write_result(KEY, xr.Dataset({"D": ("species", [1.0, 2.0])})),
    "json": lambda store: store.write_json("run.json", {"number": 2}),
}


class Countdown:
    """Counts calls; kills the process before the chosen one."""

    def __init__(self, at: int, only_own: bool) -> None:
        self.left, self.only_own = at, only_own

    def watch(self, name: str) -> None:
        """Put a counter before a function of `os`."""
        # waiting for the disk would only take time: a process is killed here, not the machine
        real: Callable[..., Any] = getattr(os, name) if name != "fsync" else lambda _: None

        def counted(*args: Any, **kwargs: Any) -> Any:
            if not self.only_own or self.is_own(name, kwargs):
                if self.left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                self.left -= 1
            return real(*args, **kwargs)

        setattr(os, name, counted)

    def is_own(self, name: str, kwargs: dict[str, Any]) -> bool:
        """Whether the store itself calls: not zarr's threads, not `shutil.rmtree`."""
        own_thread = threading.current_thread() is threading.main_thread()
        return name in DECISIVE and own_thread and "dir_fd" not in kwargs


def lives(operation: str, folder: Path, countdown: Countdown) -> bool:
    """Do it in a child; whether the child lived to the end."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    for name in CALLS:
        countdown.watch(name)
    OPERATIONS[operation](Store(folder))
    os._exit(0)


def main(operation: str, template: Path, out: Path, offset: int, stride: int) -> None:
    """Copy, kill, until an attempt lives."""
    done = 0
    for only_own, begin, step in ((True, offset, stride), (False, 0, 70 * stride)):
        for at in range(begin, 10_000, step):
            folder = out / f"{done:04d}"
            shutil.copytree(template, folder)
            done += 1
            if lives(operation, folder, Countdown(at, only_own)):
                break
    print(done)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
