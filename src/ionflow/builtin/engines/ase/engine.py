"""The engine: parameters and the one verb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ionflow.builtin.engines.ase.motion import Motion
from ionflow.kinds import Engine, Frame, Potential, Segment

if TYPE_CHECKING:
    from ase import Atoms


class Ase(Engine):
    """One system at a time on a CPU core, with any ASE calculator.

    nve is velocity Verlet; nvt Langevin (BAOAB) or a Nosé-Hoover chain of three; npt the isotropic
    equations of Martyna, Tobias and Klein with the same thermostat on particles and cell. Ramps
    are linear in the absolute step. The centre of mass stays at rest in every ensemble, and
    temperatures count 3N - 3 degrees of freedom.

    The integrators are written out here rather than ASE's because in ASE 3.29 the chain counts
    3N degrees though the net momentum is kept, Langevin with a fixed centre of mass does not
    sample the canonical distribution (as its deprecation says), and no chain follows a ramp or
    gives up its state by public names.
    """

    use = "ase"

    thermostat: Literal["langevin", "nose_hoover"] = "langevin"
    """Langevin forgets its start and any oscillation; a chain leaves the motion more alone."""

    friction_per_ps: float = Field(1.0, gt=0, le=1000)
    """Friction of the Langevin thermostat."""

    thermostat_time_fs: float = Field(100.0, gt=0)
    """Period of the Nosé-Hoover chain."""

    barostat_time_fs: float = Field(1000.0, gt=0)
    """Period of the cell; with Langevin its friction is 2 / this time."""

    def advance(
        self, systems: Sequence[Atoms], potential: Potential, segment: Segment
    ) -> Iterator[Sequence[Frame]]:
        """Move `systems` in place through `segment`, yielding their frames as they fall due.

        `systems` are up to date at every frame and at the end. `info["ionflow"]` holds the chains,
        the rate of the cell and the heat taken from the baths. A system whose positions are no
        longer numbers is yielded as NaN, without asking its calculator.

        Raises
        ------
        PhysicsError
            If a cell collapses or explodes.
        PluginError
            If npt is asked of a potential without stress.
        DataError
            If a stage goes on from a state that is incomplete.
        """
        motions = [Motion(self, atoms, potential, segment, i) for i, atoms in enumerate(systems)]
        for step in segment.frame_steps():
            yield [motion.frame_at(step) for motion in motions]
        for motion in motions:
            motion.move_to(segment.last_step)
