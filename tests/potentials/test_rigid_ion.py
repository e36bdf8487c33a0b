"""The rigid-ion potential against finite differences, an Ewald sum and itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from pydantic import ValidationError

from ionflow.builtin.potentials.rigid_ion import RigidIon
from ionflow.builtin.structures.oxyhalide import Oxyhalide
from ionflow.builtin.structures.packing import Packing
from ionflow.errors import PluginError
from ionflow.ions import IONS


def glass(atoms=42, seed=0):
    return Oxyhalide(atoms=atoms).build(np.random.default_rng(seed))


def with_potential(atoms, **parameters):
    atoms.calc = RigidIon(**parameters).calculator()
    return atoms


def tensors(*systems):
    return (
        torch.from_numpy(np.concatenate([a.positions for a in systems])),
        torch.from_numpy(np.stack([a.cell.array for a in systems])),
        torch.from_numpy(np.concatenate([a.numbers for a in systems])).long(),
        torch.repeat_interleave(torch.arange(len(systems)), torch.tensor([*map(len, systems)])),
    )


@pytest.mark.parametrize("cutoff", [4.0, 8.0])
def test_forces_and_stress_are_derivatives_of_the_energy(cutoff):
    atoms = glass()
    atoms.set_cell(atoms.cell.array + np.diag([0.4, 0.0], k=1) + 0.1, scale_atoms=True)
    with_potential(atoms, cutoff_angstrom=cutoff)
    assert atoms.get_forces() == pytest.approx(
        calculate_numerical_forces(atoms, eps=1e-5), abs=2e-6
    )
    assert atoms.get_stress() == pytest.approx(
        calculate_numerical_stress(atoms, eps=1e-5), abs=1e-8
    )


def test_a_small_cell_and_its_copies_are_one_crystal():
    cell = with_potential(bulk("NaCl", "rocksalt", a=5.64))
    copies = with_potential(bulk("NaCl", "rocksalt", a=5.64).repeat(3))
    assert copies.get_potential_energy() == pytest.approx(27 * cell.get_potential_energy())
    assert copies.get_stress() == pytest.approx(cell.get_stress(), abs=1e-12)
    assert np.abs(copies.get_forces()).max() < 1e-12


def test_the_coulomb_part_is_the_madelung_energy():
    # Fennell and Gezelter: the damped shifted-force sum is within a percent of Ewald's
    points = {"charge_scale": 1.0, "radii_angstrom": {"Na": 0.1, "Cl": 0.1}}
    crystal = with_potential(bulk("NaCl", "rocksalt", a=7.0), cutoff_angstrom=15.0, **points)
    madelung = -1.747565 * 14.399645 / 3.5
    assert crystal.get_potential_energy() == pytest.approx(madelung, rel=0.005)


@pytest.mark.parametrize(("cation", "anion"), [("Na", "Cl"), ("Li", "F"), ("K", "Br")])
def test_rock_salt_has_its_minimum_near_the_sum_of_the_radii(cation, anion):
    contact = IONS[cation][1] + IONS[anion][1]
    scales = np.linspace(0.9, 1.15, 60)
    crystals = [bulk(cation + anion, "rocksalt", a=2 * contact * scale) for scale in scales]
    energies = [with_potential(crystal).get_potential_energy() for crystal in crystals]
    assert scales[np.argmin(energies)] == pytest.approx(1, abs=0.05)


def test_energy_and_forces_end_smoothly_at_the_cutoff():
    def pair(distance):
        atoms = Atoms("LiCl", [[0, 0, 0], [distance, 0, 0]], cell=[40] * 3, pbc=True)
        with_potential(atoms, cutoff_angstrom=8.0)
        return atoms.get_potential_energy(), atoms.get_forces()[0, 0]

    inside, beyond = pair(8 - 1e-4), pair(8 + 1e-4)
    assert inside[0] == pytest.approx(beyond[0], abs=1e-7)
    assert inside[1] == pytest.approx(0, abs=1e-4)
    assert beyond[1] == 0


def test_a_batch_is_its_systems_one_by_one():
    systems = [glass(42, 0), glass(21, 1), bulk("NaCl", "rocksalt", a=5.64)]
    energies, forces, stresses = RigidIon().force_field()(*tensors(*systems))
    start = 0
    for index, atoms in enumerate(systems):
        with_potential(atoms)
        assert float(energies[index]) == pytest.approx(atoms.get_potential_energy(), rel=1e-13)
        stop = start + len(atoms)
        assert forces[start:stop].numpy() == pytest.approx(atoms.get_forces(), abs=1e-12)
        assert stresses[index].numpy() == pytest.approx(atoms.get_stress(voigt=False), abs=1e-14)
        start = stop


def test_ions_that_went_far_are_where_their_images_are():
    atoms = with_potential(glass())
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.positions += np.random.default_rng(0).integers(-90, 90, (len(atoms), 3)) @ atoms.cell
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-10)
    assert atoms.get_forces() == pytest.approx(forces, abs=1e-9)


def test_nothing_depends_on_earlier_calls():
    atoms, field = glass(), RigidIon().force_field()
    first = field(*tensors(atoms))
    field(*tensors(glass(21, 3)))
    again = field(*tensors(atoms))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_one_lost_system_does_not_spoil_its_batch():
    good, lost = glass(21, 0), glass(21, 1)
    lost.positions[3, 1] = np.nan
    energies, forces, stresses = RigidIon().force_field()(*tensors(lost, good))
    assert torch.isnan(energies).tolist() == [True, False]
    assert torch.isnan(forces[:21]).all()
    assert torch.isfinite(forces[21:]).all()
    assert torch.isnan(stresses).flatten(1).all(1).tolist() == [True, False]


def test_ions_do_not_fall_into_each_other():
    def energy(distance):
        atoms = Atoms("AlO", [[0, 0, 0], [distance, 0, 0]], cell=[30] * 3, pbc=True)
        return with_potential(atoms).get_potential_energy()

    assert max(energy(d) for d in np.linspace(0.1, 1.5, 30)) > energy(1.7) + 50


@pytest.mark.parametrize("formula", ["YF3", "Li3YCl6", "ZrO2", "K2S", "CsI", "MgLa2Br8", "InO1.5"])
def test_it_holds_any_of_its_ions_together(formula):
    atoms = with_potential(Packing(formula=formula, atoms=60).build(np.random.default_rng(0)))
    assert atoms.get_potential_energy() < -len(atoms)


def test_charges_and_radii_can_be_given():
    iron = RigidIon(charges={"Fe": 2}, radii_angstrom={"Fe": 0.78}, charge_scale=0.5)
    assert iron.ions()["Fe"] == (1.0, 0.78)
    assert RigidIon().ions()["Fe"] == (pytest.approx(2.55), 0.645)
    with pytest.raises(ValidationError, match="charges names He"):
        RigidIon(charges={"He": 2})
    with pytest.raises(ValidationError, match="between 0 and 5"):
        RigidIon(radii_angstrom={"Li": -1})


def test_an_unknown_element_is_named():
    assert "He" not in RigidIon().elements()
    atoms = with_potential(Atoms("He2", [[0, 0, 0], [0, 0, 2]], cell=[9] * 3, pbc=True))
    with pytest.raises(PluginError, match="atomic number 2"):
        atoms.get_potential_energy()
