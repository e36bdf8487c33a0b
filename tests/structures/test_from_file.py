"""Structures from files: their content counts, not their name."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms

from ionflow.builtin.structures.from_file import FromFile
from ionflow.errors import StructureError


@pytest.fixture
def salt(tmp_path):
    path = tmp_path / "salt.xyz"
    bulk("NaCl", "rocksalt", a=5.64, cubic=True).write(path)
    return path


def build(path, **parameters):
    return FromFile(path=str(path), **parameters).build(np.random.default_rng(0))


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "a.xyz", "a.traj"])
def test_it_reads_what_ase_reads(tmp_path, name):
    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    crystal.write(tmp_path / name)
    atoms = build(tmp_path / name)
    assert atoms.symbols.formula.count() == {"Na": 4, "Cl": 4}
    assert atoms.get_volume() == pytest.approx(5.64**3)
    assert np.array_equal(np.sort(atoms.get_initial_charges()), [-1] * 4 + [1] * 4)


def test_a_moved_file_is_the_same_and_a_changed_one_another(salt, tmp_path):
    moved = tmp_path / "elsewhere.xyz"
    moved.write_bytes(salt.read_bytes())
    identity = FromFile(path=str(salt)).identity()
    assert FromFile(path=str(moved)).identity() == identity
    assert identity["content"] == {"file": hashlib.sha256(salt.read_bytes()).hexdigest()}
    moved.write_text(salt.read_text() + "\n")
    assert FromFile(path=str(moved)).identity() != identity


def test_a_pinned_file_must_match(salt):
    digest = hashlib.sha256(salt.read_bytes()).hexdigest()
    assert len(build(salt, sha256=digest)) == 8
    with pytest.raises(StructureError, match=f"SHA-256 is {digest}"):
        build(salt, sha256="0" * 64)


def test_copies_count_in_the_composition(salt):
    generator = FromFile(path=str(salt), repeat=(2, 1, 3))
    assert generator.composition() == {"Na": 24, "Cl": 24}
    assert len(generator.build(np.random.default_rng(0))) == 48


def test_an_image_is_chosen_by_its_index(tmp_path):
    path = tmp_path / "many.traj"
    from ase.io import write

    write(path, [bulk("NaCl", "rocksalt", a=a) for a in (5.0, 6.0)])
    volumes = [build(path, index=index).get_volume() for index in (0, 1, -1)]
    assert volumes == pytest.approx([5**3 / 4, 6**3 / 4, 6**3 / 4])


def test_momenta_are_kept_and_comments_are_not(tmp_path):
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.set_momenta([[1, 0, 0], [0, 0, 2]])
    atoms.info["note"] = "a"
    atoms.write(tmp_path / "a.xyz")
    read = build(tmp_path / "a.xyz")
    assert read.get_momenta() == pytest.approx(atoms.get_momenta())
    assert read.info == {}
    assert read.calc is None


def test_charges_given_by_the_recipe_by_the_file_or_by_habit(tmp_path, salt):
    assert set(build(salt, charges={"Na": 0.8, "Cl": -0.8}).get_initial_charges()) == {0.8, -0.8}
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.set_initial_charges([0.5, -0.5])
    atoms.write(tmp_path / "own.traj")
    assert list(build(tmp_path / "own.traj").get_initial_charges()) == [0.5, -0.5]
    bulk("Cu", cubic=True).write(tmp_path / "metal.xyz")
    assert not build(tmp_path / "metal.xyz").get_initial_charges().any()


def _refusals(tmp_path):
    Atoms("NaCl", [[0, 0, 0], [0, 0, 2]]).write(tmp_path / "molecule.xyz")
    fixed = bulk("NaCl", "rocksalt", a=5.64)
    fixed.set_constraint(FixAtoms([0]))
    fixed.write(tmp_path / "fixed.traj")
    (tmp_path / "broken.cif").write_text("data_\nloop_\n_cell 3")
    (tmp_path / "text.pdf").write_text("nothing")
    bulk("NaCl", "rocksalt", a=5.64).write(tmp_path / "good.xyz")


@pytest.mark.parametrize(
    ("name", "parameters", "why"),
    [
        ("molecule.xyz", {}, "not periodic"),
        ("fixed.traj", {}, "fixes atoms"),
        ("broken.cif", {}, "ASE cannot read"),
        ("text.pdf", {}, "the format 'pdf' are not taken"),
        ("good.xyz", {"format": "db"}, "the format 'db' are not taken"),
        ("good.xyz", {"index": 3}, "ASE cannot read image 3"),
        ("missing.cif", {}, "No such file"),
        ("good.xyz", {"charges": {"Fe": 2}}, "charges names Fe"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path, name, parameters, why):
    _refusals(tmp_path)
    with pytest.raises(StructureError, match=why) as caught:
        build(tmp_path / name, **parameters)
    assert name in str(caught.value)
