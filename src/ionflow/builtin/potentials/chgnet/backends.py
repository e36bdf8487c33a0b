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
    """A fresh force field, or None if the stock calculator is wanted or all that there is.

    With `auto`, a checkpoint that a backend does not know goes to the next, with a warning.
    """
    backend, _ = chosen(wish, device)
    compiled, _ = kernel.available()
    if backend == "stock":
        return None
    try:
        weights = _folded(path, sha256)
        if backend == "kernel" and compiled is not None:
            return _kernel_field(weights, compiled, wish)
        return TorchField(weights, device)
    except UnknownArchitectureError as error:
        if wish != "auto":
            raise
        _announce(f"{path.name}: {error.what}; using chgnet itself")
        return None


def _kernel_field(weights: Weights, compiled: kernel.Kernel, wish: Backend) -> CHGNetField:
    try:
        return KernelField(weights, compiled)
    except UnknownArchitectureError as error:
        if wish != "auto":
            raise
        _announce(f"{error.what}; using torch")
        return TorchField(weights)


def _announce(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=5)


@lru_cache(maxsize=4)
def _folded(path: Path, sha256: str) -> Weights:
    """Folded weights, once per process; `sha256` makes it the file's content."""
    return fold(checkpoints.read(path))
