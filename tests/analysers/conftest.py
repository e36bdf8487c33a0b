"""Trajectories whose transport is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from scipy.signal import lfilter

from ionflow import schema

FRAME_PS = 0.1
SIDE = 20.0
KELVIN = 1000.0


def _trajectory(
    positions: np.ndarray,
    symbols: Sequence[str],
    charges: Sequence[float] | None = None,
    cell: np.ndarray | None = None,
) -> xr.Dataset:
    """A trajectory of the schema: (time, atom, 3) Å, frames 0.1 ps apart, 1000 K."""
    atoms = Atoms(symbols, positions=positions[0])
    if charges is not None:
        atoms.set_initial_charges(charges)
    frames = len(positions)
    box = np.eye(3) * SIDE if cell is None else cell
    variables = {
        "positions": positions,
        "cell": np.broadcast_to(box, (frames, 3, 3)),
        "temperature": np.full(frames, KELVIN),
    }
    return schema.trajectory(atoms, np.arange(frames) * 50, 2.0, variables)


def _walk(rng: np.random.Generator, frames: int, atoms: int, step: float) -> np.ndarray:
    """Free walkers, (time, atom, 3); `step` is the standard deviation along each direction, Å."""
    return np.cumsum(rng.normal(0, step, (frames, atoms, 3)), axis=0)


def _rattle(
    rng: np.random.Generator, frames: int, atoms: int, width: float, memory: float
) -> np.ndarray:
    """Ornstein-Uhlenbeck walkers tied to their sites: `width` in Å, `memory` in frames."""
    keep = np.exp(-1 / memory)
    x = np.empty((frames, atoms, 3))
    x[0] = rng.normal(size=(atoms, 3))
    kicks = rng.normal(size=(frames, atoms, 3)) * np.sqrt(1 - keep**2)
    for t in range(1, frames):
        x[t] = keep * x[t - 1] + kicks[t]
    return x * width


def _langevin(
    rng: np.random.Generator, shape: tuple[int, int], interval: float, friction: float, speed: float
) -> tuple[np.ndarray, np.ndarray]:
    """Free Langevin particles, positions and velocities (time, atom, 3), exact at any interval.

    dv = −γ v dt + noise, dx = v dt, with the velocities' stationary standard deviation `speed`.
    The joint distribution of what an interval adds is that of Chandrasekhar, doi
    10.1103/RevModPhys.15.1.
    """
    t = friction * interval
    keep = np.exp(-t)
    vv = speed**2 * (1 - keep**2)
    xv = speed**2 / friction * (1 - keep) ** 2
    xx = speed**2 / friction**2 * (2 * t - 3 + 4 * keep - keep**2)
    kicks = rng.normal(size=(*shape, 3, 2)) @ np.linalg.cholesky([[vv, xv], [xv, xx]]).T
    kicks[0, ..., 0] = rng.normal(0, speed, (shape[1], 3))
    v = lfilter([1.0], [1.0, -keep], kicks[..., 0], axis=0)
    steps = v[:-1] * (1 - keep) / friction + kicks[1:, ..., 1]
    x = np.concatenate([np.zeros((1, shape[1], 3)), np.cumsum(steps, axis=0)])
    return x, v


@pytest.fixture(scope="session")
def langevin() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return _langevin


@pytest.fixture(scope="session")
def trajectory() -> Callable[..., xr.Dataset]:
    return _trajectory


@pytest.fixture(scope="session")
def walk() -> Callable[..., np.ndarray]:
    return _walk


@pytest.fixture(scope="session")
def rattle() -> Callable[..., np.ndarray]:
    return _rattle


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)
