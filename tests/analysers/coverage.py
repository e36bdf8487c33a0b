"""How often intervals hold the exact value, over many trajectories whose transport is known.

Run as a program for the long form: `python tests/analysers/coverage.py --trajectories 2000`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr
from ase import Atoms
from scipy.signal import lfilter

from ionflow import schema
from ionflow.builtin.analysers.transport.conductivity import Conductivity
from ionflow.builtin.analysers.transport.diffusion import Diffusion
from ionflow.builtin.analysers.transport.haven import Haven
from ionflow.builtin.analysers.transport.transference import Transference
from ionflow.passes import together
from ionflow.units import BOLTZMANN_EV_PER_K, CM2_S_PER_A2_PS, S_CM_PER_E2_EV_A_PS

FRAME_PS, SIDE, KELVIN = 0.1, 20.0, 1000.0


@dataclass(frozen=True)
class Mixture:
    """Species whose displacements have a known covariance, per frame and direction, Å²."""

    symbols: Sequence[str]
    number: np.ndarray
    charge: np.ndarray
    single: np.ndarray
    """(species,) variance of the displacement of an atom"""
    sums: np.ndarray
    """(species, species) covariance of the sums over the atoms of each species"""

    @property
    def atoms(self) -> Atoms:
        symbols = np.repeat(self.symbols, self.number)
        charges = np.repeat(self.charge, self.number)
        return Atoms(symbols, positions=np.zeros((len(symbols), 3)), charges=charges)

    @property
    def _centre(self) -> np.ndarray:
        """(species,) the centre of mass is this times the sums over species."""
        masses = Atoms(list(self.symbols)).get_masses()
        return masses / (masses @ self.number)

    def exact(self) -> dict[str, float]:
        """D of each species, σ_E, t of each species and H, in the barycentric frame."""
        w = self._centre
        shift = np.eye(len(w)) - np.outer(self.number, w)
        sums = shift @ self.sums @ shift.T
        single = self.single - 2 * self.sums @ w / self.number + w @ self.sums @ w
        current = sums @ self.charge
        sigma = self.charge @ current
        rate = 0.5 / FRAME_PS
        per_volume = rate / (SIDE**3 * BOLTZMANN_EV_PER_K * KELVIN) * S_CM_PER_E2_EV_A_PS
        shares = self.charge * current / sigma
        return {
            "D": single[0] * rate * CM2_S_PER_A2_PS,
            "sigma": sigma * per_volume,
            **{f"t {s}": t for s, t in zip(self.symbols, shares, strict=True)},
            "H alkali": self.number[0] * single[0] / sums[0, 0],
            "H total": self.number * self.charge**2 @ single / sigma,
        }


Sample = tuple[Mixture, np.ndarray]
"""And positions (time, atom, 3)"""


def free_walkers(rng: np.random.Generator, frames: int) -> Sample:
    """Independent Brownian ions."""
    number, step = np.array([12, 6, 30]), np.array([0.8, 0.4, 0.6])
    mixture = Mixture(
        ("Li", "Al", "Cl"), number, np.array([1.0, 3.0, -1.0]), step**2, np.diag(number * step**2)
    )
    width = np.repeat(step, number)[:, None]
    return mixture, np.cumsum(rng.normal(size=(frames, 48, 3)) * width, axis=0)


def caged_hoppers(rng: np.random.Generator, frames: int) -> Sample:
    """Ions that rattle in cages and hop to the next one, some often and some seldom."""
    number, charge = np.array([24, 6, 42]), np.array([1.0, 3.0, -1.0])
    rate, length = np.array([0.06, 0.0, 0.015]), 3.0
    variance = rate * length**2 / 3
    mixture = Mixture(("Li", "Al", "Cl"), number, charge, variance, np.diag(number * variance))
    shape = (frames, int(number.sum()))
    jumps = (rng.random(shape) < np.repeat(rate, number)) * rng.choice([-length, length], shape)
    hops = np.zeros((*shape, 3))
    np.put_along_axis(hops, rng.integers(0, 3, shape)[..., None], jumps[..., None], axis=2)
    return mixture, np.cumsum(hops, axis=0) + rattle(rng, hops.shape, 0.4, 3.0)


def rattle(
    rng: np.random.Generator, shape: tuple[int, ...], width: float, memory: float
) -> np.ndarray:
    """Ornstein-Uhlenbeck walkers tied to their sites: `width` in Å, `memory` in frames."""
    keep = np.exp(-1 / memory)
    kicks = rng.normal(size=shape) * np.sqrt(1 - keep**2)
    kicks[0] /= np.sqrt(1 - keep**2)
    return width * lfilter([1.0], [1.0, -keep], kicks, axis=0)


def correlated_pairs(rng: np.random.Generator, frames: int) -> Sample:
    """Pairs of like ions whose steps have a correlation of 0.6, so that H = 1/1.6 in the lab."""
    step, rho = np.array([0.8, 0.2, 0.4]), 0.6
    number, charge = np.array([16, 8, 40]), np.array([1.0, 3.0, -1.0])
    sums = number * step**2
    sums[0] *= 1 + rho
    mixture = Mixture(("Li", "Al", "Cl"), number, charge, step**2, np.diag(sums))
    own = rng.normal(size=(frames, 64, 3))
    common = rng.normal(size=(frames, 8, 3)).repeat(2, axis=1)
    own[:, :16] = np.sqrt(1 - rho) * own[:, :16] + np.sqrt(rho) * common
    return mixture, np.cumsum(own * np.repeat(step, number)[:, None], axis=0)


def ionic_mixture(rng: np.random.Generator, frames: int) -> Sample:
    """Three species that conserve momentum, each with steps of its own and steps in common."""
    number, charge = np.array([10, 5, 25]), np.array([1.0, 3.0, -1.0])
    own = np.array([0.8, 0.4, 0.6])
    # what species share with three common noises
    common = np.array([[0.20, 0.0, 0.08], [-0.10, 0.12, 0.06], [0.0, -0.06, 0.12]])
    sums = np.diag(number * own**2) + np.outer(number, number) * (common @ common.T)
    single = own**2 + (common**2).sum(axis=1)
    mixture = Mixture(("Li", "Al", "Cl"), number, charge, single, sums)
    kind = np.repeat(np.arange(3), number)
    steps = rng.normal(size=(frames, 40, 3)) * own[kind][:, None]
    steps += common[kind] @ rng.normal(size=(frames, 3, 3))
    masses = mixture.atoms.get_masses()
    steps -= (np.einsum("i,tix->tx", masses, steps) / masses.sum())[:, None]
    return mixture, np.cumsum(steps, axis=0)


CASES: dict[str, Callable[[np.random.Generator, int], Sample]] = {
    "free walkers": free_walkers,
    "caged hoppers": caged_hoppers,
    "correlated pairs": correlated_pairs,
    "ionic mixture": ionic_mixture,
}


def trajectory(mixture: Mixture, positions: np.ndarray) -> xr.Dataset:
    """A trajectory of the schema."""
    frames = len(positions)
    variables = {
        "positions": positions.astype(np.float32),
        "cell": np.broadcast_to(np.eye(3) * SIDE, (frames, 3, 3)),
        "temperature": np.full(frames, KELVIN),
    }
    return schema.trajectory(mixture.atoms, np.arange(frames) * 50, 2.0, variables)


ANALYSERS = (
    Diffusion(),
    Conductivity(clusters=False),
    Transference(clusters=False),
    Haven(),
)


def intervals(data: xr.Dataset) -> Iterator[tuple[str, float, np.ndarray]]:
    """Name, value and intervals (level, bound) of every quantity of a trajectory."""
    results = together(ANALYSERS, data)
    for result in results:
        if isinstance(result, Exception):
            raise result
    d, sigma, t, h = results
    yield "D", *_of(d, "diffusion_coefficient", species="Li")
    yield "sigma", *_of(sigma, "conductivity", definition="einstein")
    for species in t["species"].values:
        yield f"t {species}", *_of(t, "transference_number", definition="einstein", species=species)
    for kind in h["kind"].values:
        yield f"H {kind}", *_of(h, "haven_ratio", kind=kind)


def _of(result: xr.Dataset, name: str, **where: str) -> tuple[float, np.ndarray]:
    chosen = result[[name, "ci68", "ci95"]].sel(where)
    return float(chosen[name]), np.stack([chosen["ci68"].values, chosen["ci95"].values])


Row = dict[str, tuple[float, bool, bool]]
"""Per quantity: value over the exact one, and whether the intervals hold the exact one."""


def one(case: str, frames: int, seed: int) -> Row:
    """One trajectory's quantities that have a value."""
    mixture, positions = CASES[case](np.random.default_rng([seed, len(case)]), frames)
    exact = mixture.exact()
    row: Row = {}
    for name, value, ends in intervals(trajectory(mixture, positions)):
        if np.isfinite(value):
            low, high = ends[:, 0] <= exact[name], exact[name] <= ends[:, 1]
            inside = low & high
            row[name] = (value - exact[name], bool(inside[0]), bool(inside[1]))
    return row


@dataclass(frozen=True)
class Coverage:
    """What share of the intervals hold the exact value."""

    in68: float
    in95: float
    known: float
    """share of trajectories that have a value"""
    bias: float
    """mean deviation over its standard error"""


def coverage(case: str, frames: int, seeds: Sequence[int], workers: int = 1) -> dict[str, Coverage]:
    """Of every quantity, over so many trajectories."""
    work = partial(one, case, frames)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            rows = list(pool.map(work, seeds, chunksize=8))
    else:
        rows = [work(seed) for seed in seeds]
    return {name: _summary(rows, name) for name in rows[0] | rows[-1]}


def _summary(rows: Sequence[Row], name: str) -> Coverage:
    values = np.array([row[name] for row in rows if name in row], dtype=float)
    off = values[:, 0]
    bias = off.mean() / (off.std(ddof=1) / np.sqrt(len(off))) if off.any() else 0.0
    return Coverage(values[:, 1].mean(), values[:, 2].mean(), len(values) / len(rows), bias)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=1000)
    parser.add_argument("--frames", type=int, nargs="+", default=[400, 1500])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    asked = parser.parse_args()
    print(
        f"{'case':18} {'frames':>6} {'quantity':9} {'68 %':>6} {'95 %':>6} {'known':>6} {'bias':>5}"
    )
    for case in asked.cases:
        for frames in asked.frames:
            found = coverage(case, frames, range(asked.trajectories), asked.workers)
            for name, c in found.items():
                print(
                    f"{case:18} {frames:6} {name:9} {c.in68:6.3f} {c.in95:6.3f} {c.known:6.3f}"
                    f" {c.bias:5.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
