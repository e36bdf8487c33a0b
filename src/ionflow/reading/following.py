"""Atoms followed from frame to frame by minimum image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.reading.snapshot import Snapshot

#: Largest step between frames that is believed, as a fraction of the cell's width along the
#: direction of the step. Beyond 1/2 the nearest image is the wrong one, and nothing shows it. If
#: the largest of 10^7 normally distributed steps (100 atoms, 3 directions, 30,000 frames) is 0.4 of
#: the width, the standard deviation is 0.075, and the chance that any step exceeded 1/2 is 4e-4; at
#: 0.45 it would be 4e-2.
LIMIT = 0.4

#: how far a cell may be from an integer combination of the vectors of the one before
_LATTICE = 0.25


@dataclass
class Follower:
    """Unwraps positions r in cells h (rows are vectors), frame after frame.

    With fractional coordinates s = r h⁻¹, atom i is followed by s_i(t) = s_i(t−1) + Δs − rint(Δs),
    Δs = s_i^wrapped(t) − s_i(t−1), and r_i(t) = s_i(t) h(t): where the cell changes, positions
    scale with it, as LAMMPS' `xu` and image flags do (scheme "lattice preserving" of
    doi:10.1021/acs.jctc.3c00308). Positions of the first frame stay where they are.
    A cell that is described by other vectors of the same lattice (a flipped triclinic box) is
    brought back to those of the frame before.
    """

    names: Sequence[str]
    """(atom,) species for messages"""
    _cell: FloatArray | None = None
    _last: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    """(atom, 3) fractional, unwrapped"""
    _before: str = ""

    def __call__(self, frame: Snapshot) -> tuple[FloatArray, FloatArray]:
        """Positions (atom, 3) and cell (3, 3) of the next frame, Å.

        Raises
        ------
        DataError
            Naming frame and atom, if one moved too far for its image to be told.
        """
        cell = frame.cell if self._cell is None else _continued(self._cell, frame)
        scaled: FloatArray = frame.positions @ np.linalg.inv(cell)
        if self._cell is not None:
            scaled -= np.rint(scaled - self._last)
            self._check(scaled, cell, frame)
        self._cell, self._last, self._before = cell, scaled, frame.where
        return scaled @ cell, cell

    def _check(self, scaled: FloatArray, cell: FloatArray, frame: Snapshot) -> None:
        steps = np.abs(scaled - self._last)
        if steps.size and not steps.max() <= LIMIT:
            atom, along = np.unravel_index(int(np.argmax(steps)), steps.shape)
            if not np.isfinite(steps).all():
                raise DataError("a position is not a finite number", where=frame.where)
            raise self._too_far(int(atom), float(steps[atom, along]), widths(cell)[along], frame)

    def _too_far(self, atom: int, step: float, width: float, frame: Snapshot) -> DataError:
        outside = bool((np.abs(self._last - 0.5) > 1).any())
        marked = "; positions lie outside the cell: if they are unwrapped, say unwrapped=True"
        return DataError(
            f"atom {atom} ({self.names[atom]}) moved {step * width:.2f} Å, {step:.2f} of the "
            f"cell's width of {width:.2f} Å, since {self._before}: beyond {LIMIT:g} it cannot be "
            "told which periodic image it went to",
            where=frame.where,
            hint="store frames more often, or unwrapped positions (LAMMPS: xu yu zu, or ix iy iz)"
            + (marked if outside else ""),
        )


def widths(cell: FloatArray) -> npt.NDArray[np.float64]:
    """(3,) Å, distance between opposite faces of a cell: 1/|h⁻¹ column|."""
    found: FloatArray = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    return found


def _continued(before: FloatArray, frame: Snapshot) -> FloatArray:
    """The frame's cell by the vectors nearest to those of the frame before."""
    relation = frame.cell @ np.linalg.inv(before)
    whole = np.rint(relation)
    if np.abs(relation - whole).max() > _LATTICE or abs(abs(np.linalg.det(whole)) - 1) > 1e-6:
        raise DataError(
            "the cell is not that of the frame before, nor near to it",
            where=frame.where,
            hint="store frames more often, or read a part of the file in which the cell is one",
        )
    if (whole == np.eye(3)).all():
        return frame.cell
    return np.asarray(np.linalg.solve(whole, frame.cell), dtype=np.float64)
