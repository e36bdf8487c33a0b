"""An ASE calculator around any force field."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from ionflow.kinds import ForceField


class FieldCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³) of one system from a `ForceField`.

    Parameters
    ----------
    field : evaluated as a batch of one
    device : where its tensors live
    """

    implemented_properties = [  # noqa: RUF012 - as ASE declares it
        "energy",
        "free_energy",
        "forces",
        "stress",
    ]

    def __init__(self, field: ForceField, device: str = "cpu") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.field, self.device = field, device

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = None,
        system_changes: Any = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        energies, forces, stresses = self.field(*self._tensors(self.atoms))
        energy = float(energies[0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces.cpu().numpy(),
            "stress": full_3x3_to_voigt_6_stress(stresses[0].cpu().numpy()),
        }

    def _tensors(self, atoms: Any) -> tuple[torch.Tensor, ...]:
        arrays = (
            np.array(atoms.positions),
            np.array(atoms.cell)[None],
            atoms.numbers.astype(np.int64),
            np.zeros(len(atoms), np.int64),
        )
        return tuple(torch.from_numpy(a).to(self.device) for a in arrays)
