"""A potential that costs nothing, for trying engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ionflow.errors import PluginError
from ionflow.kinds import ForceField, Potential

if TYPE_CHECKING:
    import torch
    from ase.calculators.calculator import Calculator


class SoftSpheres(Potential):
    """Purely repulsive spheres, (strength)(1 - r²/range²)⁴ between every pair of atoms.

    Energy, forces and three more derivatives are continuous. The cell must be wider than twice
    the range.
    """

    use = "soft_spheres"

    strength_eV: float = Field(20.0, ge=0)
    """Energy of a pair at the same place; 0 makes an ideal gas."""

    range_angstrom: float = Field(4.0, gt=0)
    """Distance from which on two atoms do not see each other."""

    def calculator(self) -> Calculator:
        """The force field as an ASE calculator."""
        from ionflow.calculator import FieldCalculator

        return FieldCalculator(self.force_field())

    def force_field(self, device: str = "cpu") -> ForceField:
        """The potential as a batched function of tensors."""
        return _SoftSpheresField(self.strength_eV, self.range_angstrom)


class _SoftSpheresField(ForceField):
    def __init__(self, strength: float, reach: float) -> None:
        self.strength, self.reach = strength, reach

    def __call__(
        self,
        positions: torch.Tensor,
        cells: torch.Tensor,
        numbers: torch.Tensor,
        system: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        import torch

        counts = torch.bincount(system, minlength=len(cells)).tolist()
        parts = torch.split(positions, counts)
        results = [self._one(part, cell) for part, cell in zip(parts, cells, strict=True)]
        energies, forces, stresses = zip(*results, strict=True)
        return torch.stack(energies), torch.cat(forces), torch.stack(stresses)

    def _one(
        self, positions: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        import torch

        inverse = torch.linalg.inv(cell)
        width = float(1 / inverse.norm(dim=0).max())
        if width <= 2 * self.reach:
            raise PluginError(
                f"the cell is {width:.2f} Å wide, soft spheres of range {self.reach} Å need more "
                "than twice that",
                where="soft_spheres",
            )
        i, j = torch.triu_indices(len(positions), len(positions), 1)
        fraction = (positions[j] - positions[i]) @ inverse
        vectors = (fraction - fraction.round()) @ cell
        nearness = (1 - vectors.square().sum(1) / self.reach**2).clamp(min=0)
        push = (8 * self.strength / self.reach**2) * nearness**3
        pairs = push[:, None] * vectors
        forces = torch.zeros_like(positions).index_add_(0, j, pairs).index_add_(0, i, -pairs)
        stress = -(vectors.T @ pairs) / torch.linalg.det(cell).abs()
        return self.strength * (nearness**4).sum(), forces, stress
