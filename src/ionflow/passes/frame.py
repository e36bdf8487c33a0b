"""One frame in memory, and its neighbours, found once for all who ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray
from ionflow.passes.subject import IntArray, Subject


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms, each once (i, j) in either order, periodic images included."""

    i: IntArray
    """(pair,)"""
    j: IntArray
    """(pair,)"""
    distance: FloatArray
    """(pair,) Å"""
    vector: FloatArray
    """(pair, xyz) Å, from i to the image of j"""

    def where(self, chosen: npt.NDArray[np.bool_]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.i[chosen], self.j[chosen], self.distance[chosen], self.vector[chosen])

    def both_ways(self) -> Pairs:
        """Every pair twice, from either end."""
        return Pairs(
            np.concatenate([self.i, self.j]),
            np.concatenate([self.j, self.i]),
            np.concatenate([self.distance, self.distance]),
            np.concatenate([self.vector, -self.vector]),
        )

    def between(self, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Pairs:
        """Pairs with i among `first` and j among `second` ((atom,) masks), however found.

        Where both masks hold an atom, a pair of two such atoms comes both ways.
        """
        all_ways = self.both_ways()
        return all_ways.where(first[all_ways.i] & second[all_ways.j])


class Frame:
    """One frame of a trajectory.

    Attributes
    ----------
    number : index in the trajectory
    positions : (atom, xyz) Å, unwrapped
    cell : (vector, xyz) Å
    subject : the trajectory
    """

    def __init__(self, subject: Subject, number: int, positions: FloatArray, reach: float) -> None:
        self.subject, self.number, self.positions = subject, number, positions
        self.cell: FloatArray = subject.cells[number]
        self._reach = reach

    @property
    def volume(self) -> float:
        """Å³"""
        return float(self.subject.volumes[self.number])

    def pairs(self, cutoff: float) -> Pairs:
        """Pairs nearer than `cutoff` (Å), which the measure must have asked for.

        Raises
        ------
        ValueError
            If the cutoff is beyond what was asked for.
        """
        if cutoff > self._reach:
            raise ValueError(f"pairs within {cutoff:g} Å are not those within {self._reach:g} Å")
        found = self._all
        return found if cutoff == self._reach else found.where(found.distance < cutoff)

    @cached_property
    def _all(self) -> Pairs:
        from vesin import NeighborList

        search = NeighborList(cutoff=self._reach, full_list=False, n_threads=1)
        i, j, distance, vector = search.compute(
            points=self.positions, box=self.cell, periodic=True, quantities="ijdD", copy=True
        )
        return Pairs(i.astype(np.int64), j.astype(np.int64), distance, vector)
