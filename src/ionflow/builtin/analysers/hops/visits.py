"""Where ions are: their visits to the voxels of a cell, and the density that these make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray, Paths, PerAtom, Subject

HALVES = 2


@dataclass
class Visits:
    """Visits counted so far."""

    counts: IntArray
    """(half, voxel)"""
    inverse: FloatArray
    """(time, xyz, vector) 1/Å, of each cell; a single one if it does not change"""


@dataclass(frozen=True)
class Occupation(PerAtom[Visits]):
    """Visits of some species to each voxel in either half of the trajectory, (half, a, b, c).

    Coordinates are fractions of the cell of each frame, from the centre that the frame of
    reference follows.
    """

    species: tuple[str, ...]
    points: int
    """voxels along each vector of the cell"""

    def atoms(self, subject: Subject) -> IntArray:
        return np.sort(np.concatenate([subject.atoms[name] for name in self.species]))

    def start(self, subject: Subject) -> Visits:
        subject.require_dynamics()
        counts = np.zeros((HALVES, self.points**3), dtype=np.int64)
        return Visits(counts, _inverse(subject.cells))

    def add(self, state: Visits, paths: Paths) -> None:
        scaled = _scaled(paths.values, state.inverse)
        voxel = np.floor((scaled - np.floor(scaled)) * self.points).astype(np.int64)
        # a fraction just below 0 becomes 1 by rounding
        np.minimum(voxel, self.points - 1, out=voxel)
        number = (voxel[:, 0] * self.points + voxel[:, 1]) * self.points + voxel[:, 2]
        for half, part in enumerate(halves(paths.values.shape[-1])):
            state.counts[half] += np.bincount(number[:, part].ravel(), minlength=self.points**3)

    def merge(self, first: Visits, second: Visits) -> Visits:
        return Visits(first.counts + second.counts, first.inverse)

    def finish(self, state: Visits, subject: Subject) -> IntArray:
        return state.counts.reshape(HALVES, *[self.points] * 3)


@dataclass
class Means:
    """Mean positions found so far."""

    scaled: dict[int, FloatArray]
    """by atom, (vector,)"""
    inverse: FloatArray
    """as of Visits"""


@dataclass(frozen=True)
class MeanPosition(PerAtom[Means]):
    """Mean fractional position of each atom that is not of some species, (atom, vector)."""

    without: tuple[str, ...]

    def atoms(self, subject: Subject) -> IntArray:
        other = [atoms for name, atoms in subject.atoms.items() if name not in self.without]
        return np.sort(np.concatenate([np.arange(0), *other]))

    def start(self, subject: Subject) -> Means:
        return Means({}, _inverse(subject.cells))

    def add(self, state: Means, paths: Paths) -> None:
        mean = _scaled(paths.values, state.inverse).mean(axis=-1)
        state.scaled.update(zip(paths.atoms.tolist(), mean, strict=True))

    def merge(self, first: Means, second: Means) -> Means:
        return Means({**first.scaled, **second.scaled}, first.inverse)

    def finish(self, state: Means, subject: Subject) -> FloatArray:
        found = [state.scaled[atom] for atom in self.atoms(subject).tolist()]
        return np.array(found, dtype=np.float64).reshape(-1, 3)


def halves(frames: int) -> tuple[slice, slice]:
    """The frames of the first and of the second half."""
    return slice(0, frames // 2), slice(frames // 2, frames)


def _inverse(cells: FloatArray) -> FloatArray:
    fixed = bool((cells == cells[0]).all())
    return np.linalg.inv(cells[:1] if fixed else cells).astype(np.float64)


def _scaled(paths: FloatArray, inverse: FloatArray) -> FloatArray:
    """Fractional coordinates, (atom, vector, time)."""
    fixed = len(inverse) == 1
    along = ("axt,xv->avt", inverse[0]) if fixed else ("axt,txv->avt", inverse)
    scaled: FloatArray = np.einsum(along[0], paths, along[1], optimize=True)
    return scaled
