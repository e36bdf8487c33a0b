"""Trajectories whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ionflow import schema
from ionflow.units import BOLTZMANN_EV_PER_K, FS_PER_PS

if TYPE_CHECKING:
    import xarray as xr
    from ase import Atoms


@dataclass(frozen=True)
class Walker:
    """One species of independent Brownian walkers."""

    count: int
    diffusion_A2_ps: float
    """Its exact diffusion coefficient, in Å²/ps (1e-4 cm²/s)."""
    charge: float = 0.0
    """Formal charge, e"""


#: An alkali that moves and a framework that hardly does; charges sum to zero.
SPECIES: Mapping[str, Walker] = {
    "Li": Walker(16, 0.5, 1.0),
    "Al": Walker(16, 0.01, 3.0),
    "O": Walker(12, 0.01, -2.0),
    "Cl": Walker(40, 0.02, -1.0),
}


def synthetic_trajectory(
    species: Mapping[str, Walker] | None = None,
    *,
    frames: int = 200,
    interval_ps: float = 0.1,
    length_angstrom: float = 12.0,
    temperature_K: float = 800.0,
    seed: int = 0,
) -> xr.Dataset:
    """A trajectory of independent Brownian walkers in a cubic cell, by `ionflow.schema`.

    Every coordinate moves by a normal deviate of variance 2 D dt between frames, so that D is
    exact at every lag, and nothing is correlated: Nernst-Einstein holds, the Haven ratio is 1.

    Parameters
    ----------
    species : walkers by element; `SPECIES` if None
    frames : number of frames
    interval_ps : time between frames
    length_angstrom : edge of the cell
    temperature_K : of the `temperature` and `kinetic_energy` variables
    seed : of the random stream

    >>> synthetic_trajectory(frames=3).sizes["time"]
    3
    """
    walkers = dict(species or SPECIES)
    rng = np.random.default_rng(seed)
    atoms = _atoms(walkers, length_angstrom)
    size = (frames, len(atoms), 3)
    spread = np.sqrt([2 * walkers[e].diffusion_A2_ps * interval_ps for e in atoms.symbols])
    steps = rng.standard_normal(size) * spread[None, :, None]
    steps[0] = rng.random(size[1:]) * length_angstrom
    variables = {
        "positions": np.cumsum(steps, axis=0).astype(np.float32),
        "cell": np.broadcast_to(atoms.cell.array, (frames, 3, 3)).copy(),
        **_energies(frames, 3 * len(atoms) - 3, temperature_K, rng),
    }
    attrs = {"stage": "production", "ensemble": "nvt"}
    return schema.trajectory(atoms, range(frames), interval_ps * FS_PER_PS, variables, attrs)


def _atoms(walkers: Mapping[str, Walker], length: float) -> Atoms:
    from ase import Atoms

    symbols = [element for element, walker in walkers.items() for _ in range(walker.count)]
    charges = [walkers[element].charge for element in symbols]
    return Atoms(symbols, cell=[length] * 3, pbc=True, charges=charges)


def _energies(
    frames: int, degrees: int, temperature_K: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Canonical kinetic energies, and potential energies with the same spread."""
    kT = BOLTZMANN_EV_PER_K * temperature_K
    kinetic = rng.gamma(degrees / 2, kT, frames)
    potential = rng.normal(0.0, kT * np.sqrt(degrees / 2), frames)
    return {
        "kinetic_energy": kinetic,
        "potential_energy": potential,
        "temperature": 2 * kinetic / (degrees * BOLTZMANN_EV_PER_K),
    }
