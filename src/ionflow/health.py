"""Whether a frame still means anything: what is checked before a segment is committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ionflow.kinds import FloatArray, Frame, Potential, Segment, Stage

if TYPE_CHECKING:
    from ase import Atoms

#: Steps after which a potential is asked again whether it knows what it sees; two evaluations of
#: CHGNet, hence less than a hundredth of the time.
DOUBT_STEPS = 500

_BLOWN_UP = "the dynamics blew up; try a shorter timestep_fs"


@dataclass
class Watch:
    """What the frames of one trajectory are held against, carried from segment to segment.

    Attributes
    ----------
    stage : its bounds
    volume : of the cell when the stage began, Å³; None before its first frame
    energy : potential energy of the last frame, eV per atom; None before the first one
    relaxed : whether the energy has ever risen from one frame to the next. Until then the system
        falls from where it was put, and how far says nothing.
    """

    stage: Stage
    volume: float | None = None
    energy: float | None = None
    relaxed: bool = False

    @classmethod
    def of(cls, stage: Stage, record: Mapping[str, Any] | None) -> Self:
        """As it stood at the end of a segment whose `record` was kept; at the start if None."""
        return cls(stage, **record) if record else cls(stage)

    def record(self) -> dict[str, Any]:
        """As JSON, to be kept with the segment."""
        return {"volume": self.volume, "energy": self.energy, "relaxed": self.relaxed}

    def fault(self, frame: Frame) -> str:
        """What is wrong with the next frame, in a sentence; empty if nothing is."""
        return (
            _not_a_number(frame)
            or self._too_hot(frame)
            or self._density(frame)
            or self._energy(frame)
            or _too_close(frame, self.stage.min_distance_angstrom)
        )

    def _too_hot(self, frame: Frame) -> str:
        if frame.temperature_K <= self.stage.hottest_K:
            return ""
        return (
            f"{frame.temperature_K:.0f} K at step {frame.step} is above the bound of "
            f"{self.stage.hottest_K:.0f} K (max_temperature_K)"
        )

    def _density(self, frame: Frame) -> str:
        volume = abs(float(np.linalg.det(frame.cell)))
        self.volume = self.volume or volume
        if not volume:
            return f"the cell has no volume at step {frame.step}: {_BLOWN_UP}"
        ratio, bound = self.volume / volume, self.stage.max_density_change
        if 1 / bound <= ratio <= bound:
            return ""
        word = "collapses" if ratio > 1 else "evaporates"
        return (
            f"the density at step {frame.step} is {ratio:.3g} times that at the start of the "
            f"stage: the cell {word}; the bound is a factor of {bound:g} (max_density_change)"
        )

    def _energy(self, frame: Frame) -> str:
        energy = frame.potential_energy_eV / max(1, len(frame.positions))
        before, self.energy = self.energy, energy
        if before is None:
            return ""
        jump, bound = energy - before, self.stage.largest_jump_eV
        self.relaxed = self.relaxed or jump > 0
        if jump <= bound and (jump >= -bound or not self.relaxed):
            return ""
        return (
            f"the potential energy {'jumps up' if jump > 0 else 'plunges'} by {abs(jump):.3g} eV "
            f"per atom at step {frame.step}, from one frame to the next; the bound is {bound:.3g} "
            "(max_energy_jump_eV)"
        )


def shape_fault(frame: Frame, atoms: int) -> str:
    """What of a frame has the wrong shape; a reshape would take (3, atom) for (atom, 3)."""
    asked = {
        "positions": (atoms, 3), "cell": (3, 3), "velocities": (atoms, 3), "stress_eV_A3": (6,),
    }  # fmt: skip
    for name, shape in asked.items():
        values = getattr(frame, name)
        if values is not None and np.shape(values) != shape:
            return (
                f"the engine yielded {name} of shape {np.shape(values)}, not {shape}, "
                f"at step {frame.step}"
            )
    return ""


def state_fault(atoms: Atoms) -> str:
    """What is wrong with an end state; empty if nothing is."""
    arrays = (atoms.positions, atoms.get_momenta(), np.array(atoms.cell))
    if not all(np.isfinite(a).all() for a in arrays):
        return f"not a number in the end state: {_BLOWN_UP}"
    return ""


def doubt(potential: Potential, atoms: Atoms, segment: Segment) -> str:
    """What a potential says against itself at the end of a segment; "" if it was not asked.

    It is asked in recorded stages alone, every DOUBT_STEPS and at the end of the stage.
    """
    recorded = any(stage.record for stage in segment.stages)
    passed = segment.last_step // DOUBT_STEPS > segment.first_step // DOUBT_STEPS
    due = passed or segment.last_step == segment.total_steps
    return potential.doubt(atoms) if recorded and due else ""


def _not_a_number(frame: Frame) -> str:
    """Which of the frame's numbers are none."""
    parts: dict[str, Any] = {
        "positions": frame.positions,
        "cell": frame.cell,
        "potential energy": frame.potential_energy_eV,
        "kinetic energy": frame.kinetic_energy_eV,
        "temperature": frame.temperature_K,
        "stress": frame.stress_eV_A3,
        "velocities": frame.velocities,
        "conserved energy": frame.conserved_energy_eV,
    }
    wrong = [n for n, part in parts.items() if part is not None and not np.isfinite(part).all()]
    if not wrong:
        return ""
    return f"not a number at step {frame.step} ({', '.join(wrong)}): {_BLOWN_UP}"


def _too_close(frame: Frame, bound: float) -> str:
    if not bound:
        return ""
    # an atom's own image: the list of pairs would not end in such a cell
    thickness = _thickness(frame.cell)
    if thickness < bound:
        return (
            f"the cell is {thickness:.2f} Å thick at step {frame.step}, and atoms closer to their "
            f"own images than {bound:g} Å (min_distance_angstrom)"
        )
    i, j, distance = _pairs(frame.positions, frame.cell, bound)
    if not len(i):
        return ""
    k = int(np.argmin(distance))
    return (
        f"atoms {i[k]} and {j[k]} are {distance[k]:.2f} Å apart at step {frame.step}, closer than "
        f"{bound:g} Å (min_distance_angstrom)"
    )


def _thickness(cell: FloatArray) -> float:
    """Shortest distance of opposite faces, Å."""
    return float(1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max())


def _pairs(
    positions: FloatArray, cell: FloatArray, cutoff: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    from vesin import NeighborList

    search = NeighborList(cutoff=cutoff, full_list=False)
    i, j, d = search.compute(points=positions, box=cell, periodic=True, quantities="ijd")
    return i, j, d
