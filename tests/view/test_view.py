from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from ionflow import view
from ionflow.errors import DataError, StoreError


def D(value: float) -> xr.Dataset:
    data = {"diffusion_coefficient": ("species", [value, value / 10], {"units": "cm^2/s"})}
    return xr.Dataset(data, {"species": ["Li", "Cl"]})


@pytest.fixture(scope="module")
def run(synthetic, tmp_path_factory) -> view.Run:
    made = synthetic.Synthetic(tmp_path_factory.mktemp("view") / "run", steps=400)
    made.trajectories(missing=(("Na", 1000, 1),))
    for number, case in enumerate(made.cases()):
        made.result("diffusion", case, None if case == ("Na", 1000, 1) else D(float(number)))
        made.result("rdf", case, None)
    made.joined("arrhenius", xr.Dataset({"activation_energy": ("A", [0.3, 0.4])}, {"A": [*"ab"]}))
    return view.open(made.finish())


def test_results_are_joined_over_the_scan_and_lazy(run):
    diffusion = run.results["diffusion"]["diffusion_coefficient"]
    assert diffusion.dims == ("A", "temperature_K", "replica", "species")
    assert isinstance(diffusion.data, da.Array)
    assert diffusion.sel(A="Na", temperature_K=800, replica=1, species="Li").values == 5.0
    assert np.isnan(diffusion.sel(A="Na", temperature_K=1000, replica=1)).all()
    assert diffusion.attrs["units"] == "cm^2/s"


def test_a_result_over_the_whole_scan_is_as_the_analyser_gave_it(run):
    assert run.results["arrhenius"]["activation_energy"].values.tolist() == [0.3, 0.4]


def test_results_are_those_that_are_there(run):
    assert list(run.results) == ["diffusion", "arrhenius"]
    assert len(run.results) == 2
    assert "rdf" not in run.results
    assert run.results.progress() == {"diffusion": (7, 8), "rdf": (0, 8), "arrhenius": (1, 1)}


def test_an_absent_result_says_what_is_there(run):
    with pytest.raises(DataError, match=r"no result of 'rdf' is there yet.*diffusion, arrhenius"):
        run.results["rdf"]
    with pytest.raises(DataError, match=r"no analysis named 'rfd'.*diffusion, arrhenius"):
        run.results["rfd"]


def test_trajectories_are_a_tree_by_stage_and_case(run):
    tree = run.trajectories
    assert set(tree.children) == {"melt", "quench", "production"}
    assert "Na-1000K-r1" not in tree["production"].children
    node = tree["production/Li-800K-r0"]
    assert node["positions"].dims == ("time", "atom", "xyz")
    assert isinstance(node["positions"].data, da.Array)
    assert node["temperature_K"].item() == 800
    assert "positions" not in tree["melt/Li-r0"].dataset


def test_one_trajectory_by_its_coordinates(run):
    one = run.trajectory("production", A="Li", temperature_K=800.0, replica=1)
    assert (one["A"].item(), one["replica"].item()) == ("Li", 1)
    melt = run.trajectory("melt", A="Na", temperature_K=800, replica=0)
    assert melt.attrs["stage"] == "melt"


@pytest.mark.parametrize(
    ("stage", "coords", "message"),
    [
        ("production", {"A": "Li"}, "4 trajectories match A='Li'.*Li-800K-r0"),
        ("production", {"A": "Rb"}, "no trajectories match A='Rb'"),
        ("prodction", {}, "no stage named 'prodction'. Stages: melt, quench, production"),
    ],
)
def test_a_trajectory_that_is_not_one_is_an_error(run, stage, coords, message):
    with pytest.raises(DataError, match=message):
        run.trajectory(stage, **coords)


def test_provenance_recipe_and_failures(run):
    assert run.provenance["scale"] == "laptop"
    assert "tasks" not in run.provenance
    assert run.recipe["structure"] == {"use": "packing"}
    assert run.failures == {}


def test_it_shows_itself(run):
    assert "diffusion 7/8" in repr(run)
    assert "temperature_K (2)" in repr(run)
    assert "diffusion" in repr(run.results)
    assert "<table>" in run._repr_html_()


def test_html_of_hostile_names_is_escaped(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run").finish(name="<script>alert(1)</script>")
    assert "<script>" not in view.open(made)._repr_html_()


def test_a_folder_that_is_no_run_says_so(tmp_path: Path):
    with pytest.raises(StoreError, match="no ionflow run in this folder"):
        view.open(tmp_path)
    with pytest.raises(StoreError, match="no ionflow run in this folder"):
        view.open(tmp_path / "nowhere")


def test_a_run_that_has_only_begun_opens(synthetic, tmp_path):
    run = view.open(synthetic.Synthetic(tmp_path / "run").finish(finished=False))
    assert list(run.results) == []
    assert "not finished" in repr(run)
    assert repr(run.results).endswith("(none yet)")


def test_results_appear_while_it_is_open(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", steps=100).trajectories()
    first, second = made.cases()[:2]
    made.result("diffusion", first, D(1.0))
    made.result("diffusion", second, None)
    run = view.open(made.finish())
    assert run.results["diffusion"]["replica"].size == 2
    key = made.tasks[-1]["key"]
    coords = {"A": "Li", "temperature_K": 800, "replica": 1}
    made.store.write_result(key, D(2.0).assign_coords(coords))
    values = run.results["diffusion"]["diffusion_coefficient"].sel(A="Li", temperature_K=800)
    assert values.sel(species="Li").values.tolist() == [1.0, 2.0]
