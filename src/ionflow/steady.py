"""Dask and Tornado by a clock that nobody sets.

Both time messages and heartbeats by the wall clock. When that is set back by an hour, what waits
to be sent waits an hour longer (tornadoweb/tornado issues 2035 and 2333): the run stands still,
workers idle, and nothing says why. When it is set on, workers count as lost. So they are given a
clock that shows the wall's time of when the process began, and runs evenly from there.

A preload as well, for schedulers and workers that a user starts:
`dask scheduler --preload ionflow.steady`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import distributed.metrics
from tornado.ioloop import IOLoop

_WALL = distributed.metrics.time
_BEGAN_S = time.time() - time.monotonic()


def steady_s() -> float:
    """Seconds since 1970, by a clock that was right when this process began."""
    return _BEGAN_S + time.monotonic()


def keep_time() -> None:
    """Let all of Dask in this process use it; a second call changes nothing."""
    IOLoop.time = staticmethod(steady_s)  # type: ignore[assignment]
    # each of its modules has its own name for the function
    modules = [m for name, m in list(sys.modules.items()) if name.startswith("distributed")]
    for module in modules:
        if vars(module).get("time") is _WALL:
            module.time = steady_s  # type: ignore[attr-defined]


def dask_setup(server: Any) -> None:
    """Called by Dask on a scheduler or worker that names this module as a preload."""
    keep_time()
