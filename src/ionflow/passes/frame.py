"""One frame in memory, and its neighbours, found once for all who ask."""

from __future__ import annotations

from functools import cached_property

from ionflow.kinds import FloatArray
from ionflow.passes.pairs import Pairs, pairs_within
from ionflow.passes.subject import Subject


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
        return pairs_within(self.positions, self.cell, self._reach)
