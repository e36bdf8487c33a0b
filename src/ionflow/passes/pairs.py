"""Pairs of atoms nearer than a cutoff, with periodic images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray
from ionflow.passes.subject import IntArray

#: where a sphere of the cutoff fills more of the cell than this, all pairs are tried at once;
#: cells of neighbours are faster below (measured at 84 to 1344 atoms)
DENSE_FILLING = 0.07
#: atoms for which trying all pairs fits into a cache
DENSE_ATOMS = 1536
#: pairs tried together: what stays in a cache, and is allocated without asking the system
BLOCK_PAIRS = 10_000


class Pairs:
    """Pairs of atoms, each once (i, j) in either order, periodic images included.

    Parameters
    ----------
    i, j : (pair,) indices of atoms
    distance : (pair,) Å
    vector : (pair, xyz) Å, from i to the image of j; or what makes it, if anybody asks
    """

    def __init__(
        self,
        i: IntArray,
        j: IntArray,
        distance: FloatArray,
        vector: FloatArray | Callable[[], FloatArray],
    ) -> None:
        self.i, self.j, self.distance = i, j, distance
        self._vector = vector

    @cached_property
    def vector(self) -> FloatArray:
        """(pair, xyz) Å, from i to the image of j"""
        return self._vector() if callable(self._vector) else self._vector

    def where(self, chosen: npt.NDArray[np.bool_] | IntArray) -> Pairs:
        """Some of the pairs."""
        return Pairs(
            self.i[chosen], self.j[chosen], self.distance[chosen], lambda: self.vector[chosen]
        )

    def both_ways(self) -> Pairs:
        """Every pair twice, from either end."""
        return Pairs(
            np.concatenate([self.i, self.j]),
            np.concatenate([self.j, self.i]),
            np.concatenate([self.distance, self.distance]),
            lambda: np.concatenate([self.vector, -self.vector]),
        )

    def between(self, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Pairs:
        """Pairs with i among `first` and j among `second` ((atom,) masks), however found.

        Where both masks hold an atom, a pair of two such atoms comes both ways.
        """
        all_ways = self.both_ways()
        return all_ways.where(first[all_ways.i] & second[all_ways.j])


def pairs_within(positions: FloatArray, cell: FloatArray, cutoff: float) -> Pairs:
    """All pairs nearer than a cutoff, images included.

    Parameters
    ----------
    positions : (atom, xyz) Å, wrapped or not
    cell : (vector, xyz) Å
    cutoff : Å
    """
    if _dense(len(positions), cell, cutoff):
        return _among_all(positions, cell, cutoff)
    return _by_cells(positions, cell, cutoff)


def _dense(atoms: int, cell: FloatArray, cutoff: float) -> bool:
    """Whether trying all pairs is faster, and finds all: no atom meets two images of another."""
    volume = abs(float(np.linalg.det(cell)))
    across = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    heights = volume / across
    filling = 4 / 3 * np.pi * cutoff**3 / volume
    return bool(
        8 <= atoms <= DENSE_ATOMS and 2 * cutoff < heights.min() and filling > DENSE_FILLING
    )


def _by_cells(positions: FloatArray, cell: FloatArray, cutoff: float) -> Pairs:
    from vesin import NeighborList

    search = NeighborList(cutoff=cutoff, full_list=False, n_threads=1)
    i, j, distance, vector = search.compute(
        points=positions, box=cell, periodic=True, quantities="ijdD", copy=False
    )
    # the arrays are views of what the search frees when it goes
    return Pairs(i.astype(np.int64), j.astype(np.int64), distance.copy(), vector.copy())


def _among_all(positions: FloatArray, cell: FloatArray, cutoff: float) -> Pairs:
    """Nearest images of all pairs: |r| < half of every height of the cell has |s| < 1/2."""
    scaled = positions @ np.linalg.inv(cell)
    near, squared = _near(scaled, cell @ cell.T, cutoff**2)
    i, j = (index[near] for index in _partners(len(positions)))

    def vector() -> FloatArray:
        between = scaled[j] - scaled[i]
        nearest: FloatArray = (between - np.rint(between)) @ cell
        return nearest

    return Pairs(i, j, np.sqrt(squared), vector)


def _near(scaled: FloatArray, metric: FloatArray, limit: float) -> tuple[IntArray, FloatArray]:
    """Pairs nearer than sqrt(limit), by their place in `_partners`, and their squared distances."""
    atoms, half = len(scaled), len(scaled) // 2
    around = np.concatenate([scaled, scaled[:half]]).T.copy()
    # row i holds the partners i + 1 ... i + half, around the end
    partners = np.lib.stride_tricks.sliding_window_view(around[:, 1:], half, axis=1)
    rows = max(1, BLOCK_PAIRS // half)
    found = []
    for start in range(0, atoms, rows):
        chosen = slice(start, min(start + rows, atoms))
        squared = _squared(around[:, chosen, None], partners[:, chosen], metric)
        if atoms % 2 == 0:
            squared[max(0, half - start) :, -1] = np.inf  # met from its other end
        near = np.flatnonzero(squared < limit)
        found.append((near + start * half, squared.ravel()[near]))
    places, distances = zip(*found, strict=True)
    return np.concatenate(places), np.concatenate(distances)


def _squared(first: FloatArray, second: FloatArray, metric: FloatArray) -> FloatArray:
    """Squared distance of nearest images Σ_kl s_k G_kl s_l, of scaled positions (xyz, ...)."""
    apart = second - first
    apart -= np.rint(apart)
    squared: FloatArray = metric[0, 0] * apart[0] ** 2
    for k in range(3):
        for m in range(k, 3):
            if (k, m) != (0, 0) and metric[k, m] != 0:
                squared += ((1 + (m > k)) * metric[k, m]) * (apart[k] * apart[m])
    return squared


@lru_cache(maxsize=4)
def _partners(atoms: int) -> tuple[IntArray, IntArray]:
    """Every pair once: each atom with the half of the others that follow it, around the end."""
    half = atoms // 2
    i = np.repeat(np.arange(atoms), half)
    return i, (i + np.tile(np.arange(1, half + 1), atoms)) % atoms
