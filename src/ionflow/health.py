"""Whether a frame still means anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ionflow.kinds import FloatArray, Frame, Stage

if TYPE_CHECKING:
    from ase import Atoms


def fault(frame: Frame, stage: Stage) -> str:
    """What is wrong with a frame, in a sentence; empty if nothing is."""
    numbers = (frame.potential_energy_eV, frame.kinetic_energy_eV, frame.temperature_K)
    if not (np.isfinite(numbers).all() and np.isfinite(frame.positions).all()):
        return f"not a number at step {frame.step}: the dynamics blew up; try a shorter timestep_fs"
    if frame.temperature_K > stage.hottest_K:
        return (
            f"{frame.temperature_K:.0f} K at step {frame.step} is above the bound of "
            f"{stage.hottest_K:.0f} K (max_temperature_K)"
        )
    return _too_close(frame.positions, frame.cell, stage.min_distance_angstrom, frame.step)


def state_fault(atoms: Atoms, stage: Stage) -> str:
    """What is wrong with an end state; empty if nothing is."""
    arrays = (atoms.positions, atoms.get_momenta(), np.array(atoms.cell))
    if not all(np.isfinite(a).all() for a in arrays):
        return "not a number in the end state: the dynamics blew up; try a shorter timestep_fs"
    return ""


def _too_close(positions: FloatArray, cell: FloatArray, bound: float, step: int) -> str:
    if not bound:
        return ""
    i, j, distance = _pairs(positions, cell, bound)
    if not len(i):
        return ""
    k = int(np.argmin(distance))
    return (
        f"atoms {i[k]} and {j[k]} are {distance[k]:.2f} Å apart at step {step}, closer than "
        f"{bound:g} Å (min_distance_angstrom)"
    )


def _pairs(
    positions: FloatArray, cell: FloatArray, cutoff: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    from vesin import NeighborList

    search = NeighborList(cutoff=cutoff, full_list=False)
    i, j, d = search.compute(points=positions, box=cell, periodic=True, quantities="ijd")
    return i, j, d
