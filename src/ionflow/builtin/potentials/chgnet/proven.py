"""A force field that is trusted on a device only after it agreed there with a plainer one.

A device's compiler, driver and rounding are not ours; kernels that are right on one may be wrong
on another. So the first evaluation of a process is done twice, and what disagrees is not used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final

import torch

from ionflow.kinds import ForceField

Result = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

#: How far two evaluations may differ: eV per atom, eV/Å, eV/Å³. Several times what rounding does.
BOUNDS: Final = (5e-6, 2e-3, 5e-6)


class ProvenField(ForceField):
    """`fast`, once its first result has agreed with `plain`; `plain` with a warning if it did not.

    Parameters
    ----------
    fast, plain : two evaluations of the same energy
    agreed : told, once, that they agree, so that the next field of this process need not ask
    """

    def __init__(
        self, fast: ForceField, plain: ForceField, agreed: Callable[[], None] = lambda: None
    ) -> None:
        self._fast, self._plain, self._agreed = fast, plain, agreed
        self._chosen: ForceField | None = None

    def __call__(
        self,
        positions: torch.Tensor,
        cells: torch.Tensor,
        numbers: torch.Tensor,
        system: torch.Tensor,
    ) -> Result:
        if self._chosen is None:
            return self._prove(positions, cells, numbers, system)
        return self._chosen(positions, cells, numbers, system)

    def _prove(self, *tensors: torch.Tensor) -> Result:
        ours, theirs = self._fast(*tensors), self._plain(*tensors)
        off = differences(ours, theirs, torch.bincount(tensors[3], minlength=len(tensors[1])))
        if all(value <= bound for value, bound in zip(off, BOUNDS, strict=True)):
            self._chosen = self._fast
            self._agreed()
            return ours
        self._chosen = self._plain
        warnings.warn(_disagreement(off), RuntimeWarning, stacklevel=3)
        return theirs


def differences(ours: Result, theirs: Result, atoms: torch.Tensor) -> tuple[float, float, float]:
    """Largest differences in energy per atom (eV), force (eV/Å) and stress (eV/Å³)."""
    energies, forces, stresses = ((a - b).abs() for a, b in zip(ours, theirs, strict=True))
    energies = energies / atoms
    return float(energies.max()), float(forces.max()), float(stresses.max())


def _disagreement(off: tuple[float, float, float]) -> str:
    energy, force, stress = off
    return (
        "CHGNet's kernels disagree with torch on this device (by "
        f"{energy:.1e} eV/atom, {force:.1e} eV/Å, {stress:.1e} eV/Å³); going on with torch, "
        "which is slower. Please report this with the output of `ionflow doctor`"
    )
