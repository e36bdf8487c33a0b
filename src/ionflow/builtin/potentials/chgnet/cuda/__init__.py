"""CHGNet on a CUDA device: everything from the pairs of atoms to the stress, in one CUDA graph."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ionflow.builtin.potentials.chgnet.weights import Weights
    from ionflow.kinds import ForceField


def available() -> tuple[bool, str]:
    """Whether the kernels can run on this machine, and why or why not."""
    import torch

    if not torch.cuda.is_available():
        return False, "no CUDA device"
    if find_spec("triton") is None:
        return False, "triton, which compiles the kernels, is not installed"
    major, minor = torch.cuda.get_device_capability()
    if major < 8:
        return False, f"the kernels need compute capability 8.0, not {major}.{minor}"
    return True, f"kernels for {torch.cuda.get_device_name()}"


def force_field(weights: Weights, device: str) -> ForceField:
    """A fresh force field on a CUDA device; triton is imported here and not before."""
    from ionflow.builtin.potentials.chgnet.cuda.field import CudaField

    return CudaField(weights, device)
