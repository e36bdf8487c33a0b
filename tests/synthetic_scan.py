"""Results joined over a scan of materials, temperatures and replicas, whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ionflow.units import BOLTZMANN_EV_PER_K

EA, D0 = 0.30, 2e-3
KELVIN = (500.0, 600.0, 700.0, 800.0)
AXES = ("A", "M", "X")
LEVELS = {"A": ("Li", "Na", "K"), "M": ("Al", "Ga", "In"), "X": ("Cl", "Br", "I")}


@dataclass(frozen=True)
class Scan:
    """ln D = ln D0 − EA/kT + effect of each axis times (−1, 0, 1) + what is peculiar to a glass."""

    effects: tuple[float, float, float] = (0.0, 0.0, 0.0)
    glass: float = 0.0
    """standard deviation between glasses, which all temperatures share"""
    relative: float = 0.1
    """error that each trajectory claims, and has"""
    replicas: int = 3
    kelvin: tuple[float, ...] = KELVIN
    levels: tuple[int, int, int] = (3, 3, 3)

    def results(self, seed: int | None = None) -> tuple[xr.Dataset, xr.Dataset]:
        """Diffusion and conductivity; without noise if there is no seed."""
        rng = None if seed is None else np.random.default_rng(seed)
        d = self._values(rng)
        axes = {name: list(LEVELS[name][:n]) for name, n in zip(AXES, self.levels, strict=True)}
        coords = {**axes, "temperature_K": list(self.kelvin)}
        dims = (*AXES, "temperature_K", "replica")
        return self._diffusion(d, dims, coords), self._conductivity(self._values(rng), dims, coords)

    def truth(self) -> np.ndarray:
        """(A, M, X) ln D less that of the mean material."""
        steps = [e * np.arange(-1, n - 1) for e, n in zip(self.effects, self.levels, strict=True)]
        return steps[0][:, None, None] + steps[1][:, None] + steps[2]

    def _values(self, rng: np.random.Generator | None) -> np.ndarray:
        kelvin = np.array(self.kelvin)
        line = np.log(D0) - EA / BOLTZMANN_EV_PER_K / kelvin
        y = self.truth()[..., None, None] + line[:, None]
        y = np.broadcast_to(y, (*y.shape[:-1], self.replicas))
        if rng is None:
            return np.exp(y)
        peculiar = self.glass * rng.normal(size=(*self.levels, 1, self.replicas))
        freedom = 2 / self.relative**2
        return np.exp(y + peculiar) * rng.chisquare(freedom, y.shape) / freedom

    def _diffusion(self, d: np.ndarray, dims: tuple[str, ...], coords: dict) -> xr.Dataset:
        alkali = coords["A"]
        by_species = np.full((*d.shape, len(alkali)), np.nan)
        for i in range(len(alkali)):
            by_species[i, ..., i] = d[i]
        verdict = np.where(np.isfinite(by_species), "diffusive", "")
        named = {
            "diffusion_coefficient": by_species,
            "diffusion_coefficient_stderr": self.relative * by_species,
            "verdict": verdict,
        }
        variables = {name: ((*dims, "species"), value) for name, value in named.items()}
        return xr.Dataset(variables, {**coords, "species": list(alkali)})

    def _conductivity(self, d: np.ndarray, dims: tuple[str, ...], coords: dict) -> xr.Dataset:
        sigma = 1e6 * d[..., None] / np.array(self.kelvin)[:, None, None]
        named = {"conductivity": sigma, "conductivity_stderr": self.relative * sigma}
        variables = {name: ((*dims, "definition"), value) for name, value in named.items()}
        variables["verdict"] = ((*dims, "definition"), np.full(sigma.shape, "diffusive"))
        return xr.Dataset(variables, {**coords, "definition": ["einstein"]})
