"""Which of the evaluations a potential gets."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ionflow.builtin.potentials.chgnet import checkpoints, cuda, kernel
from ionflow.builtin.potentials.chgnet.field import KernelField, TorchField
from ionflow.builtin.potentials.chgnet.proven import ProvenField
from ionflow.builtin.potentials.chgnet.weights import UnknownArchitectureError, Weights, fold
from ionflow.errors import PluginError
from ionflow.kinds import ForceField

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
    possible, reason = _kernel_on(device)
    if possible:
        return "kernel", reason
    if wish == "kernel":
        raise PluginError(f"no CHGNet kernel: {reason}", hint="backend: torch needs none")
    return "torch", reason


def _kernel_on(device: str) -> tuple[bool, str]:
    if device.startswith("cuda"):
        return cuda.available()
    compiled, reason = kernel.available()
    if device.startswith("cpu"):
        return compiled is not None, reason
    return False, f"the kernels run on cpu and cuda, not on {device}"


def field(wish: Backend, path: Path, sha256: str, device: str) -> ForceField | None:
    """A fresh force field, or None if the stock calculator is wanted or all that there is.

    With `auto`, a checkpoint that a backend does not know goes to the next, with a warning.
    """
    backend, _ = chosen(wish, device)
    if backend == "stock":
        return None
    try:
        weights = _folded(path, sha256)
        if backend == "kernel":
            return _kernel_field(weights, device, wish)
        return TorchField(weights, device)
    except UnknownArchitectureError as error:
        if wish != "auto":
            raise
        _announce(f"{path.name}: {error.what}; using chgnet itself")
        return None


def _kernel_field(weights: Weights, device: str, wish: Backend) -> ForceField:
    compiled, reason = kernel.available()
    try:
        if device.startswith("cuda"):
            return _on_cuda(weights, device, wish)
        if compiled is None:
            raise PluginError(f"no CHGNet kernel: {reason}", hint="backend: torch needs none")
        return KernelField(weights, compiled)
    except UnknownArchitectureError as error:
        if wish != "auto":
            raise
        _announce(f"{error.what}; using torch")
        return TorchField(weights, device)


#: Devices of this process on which the CUDA kernels have agreed with torch.
_proven: set[str] = set()


def _on_cuda(weights: Weights, device: str, wish: Backend) -> ForceField:
    fast = cuda.force_field(weights, device)
    if wish == "kernel" or device in _proven:
        return fast
    return ProvenField(fast, TorchField(weights, device), lambda: _proven.add(device))


def _announce(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=5)


@lru_cache(maxsize=4)
def _folded(path: Path, sha256: str) -> Weights:
    """Folded weights, once per process; `sha256` makes it the file's content."""
    return fold(checkpoints.read(path, sha256))
