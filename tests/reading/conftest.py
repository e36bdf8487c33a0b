"""Walks in cells of every shape, and files of them as other programs write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CELLS = {
    "cubic": np.diag([9.0, 9.0, 9.0]),
    "orthogonal": np.diag([8.0, 9.5, 11.0]),
    "triclinic": np.array([[9.0, 0, 0], [-2.5, 9.5, 0], [3.0, 2.0, 10.0]]),
}
NAMES = ["Li"] * 4 + ["Al"] * 4 + ["Cl"] * 16
TYPES = {"Li": 1, "Al": 2, "Cl": 3}


class Walk:
    """A walk that leaves its cell: (time, atom, 3) Å from the cell's origin, unwrapped."""

    def __init__(self, cell: np.ndarray, frames: int = 40, breathing: float = 0.0, seed: int = 3):
        rng = np.random.default_rng(seed)
        swell = 1 + breathing * np.sin(np.arange(frames) / 5)
        self.cells = cell * swell[:, None, None]
        steps = rng.normal(0, 0.08, (frames, len(NAMES), 3))
        steps[0] = rng.random((len(NAMES), 3))
        self.scaled = np.cumsum(steps, axis=0)
        self.positions = self.scaled @ self.cells
        self.velocities = rng.normal(0, 5.0, self.positions.shape)  # Å/ps
        self.names = NAMES

    @property
    def images(self) -> np.ndarray:
        return np.floor(self.scaled).astype(int)

    @property
    def inside(self) -> np.ndarray:
        """Fractional coordinates in the cell."""
        return self.scaled - self.images


def dump(
    path: Path,
    walk: Walk,
    columns: str,
    origin: Sequence[float] = (0, 0, 0),
    every: int = 50,
    flags: str = "pp pp pp",
    shuffle: bool = True,
    precision: int = 8,
) -> Path:
    """A text dump as LAMMPS writes it: atoms in any order, a space at the end of each line."""
    rng = np.random.default_rng(0)
    origin = np.asarray(origin, dtype=float)
    with path.open("w") as file:
        for t, cell in enumerate(walk.cells):
            known = _columns(walk, t, cell, origin)
            file.write(f"ITEM: TIMESTEP\n{t * every}\nITEM: NUMBER OF ATOMS\n{len(NAMES)}\n")
            file.write(_bounds(cell, origin, flags))
            file.write(f"ITEM: ATOMS {columns}\n")
            order = rng.permutation(len(NAMES)) if shuffle else np.arange(len(NAMES))
            for i in order:
                values = [known[name][i] for name in columns.split()]
                words = [f"{v:.{precision}f}" if isinstance(v, float) else str(v) for v in values]
                file.write(" ".join(words) + " \n")
    return path


def _columns(walk: Walk, t: int, cell: np.ndarray, origin: np.ndarray) -> dict[str, Any]:
    wrapped = walk.inside[t] @ cell + origin
    groups = {
        ("x", "y", "z"): wrapped,
        ("xs", "ys", "zs"): walk.inside[t],
        ("xu", "yu", "zu"): walk.positions[t] + origin,
        ("xsu", "ysu", "zsu"): walk.scaled[t],
        ("ix", "iy", "iz"): walk.images[t],
        ("vx", "vy", "vz"): walk.velocities[t],
    }
    known: dict[str, Any] = {
        "id": np.arange(1, len(NAMES) + 1).tolist(),
        "type": [TYPES[name] for name in NAMES],
        "element": list(NAMES),
        "q": [{"Li": 1.0, "Al": 3.0, "Cl": -1.0}[name] for name in NAMES],
        "mol": [1 + i % 2 for i in range(len(NAMES))],
    }
    for names, values in groups.items():
        known |= {name: values[:, k].tolist() for k, name in enumerate(names)}
    return known


def _bounds(cell: np.ndarray, origin: np.ndarray, flags: str) -> str:
    xy, xz, yz = cell[1, 0], cell[2, 0], cell[2, 1]
    low, high = origin.copy(), origin + np.diag(cell)
    if not (xy or xz or yz):
        rows = "".join(f"{a:.10f} {b:.10f}\n" for a, b in zip(low, high, strict=True))
        return f"ITEM: BOX BOUNDS {flags}\n{rows}"
    low[:2] += min(0, xy, xz, xy + xz), min(0, yz)
    high[:2] += max(0, xy, xz, xy + xz), max(0, yz)
    tilts = (xy, xz, yz)
    rows = "".join(
        f"{a:.10f} {b:.10f} {t:.10f}\n" for a, b, t in zip(low, high, tilts, strict=True)
    )
    return f"ITEM: BOX BOUNDS xy xz yz {flags}\n{rows}"


@pytest.fixture(scope="session")
def walk() -> Callable[..., Walk]:
    """A walk by the name of its cell."""
    return lambda cell, **options: Walk(CELLS[cell], **options)


@pytest.fixture(scope="session")
def write_dump() -> Callable[..., Path]:
    return dump
