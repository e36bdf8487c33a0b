"""Molecular dynamics of many systems at once, on tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from ionflow.errors import PluginError
from ionflow.kinds import Engine, Frame, Potential, Segment

if TYPE_CHECKING:
    from ase import Atoms

BYTES_PER_ATOM = 1_000_000
"""A cautious first guess, for `batch`; `advance` measures."""

MOST_SYSTEMS = 256
UNSEEN_DEVICE_SYSTEMS = 64


class Torch(Engine):
    """Batched molecular dynamics in float64 with any potential that has a force field.

    nve is velocity Verlet; nvt Langevin (BAOAB) or a Nosé-Hoover chain of three in the same
    place; npt adds an isotropic Langevin piston, whose volume distribution is that of the
    ensemble by construction. Every system has its own temperature, ramp, pressure and random
    stream, and its trajectory does not depend on the company it is computed in. The centre of
    mass is held, so temperatures count 3N - 3 degrees of freedom. A system that blows up stands
    still and yields NaN; the others go on. Equations: docs/design/integrators.md.
    """

    use = "torch"
    outside_identity: ClassVar[frozenset[str]] = frozenset({"device", "batch_size"})

    thermostat: Literal["langevin", "nose_hoover"] = "langevin"
    """Langevin forgets its start and any oscillation; a chain leaves the motion more alone."""

    friction_per_ps: float = Field(1.0, gt=0, le=1000)
    """Friction of the Langevin thermostat."""

    thermostat_time_fs: float = Field(100.0, gt=0)
    """Time constant of the Nosé-Hoover chain; at least ten timesteps."""

    barostat_time_fs: float = Field(1000.0, gt=0)
    """Time in which the volume relaxes; at least ten timesteps."""

    compressibility_per_GPa: float = Field(0.05, gt=0, le=1e6)
    """A rough isothermal compressibility; decides how fast the volume moves, not where to."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a CUDA device if there is one."""

    batch_size: int | None = Field(None, ge=1)
    """Most systems in one force evaluation; null: one on a CPU, on a GPU what its memory holds."""

    @model_validator(mode="after")
    def _slow_enough(self) -> Torch:
        for name in ("thermostat_time_fs", "barostat_time_fs"):
            if getattr(self, name) < 10 * self.timestep_fs:
                raise ValueError(f"{name} must be at least 10 timesteps, {10 * self.timestep_fs:g}")
        return self

    def advance(
        self, systems: Sequence[Atoms], potential: Potential, segment: Segment
    ) -> Iterator[Sequence[Frame]]:
        """Move `systems` in place through `segment`, yielding their frames as they fall due.

        On a GPU the systems are cut into as many parts as its memory asks for, which then move
        one after the other.

        Raises
        ------
        PluginError
            If the potential has no force field, or a CUDA device is asked for and there is none.
        StructureError
            If a system is not periodic, has constraints, or has a single atom.
        DataError
            If a stage goes on from a state that is incomplete.
        """
        from ionflow.builtin.engines.torch.march import Site, fitted, together
        from ionflow.builtin.engines.torch.memory import CudaGauge, memory_of
        from ionflow.builtin.engines.torch.start import batch_of

        device = self.place()
        gauge = None if device == "cpu" else CudaGauge()
        site = Site(potential, device, memory_of(potential, device), gauge, self.batch_size)
        yield from together(fitted(batch_of(self, systems, segment, device), site), site)

    def provenance(self) -> dict[str, str]:
        """The device of the machine that asks."""
        return {"device": self.place()}

    def place(self) -> str:
        """The device, cpu or cuda.

        Raises
        ------
        PluginError
            If a CUDA device is asked for and there is none.
        """
        if self.device == "cpu":
            return "cpu"
        import torch

        if torch.cuda.is_available():
            return "cuda"
        if self.device == "auto":
            return "cpu"
        raise PluginError("no CUDA device here", where="engine torch", hint="use device: auto")

    def batch(self, atoms: int) -> int:
        """How many systems of this many atoms one call takes.

        `batch_size` if it is set; else 1 on a CPU. For a GPU a guess from its memory, which
        `advance` replaces by a measurement; 64 if it is not seen from here.
        """
        if self.batch_size is not None:
            return self.batch_size
        if self.device == "cpu":
            return 1
        import torch

        if torch.cuda.is_available():
            held = torch.cuda.get_device_properties(0).total_memory
            return max(1, min(MOST_SYSTEMS, int(0.75 * held / (BYTES_PER_ATOM * atoms))))
        return UNSEEN_DEVICE_SYSTEMS if self.device == "cuda" else 1
