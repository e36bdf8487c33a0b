"""Random packing of charged points that keep their distance, in a periodic box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray

#: Overlaps are pushed a little further than asked, so that convergence needs no last digit.
_MARGIN: Final = 1.02
#: Positions are on a grid of 2⁻²⁰ Å: the order in which a machine sums does not show.
_GRID: Final = 2.0**-20
_ATTEMPTS: Final = 5
_PUSHES: Final = 600
#: Moves along the electrostatic forces, the longest first (Å).
_SETTLING: Final = np.linspace(0.2, 0.0, 120, endpoint=False)
#: Range of the electrostatic forces (Å).
_RANGE: Final = 7.0

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Overlap:
    """The pair of kinds that a packing could not keep apart, and how close it came (Å)."""

    kinds: tuple[int, int]
    distance: float


@dataclass(frozen=True)
class Box:
    """What is packed: kinds of points, their charges and distances, and the box."""

    kinds: IntArray
    """(point,) index into `apart` and `charges`"""
    charges: FloatArray
    """(kind,) e"""
    apart: FloatArray
    """(kind, kind) Å, shortest distances"""
    lengths: FloatArray
    """(3,) Å, edges of the orthorhombic box"""

    def pairs(self, points: FloatArray, cutoff: float) -> Pairs:
        """Every pair within the cutoff once, all periodic images counted."""
        from vesin import NeighborList  # imports torch

        finder = NeighborList(cutoff=cutoff, full_list=False)
        i, j, d, D = finder.compute(points, np.diag(self.lengths), True, "ijdD")
        return Pairs(i.astype(np.int64), j.astype(np.int64), np.maximum(d, 1e-9), D)

    def wanted(self, pairs: Pairs) -> FloatArray:
        """Shortest distance of each pair."""
        wanted: FloatArray = self.apart[self.kinds[pairs.i], self.kinds[pairs.j]]
        return wanted

    def kept(self, points: FloatArray) -> FloatArray:
        """Points inside the box, on the grid."""
        return np.asarray(np.round((points % self.lengths) / _GRID) * _GRID)


@dataclass(frozen=True)
class Pairs:
    """Indices, distances and vectors of pairs of points."""

    i: IntArray
    j: IntArray
    d: FloatArray
    D: FloatArray

    def along(self, amount: FloatArray, size: int) -> FloatArray:
        """Sum over pairs of an amount along their vectors, away from each other: (size, 3)."""
        arms = (amount / self.d)[:, None] * self.D
        sums = [
            np.bincount(self.j, arms[:, k], size) - np.bincount(self.i, arms[:, k], size)
            for k in range(3)
        ]
        return np.stack(sums, axis=1)


def pack(box: Box, rng: np.random.Generator) -> FloatArray | Overlap:
    """Points placed at random, settled, and pushed apart until no pair is too close.

    Every point is drawn uniformly. Then all follow the electrostatic forces for some short moves,
    so that like charges do not start side by side. Meanwhile and until none is left, overlapping
    pairs move along their line by half of what they lack.

    Returns
    -------
    positions (point, 3) Å, or the worst overlap of the best of several attempts.
    """
    best: Overlap | None = None
    for _ in range(_ATTEMPTS):
        points = box.kept(rng.random((len(box.kinds), 3)) * box.lengths)
        points, overlap = _push_apart(_settled(points, box), box)
        if overlap is None:
            return points
        if best is None or overlap.distance > best.distance:
            best = overlap
    assert best is not None
    return best


def _settled(points: FloatArray, box: Box) -> FloatArray:
    if not box.charges.any():
        return points
    charges = box.charges[box.kinds]
    for length in _SETTLING:
        pairs = box.pairs(points, _RANGE)
        push = charges[pairs.i] * charges[pairs.j] * (pairs.d**-2 - _RANGE**-2)
        force = pairs.along(push, len(points))
        size = np.linalg.norm(force, axis=1, keepdims=True)
        move = length * force / np.maximum(size, size.mean())
        points = box.kept(points + move + _parting(pairs, box))
    return points


def _push_apart(points: FloatArray, box: Box) -> tuple[FloatArray, Overlap | None]:
    reach = float(box.apart.max()) * _MARGIN
    overlap = None
    for _ in range(_PUSHES):
        pairs = box.pairs(points, reach)
        overlap = _worst(pairs, box)
        if overlap is None:
            break
        points = box.kept(points + _parting(pairs, box))
    return points, overlap


def _parting(pairs: Pairs, box: Box) -> FloatArray:
    """Moves (point, 3) that part each overlapping pair."""
    lack = np.maximum(box.wanted(pairs) - pairs.d, 0.0)
    lack[lack > 0] += (_MARGIN - 1) * pairs.d[lack > 0]
    return pairs.along(0.5 * lack, len(box.kinds))


def _worst(pairs: Pairs, box: Box) -> Overlap | None:
    wanted = box.wanted(pairs)
    if not (pairs.d < wanted).any():
        return None
    pair = int(np.argmin(pairs.d / wanted))
    kinds = (int(box.kinds[pairs.i[pair]]), int(box.kinds[pairs.j[pair]]))
    return Overlap(kinds, float(pairs.d[pair]))
