"""The Morse potential as a function of tensors."""

from __future__ import annotations

import torch
from vesin import NeighborList

from ionflow import ForceField

#: The cutoff function acts from this share of the cutoff on.
SWITCH_FROM = 0.8


class MorseField(ForceField):
    """Energies, forces and stresses of many systems.

    Parameters
    ----------
    depth, width, distance, cutoff : eV, 1/Å, Å, Å
    """

    def __init__(self, depth: float, width: float, distance: float, cutoff: float) -> None:
        self.depth, self.width, self.distance, self.cutoff = depth, width, distance, cutoff

    def __call__(
        self,
        positions: torch.Tensor,
        cells: torch.Tensor,
        numbers: torch.Tensor,
        system: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Each system by itself: none can influence another."""
        counts = torch.bincount(system, minlength=len(cells)).tolist()
        systems = zip(torch.split(positions, counts), cells, strict=True)
        energies, forces, stresses = zip(*(self._one(*one) for one in systems), strict=True)
        return torch.stack(energies), torch.cat(forces), torch.stack(stresses)

    def _one(
        self, positions: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        i, j, vectors = self._pairs(positions, cell)
        distances = vectors.norm(dim=1).requires_grad_()
        with torch.enable_grad():
            energy = self.pair_energy(distances).sum()
            (slope,) = torch.autograd.grad(energy, distances)
        pull = (slope / distances.detach())[:, None] * vectors
        forces = torch.zeros_like(positions).index_add_(0, i, pull).index_add_(0, j, -pull)
        stress = vectors.T @ pull / torch.linalg.det(cell).abs()
        return energy.detach(), forces, stress

    def pair_energy(self, r: torch.Tensor) -> torch.Tensor:
        """U(r) in eV, times a polynomial that brings it to zero with two derivatives."""
        well = torch.exp(-self.width * (r - self.distance))
        left = ((self.cutoff - r) / (self.cutoff * (1 - SWITCH_FROM))).clamp(0, 1)
        return self.depth * well * (well - 2) * left**3 * (6 * left**2 - 15 * left + 10)

    def _pairs(
        self, positions: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Every pair once: its two atoms, and the vector from one to the other (pair, xyz)."""
        finder = NeighborList(cutoff=self.cutoff, full_list=False)
        i, j, vectors = finder.compute(positions.cpu().numpy(), cell.cpu().numpy(), True, "ijD")
        device = positions.device
        return (
            torch.from_numpy(i.astype("int64")).to(device),
            torch.from_numpy(j.astype("int64")).to(device),
            torch.from_numpy(vectors).to(device),
        )
