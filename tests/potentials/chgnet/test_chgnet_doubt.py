"""Where CHGNet says that it does not know what it sees."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read

from ionflow.builtin.potentials.ase_calculator import AseCalculator
from ionflow.builtin.potentials.chgnet import CHGNet, doubt
from ionflow.builtin.potentials.rigid_ion import RigidIon

GLASS = Path(__file__).parents[2] / "data" / "LiAlCl2.5O0.75_84.xyz"


def scaled(factor: float) -> Atoms:
    atoms = read(GLASS)
    atoms.set_cell(atoms.cell * factor, scale_atoms=True)
    return atoms


def shaken(width: float) -> Atoms:
    atoms = read(GLASS)
    atoms.rattle(width, seed=1)
    return atoms


def fused() -> Atoms:
    """An oxygen 0.7 Å from a chlorine."""
    atoms = read(GLASS)
    oxygen, chlorine = (np.flatnonzero(atoms.symbols == s)[0] for s in ("O", "Cl"))
    atoms.positions[oxygen] = atoms.positions[chlorine] + [0.7, 0, 0]
    return atoms


SOUND = {
    "glass": scaled(1.0),
    "glass, 10 % denser": scaled(0.97),
    "hot glass": shaken(0.15),
    "hot rock salt": bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (2, 2, 2),
}
SOUND["hot rock salt"].rattle(0.25, seed=1)
BEYOND = {
    "glass at 1.4 times its density": scaled(0.9),
    "glass at 3 times its density": scaled(0.7),
    "two atoms in one place": fused(),
    "atoms at random": Atoms(
        read(GLASS).symbols, np.random.default_rng(0).random((84, 3)) * 11, cell=[11] * 3, pbc=True
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_no_doubt_where_it_was_trained(name):
    assert CHGNet().doubt(SOUND[name]) == ""


@pytest.mark.parametrize("name", BEYOND)
def test_doubt_where_two_generations_disagree(name):
    before = BEYOND[name].copy()
    assert CHGNet().doubt(BEYOND[name]).startswith("CHGNet 0.3.0 and 0.2.0 disagree")
    assert np.array_equal(BEYOND[name].positions, before.positions)


@pytest.mark.parametrize("model", ["0.2.0", "r2scan"])
def test_the_other_models_are_asked_about_another(model):
    assert CHGNet(model=model).doubt(SOUND["hot glass"]) == ""
    other = "0.3.0" if model == "0.2.0" else "0.2.0"
    said = CHGNet(model=model).doubt(BEYOND["atoms at random"])
    assert said.startswith(f"CHGNet {model} and {other} disagree")


def test_elements_without_training_are_named():
    atoms = bulk("Po", "sc", a=3.34) * (2, 2, 2)
    assert CHGNet().doubt(atoms) == "CHGNet was not trained on Po"


def test_a_difference_counts_beyond_a_bound_and_a_share():
    force = np.full((100, 3), 1.0)
    assert doubt.disagreement(force, force + 0.5, ("a", "b")) == ""  # 0.87 eV/Å: below the bound
    assert "disagree: " in doubt.disagreement(force, force + 1.0, ("a", "b"))
    assert doubt.disagreement(20 * force, 20 * force + 1.0, ("a", "b")) == ""  # 5 %
    one = force.copy()
    one[7] += 12  # 21 eV/Å on one of a hundred atoms
    assert "on atom 7" in doubt.disagreement(10 * force, 9 * force + one, ("a", "b"))


def test_other_potentials_have_none():
    emt = AseCalculator(class_path="ase.calculators.emt.EMT")
    assert emt.doubt(BEYOND["atoms at random"]) == ""
    assert RigidIon().doubt(BEYOND["atoms at random"]) == ""
