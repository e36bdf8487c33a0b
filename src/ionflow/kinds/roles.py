"""Structure generators, potentials, engines and analysers: the verb of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from ionflow.kinds.motion import Frame, Segment
from ionflow.kinds.plugin import Plugin, answer

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from ase import Atoms
    from ase.calculators.calculator import Calculator


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
    motion = answer(engine, "provenance", engine.provenance)
    device = str(motion.get("device", "cpu"))
    forces = answer(potential, "provenance", lambda: potential.provenance(device))
    return {"potential": forces, "engine": motion}


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
