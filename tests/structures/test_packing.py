"""Packings keep their distances, their stoichiometry and their word."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ionflow.builtin.structures.contacts import min_distances_angstrom
from ionflow.builtin.structures.formula import parse, unit
from ionflow.builtin.structures.oxyhalide import Oxyhalide
from ionflow.builtin.structures.packing import Packing
from ionflow.errors import StructureError
from ionflow.ions import IONS, oxidation_numbers, radius_angstrom
from ionflow.units import G_CM3_PER_AMU_A3


def rng(seed=0):
    return np.random.default_rng(seed)


def closest(atoms, a, b, cutoff=6.0):
    i, j, d = neighbor_list("ijd", atoms, cutoff)
    symbols = np.array(atoms.get_chemical_symbols())
    return d[(symbols[i] == a) & (symbols[j] == b)].min()


@pytest.mark.parametrize(
    ("formula", "smallest"),
    [
        ("LiAlCl2.5O0.75", {"Li": 4, "Al": 4, "Cl": 10, "O": 3}),
        ("Li(AlCl4)0.5Cl.5", {"Li": 2, "Al": 1, "Cl": 5}),
        ("H2O", {"H": 2, "O": 1}),
        ("Li16 Al16 Cl40 O12", {"Li": 16, "Al": 16, "Cl": 40, "O": 12}),
        ("LiCl0", {"Li": 1}),
    ],
)
def test_formulas_are_read_exactly(formula, smallest):
    assert unit(parse(formula)) == smallest


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("", "names no atoms"),
        ("Li0", "names no atoms"),
        ("LiXx", "'Xx' is no element"),
        ("LiX", "'X' is no element"),
        ("Li(", "stays open"),
        ("Li)2", "closes that was not open"),
        ("Li2(3O)", "no coefficient"),
        ("Li.", "no coefficient"),
        ("li2O", "no chemical formula"),
        ("Li-2", "no chemical formula"),
        ("Li0.33333333Cl0.33333333", "fewer decimals"),
    ],
)
def test_what_is_no_formula_is_refused(formula, why):
    with pytest.raises(ValidationError, match=why):
        Packing(formula=formula, neutral=False)


@given(
    lithium=st.integers(1, 40),
    oxygen=st.integers(1, 40),
    atoms=st.integers(1, 3000),
)
def test_the_nearest_feasible_number_keeps_the_stoichiometry(lithium, oxygen, atoms):
    packing = Packing(formula=f"Li{lithium / 8:g}O{oxygen / 8:g}", atoms=atoms, neutral=False)
    counts = packing.composition()
    size = (lithium + oxygen) // np.gcd(lithium, oxygen)
    assert counts["Li"] * oxygen == counts["O"] * lithium
    assert packing.actual_atoms % size == 0
    assert abs(packing.actual_atoms - atoms) <= max(size / 2, size - atoms)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_no_pair_is_closer_than_its_distance_in_any_image(seed):
    packing = Packing(formula="LiAlCl2.5O0.75", atoms=42, density_g_cm3=2.1)
    atoms = packing.build(rng(seed))
    charges = oxidation_numbers(("Li", "Al", "Cl", "O"))
    for pair, distance in min_distances_angstrom(charges, {}).items():
        assert closest(atoms, *pair.split("-")) >= distance


def test_given_distances_hold_in_either_order():
    packing = Packing(formula="LiAlCl2.5O0.75", atoms=84, min_distances={"O-Al": 1.9, "Li-Li": 3.0})
    atoms = packing.build(rng())
    assert closest(atoms, "Al", "O") >= 1.9
    assert closest(atoms, "Li", "Li") >= 3.0


def test_a_cell_smaller_than_the_distances_counts_its_images():
    atoms = Packing(formula="NaCl", atoms=8, density_g_cm3=2.0).build(rng())
    assert atoms.cell.lengths()[0] < 6
    assert closest(atoms, "Na", "Cl") >= 0.88 * (1.02 + 1.81)


def test_the_density_is_the_one_asked():
    atoms = Packing(formula="NaCl", atoms=64, density_g_cm3=1.5).build(rng())
    density = atoms.get_masses().sum() * G_CM3_PER_AMU_A3 / atoms.get_volume()
    assert density == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize(
    ("formula", "crystal"),  # CRC Handbook, 298 K
    [("LiAlCl4", 1.98), ("NaAlCl4", 2.01), ("NaCl", 2.17), ("MgO", 3.60), ("KI", 3.12)],
)
def test_without_a_density_the_ionic_radii_give_one_near_the_crystals(formula, crystal):
    packing = Packing(formula=formula, atoms=100)
    mass = packing.build(rng()).get_masses().sum()
    assert mass * G_CM3_PER_AMU_A3 / packing.volume_A3() == pytest.approx(crystal, rel=0.11)


@pytest.mark.parametrize("formula", ["LiF", "MgO", "Al2O3", "CsI", "Li7La3Zr2O12", "Li6PS5Cl"])
def test_the_defaults_pack_any_chemistry(formula):
    assert len(Packing(formula=formula, atoms=150).build(rng(7))) > 100


def test_a_seed_gives_one_structure_and_another_seed_another():
    packing = Packing(formula="LiAlCl2.5O0.75", atoms=84)
    first, again, other = (packing.build(rng(seed)).positions for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_like_charges_do_not_start_side_by_side():
    charged = Packing(formula="NaCl", atoms=216, density_g_cm3=1.5)
    blind = charged.model_copy(update={"neutral": False, "charges": (("Cl", 0.0), ("Na", 0.0))})
    like = []
    for packing in (charged, blind):
        i, j = neighbor_list("ij", packing.build(rng()), 3.5)
        like.append(np.sum((i < 108) & (j < 108)))
    assert like[0] < 0.5 * like[1]


def test_formal_charges_are_set_and_sum_to_zero():
    atoms = Packing(formula="FeO", atoms=20, charges={"Fe": 2}).build(rng())
    assert set(atoms.get_initial_charges()) == {2.0, -2.0}
    assert atoms.get_initial_charges().sum() == 0


def test_a_charged_composition_is_refused_with_the_sum_and_the_way_out():
    with pytest.raises(ValidationError, match=r"Li \+1 × 1, O -2 × 1 sum to -1; .*neutral: false"):
        Packing(formula="LiO")
    assert Packing(formula="LiO", neutral=False).composition() == {"Li": 1, "O": 1}


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"formula": "HeO"}, "no common oxidation number of He"),
        ({"formula": "LiCl", "min_distances": {"Al-O": 2.0}}, "'Al-O' is no pair"),
        ({"formula": "LiCl", "min_distances": {"LiCl": 2.0}}, "'LiCl' is no pair"),
        ({"formula": "LiCl", "min_distances": {"Li-Cl": -1.0}}, "between 0 and 20"),
        ({"formula": "LiCl", "min_distances": {"Li-Cl": 2.0, "Cl-Li": 1.0}}, "both orders"),
        ({"formula": "LiCl", "charges": {"O": -2}}, "charges names O"),
        ({"formula": "LiCl", "density_g_cm3": 0}, "greater than 0"),
        ({"formula": "LiCl", "density": 2}, "Extra inputs"),
    ],
)
def test_bad_parameters_are_refused(parameters, why):
    with pytest.raises(ValidationError, match=why):
        Packing(**parameters)


def test_what_cannot_be_packed_names_the_pair_and_the_way_out():
    packing = Packing(formula="LiCl", atoms=32, density_g_cm3=12)
    with pytest.raises(StructureError, match="32 atoms of LiCl do not fit") as caught:
        packing.build(rng())
    assert "lower density_g_cm3" in caught.value.hint
    assert "min_distances: {" in caught.value.hint


def test_every_ion_has_a_radius_and_strangers_a_covalent_one():
    assert all(0.2 < radius < 2.5 for _, radius in IONS.values())
    assert radius_angstrom("He") == pytest.approx(0.28)


def test_oxyhalide_defaults_to_the_study():
    oxyhalide = Oxyhalide()
    assert oxyhalide.actual_atoms == 1344
    assert oxyhalide.composition() == {"Li": 256, "Al": 256, "O": 192, "Cl": 640}


@pytest.mark.parametrize("A", ["Li", "Na", "K"])
@pytest.mark.parametrize("M", ["Al", "Ga", "In"])
@pytest.mark.parametrize("X", ["Cl", "Br", "I"])
def test_all_27_oxyhalides_pack_and_are_neutral(A, M, X):
    atoms = Oxyhalide(A=A, M=M, X=X, atoms=84).build(rng())
    assert atoms.symbols.formula.count() == {A: 16, M: 16, "O": 12, X: 40}
    assert atoms.get_initial_charges().sum() == 0


def test_the_studys_glass_starts_at_its_density():
    atoms = Oxyhalide(atoms=84).build(rng())
    density = atoms.get_masses().sum() * G_CM3_PER_AMU_A3 / atoms.get_volume()
    assert density == pytest.approx(2.1, abs=0.005)


@given(a=st.integers(0, 30), y=st.integers(0, 20))
def test_oxyhalides_are_neutral_for_every_composition(a, y):
    oxyhalide = None
    if 3 + a / 10 - 2 * y / 10 >= -1e-12:
        oxyhalide = Oxyhalide(alkali=a / 10, oxygen=y / 10, atoms=100)
        counts = oxyhalide.composition()
        charge = {"Li": 1, "Al": 3, "O": -2, "Cl": -1}
        assert sum(charge[element] * n for element, n in counts.items()) == 0
        assert counts.get("Li", 0) * 10 == a * counts["Al"]
    else:
        with pytest.raises(ValidationError, match="oxygen must not exceed"):
            Oxyhalide(alkali=a / 10, oxygen=y / 10, atoms=100)


@pytest.mark.parametrize(("field", "element"), [("A", "Mg"), ("M", "Li"), ("X", "O"), ("A", "xx")])
def test_an_element_of_another_charge_is_refused(field, element):
    with pytest.raises(ValidationError, match=f"'{element}' forms no"):
        Oxyhalide(**{field: element})


@pytest.mark.parametrize("plugin", [Oxyhalide(A="Na"), Packing(formula="NaCl", charges={"Na": 1})])
def test_structures_round_trip_and_hash(plugin):
    assert type(plugin)(**plugin.model_dump(mode="json")) == plugin
    assert hash(pickle.loads(pickle.dumps(plugin))) == hash(plugin)
