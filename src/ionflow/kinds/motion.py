"""What an engine is asked for and what it gives: stages, segments, frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from ionflow.kinds.plugin import Parameters
from ionflow.units import BOLTZMANN_EV_PER_K

FloatArray = npt.NDArray[np.float64]


Temperature = Annotated[float, Field(gt=0, le=20000)]


class Stage(Parameters):
    """One stage of a protocol: an ensemble held for a time, at or between temperatures."""

    ensemble: Literal["nve", "nvt", "npt"]
    """Constant energy (nve), temperature (nvt), or temperature and pressure (npt)."""

    temperature_K: Temperature | tuple[Temperature, Temperature]
    """Target temperature, or start and end of a linear ramp."""

    duration_ps: float = Field(gt=0)
    """Simulated time."""

    pressure_GPa: float = 0.0
    """Target pressure; used by npt alone."""

    record: bool = False
    """Keep positions in the trajectory; energies, temperatures and cells are always kept."""

    velocities: bool = False
    """Keep velocities too; doubles the size of a recorded trajectory."""

    frame_ps: float = Field(0.1, gt=0)
    """Time between frames."""

    settle_ps: float = Field(0.0, ge=0)
    """Time at the start that analyses leave out: the memory of the stage before."""

    segment_ps: float = Field(1.0, gt=0)
    """Time between commits: what a crash can cost at most."""

    max_temperature_K: float | None = Field(None, gt=0)
    """Stop the trajectory above this temperature; 3 times the target + 1000 K if null."""

    min_distance_angstrom: float = Field(0.5, ge=0)
    """Stop the trajectory when two atoms come closer than this."""

    max_energy_jump_eV: float | None = Field(None, gt=0)
    """Stop the trajectory when the potential energy per atom rises, or once relaxed falls, by more
    than this from one frame to the next; the kinetic energy at `max_temperature_K` if null."""

    max_density_change: float = Field(2.0, gt=1)
    """Stop the trajectory when the density has changed by more than this factor in the stage."""

    @model_validator(mode="after")
    def _consistent(self) -> Stage:
        if self.ensemble == "nve" and isinstance(self.temperature_K, tuple):
            raise ValueError("an nve stage cannot follow a temperature ramp; use nvt or npt")
        if self.frame_ps > self.segment_ps:
            raise ValueError("frame_ps must not exceed segment_ps")
        if self.settle_ps >= self.duration_ps:
            raise ValueError("settle_ps must be shorter than duration_ps: nothing would be left")
        if self.velocities and not self.record:
            raise ValueError("velocities are kept only in a recorded stage; add record: true")
        return self

    @property
    def ramp_K(self) -> tuple[float, float]:
        """Start and end temperature; equal when there is no ramp."""
        value = self.temperature_K
        return value if isinstance(value, tuple) else (value, value)

    @property
    def is_steady(self) -> bool:
        """Whether the dynamics at a step does not depend on the stage's duration."""
        start, end = self.ramp_K
        return start == end

    @property
    def hottest_K(self) -> float:
        """Instantaneous temperature above which the trajectory counts as blown up."""
        return self.max_temperature_K or 3 * max(self.ramp_K) + 1000

    @property
    def largest_jump_eV(self) -> float:
        """Change of the potential energy per atom above which the trajectory counts as blown up.

        By default 3/2 k_B T at the temperature bound: as much as motion within that bound can turn
        into potential energy.
        """
        return self.max_energy_jump_eV or 1.5 * BOLTZMANN_EV_PER_K * self.hottest_K


@dataclass(frozen=True)
class Segment:
    """What one call of an engine is to do: from one absolute step of a stage to another.

    Steps count from the start of the stage, so that a ramp is the same however it is cut.
    """

    stages: tuple[Stage, ...]
    """One for each system of the batch; all of the same ensemble."""

    index: int
    """Number of this segment within the stage, from 0."""

    first_step: int
    last_step: int
    total_steps: int
    """Steps of the whole stage, over which a ramp runs."""

    frame_every: int
    """Steps between frames."""

    seeds: tuple[int, ...]
    """Entropy of each system's random stream."""

    def rng(self, system: int = 0) -> np.random.Generator:
        """The random stream of one system in this segment; no state is carried between segments."""
        return np.random.default_rng([self.seeds[system], self.index])

    def temperature_K(self, step: int, system: int = 0) -> float:
        """Target temperature at an absolute step.

        >>> ramp = Stage(ensemble="nvt", temperature_K=(2000, 300), duration_ps=1)
        >>> Segment((ramp,), 1, 500, 1000, 1000, 50, (0,)).temperature_K(500)
        1150.0
        """
        start, end = self.stages[system].ramp_K
        return start + (end - start) * step / self.total_steps

    def frame_steps(self) -> range:
        """Steps at which a frame is due: multiples of `frame_every` in (first, last], and 0."""
        every = self.frame_every
        start = 0 if self.first_step == 0 else (self.first_step // every + 1) * every
        return range(start, self.last_step + 1, every)


@dataclass(frozen=True)
class Frame:
    """One system at one step."""

    step: int
    positions: FloatArray
    """(atom, 3) Å, unwrapped"""
    cell: FloatArray
    """(3, 3) Å, rows are lattice vectors"""
    potential_energy_eV: float
    kinetic_energy_eV: float
    temperature_K: float
    stress_eV_A3: FloatArray | None = None
    """(6,) eV/Å³, Voigt order xx yy zz yz xz xy, potential part alone, ASE's sign"""
    velocities: FloatArray | None = None
    """(atom, 3) Å/fs"""
    conserved_energy_eV: float | None = None
    """What the equations of motion conserve, where the engine can tell"""
