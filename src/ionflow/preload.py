"""What a local worker does first; named to Dask as a preload of its workers."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from ionflow.steady import keep_time

#: Where workers write what they and the plugins print: a folder, set by the driver.
LOGS = "IONFLOW_LOGS"

#: Warnings of workers are told to the driver under this topic.
TOPIC = "ionflow-warnings"

_KEPT_BYTES = 1_000_000


def dask_setup(worker: Any) -> None:
    """Keep time, leave signals to the driver, print to a file, tell warnings to the driver."""
    keep_time()
    # a terminal sends them to every process of the run; the driver lets a worker come to its
    # next commit before it stops it
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    if folder := os.environ.get(LOGS):
        _print_to(Path(folder) / f"worker-{worker.name}.log")
    warnings.showwarning = _telling(worker)


def _print_to(path: Path) -> None:
    """Let standard output and errors, of libraries in C too, go to a file."""
    cut = path.exists() and path.stat().st_size > _KEPT_BYTES
    file = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if cut else os.O_APPEND), 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for number in (1, 2):
        os.dup2(file, number)
    os.close(file)
    # as a line comes, not when a buffer is full: a killed worker cannot flush
    sys.stdout, sys.stderr = (os.fdopen(os.dup(n), "w", buffering=1) for n in (1, 2))
    print(f"-- worker process {os.getpid()}")
    faulthandler.enable(sys.stderr)


def _telling(worker: Any) -> Any:
    def show(message: Any, category: type[Warning], *where: Any) -> None:
        print(warnings.formatwarning(message, category, *where[:2]), file=sys.stderr, end="")
        if issubclass(category, UserWarning | RuntimeWarning):
            worker.log_event(TOPIC, f"{category.__name__}: {' '.join(str(message).split())}")

    return show
