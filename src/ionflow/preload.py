"""What a local worker does first; named to Dask as a preload of its workers."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the driver: a terminal sends it to every process of the run.

    The driver lets a worker come to its next commit before it stops it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
