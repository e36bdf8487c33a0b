"""Plugins that each break one promise. Importable, as a plugin's own module is."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from ase import Atoms
from ase.constraints import FixAtoms
from pydantic import ConfigDict

from ionflow import Analyser, ForceField, Generator
from ionflow.builtin.engines.ase import Ase
from ionflow.calculator import FieldCalculator
from ionflow.testing import SoftSpheres


class Salt(Generator):
    """A good generator."""

    use = "salt"
    size: float = 12.0
    """Edge in Å."""

    def build(self, rng):
        positions = np.array([[1.0, 1, 1], [4, 4, 4]]) + rng.random((2, 3))
        return Atoms("NaCl", positions, cell=[self.size] * 3, pbc=True)

    def composition(self):
        return {"Na": 1, "Cl": 1}


class BadName(Salt):
    """Has no legal name."""

    use = "Bad Name"


class Undocumented(Salt):
    """Has a field without a docstring."""

    use = "undocumented"
    depth: int = 1


class Thawed(Salt):
    """Can be changed."""

    use = "thawed"
    model_config = ConfigDict(frozen=False)


class Unhashable(Salt):
    """Holds a list."""

    use = "unhashable"
    sizes: list[int] = [1]  # noqa: RUF012
    """Sizes."""


class Lossy(Salt):
    """Holds what JSON cannot carry."""

    use = "lossy"
    anything: Any = (1, 2)
    """A tuple, which JSON makes a list."""


class Restless(Salt):
    """Is another one in every process."""

    use = "restless"

    def content(self):
        return {"pid": str(os.getpid())}


class Outsider(Salt):
    """Leaves a field out of its identity that it does not have."""

    use = "outsider"
    outside_identity: ClassVar[frozenset[str]] = frozenset({"path"})


class Unseeded(Salt):
    """Draws from the global stream."""

    use = "unseeded"

    def build(self, rng):
        return Atoms("NaCl", 3 * np.random.random((2, 3)), cell=[9] * 3, pbc=True)


class Miscounted(Salt):
    """Promises more than it builds."""

    use = "miscounted"

    def composition(self):
        return {"Na": 2, "Cl": 1}


class Molecule(Salt):
    """Is not periodic."""

    use = "molecule"

    def build(self, rng):
        return Atoms("NaCl", rng.random((2, 3)))


class Coincident(Salt):
    """Puts two atoms in one place, across a face."""

    use = "coincident"

    def build(self, rng):
        return Atoms(
            "NaCl", [[0.05, 0, 0], [self.size - 0.05, 0, 0]], cell=[self.size] * 3, pbc=True
        )


class Constrained(Salt):
    """Fixes an atom."""

    use = "constrained"

    def build(self, rng):
        atoms = super().build(rng)
        atoms.set_constraint(FixAtoms([0]))
        return atoms


class Bent(SoftSpheres):
    """Soft spheres whose results are bent by `bend`; each subclass breaks one promise."""

    use = "bent"

    def force_field(self, device="cpu"):
        return Bender(super().force_field(device), type(self).bend)

    def calculator(self):
        return FieldCalculator(self.force_field())

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies, forces, stresses


class Bender(ForceField):
    def __init__(self, field, bend):
        self.field, self.bend = field, bend

    def __call__(self, *arguments):
        return self.bend(arguments, *self.field(*arguments))


class WrongSign(Bent):
    """Forces have the wrong sign."""

    use = "wrong_sign"

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies, -forces, stresses


class Gigapascal(Bent):
    """Gives its stress in GPa."""

    use = "gigapascal"

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies, forces, 160.2 * stresses


class Fixed(Bent):
    """Feels where in space an atom is."""

    use = "fixed"

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        positions, _, _, system = arguments
        pull = torch.zeros_like(positions)
        pull[:, 0] = 1.0
        return energies.index_add(0, system, -positions[:, 0]), forces + pull, stresses


class Noisy(Bent):
    """Draws random numbers."""

    use = "noisy"

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies, forces + 1e-9 * torch.randn_like(forces), stresses


class Shared(SoftSpheres):
    """Hands out one calculator."""

    use = "shared"

    def calculator(self):
        return _CALCULATORS.setdefault("one", super().calculator())


_CALCULATORS: dict[str, Any] = {}


class Meddling(Bent):
    """Moves the atoms that it is given."""

    use = "meddling"

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        arguments[0].add_(1.0)
        return energies, forces, stresses


class Single(Bent):
    """Gives single precision."""

    use = "single"

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies.float(), forces.float(), stresses.float()


class Graph(Bent):
    """Keeps the graph of gradients."""

    use = "graph"

    def calculator(self):
        return SoftSpheres().calculator()

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies.requires_grad_(), forces, stresses


class Flat(Bent):
    """Gives one energy without its dim."""

    use = "flat"

    def calculator(self):
        return SoftSpheres().calculator()

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies.sum(), forces, stresses


class Mixed(Bent):
    """Mixes up the systems of a batch."""

    use = "mixed"

    @staticmethod
    def bend(arguments, energies, forces, stresses):
        return energies.flip(0), forces, stresses


class Twofold(Bent):
    """Is another potential as a force field than as a calculator."""

    use = "twofold"

    def calculator(self):
        return SoftSpheres(strength_eV=21).calculator()


class Faulty(Ase):
    """An engine whose frames or systems are spoilt by `spoil`; each subclass breaks one promise."""

    use = "faulty"

    def advance(self, systems, potential, segment):
        for batch in super().advance(systems, potential, segment):
            yield [self.spoil(frame, atoms) for frame, atoms in zip(batch, systems, strict=True)]

    def spoil(self, frame, atoms):
        return frame


class Countless(Faulty):
    """Takes no system at all."""

    use = "countless"

    def batch(self, atoms):
        return 0


class Wrapping(Faulty):
    """Wraps positions."""

    use = "wrapping"

    def advance(self, systems, potential, segment):
        yield from super().advance(systems, potential, segment)
        for atoms in systems:
            atoms.wrap()

    def spoil(self, frame, atoms):
        lengths = np.diag(frame.cell)
        return replace(frame, positions=frame.positions % lengths)


class Repeating(Faulty):
    """Yields the first frame of every segment, again."""

    use = "repeating"

    def advance(self, systems, potential, segment):
        if segment.first_step:
            yield next(iter(super().advance(systems, potential, replace(segment, first_step=0))))
        yield from super().advance(systems, potential, segment)


class Celsius(Faulty):
    """Counts 3N degrees of freedom."""

    use = "celsius"

    def spoil(self, frame, atoms):
        return replace(frame, temperature_K=frame.temperature_K * (1 - 1 / len(atoms)))


class AseUnits(Faulty):
    """Gives velocities in ASE's unit."""

    use = "ase_units"

    def spoil(self, frame, atoms):
        return (
            replace(frame, velocities=atoms.get_velocities())
            if frame.velocities is not None
            else frame
        )


class Lagging(Faulty):
    """Gives the kinetic energy of another moment."""

    use = "lagging"

    def spoil(self, frame, atoms):
        scale = 1 + 0.2 * np.sin(frame.step)
        return replace(
            frame,
            kinetic_energy_eV=frame.kinetic_energy_eV * scale,
            temperature_K=frame.temperature_K * scale,
        )


class Aliasing(Faulty):
    """Yields the array that it goes on to move."""

    use = "aliasing"

    def spoil(self, frame, atoms):
        return replace(frame, positions=atoms.positions)


class Forgetful(Ase):
    """Keeps its thermostat where another process does not find it."""

    use = "forgetful"

    def advance(self, systems, potential, segment):
        if segment.first_step:
            for atoms in systems:
                atoms.info["ionflow"]["thermostat_chain"] = getattr(atoms, "chain", [0.0] * 3)
        yield from super().advance(systems, potential, segment)
        for atoms in systems:
            atoms.chain = atoms.info["ionflow"].pop("thermostat_chain", [0.0] * 3)


class Hoarding(Ase):
    """Keeps an array in its state."""

    use = "hoarding"

    def advance(self, systems, potential, segment):
        yield from super().advance(systems, potential, segment)
        for atoms in systems:
            atoms.info["ionflow"]["array"] = np.zeros(3)


class Warm(Ase):
    """Starts with a drift."""

    use = "warm"

    def advance(self, systems, potential, segment):
        yield from super().advance(systems, potential, segment)
        for atoms in systems:
            atoms.set_momenta(atoms.get_momenta() + 0.1)


class Amnesiac(Ase):
    """Draws new momenta at the start of every stage."""

    use = "amnesiac"

    def advance(self, systems, potential, segment):
        if segment.first_step == 0:
            for atoms in systems:
                atoms.arrays.pop("momenta", None)
        yield from super().advance(systems, potential, segment)


class Deaf(Ase):
    """Does not hear its seed."""

    use = "deaf"

    def advance(self, systems, potential, segment):
        yield from super().advance(systems, potential, replace(segment, seeds=(1,) * len(systems)))


class Clingy(Ase):
    """Leaves something on the systems that does not travel."""

    use = "clingy"

    def advance(self, systems, potential, segment):
        yield from super().advance(systems, potential, segment)
        for atoms in systems:
            atoms.info["note"] = lambda: None


class Spread(Analyser):
    """A good analyser: how far each species is from where it was."""

    use = "spread"

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        (trajectory,) = data
        path = trajectory["positions"] - trajectory["positions"].isel(time=0)
        spread = (path**2).sum("xyz").mean(("time", "atom")).astype(float)
        return xr.Dataset({"spread": spread.assign_attrs(units="angstrom^2")})


class Unitless(Spread):
    """Gives no units."""

    use = "unitless"

    def analyse(self, *data):
        result = super().analyse(*data)
        del result["spread"].attrs["units"]
        return result


class Untidy(Spread):
    """Changes its input."""

    use = "untidy"

    def analyse(self, *data):
        data[0]["positions"] = data[0]["positions"] * 2
        return super().analyse(*data)


class Barefoot(Spread):
    """Returns a bare array."""

    use = "barefoot"

    def analyse(self, *data):
        return super().analyse(*data)["spread"]


class Empty(Spread):
    """Returns nothing."""

    use = "empty"

    def analyse(self, *data):
        return xr.Dataset()


class Objects(Spread):
    """Returns objects."""

    use = "objects"

    def analyse(self, *data):
        return super().analyse(*data).assign(note=xr.DataArray({"a": 1}))


class Nameless(Spread):
    """Does not name a dim."""

    use = "nameless"

    def analyse(self, *data):
        return super().analyse(*data).assign(extra=xr.DataArray([1.0], attrs={"units": "1"}))


class Dice(Spread):
    """Gives another answer every time."""

    use = "dice"

    def analyse(self, *data):
        return super().analyse(*data) * np.random.random()


class Eager(Spread):
    """Looks at the first chunk only."""

    use = "eager"

    def analyse(self, *data):
        chunks = data[0].chunks.get("time")
        return super().analyse(data[0].isel(time=slice(chunks[0])) if chunks else data[0])


class Unlabelled(Spread):
    """Loses the axes of the scan."""

    use = "unlabelled"

    def analyse(self, *data):
        return super().analyse(*data).reset_coords(drop=True)


class Partial(Spread):
    """Counts a label into its number."""

    use = "partial"

    def analyse(self, *data):
        result = super().analyse(*data)
        shift = float(result.coords["replica"]) if "replica" in result.coords else 0.0
        return result.assign(spread=result["spread"] + shift).assign(
            spread=lambda r: r["spread"].assign_attrs(units="angstrom^2")
        )


class Following(Spread):
    """Needs another's result."""

    use = "following"
    needs: ClassVar[tuple[str, ...]] = ("spread",)

    def analyse(self, *data):
        mean = data[0]["spread"].mean("replica").assign_attrs(units="angstrom^2")
        return mean.to_dataset(name="spread")
