"""Positions, momenta and forces of one system while an engine moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ionflow.errors import DataError, PluginError, StructureError
from ionflow.kinds import FloatArray
from ionflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

#: `Atoms.info` under this name is ionflow's own; calculators do not see it.
STATE = "ionflow"


class Particles:
    """One system in the units of its integrator: Å, eV, amu, and ASE's time, Å sqrt(amu/eV).

    The centre of mass is at rest, so that 3N - 3 degrees of freedom carry the temperature.

    Attributes
    ----------
    positions, momenta, forces : (atom, 3)
    masses : (atom, 1)
    cell : (3, 3), rows are lattice vectors
    """

    def __init__(self, atoms: Atoms, calculator: Calculator) -> None:
        if len(atoms) < 2:
            raise StructureError("molecular dynamics with the centre of mass at rest needs 2 atoms")
        if atoms.constraints:
            raise StructureError(
                "the structure has constraints, and this engine moves every atom",
                hint="remove them in the generator: atoms.set_constraint()",
            )
        self._work = _without_state(atoms)
        self._work.calc = calculator
        self.masses: FloatArray = atoms.get_masses()[:, None]
        self.positions: FloatArray = atoms.get_positions()
        self.momenta: FloatArray = atoms.get_momenta()
        self.cell: FloatArray = np.array(atoms.cell)
        self.forces: FloatArray = np.zeros_like(self.positions)
        self.degrees = 3 * len(atoms) - 3
        self._stress: FloatArray | None = None

    def evaluate(self) -> None:
        """Compute the forces at the present positions and cell."""
        self._stress = None
        self._work.positions[:] = self.positions
        self._work.cell[:] = self.cell
        if self.is_finite:
            self.forces = self._work.get_forces(apply_constraint=False)
        else:
            # a calculator may hang on such positions; the caller sees the NaN in the frame
            self.forces = np.full_like(self.positions, np.nan)

    @property
    def is_finite(self) -> bool:
        """Whether positions and cell are numbers."""
        return bool(np.isfinite(self.positions).all() and np.isfinite(self.cell).all())

    @property
    def potential_energy(self) -> float:
        """eV, the one whose derivative the forces are."""
        if not self.is_finite:
            return float("nan")
        consistent = "free_energy" in self._work.calc.implemented_properties
        return float(self._work.get_potential_energy(force_consistent=consistent))

    @property
    def kinetic_energy(self) -> float:
        """eV"""
        return 0.5 * float(np.sum(self.momenta**2 / self.masses))

    @property
    def temperature_K(self) -> float:
        """Instantaneous temperature, 2K/((3N - 3) kB)."""
        return 2 * self.kinetic_energy / (self.degrees * BOLTZMANN_EV_PER_K)

    @property
    def volume(self) -> float:
        """Å³"""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def stress(self) -> FloatArray | None:
        """(6,) eV/Å³, potential part, order xx yy zz yz xz xy; None if the potential has none."""
        if "stress" not in self._work.calc.implemented_properties:
            return None
        if not self.is_finite:
            return np.full(6, np.nan)
        if self._stress is None:
            self._stress = np.array(self._work.get_stress(apply_constraint=False), dtype=float)
        return self._stress

    @property
    def virial(self) -> float:
        """Sum of r·F in eV, -V times the trace of the stress.

        Raises
        ------
        PluginError
            If the potential gives no stress.
        """
        stress = self.stress
        if stress is None:
            raise PluginError(
                "the potential gives no stress, which npt needs",
                where="potential",
                hint="use ensemble: nvt, or a potential with stresses",
            )
        return -self.volume * float(stress[:3].sum())

    def stop_drift(self) -> None:
        """Remove the net momentum, by the same velocity for every atom."""
        self.momenta = self.momenta - self.masses * (
            self.momenta.sum(axis=0) / float(self.masses.sum())
        )

    def thermalise(self, kT: float, rng: np.random.Generator) -> None:
        """Draw Maxwell-Boltzmann momenta without net momentum."""
        noise = rng.standard_normal(self.momenta.shape)
        self.momenta = noise * np.sqrt(kT * self.masses)
        self.stop_drift()

    def write_to(self, atoms: Atoms) -> None:
        """Put positions, momenta and cell into `atoms`."""
        atoms.set_cell(self.cell, scale_atoms=False)
        atoms.set_positions(self.positions)
        atoms.set_momenta(self.momenta)


def prepared(
    atoms: Atoms, calculator: Calculator, *, starting: bool, kT: float, rng: np.random.Generator
) -> Particles:
    """The particles of `atoms` at the start of a segment.

    At the start of a stage, atoms that do not move are given Maxwell-Boltzmann momenta; others
    keep theirs, without the net momentum.

    Raises
    ------
    DataError
        If a stage goes on with atoms that have no momenta.
    """
    particles = Particles(atoms, calculator)
    moving = bool(particles.momenta.any())
    if not starting and not moving:
        raise DataError(
            "a stage cannot go on from a state without momenta",
            hint="give the end state of the previous segment, with its momenta",
        )
    if starting and moving:
        particles.stop_drift()
    elif starting:
        particles.thermalise(kT, rng)
    return particles


def _without_state(atoms: Atoms) -> Atoms:
    copy: Atoms = atoms.copy()
    copy.info.pop(STATE, None)
    return copy
