"""`ionflow analyse` and `ionflow.analyse`: from a file to numbers without a recipe."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import ionflow
from ionflow import Analyser
from ionflow.cli import app
from ionflow.errors import DataError, RecipeError
from ionflow.export import frames, write_lammps_frame
from ionflow.testing import synthetic_trajectory

TOLD = ("--timestep-fs", "100", "--temperature-K", "800")


def call(*words: object):
    return CliRunner().invoke(app, ["analyse", *map(str, words)])


@pytest.fixture(scope="module")
def trajectory() -> xr.Dataset:
    return synthetic_trajectory(frames=400)


@pytest.fixture(scope="module")
def path(trajectory, tmp_path_factory):
    """A dump whose types are numbers: Li 1, Al 2, O 3, Cl 4."""
    path = tmp_path_factory.mktemp("analyse") / "a.lammpstrj"
    with path.open("w") as file:
        for atoms in frames(trajectory):
            write_lammps_frame(file, atoms)
    lines = (
        " ".join(word for k, word in enumerate(line.split(" ")) if k != 2 or line[0] == "I")
        for line in path.read_text().splitlines(keepends=True)
    )
    path.write_text("".join(lines).replace("id type element", "id type"))
    return path


def test_a_file_with_numeric_types_end_to_end(path, trajectory, tmp_path):
    out = tmp_path / "new" / "result.zarr"
    result = call(
        path, *TOLD, "--with", "diffusion", "--with", "conductivity",
        "--set", "conductivity.cage_A2=4", "--set", "diffusion.cage_A2=4",
        "--elements", "1=Li,2=Al,3=O,4=Cl", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "84 atoms (Li 16, Al 16, O 12, Cl 40), 400 frames, 0.1 ps apart" in result.stdout
    assert "diffusion_coefficient" in result.stdout
    assert "cm^2/s" in result.stdout
    tree = xr.open_datatree(out, engine="zarr")
    assert set(tree.children) == {"diffusion", "conductivity"}
    expected = ionflow.analyse(trajectory, [{"use": "diffusion", "cage_A2": 4}])["diffusion"]
    found = xr.open_zarr(out, group="diffusion")
    np.testing.assert_allclose(
        found["diffusion_coefficient"], expected["diffusion_coefficient"], rtol=1e-4
    )
    # Brownian walkers of known D, 0.5 Å²/ps = 5e-5 cm²/s
    low, high = found["ci95"].sel(species="Li").values
    assert low < 5e-5 < high
    assert '"cage_A2": 4' in tree.attrs["analysers"]
    assert tree.attrs["charges_from"].startswith("common oxidation numbers")


def test_species_by_type(path):
    result = call(path, *TOLD, "--with", "diffusion", "--species", "type", "--masses",
                  "1=6.94,2=26.98,3=16,4=35.45", "--every", "2", "--start-ps", "2")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "(1 16, 2 16, 3 12, 4 40), 190 frames, 0.2 ps apart" in result.stdout
    row = next(line for line in result.stdout.splitlines() if line.startswith("diffusion"))
    assert row.split()[2] == "1"


def test_all_faults_at_once_before_anything_is_read(path, tmp_path):
    (tmp_path / "old.zarr").mkdir()
    result = call(
        path, "--with", "msds", "--with", "diffusion", "--set", "diffusion.lag=3",
        "--set", "conductivity.lags=16", "--charges", "Li=a", "--elements", "1:Li",
        "--units", "lj", "--select", "A=Li", "--every", "0", "--out", tmp_path / "old.zarr",
    )  # fmt: skip
    assert result.exit_code == 2
    for text in (
        "--with: msds.use: unknown analyser 'msds'. Did you mean 'msd'?",
        "--set: diffusion.lag: unknown field of 'diffusion'. Did you mean 'lags'?",
        "--set: conductivity.lags: 'conductivity' is not asked for",
        "--charges: Li: must be a number, not the text 'a'",
        "--elements: must be a mapping, not the text '1:Li'",
        "--units: must be 'metal' or 'real'",
        "--every: must be at least 1, not 0",
        "--select: A: is for run folders",
        "something else than a zarr folder",
    ):
        assert text in result.stderr
    assert "Traceback" not in result.output


def test_nothing_to_do_and_nothing_there(tmp_path):
    result = call(tmp_path / "none.traj")
    assert result.exit_code == 2
    assert "--with: name one analyser or more. Installed: " in result.stderr
    assert "no such file or folder" in result.stderr


def test_results_are_not_overwritten(path, tmp_path):
    out = tmp_path / "r.zarr"
    asked = (path, *TOLD, "--elements", "1=Li,2=Al,3=O,4=Cl", "--every", "4", "--out", out)
    assert call(*asked, "--with", "msd").exit_code == 0
    again = call(*asked, "--with", "diffusion")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert call(*asked, "--with", "diffusion", "--force").exit_code == 0
    assert set(xr.open_datatree(out, engine="zarr").children) == {"diffusion"}


def test_one_that_fails_leaves_the_others(path, tmp_path):
    out = tmp_path / "r.zarr"
    result = call(path, "--timestep-fs", "100", "--elements", "1=Li,2=Al,3=O,4=Cl", "--with", "msd",
                  "--with", "conductivity", "--with", "arrhenius", "--out", out)  # fmt: skip
    assert result.exit_code == 1
    assert "conductivity: the trajectory has no temperature" in result.stderr
    assert "temperature_K" in result.stderr
    assert "arrhenius: " in result.stderr
    assert "one trajectory" in result.stderr
    assert {"msd", "diffusion"} <= set(xr.open_datatree(out, engine="zarr").children)


def test_a_file_that_cannot_be_read_is_one_line(path, tmp_path):
    result = call(path, "--timestep-fs", "100", "--with", "msd")
    assert result.exit_code == 1
    assert "elements=" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_trajectory_of_a_run(synthetic, tmp_path):
    run = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=1000)
    run = run.trajectories().finish()
    asked = (run, "--with", "diffusion")
    result = call(*asked)
    assert result.exit_code == 1
    assert "2 trajectories match nothing more" in result.stderr
    assert "Li-800K-r0" in result.stderr
    typo = call(*asked, "--select", "B=Li", "--timestep-fs", "2")
    assert typo.exit_code == 2
    assert "--select: B: the run has no such axis" in typo.stderr
    assert "--timestep-fs: is for files" in typo.stderr
    chosen = ("temperature_K=1000", "replica=0", "stage=production")
    words = [word for text in chosen for word in ("--select", text)]
    result = call(*asked, *words, "--out", tmp_path / "r.zarr")
    assert result.exit_code == 0, result.output
    found = xr.open_zarr(tmp_path / "r.zarr", group="diffusion")
    assert found["temperature_K"] == 1000
    assert str(found["A"].values) == "Li"


def test_a_store(path, tmp_path):
    store = tmp_path / "a.zarr"
    ionflow.read(path, timestep_fs=100, elements={1: "Li", 2: "Al", 3: "O", 4: "Cl"}, out=store)
    result = call(store, "--with", "msd", "--every", "4")
    assert result.exit_code == 0, result.output
    assert "msd: msd" in result.stdout
    refused = call(store, "--with", "msd", "--timestep-fs", "2")
    assert refused.exit_code == 2


def test_the_function_takes_names_mappings_and_analysers(trajectory):
    msd = ionflow.plugins()["msd"](lags=16)
    found = ionflow.analyse(trajectory, [msd, "rdf", {"use": "diffusion", "lags": 32}])
    assert list(found) == ["msd", "rdf", "diffusion"]
    assert found["msd"].sizes["lag"] <= 16
    xr.testing.assert_equal(found["msd"], msd.analyse(trajectory))


def test_faults_of_the_function(trajectory):
    with pytest.raises(RecipeError) as caught:
        ionflow.analyse(trajectory, ["msds", {"use": "diffusion", "lag": 3}, {"lags": 2}])
    text = str(caught.value)
    assert "Did you mean 'msd'?" in text
    assert "Did you mean 'lags'?" in text
    assert "is missing" in text
    with pytest.raises(RecipeError, match="twice"):
        ionflow.analyse(trajectory, ["msd", ionflow.plugins()["msd"]()])
    lost = trajectory.drop_vars("temperature")
    with pytest.raises(DataError, match="temperature") as failed:
        ionflow.analyse(lost, ["msd", "conductivity"])
    assert failed.value.__notes__ == ["raised by the analyser 'conductivity'"]


class Sum(Analyser):
    """Adds up what another analyser found; not installed anywhere."""

    use = "sum"
    needs = ("msd",)

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        return data[0][["msd"]].sum("species")


def test_needs_are_met_from_one_trajectory(trajectory):
    own = ionflow.plugins()["msd"](lags=16)
    found = ionflow.analyse(trajectory.assign_coords(A="Li"), [Sum(), own])
    assert list(found) == ["msd", "sum"]
    assert found["msd"].sizes["lag"] <= 16
    np.testing.assert_allclose(
        found["sum"]["msd"].squeeze(), found["msd"]["msd"].sum("species"), rtol=1e-12
    )
    assert found["sum"]["A"].values.tolist() == ["Li"]
