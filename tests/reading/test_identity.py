"""Elements, species, charges and masses: told, found, or said to be unknown."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

import ionflow
from ionflow.errors import DataError

NUMERIC = "id type xu yu zu"


def frames(formula: str, **options) -> list[Atoms]:
    count = len(Atoms(formula))
    rng = np.random.default_rng(0)
    return [
        Atoms(formula, rng.random((count, 3)), cell=[9] * 3, pbc=True, **options) for _ in range(9)
    ]


@pytest.mark.parametrize(
    ("formula", "options", "charges", "source"),
    [
        ("LiAlCl4", {}, [1, 3, -1, -1, -1, -1], "which make the cell neutral"),
        ("LiFeO4", {}, [0] * 6, r"none: .*add up to -4 e for Li1Fe1O4"),
        ("LiHe", {}, [0, 0], "none: no common oxidation number of He"),
        ("LiHe", {"charges": {"Li": 1, "He": -1}}, [1, -1], "given for Li, He"),
        (
            "FeCl2",
            {"charges": {"Fe": 2}},
            [2, -1, -1],
            "given for Fe; common oxidation numbers for",
        ),
        ("LiCl2", {"charges": "formal"}, [1, -1, -1], "common oxidation numbers"),
        ("LiCl", {"charges": "none"}, [0, 0], "none, as told"),
        ("LiCl", {"charges": np.array([0.5, -0.5])}, [0.5, -0.5], "given for each atom"),
    ],
)
def test_charges(formula, options, charges, source):
    read = ionflow.from_ase(frames(formula), timestep_fs=1, **options)
    assert read["charge"].values.tolist() == charges
    assert np.all([source.split(".*")[-1] in read.attrs["charges_from"]])


def test_charges_of_the_file_come_first():
    read = ionflow.from_ase(frames("LiCl", charges=[0.8, -0.8]), timestep_fs=1)
    assert read["charge"].values.tolist() == [0.8, -0.8]
    assert read.attrs["charges_from"] == "the file"
    formal = ionflow.from_ase(frames("LiCl", charges=[0.8, -0.8]), timestep_fs=1, charges="formal")
    assert formal["charge"].values.tolist() == [1, -1]
    varying = frames("LiCl", charges=[0.8, -0.8])
    varying[4].set_initial_charges([0.7, -0.7])
    with pytest.raises(DataError, match=r"frame 4: the charge of atom 0 changes from 0.8 to 0.7"):
        ionflow.from_ase(varying, timestep_fs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"charges": {"Na": 1}}, "charges names Na.*it has Li, He"),
        ({"charges": {"Li": 1}}, "charge of He is not known.*charges={'He'"),
        ({"charges": [1]}, "1 values for 2 atoms"),
        ({"masses": {"Na": 1}}, "masses names Na"),
        ({"elements": {"He": "Qq"}}, "'Qq' is no element"),
        ({"elements": {"1": "Li"}}, "elements names 1"),
        ({"species": "tag"}, "no property 'tag'.*symbol"),
    ],
)
def test_what_is_told_must_fit(options, message):
    with pytest.raises(DataError, match=message):
        ionflow.from_ase(frames("LiHe"), timestep_fs=1, **options)


def test_masses():
    own = ionflow.from_ase(frames("LiCl", masses=[6.0, 35.0]), timestep_fs=1)
    assert own["mass"].values.tolist() == [6, 35]
    assert own.attrs["masses_from"] == "the file"
    told = ionflow.from_ase(frames("LiCl"), timestep_fs=1, masses={"Li": 6.015})
    np.testing.assert_allclose(told["mass"], [6.015, 35.45])
    assert told.attrs["masses_from"] == "given for Li; otherwise the elements"


def test_elements_rename_what_a_file_calls_otherwise():
    # as ASE reads a dump without elements: types 1, 2 become H, He
    read = ionflow.from_ase(frames("HHe"), timestep_fs=1, elements={"H": "Li", "He": "Cl"})
    assert read["element"].values.tolist() == ["Li", "Cl"]
    np.testing.assert_allclose(read["mass"], [6.94, 35.45])


def test_types_without_elements_are_an_error_that_says_what_to_do(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), NUMERIC)
    with pytest.raises(DataError, match=r"only their types: 1, 2, 3.*elements=.*species='type'"):
        ionflow.read(path, timestep_fs=2)
    with pytest.raises(DataError, match=r"which elements.*types: 1, 2, 3"):
        ionflow.read(path, timestep_fs=2, elements={1: "Li"})


def test_numeric_species_are_analysed_by_their_numbers(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic", frames=200), NUMERIC)
    read = ionflow.read(path, timestep_fs=2, species="type", temperature_K=800)
    assert set(read["element"].values) == {"X"}
    assert set(read["species"].values) == {"1", "2", "3"}
    assert np.isnan(read["mass"]).all()
    assert "unknown for 1, 2, 3" in read.attrs["masses_from"]
    with pytest.raises(DataError, match=r"masses of 1, 2, 3 are not known.*frame: none"):
        ionflow.analyse(read, ["msd"])
    found = ionflow.analyse(read, [{"use": "msd", "frame": "none"}])["msd"]
    assert found["species"].values.tolist() == ["1", "2", "3"]
    with pytest.raises(DataError, match=r"no charges: no common oxidation number of X.*charges="):
        ionflow.analyse(read, [{"use": "conductivity", "frame": "none"}])


def test_numeric_species_with_masses_and_charges_equal_elements(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic", frames=200), NUMERIC)
    told = {"timestep_fs": 2, "temperature_K": 800}
    masses, charges = {1: 6.94, 2: 26.9815385, 3: 35.45}, {1: 1, 2: 3, 3: -1}
    numeric = ionflow.read(path, species="type", masses=masses, charges=charges, **told)
    named = ionflow.read(path, elements={1: "Li", 2: "Al", 3: "Cl"}, **told)
    one, other = (ionflow.analyse(data, ["diffusion"]) for data in (numeric, named))
    np.testing.assert_allclose(
        one["diffusion"]["msd"], other["diffusion"]["msd"], rtol=1e-9, atol=1e-12
    )
    assert (numeric["charge"] == named["charge"]).all()


def test_both_types_and_elements(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id mol type element xu yu zu q")
    read = ionflow.read(path, timestep_fs=2, species="mol")
    assert read["species"].values[:3].tolist() == ["1", "2", "1"]
    assert read["element"].values[0] == "Li"
    assert read.attrs["charges_from"] == "the file"
    assert read["charge"].values[4] == 3
