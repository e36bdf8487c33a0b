"""Force fields whose statistical mechanics is known, and short ways to run them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from ionflow.builtin.engines.torch import Torch
from ionflow.calculator import FieldCalculator
from ionflow.kinds import ForceField, Frame, Potential, Segment, Stage

torch.set_num_threads(1)

Results = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _by_system(values: torch.Tensor, owners: torch.Tensor, count: int) -> torch.Tensor:
    return values.new_zeros(count, *values.shape[1:]).index_add_(0, owners, values)


class IdealGas(ForceField):
    """No forces at all."""

    def __call__(self, positions: Any, cells: Any, numbers: Any, system: Any) -> Results:
        zero = torch.zeros(len(cells), dtype=torch.float64, device=cells.device)
        return zero, torch.zeros_like(positions), torch.zeros_like(cells)


class Dimers(ForceField):
    """Atoms 2i and 2i+1 joined by springs of no length, k/2 r²: exactly solvable at any volume."""

    def __init__(self, k: float) -> None:
        self.k = k

    def __call__(self, positions: Any, cells: Any, numbers: Any, system: Any) -> Results:
        r = positions[1::2] - positions[::2]
        owners, count = system[::2], len(cells)
        energies = _by_system(0.5 * self.k * (r * r).sum(1), owners, count)
        forces = torch.stack([self.k * r, -self.k * r], 1).reshape(-1, 3)
        virials = _by_system(self.k * r[:, :, None] * r[:, None, :], owners, count)
        return energies, forces, virials / torch.linalg.det(cells).abs()[:, None, None]


class LennardJones(ForceField):
    """4 eps (x^12 - x^6) (1 - r²/rc²)³, x = sigma/r: smooth at the cutoff; nearest images only."""

    def __init__(self, eps: float, sigma: float, cutoff: float) -> None:
        self.eps, self.sigma, self.cutoff = eps, sigma, cutoff
        self._known: tuple[torch.Tensor, torch.Tensor] | None = None

    def _pairs(self, system: torch.Tensor) -> torch.Tensor:
        if self._known is None or not torch.equal(self._known[0], system):
            pairs = torch.triu_indices(len(system), len(system), 1)
            self._known = system.clone(), pairs[:, system[pairs[0]] == system[pairs[1]]]
        return self._known[1]

    def __call__(self, positions: Any, cells: Any, numbers: Any, system: Any) -> Results:
        i, j = self._pairs(system)
        owners, count = system[i], len(cells)
        r = positions[j] - positions[i]
        box = cells.diagonal(dim1=1, dim2=2)[owners]
        r = r - box * torch.round(r / box)
        square = (r * r).sum(1)
        x6 = (self.sigma**2 / square) ** 3
        window = (1 - square / self.cutoff**2).clamp(min=0)
        bare = 4 * self.eps * (x6 * x6 - x6)
        slope = 4 * self.eps * (-6 * x6 * x6 + 3 * x6) / square  # d bare / d r²
        energies = _by_system(bare * window**3, owners, count)
        pull = 2 * (slope * window**3 - 3 * bare * window**2 / self.cutoff**2)[:, None] * r
        forces = torch.zeros_like(positions).index_add_(0, i, pull).index_add_(0, j, -pull)
        virials = _by_system(pull[:, :, None] * r[:, None, :], owners, count)
        return energies, forces, virials / torch.linalg.det(cells).abs()[:, None, None]


class Analytic(Potential):
    """A potential around the fields above."""

    use = "analytic"
    kind: Literal["gas", "dimers", "lj"] = "gas"
    k: float = 1.0
    eps: float = 0.05
    sigma: float = 2.5
    cutoff: float = 6.0
    salt: int = 0

    def force_field(self, device: str = "cpu") -> ForceField:
        if self.kind == "gas":
            return IdealGas()
        if self.kind == "dimers":
            return Dimers(self.k)
        return LennardJones(self.eps, self.sigma, self.cutoff)

    def calculator(self) -> Any:
        return FieldCalculator(self.force_field())


def random_gas(count: int, length: float, mass: float = 10.0, seed: int = 0) -> Atoms:
    """Atoms anywhere in a cube; two masses in turn."""
    places = np.random.default_rng(seed).random((count, 3)) * length
    atoms = Atoms(["Ar"] * count, positions=places, cell=[length] * 3, pbc=True)
    atoms.set_masses(np.where(np.arange(count) % 2, mass, 2 * mass))
    return atoms


def crystal(length: float, cells: int = 2) -> Atoms:
    """A cube of fcc of 4 cells³ atoms."""
    return bulk("Ar", cubic=True, a=length / cells).repeat(cells)


def run(
    engine: Torch,
    systems: list[Atoms],
    potential: Potential,
    stages: list[Stage] | Stage,
    steps: int,
    every: int,
    first: int = 0,
    index: int = 0,
    total: int | None = None,
    seed: int = 0,
) -> list[list[Frame]]:
    """Frames, one list for each system."""
    shared = [stages] * len(systems) if isinstance(stages, Stage) else stages
    seeds = tuple(seed + 1000 * i for i in range(len(systems)))
    segment = Segment(tuple(shared), index, first, first + steps, total or steps, every, seeds)
    return [list(f) for f in zip(*engine.advance(systems, potential, segment), strict=True)]


def stage(ensemble: str, temperature: Any = 300.0, pressure: float = 0.0, **more: Any) -> Stage:
    """A stage, its duration left to the segment."""
    return Stage(
        ensemble=ensemble, temperature_K=temperature, pressure_GPa=pressure, duration_ps=1, **more
    )


@pytest.fixture
def models() -> SimpleNamespace:
    """All of the above by name."""
    return SimpleNamespace(
        Analytic=Analytic,
        Dimers=Dimers,
        IdealGas=IdealGas,
        LennardJones=LennardJones,
        crystal=crystal,
        random_gas=random_gas,
        run=run,
        stage=stage,
    )
