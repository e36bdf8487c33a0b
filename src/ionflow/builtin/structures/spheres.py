"""Random packing of points that keep their distance, in a periodic box."""

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
_ITERATIONS: Final = 600

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Overlap:
    """The pair of kinds that a packing could not keep apart, and how close it came (Å)."""

    kinds: tuple[int, int]
    distance: float


def pack(
    kinds: IntArray, lengths: FloatArray, apart: FloatArray, rng: np.random.Generator
) -> FloatArray | Overlap:
    """Points placed at random, then pushed apart until no pair is closer than it may be.

    Every point is drawn uniformly; overlapping pairs then move along their line by half of what
    they lack, all at once, until none is left. All periodic images count.

    Parameters
    ----------
    kinds : (point,) index into `apart`
    lengths : (3,) Å, edges of the orthorhombic box
    apart : (kind, kind) Å, shortest distances

    Returns
    -------
    positions (point, 3) Å, or the worst overlap of the best of several attempts.
    """
    worst: Overlap | None = None
    for _ in range(_ATTEMPTS):
        points = rng.random((len(kinds), 3)) * lengths
        points, overlap = _push_apart(points, kinds, lengths, apart)
        if overlap is None:
            return points
        if worst is None or overlap.distance > worst.distance:
            worst = overlap
    assert worst is not None
    return worst


def _push_apart(
    points: FloatArray, kinds: IntArray, lengths: FloatArray, apart: FloatArray
) -> tuple[FloatArray, Overlap | None]:
    from vesin import NeighborList  # imports torch

    finder = NeighborList(cutoff=float(apart.max()) * _MARGIN, full_list=False)
    overlap = None
    for _ in range(_ITERATIONS):
        i, j, d, D = finder.compute(points, np.diag(lengths), True, "ijdD")
        i, j = i.astype(np.int64), j.astype(np.int64)
        wanted = apart[kinds[i], kinds[j]]
        overlap = _worst(kinds, i, j, d, wanted)
        if overlap is None:
            return points, None
        points = _moved(points, i, j, d, D, wanted * _MARGIN) % lengths
        points = np.round(points / _GRID) * _GRID
    return points, overlap


def _worst(
    kinds: IntArray, i: IntArray, j: IntArray, d: FloatArray, wanted: FloatArray
) -> Overlap | None:
    if not (d < wanted).any():
        return None
    pair = int(np.argmin(d / wanted))
    return Overlap((int(kinds[i[pair]]), int(kinds[j[pair]])), float(d[pair]))


def _moved(
    points: FloatArray,
    i: IntArray,
    j: IntArray,
    d: FloatArray,
    D: FloatArray,
    wanted: FloatArray,
) -> FloatArray:
    close = d < wanted
    push = 0.5 * (wanted[close] - d[close]) / np.maximum(d[close], 1e-9)
    shift = push[:, None] * D[close]
    moved = points.copy()
    np.add.at(moved, j[close], shift)
    np.subtract.at(moved, i[close], shift)
    return moved
