"""What a potential promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ionflow.kinds import FloatArray, Potential
from ionflow.testing.contract import require, require_close
from ionflow.testing.fields import check_field
from ionflow.testing.plugins import check_plugin

if TYPE_CHECKING:
    from ase import Atoms

_DIRECTIONS = 3


def check_potential(
    potential: Potential, atoms: Atoms | None = None, tolerance: float = 2e-3
) -> None:
    """Check that a potential is a conservative, invariant function of the structure.

    Parameters
    ----------
    atoms : to evaluate, a structure away from equilibrium; a distorted crystal of elements that
        the potential knows if None
    tolerance : of every comparison, relative to the largest force or stress; and of energies, in
        eV per atom. The default leaves room for potentials in single precision.

    Raises
    ------
    AssertionError
        Saying which contract is broken and how to mend it.
    """
    check_plugin(potential, Potential)
    atoms = distorted_crystal(potential) if atoms is None else atoms.copy()
    _check_calculator(potential, atoms)
    _check_forces(potential, atoms, tolerance)
    _check_invariance(potential, atoms, tolerance)
    _check_stress(potential, atoms, tolerance)
    field = potential.force_field("cpu")
    if field is not None:
        check_field(field, potential, atoms, tolerance)


def distorted_crystal(potential: Potential) -> Atoms:
    """A strained, rattled rock-salt cell of 64 atoms of the first elements that are known."""
    from ase.build import bulk
    from ase.data import atomic_numbers, covalent_radii

    known = potential.elements()
    pair = [e for e in ("Li", "Cl", "Al", "O") if known is None or e in known]
    pair = ([*pair, *sorted(known or ())] * 2)[:2]
    spacing = 1.25 * sum(float(covalent_radii[atomic_numbers[e]]) for e in pair)
    crystal: Atoms = bulk("NaCl", "rocksalt", a=2 * spacing, cubic=True)
    crystal.symbols = [pair[0] if symbol == "Na" else pair[1] for symbol in crystal.symbols]
    crystal = crystal.repeat(2)
    rng = np.random.default_rng(0)
    crystal.positions += rng.normal(0, 0.05, crystal.positions.shape)
    crystal.set_cell(crystal.cell.array @ (np.eye(3) + _strain(rng, 0.01)), scale_atoms=True)
    return crystal


def _strain(rng: np.random.Generator, size: float) -> FloatArray:
    strain = rng.normal(size=(3, 3))
    strain = strain + strain.T
    return np.asarray(size * strain / np.linalg.norm(strain))


def _energy(potential: Potential, atoms: Atoms) -> float:
    atoms = atoms.copy()
    atoms.calc = potential.calculator()
    return float(atoms.get_potential_energy())


def _check_calculator(potential: Potential, atoms: Atoms) -> None:
    calculator = potential.calculator()
    require(
        calculator is not potential.calculator(),
        "calculator() gives the same object twice",
        "make a new one on every call: each segment starts from a fresh one",
    )
    missing = {"energy", "forces"} - set(calculator.implemented_properties)
    require(
        not missing,
        f"the calculator implements no {' and no '.join(sorted(missing))}",
        "list them in implemented_properties and compute them",
    )
    first, again = (_forces(potential, atoms) for _ in range(2))
    require(
        np.array_equal(first, again),
        "two fresh calculators give different forces for the same atoms",
        "draw no random numbers, and keep no state between calculators: restarts must be exact",
    )


def _forces(potential: Potential, atoms: Atoms) -> FloatArray:
    evaluated = atoms.copy()
    evaluated.calc = potential.calculator()
    forces = np.asarray(evaluated.get_forces(), dtype=np.float64)
    require(
        np.array_equal(evaluated.positions, atoms.positions),
        "evaluating the forces moves the atoms",
        "work on a copy of the positions",
    )
    return forces


def _check_forces(potential: Potential, atoms: Atoms, tolerance: float) -> None:
    forces = _forces(potential, atoms)
    rng = np.random.default_rng(1)
    scale = float(np.linalg.norm(forces, axis=1).max())
    for _ in range(_DIRECTIONS):
        direction = rng.normal(size=forces.shape)
        direction /= np.linalg.norm(direction, axis=1).max()

        def energy(step: float, direction: FloatArray = direction) -> float:
            moved = atoms.copy()
            moved.positions += step * direction
            return _energy(potential, moved)

        room = tolerance * max(scale, 0.1) * np.sqrt(len(atoms))
        require_close(
            -float(np.sum(forces * direction)),
            _slope(energy, 0.01),
            room,
            "forces are not minus the derivative of the energy (eV/Å)",
            "check sign, units and smoothness at the cutoff; forces are -dE/dr in eV/Å",
        )


def _check_stress(potential: Potential, atoms: Atoms, tolerance: float) -> None:
    evaluated = atoms.copy()
    evaluated.calc = potential.calculator()
    if "stress" not in evaluated.calc.implemented_properties:
        return
    stress = evaluated.get_stress(voigt=False)
    rng = np.random.default_rng(2)
    for _ in range(_DIRECTIONS):
        strain = _strain(rng, 1.0)

        def energy(step: float, strain: FloatArray = strain) -> float:
            strained = atoms.copy()
            cell = strained.cell.array @ (np.eye(3) + step * strain)
            strained.set_cell(cell, scale_atoms=True)
            return _energy(potential, strained)

        require_close(
            float(np.sum(stress * strain)),
            _slope(energy, 2e-3) / atoms.get_volume(),
            tolerance * max(float(np.abs(stress).max()), 0.05),
            "the stress is not the derivative of the energy by the strain (eV/Å³)",
            "it is dE/dε divided by the volume, positive under tension, in eV/Å³ (not GPa)",
        )


def _slope(energy: Callable[[float], float], h: float) -> float:
    """Derivative at 0 by the five-point rule, of error h⁴."""
    return float((8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h))


def _check_invariance(potential: Potential, atoms: Atoms, tolerance: float) -> None:
    energy, forces = _energy(potential, atoms), _forces(potential, atoms)
    rng = np.random.default_rng(3)
    order = rng.permutation(len(atoms))
    imaged = atoms.copy()
    imaged.positions += rng.integers(-3, 4, (len(atoms), 3)) @ atoms.cell.array
    shifted = atoms.copy()
    shifted.positions += rng.normal(0, 3, 3)
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    room = tolerance * len(atoms)
    for what, changed in (
        ("in another order", atoms[order]),
        ("moved as a whole", shifted),
        ("moved by lattice vectors, atom by atom", imaged),
        ("rotated with its cell", turned),
    ):
        require_close(
            _energy(potential, changed),
            energy,
            room,
            f"the structure {what} has another energy (eV)",
            "let the energy depend on the vectors between atoms alone, all periodic images counted",
        )
    require_close(
        _forces(potential, atoms[order]),
        forces[order],
        tolerance * max(float(np.abs(forces).max()), 0.1),
        "forces do not follow the order of the atoms (eV/Å)",
        "return forces in the order in which the atoms came",
    )
