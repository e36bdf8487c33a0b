"""What machine this is, how many threads are in use, and which versions are installed."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: Distributions that matter first when versions are told in a line.
MAIN = (
    "ionflow", "ase", "chgnet", "torch", "numpy", "scipy", "xarray", "zarr", "dask",
    "distributed", "pluggy", "pydantic", "vesin",
)  # fmt: skip

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def versions() -> dict[str, str]:
    """Versions of the main distributions that are installed, loaded or not."""
    return {name: found for name in MAIN if (found := _version(name))}


def host() -> dict[str, Any]:
    """Name, processor, cores and memory of this machine."""
    return {
        "hostname": socket.gethostname(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cpu": cpu(),
        "cores": cores(),
        "memory_GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
    }


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Threads that numerical libraries of this process use, or would use once loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    asked = next((os.environ[name] for name in _THREADS if os.environ.get(name)), "")
    return int(asked) if asked.isdecimal() else cores()


def gpus() -> list[str]:
    """Names of the CUDA devices that torch sees."""
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def place(device: str) -> dict[str, Any]:
    """Where this process computes on a device: host, processor, threads; for CUDA the GPU too."""
    here = {
        "host": socket.gethostname(),
        "cpu": cpu(),
        "device": device,
        "threads": threads(),
    }
    return here if device == "cpu" else {**here, **_gpu()}


def _gpu() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    return {
        "gpu": torch.cuda.get_device_name(torch.cuda.current_device()),
        "cuda": str(torch.version.cuda),
        "driver": _driver(),
    }


def _driver() -> str:
    path = Path("/proc/driver/nvidia/version")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", text)
    return found[0] if found else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@cache
def cpu() -> str:
    """Model of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
