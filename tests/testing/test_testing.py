"""Each check passes on a good plugin and fails, with its remedy, on each broken promise."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.build import bulk

from ionflow.testing import (
    SoftSpheres,
    Walker,
    check_analyser,
    check_engine,
    check_generator,
    check_plugin,
    check_potential,
    synthetic_trajectory,
)
from ionflow.testing import plugins as plugins_module


@pytest.fixture(autouse=True)
def wrongdoers(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "path")
    return importlib.import_module("wrongdoers")


@pytest.fixture
def one_process(monkeypatch):
    """Skip the second process where another promise is at stake: it takes its time."""
    monkeypatch.setattr(plugins_module, "_check_identity", lambda plugin: None)


@pytest.mark.parametrize(
    ("name", "broken", "fix"),
    [
        ("BadName", "'Bad Name', no legal name", "set use"),
        ("Undocumented", "field 'depth' is not documented", "write a docstring"),
        ("Thawed", "field 'size' can be assigned to", "keep frozen"),
        ("Unhashable", "cannot be hashed", "use tuples"),
        ("Lossy", "through JSON", "types that JSON carries"),
        ("Outsider", "outside_identity names path", "name fields only"),
        ("Restless", "differs between processes", "leave out what differs"),
    ],
)
def test_what_every_plugin_promises(wrongdoers, name, broken, fix):
    with pytest.raises(AssertionError, match=broken) as caught:
        check_plugin(getattr(wrongdoers, name)())
    assert fix in str(caught.value)


def test_a_plugin_that_no_other_process_can_import_is_found():
    class Local(SoftSpheres):
        """Defined inside a function."""

        use = "local"

    with pytest.raises(AssertionError, match="cannot be pickled"):
        check_plugin(Local())


def test_a_plugin_of_another_kind_is_named(wrongdoers):
    with pytest.raises(AssertionError, match="Salt is no Potential"):
        check_potential(wrongdoers.Salt())


def test_a_good_generator_passes(wrongdoers):
    check_generator(wrongdoers.Salt())


@pytest.mark.parametrize(
    ("name", "broken", "fix"),
    [
        ("Unseeded", "two structures for one state", "rng argument"),
        ("Miscounted", "promises {'Na': 2, 'Cl': 1}", "same numbers"),
        ("Molecule", "cell of rank 0", "pbc=True"),
        ("Coincident", "closer than 0.3", "keep atoms apart"),
        ("Constrained", "constraints", "bare atoms"),
    ],
)
@pytest.mark.usefixtures("one_process")
def test_what_a_generator_promises(wrongdoers, name, broken, fix):
    with pytest.raises(AssertionError, match=broken) as caught:
        check_generator(getattr(wrongdoers, name)())
    assert fix in str(caught.value)


def test_a_good_potential_passes():
    check_potential(SoftSpheres(), tolerance=1e-5)


@pytest.mark.parametrize(
    ("name", "broken", "fix"),
    [
        ("WrongSign", "not minus the derivative", "check sign"),
        ("Gigapascal", "stress is not the derivative", "not GPa"),
        ("Fixed", "another energy", "vectors between atoms"),
        ("Noisy", "different forces for the same atoms", "no random numbers"),
        ("Shared", "same object twice", "a new one on every call"),
        ("Meddling", "changes its arguments", "clone"),
        ("Single", "float32", "return float64"),
        ("Graph", "graph of gradients", "detach"),
        ("Flat", "have shapes", "return \\(system,\\)"),
        ("Mixed", "alone and in a batch", "each system alone"),
        (
            "Twofold",
            "field and calculator differ|force field and calculator differ",
            "one potential",
        ),
    ],
)
@pytest.mark.usefixtures("one_process")
def test_what_a_potential_promises(wrongdoers, name, broken, fix):
    with pytest.raises(AssertionError, match=broken) as caught:
        check_potential(getattr(wrongdoers, name)())
    assert caught.match(fix)


@pytest.mark.usefixtures("one_process")
def test_a_potential_is_checked_on_given_atoms():
    atoms = bulk("Ar", cubic=True, a=5.3).repeat(2)
    atoms.rattle(0.1, seed=0)
    check_potential(SoftSpheres(range_angstrom=4.5), atoms, tolerance=1e-5)


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
def test_a_good_engine_passes(thermostat):
    from ionflow.builtin.engines.ase import Ase

    check_engine(Ase(timestep_fs=1, thermostat=thermostat))


@pytest.mark.parametrize(
    ("name", "broken", "fix"),
    [
        ("Warm", "net momentum", "remove the net momentum"),
        ("Amnesiac", "momenta that a system brings", "only for systems that have none"),
        ("Celsius", "temperature_K is", "3N - 3"),
        ("Countless", "batch\\(20\\) gives 0", "1 where the engine takes one"),
        ("Repeating", "frames at steps", "segment.frame_steps"),
        ("AseUnits", "velocities of the frame", "Å/fs"),
        ("Aliasing", "same positions", "a copy"),
        ("Lagging", "total energy changes", "of one moment"),
        ("Wrapping", "jumps|not where the last frame is", "never wrap|in place"),
        ("Forgetful", "after a restart differ", "info"),
        ("Hoarding", "info\\['ionflow'\\] is", "only floats"),
        ("Clingy", "cannot be pickled", "leave no calculator"),
        ("Deaf", "another seed gives the same", "segment.rng"),
    ],
)
@pytest.mark.usefixtures("one_process")
def test_what_an_engine_promises(wrongdoers, name, broken, fix):
    with pytest.raises(AssertionError, match=broken) as caught:
        check_engine(getattr(wrongdoers, name)(timestep_fs=1, thermostat="nose_hoover"))
    assert caught.match(fix)


def test_a_good_analyser_passes(wrongdoers):
    check_analyser(wrongdoers.Spread())


@pytest.mark.parametrize(
    ("name", "broken", "fix"),
    [
        ("Unitless", "'spread' has no units", "set .attrs"),
        ("Untidy", "changes its input", "a copy"),
        ("Barefoot", "returns a DataArray", "return an xarray.Dataset"),
        ("Empty", "result is empty", "at least one variable"),
        ("Objects", "holds object objects", "numbers or texts"),
        ("Nameless", "dims dim_0 have no name", "name every dimension"),
        ("Dice", "two results", "seed every random number"),
        ("Eager", "lazy, chunked input", "xarray operations"),
        ("Unlabelled", "scalar coords A, temperature_K, replica", "keep them"),
        ("Partial", "change the numbers", "as labels"),
        ("Following", "following needs spread", "give check_analyser"),
    ],
)
@pytest.mark.usefixtures("one_process")
def test_what_an_analyser_promises(wrongdoers, name, broken, fix):
    with pytest.raises(AssertionError, match=broken) as caught:
        check_analyser(getattr(wrongdoers, name)())
    assert fix in str(caught.value)


@pytest.mark.usefixtures("one_process")
def test_an_analyser_of_results_is_given_them(wrongdoers):
    results = xr.Dataset({"spread": ("replica", [1.0, 2.0])})
    check_analyser(wrongdoers.Following(), results)
    check_analyser(wrongdoers.Following(), [results])
    with pytest.raises(AssertionError, match="2 Datasets are given"):
        check_analyser(wrongdoers.Following(), [results, results])


def test_walkers_diffuse_as_stated():
    species = {"Li": Walker(400, 0.5, 1.0), "Cl": Walker(400, 0.02, -1.0)}
    trajectory = synthetic_trajectory(species, frames=400, interval_ps=0.2)
    steps = trajectory["positions"].diff("time")
    for element, walker in species.items():
        own = steps.sel(atom=trajectory["element"] == element)
        found = float((own**2).mean()) / (2 * 0.2)
        # the mean of n squares of normal deviates has the relative error sqrt(2/n)
        assert found == pytest.approx(walker.diffusion_A2_ps, rel=5 * np.sqrt(2 / own.size))
    assert float(trajectory["charge"].sum()) == 0


def test_a_trajectory_is_the_schemas_and_of_its_seed():
    one, same, other = (synthetic_trajectory(frames=4, seed=s) for s in (1, 1, 2))
    assert one.identical(same)
    assert not one.equals(other)
    assert {name: v.attrs["units"] for name, v in one.data_vars.items()} == {
        "positions": "angstrom",
        "cell": "angstrom",
        "kinetic_energy": "eV",
        "potential_energy": "eV",
        "temperature": "K",
    }
    assert one["time"].values == pytest.approx([0, 0.1, 0.2, 0.3])


def test_soft_spheres_refuse_a_cell_that_they_see_twice():
    from ionflow.errors import PluginError

    atoms = Atoms("Ar2", [[0, 0, 0], [2, 0, 0]], cell=[7.9] * 3, pbc=True)
    atoms.calc = SoftSpheres().calculator()
    with pytest.raises(PluginError, match=r"7.90 Å wide"):
        atoms.get_potential_energy()
