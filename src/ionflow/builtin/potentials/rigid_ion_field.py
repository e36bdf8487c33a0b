"""The rigid-ion potential as a batched function of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import erfc, exp, pi, sqrt
from typing import Final

import torch
from ase.data import atomic_numbers
from ase.units import Bohr, Hartree
from vesin import NeighborList

from ionflow.errors import PluginError
from ionflow.kinds import ForceField

#: e²/(4 pi eps0) in eV Å
COULOMB: Final = Hartree * Bohr

#: Madelung constant of rock salt over its coordination number: the share of the repulsion that
#: one of four neighbours bears at equilibrium.
ROCK_SALT: Final = 1.7476 / 6

#: Repulsion of ions of like charge at the sum of their radii (eV).
LIKE_IONS: Final = 0.05

#: Dispersion of two anions at the sum of their radii (eV).
ANION_DISPERSION: Final = 0.1

Pairs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class RigidIonField(ForceField):
    """Born-Mayer repulsion, dispersion and damped Coulomb interaction, all force-shifted.

    Parameters
    ----------
    ions : charge (e) and radius (Å) by element
    cutoff, alpha, rho : Å, 1/Å, Å
    device : where the tensors live
    """

    def __init__(
        self,
        ions: Mapping[str, tuple[float, float]],
        *,
        cutoff: float,
        alpha: float,
        rho: float,
        device: str = "cpu",
    ) -> None:
        self.cutoff, self.alpha, self.rho = cutoff, alpha, rho
        known = torch.zeros(119, dtype=torch.bool)
        charge = torch.zeros(119, dtype=torch.float64)
        radius = torch.zeros(119, dtype=torch.float64)
        for element, (q, r) in ions.items():
            number = atomic_numbers[element]
            known[number], charge[number], radius[number] = True, q, r
        contact = radius[:, None] + radius
        qq = COULOMB * charge[:, None] * charge
        strength = torch.where(qq < 0, -qq * rho * ROCK_SALT / contact**2, LIKE_IONS)
        self._known, self._charge = known.to(device), charge.to(device)
        self._qq = qq.to(device)
        self._wall = (strength * torch.exp(contact / rho)).to(device)
        anion = (charge < 0).double()
        sixth = ANION_DISPERSION * contact**6 * anion[:, None] * anion
        self._sixth = sixth.to(device)
        self._erfc_end = erfc(alpha * cutoff) / cutoff
        self._slope_end = self._coulomb_slope_end()
        # sum over each ion of its interaction with its own shifted image and damping charge
        self._self_energy = -COULOMB * (self._erfc_end / 2 + alpha / sqrt(pi))

    def __call__(
        self,
        positions: torch.Tensor,
        cells: torch.Tensor,
        numbers: torch.Tensor,
        system: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Energies, forces and stresses; NaN for a system whose positions are not finite."""
        self._require_known(numbers)
        i, j, vectors, of = self._pairs(positions, cells, system)
        distance = vectors.norm(dim=1)
        energy, slope = self._interaction(distance, numbers[i], numbers[j])
        pull = (slope / distance)[:, None] * vectors
        forces = torch.zeros_like(positions).index_add_(0, i, pull).index_add_(0, j, -pull)
        own = self._self_energy * self._charge[numbers] ** 2
        zeros = torch.zeros(len(cells), dtype=positions.dtype, device=positions.device)
        energies = zeros.index_add(0, of, energy).index_add_(0, system, own)
        virials = torch.zeros_like(cells).index_add_(0, of, pull[:, :, None] * vectors[:, None])
        stresses = virials / torch.linalg.det(cells).abs()[:, None, None]
        return self._mark_broken(positions, system, energies, forces, stresses)

    def _interaction(
        self, r: torch.Tensor, first: torch.Tensor, second: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Energy (eV) of each pair and its derivative by the distance (eV/Å)."""
        pair = first * len(self._charge) + second
        qq, wall, sixth = (table.take(pair) for table in (self._qq, self._wall, self._sixth))
        rc, rho, alpha = self.cutoff, self.rho, self.alpha
        beyond = r - rc
        repulsion, end = wall * torch.exp(-r / rho), wall * exp(-rc / rho)
        screened = torch.erfc(alpha * r) / r
        gauss = 2 * alpha / sqrt(pi) * torch.exp(-((alpha * r) ** 2))
        coulomb = screened - self._erfc_end - self._slope_end * beyond
        coulomb_slope = -(screened + gauss) / r - self._slope_end
        inverse = r**-6
        dispersion = inverse - rc**-6 + 6 * rc**-7 * beyond
        dispersion_slope = 6 * (rc**-7 - inverse / r)
        energy = repulsion - end + end / rho * beyond + qq * coulomb - sixth * dispersion
        slope = (end - repulsion) / rho + qq * coulomb_slope - sixth * dispersion_slope
        return energy, slope

    def _coulomb_slope_end(self) -> float:
        rc, alpha = self.cutoff, self.alpha
        gauss = 2 * alpha / sqrt(pi) * exp(-((alpha * rc) ** 2))
        return -(self._erfc_end + gauss) / rc

    def _pairs(self, positions: torch.Tensor, cells: torch.Tensor, system: torch.Tensor) -> Pairs:
        """Every pair within the cutoff once: its two atoms, the vector between, its system."""
        counts = torch.bincount(system, minlength=len(cells)).tolist()
        # an origin in the first cell keeps digits, and the search fast, however far ions went
        inverse = torch.linalg.inv(cells)[system]
        fraction = torch.einsum("ac,acd->ad", positions, inverse)
        wrapped = torch.einsum("ac,acd->ad", fraction - fraction.floor(), cells[system])
        found = []
        start = 0
        for index, count in enumerate(counts):
            own = wrapped[start : start + count]
            first, second, shift = self._neighbours(own, cells[index])
            vectors = own[second] - own[first] + shift @ cells[index]
            found.append((first + start, second + start, vectors, torch.full_like(first, index)))
            start += count
        i, j, vectors, of = (torch.cat(parts) for parts in zip(*found, strict=True))
        return i, j, vectors, of

    def _neighbours(
        self, points: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        device = points.device
        if not (torch.isfinite(points).all() and torch.isfinite(cell).all()):
            none = torch.zeros(0, dtype=torch.int64, device=device)
            return none, none, torch.zeros((0, 3), dtype=points.dtype, device=device)
        finder = NeighborList(cutoff=self.cutoff, full_list=False)
        first, second, shift = finder.compute(points.cpu().numpy(), cell.cpu().numpy(), True, "ijS")
        return (
            torch.from_numpy(first.astype("int64")).to(device),
            torch.from_numpy(second.astype("int64")).to(device),
            torch.from_numpy(shift.astype("float64")).to(device),
        )

    def _require_known(self, numbers: torch.Tensor) -> None:
        if self._known[numbers].all():
            return
        strangers = sorted(set(numbers[~self._known[numbers]].tolist()))
        raise PluginError(
            f"the potential knows no ion of atomic number {', '.join(map(str, strangers))}",
            where="rigid_ion",
            hint="take another potential for these elements",
        )

    def _mark_broken(
        self,
        positions: torch.Tensor,
        system: torch.Tensor,
        energies: torch.Tensor,
        forces: torch.Tensor,
        stresses: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        broken = torch.zeros(len(energies), dtype=torch.bool, device=positions.device)
        broken[system[~torch.isfinite(positions).all(dim=1)]] = True
        if broken.any():
            energies[broken] = torch.nan
            stresses[broken] = torch.nan
            forces[broken[system]] = torch.nan
        return energies, forces, stresses
