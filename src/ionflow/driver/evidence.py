"""What is known of a failed attempt beside its exception: last lines, memory, disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from distributed.scheduler import KilledWorker

from ionflow.space import free_bytes

_LINES = 40
_READ_BYTES = 20_000
_GB = 1e9

#: A worker that used this share of its limit has probably been stopped for it.
_NEARLY_ALL = 0.75


def gather(root: Path, logs: Path, who: Mapping[str, Any] | None, error: Any) -> dict[str, Any]:
    """The parts of a failure's record that tell of the worker and its machine.

    Parameters
    ----------
    who : which process began the attempt (`ionflow.attempt.begun`); None if unknown
    error : what Dask raised, if it did
    """
    worker = dict(who or {})
    worker.update(_at_its_end(error))
    lines = last_lines(logs / f"worker-{worker.get('name', '')}.log")
    return {"worker": worker, "last_lines": lines, "system": system(root)}


def system(root: Path) -> dict[str, float]:
    """Memory, load and disk of the driver's machine, now."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "memory_GB": _in_GB(memory.total),
        "memory_available_GB": _in_GB(memory.available),
        "swap_used_GB": _in_GB(swap.used),
        "load_1min": round(os.getloadavg()[0], 2),
        "disk_free_GB": _in_GB(free_bytes(root)),
    }


def last_lines(log: Path) -> list[str]:
    """The end of what a worker printed; nothing where its log is not at hand."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _READ_BYTES))
        return file.read().decode(errors="replace").splitlines()[-_LINES:]


def death(error: KilledWorker) -> str:
    """Why a worker probably died, in a clause."""
    used, limit = _memory(error)
    if limit and used > _NEARLY_ALL * limit:
        return (
            f"its worker died, at {_in_GB(used):g} of {_in_GB(limit):g} GB of memory when it was "
            "last heard of: probably stopped for that (cluster.memory_limit_GB)"
        )
    return "its worker died (out of memory, killed, or the process was ended from within)"


def _memory(error: KilledWorker) -> tuple[float, float]:
    worker = error.last_worker
    metrics = getattr(worker, "metrics", None) or {}
    return float(metrics.get("memory") or 0), float(getattr(worker, "memory_limit", 0) or 0)


def _at_its_end(error: Any) -> dict[str, Any]:
    if not isinstance(error, KilledWorker):
        return {}
    used, limit = _memory(error)
    known = {"memory_GB": _in_GB(used), "memory_limit_GB": _in_GB(limit)}
    worker = error.last_worker
    return known | {"worker": str(worker.address), "name": str(worker.name)}


def _in_GB(count: float) -> float:
    return round(count / _GB, 3)
