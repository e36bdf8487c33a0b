"""The kinds of plugin and what passes between them.

A plugin is a frozen set of parameters with one verb. Its fields are the recipe schema, the
documentation, the cache identity and the Dask payload, all at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from ionflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from ase import Atoms
    from ase.calculators.calculator import Calculator

FloatArray = npt.NDArray[np.float64]


def _pairs(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, Mapping) else value


#: A mapping of names to numbers, written as a mapping in a recipe and kept as sorted pairs.
Table = Annotated[
    tuple[tuple[str, float], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, float]),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number"}}),
]


class Parameters(BaseModel):
    """A frozen set of named parameters; a field's docstring is its documentation."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )


class Plugin(Parameters, ABC):
    """Frozen parameters with one verb."""

    use: ClassVar[str]
    """The name that a recipe writes; unique among all installed plugins of every kind."""

    version: ClassVar[int] = 1
    """Raise it when the same parameters give other results."""

    outside_identity: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how a result is reached but not the result (a path, a device)."""

    def content(self) -> Mapping[str, str]:
        """SHA-256 of what lies outside the parameters but decides the result, such as weights."""
        return {}

    def provenance(self) -> dict[str, Any]:
        """How results are reached on this machine, such as a backend and why it was chosen."""
        return {}

    def identity(self) -> dict[str, Any]:
        """What decides this plugin's results, as JSON: name, version, parameters, content."""
        parameters = self.model_dump(mode="json", exclude=set(self.outside_identity))
        return {
            "use": self.use,
            "version": self.version,
            "parameters": parameters,
            "content": dict(self.content()),
        }


class Generator(Plugin):
    """Builds a starting structure."""

    @abstractmethod
    def build(self, rng: np.random.Generator) -> Atoms:
        """One structure; the same generator state gives the same atoms.

        Formal charges, where known, are set as initial charges (units of e): the analysers of
        conductivity read them from the trajectory.
        """

    @abstractmethod
    def composition(self) -> Mapping[str, int]:
        """Number of atoms of each element that `build` will place, known without building."""


class Potential(Plugin):
    """Gives energies, forces and stresses."""

    @abstractmethod
    def calculator(self) -> Calculator:
        """A fresh ASE calculator: energy (eV), forces (eV/Å), stress (eV/Å³)."""

    def force_field(self, device: str = "cpu") -> ForceField | None:
        """The same potential as a batched function of tensors, or None if it has no such form."""
        return None

    def provenance(self, device: str = "cpu") -> dict[str, Any]:
        """How forces are computed on a device of this machine, and why so."""
        return {}

    def elements(self) -> frozenset[str] | None:
        """Elements that the potential knows; None if it takes any."""
        return None

    def doubt(self, atoms: Atoms) -> str:
        """Why the potential cannot be trusted for these atoms, in a sentence; "" if it can.

        Asked of the end state of a segment, not of each: it may cost as much as some steps. What
        is said goes with the results as a flag; the dynamics goes on.
        """
        return ""


class ForceField(ABC):
    """Energies, forces and stresses of many systems in one call.

    The tensors of all systems are concatenated; `system` tells which atom belongs to which.
    """

    @abstractmethod
    def __call__(
        self,
        positions: torch.Tensor,
        cells: torch.Tensor,
        numbers: torch.Tensor,
        system: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Evaluate every system.

        Parameters
        ----------
        positions : (atom, 3) Å, float64, need not be wrapped
        cells : (system, 3, 3) Å, rows are lattice vectors, float64; periodic in all directions
        numbers : (atom,) atomic numbers, int64
        system : (atom,) index of the system of each atom, ascending, int64

        Returns
        -------
        energies (system,) eV, forces (atom, 3) eV/Å, stresses (system, 3, 3) eV/Å³; float64.
        """


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


class Engine(Plugin):
    """Moves systems in time."""

    timestep_fs: float = Field(2.0, gt=0, le=20)
    """Time step of the integrator."""

    @abstractmethod
    def advance(
        self, systems: Sequence[Atoms], potential: Potential, segment: Segment
    ) -> Iterator[Sequence[Frame]]:
        """Move `systems` in place through `segment`, yielding their frames as they fall due.

        When the iterator ends, `systems` hold the end state: positions (never wrapped), momenta,
        cell, and in `info["ionflow"]` (a dict of floats and lists of floats) all that the
        thermostat and barostat need. Integrator and calculator are built anew on every call.
        Systems without momenta, at step 0, are given Maxwell-Boltzmann ones without net momentum.
        """

    def batch(self, atoms: int) -> int:
        """How many systems of this many atoms one call takes; 1 unless the engine is batched."""
        return 1


def backend(potential: Potential, engine: Engine) -> dict[str, dict[str, Any]]:
    """How forces and motion are computed on this machine: provenance, not identity."""
    motion = engine.provenance()
    return {"potential": potential.provenance(str(motion.get("device", "cpu"))), "engine": motion}


class Analyser(Plugin):
    """Turns trajectories, or results of other analysers, into labelled results."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Names of analysers whose results, joined over the scan, it takes; empty: one trajectory."""

    @property
    def is_off(self) -> bool:
        """Whether a recipe lists it only to leave it out."""
        return False

    @abstractmethod
    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """The result, with named dims, coords and `units` attributes.

        With `needs = ()` there is one argument, a trajectory as `ionflow.schema` describes it,
        lazy. Otherwise one Dataset for each name in `needs`, with the scan's axes as dims.
        """
