"""Forces are the energy's slope, and the energy knows no frame of reference."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation


@pytest.fixture
def salt():
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize("model", ["0.3.0", "0.2.0", "r2scan"])
def test_forces_are_the_slope_of_the_float64_energy(model, backend, salt, evaluator):
    exact = evaluator("float64", model)
    forces, step = evaluator(backend, model)(salt)[1], 1e-4
    for atom, axis in ((0, 0), (3, 1), (6, 2)):
        energies = []
        for sign in (1, -1):
            moved = salt.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(exact(moved)[0])
        slope = -(energies[0] - energies[1]) / (2 * step)
        assert exact(salt)[1][atom, axis] == pytest.approx(slope, abs=1e-6)
        assert forces[atom, axis] == pytest.approx(slope, abs=1e-4)


def test_stress_is_the_slope_with_strain(backend, salt, evaluator):
    exact, step = evaluator("float64"), 1e-4
    stress = evaluator(backend)(salt)[2]
    for i, j in ((0, 0), (1, 2), (2, 0)):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[i, j] = sign * step
            strained = salt.copy()
            strained.set_cell(salt.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(exact(strained)[0])
        slope = (energies[0] - energies[1]) / (2 * step) / salt.get_volume()
        assert stress[i, j] == pytest.approx(slope, abs=1e-6)


def test_energy_falls_along_the_force_as_the_force_says(backend, salt, evaluator):
    """What NVE needs of a field in float32: its forces are the slope of its own energy."""
    field = evaluator(backend)
    energy, forces, _ = field(salt)
    moved = salt.copy()
    moved.positions += 1e-2 * forces
    midway = salt.copy()
    midway.positions += 5e-3 * forces
    work = 1e-2 * (field(midway)[1] * forces).sum()
    assert energy - field(moved)[0] == pytest.approx(work, abs=2e-5)


def test_energy_knows_no_permutation_translation_rotation(backend, glass, evaluator):
    field = evaluator(backend)
    energy, forces, stress = field(glass)
    order = np.random.default_rng(0).permutation(len(glass))
    turn = Rotation.from_rotvec([0.3, -0.7, 1.1]).as_matrix()
    turned = glass.copy()
    turned.set_cell(glass.cell.array @ turn)
    turned.positions = glass.positions @ turn
    shifted = glass.copy()
    shifted.positions += [1.234, -5.6, 7.8]
    for other, wanted in (
        (glass[order], forces[order]),
        (shifted, forces),
        (turned, forces @ turn),
    ):
        found = field(other)
        assert found[0] == pytest.approx(energy, abs=1e-4)
        np.testing.assert_allclose(found[1], wanted, atol=1e-4)
    np.testing.assert_allclose(field(turned)[2], turn.T @ stress @ turn, atol=1e-7)
    np.testing.assert_allclose(forces.sum(0), 0, atol=1e-4)


def test_a_replicated_cell_has_the_same_energy_per_atom(backend, salt, evaluator):
    field = evaluator(backend)
    energy, forces, stress = field(salt)
    for repeats in ((2, 1, 1), (2, 2, 1)):
        many = salt * repeats
        found = field(many)
        assert found[0] / len(many) == pytest.approx(energy / len(salt), abs=5e-7)
        np.testing.assert_allclose(found[1], np.tile(forces, (np.prod(repeats), 1)), atol=2e-5)
        np.testing.assert_allclose(found[2], stress, atol=1e-7)


@pytest.mark.parametrize("cutoff", [3.0, 6.0])
def test_an_atom_that_crosses_a_cutoff_makes_no_jump(backend, cutoff, evaluator):
    field = evaluator(backend)

    def four(distance):
        positions = [[0, 0, 0], [2.0, 0, 0], [0, distance, 0], [0, distance + 2.2, 0]]
        return Atoms("LiOClK", positions, cell=np.eye(3) * 20, pbc=True)

    before, after = field(four(cutoff - 1e-7)), field(four(cutoff + 1e-7))
    assert before[0] == pytest.approx(after[0], abs=3e-6)
    np.testing.assert_allclose(before[1], after[1], atol=1e-5)
