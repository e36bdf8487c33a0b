"""Distances between atoms at one time and other atoms at a later one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.dynamics.displacements import BLOCKS, origins
from ionflow.builtin.analysers.structure.shells import Histogram
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, PerFrame, Reference, Subject

#: an image as near as this (Å) to where an atom has moved is the atom itself
SAME_ANGSTROM = 1e-6
#: up to so many atoms, trying all pairs is faster than cells of neighbours
NEAREST_ATOMS = 3000
#: pairs tried together: what stays in a cache
BLOCK_PAIRS = 10_000

Held = dict[int, FloatArray]
"""Positions (atom, xyz) Å by number of the frame"""


@dataclass(frozen=True)
class DistinctDistances(PerFrame[Held]):
    """Distances between atoms at an origin and others a lag later: a Histogram for each lag.

    The frames of all origins and lags are kept, in single precision, and compared at the end.
    Periodic images count, also those of an atom itself, as they do in g(r); only the atom that has
    moved does not. Where the cell changes, later positions are scaled into the cell of the origin.
    """

    lags: tuple[int, ...]
    """frames"""
    r_max: float
    """Å"""
    bins: int
    max_origins: int
    reference: Reference

    def origins(self, subject: Subject) -> IntArray:
        """Frames from which all lags are within the trajectory, (origin,)."""
        return origins(subject.frames, max(self.lags), self.max_origins)

    def frames(self, subject: Subject) -> IntArray:
        return np.unique(np.add.outer(self.origins(subject), self.lags))

    def cutoff(self, subject: Subject) -> float:
        return 0.0

    def start(self, subject: Subject) -> Held:
        return {}

    def add(self, state: Held, frame: Frame) -> None:
        weights = frame.subject.once(
            ("weights", self.reference), lambda: self.reference.weights(frame.subject)
        )
        state[frame.number] = (frame.positions - weights @ frame.positions).astype(np.float32)

    def merge(self, first: Held, second: Held) -> Held:
        return {**first, **second}

    def finish(self, state: Held, subject: Subject) -> list[Histogram]:
        return [self._histogram(state, subject, lag) for lag in self.lags]

    def _histogram(self, state: Held, subject: Subject, lag: int) -> Histogram:
        starts, names = self.origins(subject), subject.species
        blocks = min(BLOCKS, len(starts))
        block = np.arange(len(starts)) * blocks // len(starts)
        counts = np.zeros((blocks, len(names) ** 2, self.bins))
        weighted = np.zeros_like(counts)
        for origin, place in zip(starts.tolist(), block, strict=True):
            found = self._counted(state, subject, origin, lag)
            counts[place] += found
            weighted[place] += subject.volumes[origin] * found
        number = [len(atoms) for atoms in subject.atoms.values()]
        return Histogram(
            tuple((a, b) for a in names for b in names),
            np.linspace(0.0, self.r_max, self.bins + 1),
            counts,
            weighted,
            np.bincount(block),
            np.array([(a, b) for a in number for b in number]),
            float(subject.volumes[starts].mean()),
        )

    def _counted(self, state: Held, subject: Subject, origin: int, lag: int) -> FloatArray:
        """Pairs of one origin, (pair of kinds, bin)."""
        cell = subject.cells[origin]
        first, second = (state[t].astype(np.float64) for t in (origin, origin + lag))
        if lag:
            second = second @ np.linalg.solve(subject.cells[origin + lag], cell)
        i, j, distance = distinct_pairs(first, second, cell, self.r_max)
        size, kind = len(subject.species), subject.kind
        bins = np.minimum((distance * (self.bins / self.r_max)).astype(np.int64), self.bins - 1)
        key = (kind[i] * size + kind[j]) * self.bins + bins
        counts = np.bincount(key, minlength=size * size * self.bins)
        return counts.reshape(size * size, self.bins).astype(np.float64)


def distinct_pairs(
    first: FloatArray, second: FloatArray, cell: FloatArray, cutoff: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Atoms i, other atoms j and the distance (Å) from where i was to where j is, if near.

    Parameters
    ----------
    first, second : (atom, xyz) Å, where atoms were and where the same atoms are, unwrapped
    cell : (vector, xyz) Å
    cutoff : Å
    """
    across = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    # no atom meets two images of another: the nearest is the only one
    single = 2 * cutoff < abs(np.linalg.det(cell)) / across.max()
    if single and len(first) <= NEAREST_ATOMS:
        return _nearest(first, second, cell, cutoff)
    return _by_cells(first, second, cell, cutoff)


def _nearest(
    first: FloatArray, second: FloatArray, cell: FloatArray, cutoff: float
) -> tuple[IntArray, IntArray, FloatArray]:
    inverse = np.linalg.inv(cell)
    start, end = (first @ inverse).T.copy(), (second @ inverse).T.copy()
    itself = ~np.rint(end - start).any(axis=0)
    atoms, found = len(first), []
    rows = max(1, BLOCK_PAIRS // atoms)
    for low in range(0, atoms, rows):
        squared = _squared(start[:, low : low + rows, None], end[:, None, :], cell)
        own = np.flatnonzero(itself[low : low + rows])
        squared[own, own + low] = np.inf
        near = np.flatnonzero(squared < cutoff**2)
        found.append((near + low * atoms, squared.ravel()[near]))
    places, squares = (np.concatenate(part) for part in zip(*found, strict=True))
    return places // atoms, places % atoms, np.sqrt(squares)


def _squared(start: FloatArray, end: FloatArray, cell: FloatArray) -> FloatArray:
    """Squared distances to nearest images, Å², of scaled positions (vector, ...)."""
    apart = end - start
    apart -= np.rint(apart)
    total = np.zeros(apart.shape[1:])
    for x in range(3):
        along = sum(cell[k, x] * apart[k] for k in range(3) if cell[k, x] != 0)
        total += np.square(along)
    return total


def _by_cells(
    first: FloatArray, second: FloatArray, cell: FloatArray, cutoff: float
) -> tuple[IntArray, IntArray, FloatArray]:
    from vesin import NeighborList

    atoms = len(first)
    search = NeighborList(cutoff=cutoff, full_list=False, n_threads=1)
    i, j, distance, vector = search.compute(
        points=np.concatenate([first, second]),
        box=cell,
        periodic=True,
        quantities="ijdD",
        copy=True,
    )
    i, j = i.astype(np.int64), j.astype(np.int64)
    across = (i < atoms) != (j < atoms)
    i, j, distance, vector = i[across], j[across], distance[across], vector[across]
    backwards = i >= atoms
    vector[backwards] *= -1
    i, j = np.where(backwards, j, i), np.where(backwards, i, j) - atoms
    other = (i != j) | (np.abs(vector - (second[i] - first[i])) > SAME_ANGSTROM).any(axis=1)
    return i[other], j[other], distance[other]
