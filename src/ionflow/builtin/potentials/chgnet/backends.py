"""Which of the evaluations a potential gets."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ionflow.builtin.potentials.chgnet import checkpoints, kernel
from ionflow.builtin.potentials.chgnet.field import CHGNetField, KernelField, TorchField
from ionflow.builtin.potentials.chgnet.weights import UnknownArchitectureError, Weights, fold
from ionflow.errors import PluginError

Backend = Literal["auto", "stock", "torch", "kernel"]


def chosen(wish: Backend, device: str) -> tuple[Backend, str]:
    """The backend that a wish leads to on a device, and why.

    Raises
    ------
    PluginError
        If the kernel is demanded where it cannot run.
    """
    if wish in ("stock", "torch"):
        return wish, "as asked"
    compiled, reason = kernel.available()
    if not device.startswith("cpu"):
        compiled, reason = None, f"the kernel runs on the CPU, not on {device}"
    if compiled is not None:
        return "kernel", reason
    if wish == "kernel":
        raise PluginError(f"no CHGNet kernel: {reason}", hint="backend: torch needs none")
    return "torch", reason


def field(wish: Backend, path: Path, sha256: str, device: str) -> CHGNetField | None:
    """A fresh force field, or None if the stock calculator is wanted or all that there is."""
    backend, _ = chosen(wish, device)
    if backend == "stock":
        return None
    try:
        weights = _folded(path, sha256)
        compiled, _ = kernel.available()
        if backend == "kernel" and compiled is not None:
            return KernelField(weights, compiled)
        return TorchField(weights, device)
    except UnknownArchitectureError as error:
        if wish != "auto":
            raise
        warnings.warn(f"{path.name}: {error}; using chgnet itself", RuntimeWarning, stacklevel=4)
        return None


@lru_cache(maxsize=4)
def _folded(path: Path, sha256: str) -> Weights:
    """Folded weights, once per process; `sha256` makes it the file's content."""
    return fold(checkpoints.read(path))
