from __future__ import annotations

import numpy as np
import pytest
from ase.io.cube import read_cube
from ase.units import Bohr
from typer.testing import CliRunner

from ionflow import view
from ionflow.builtin.analysers.hops.density_map import DensityMap
from ionflow.cli import app
from ionflow.cube import write_cube
from ionflow.errors import DataError
from ionflow.export import export


@pytest.fixture(scope="module")
def run(synthetic, tmp_path_factory) -> view.Run:
    """Two trajectories, each with its map, and a result that is no map."""
    root = tmp_path_factory.mktemp("cube") / "run"
    made = synthetic.Synthetic(root, alkalis=("Li",), replicas=1, steps=500).trajectories()
    opened = view.open(made.finish())
    for case in made.cases():
        data = opened.trajectory("production", temperature_K=case[1])
        made.result("density_map", case, DensityMap(points=8).analyse(data))
        made.result("cells", case, data[["cell"]].mean("time"))
    return view.open(made.finish())


def read(path):
    with path.open(encoding="utf-8") as file:
        return read_cube(file)


def test_ase_reads_back_the_map_its_cell_and_its_framework(run, tmp_path):
    result = run.results["density_map"].isel(A=0, temperature_K=0, replica=0)
    path = write_cube(result, tmp_path / "rho.cube")
    found = read(path)
    np.testing.assert_allclose(found["data"], result["density"], rtol=1e-5, atol=1e-7)
    atoms = found["atoms"]
    np.testing.assert_allclose(atoms.cell.array, result["cell"], atol=1e-4)
    np.testing.assert_allclose(atoms.positions, result["framework_position"], atol=1e-4)
    assert atoms.get_chemical_symbols() == result["framework_element"].values.tolist()
    assert "Li" not in atoms.get_chemical_symbols()
    # the first value is that at the centre of the first voxel
    np.testing.assert_allclose(found["origin"] - result["origin"], np.full(3, 10 / 16), atol=1e-4)
    assert "density, 1/angstrom^3" in path.read_text().splitlines()[0]
    integral = found["data"].sum() * np.linalg.det(found["spacing"])
    assert integral == pytest.approx(4, rel=1e-3)
    first = [float(word) for word in path.read_text().splitlines()[3].split()]
    assert first[1] * Bohr * 8 == pytest.approx(10, abs=1e-3)


def test_a_free_energy_that_is_not_known_is_the_highest(run, tmp_path):
    result = run.results["density_map"].isel(A=0, temperature_K=0, replica=0)
    data = read(write_cube(result, tmp_path / "f.cube", "free_energy"))["data"]
    unknown = result["free_energy"].isnull().values
    assert unknown.any()
    np.testing.assert_allclose(data[unknown], float(result["highest_free_energy"]), rtol=1e-5)
    np.testing.assert_allclose(data[~unknown], result["free_energy"].values[~unknown], atol=1e-6)


def test_every_map_of_a_run_is_exported(run, tmp_path):
    paths = export(run, "cube", tmp_path)
    names = [path.name for path in paths]
    assert names == ["density_map-Li-800K-r0.cube", "density_map-Li-1000K-r0.cube"]
    (hot,) = export(run, "cube", tmp_path / "hot", temperature_K=1000)
    assert hot.read_bytes() == paths[1].read_bytes()
    found = CliRunner().invoke(app, ["export", str(run.path), "--to", "cube"])
    assert found.exit_code == 0
    assert found.output.split() == [str(run.path / "export" / name) for name in names]


def test_what_is_no_single_map_is_an_error(run, tmp_path):
    with pytest.raises(DataError, match="select one point along A, temperature_K, replica"):
        write_cube(run.results["density_map"], tmp_path / "all.cube")
    with pytest.raises(DataError, match=r"no framework_element, .* density_map"):
        write_cube(run.results["cells"], tmp_path / "none.cube", "cell")
    with pytest.raises(DataError, match=r"no map of density there.*density_map"):
        export(run, "cube", tmp_path, temperature_K=77)
    with pytest.raises(DataError, match="of no stage and no frame"):
        export(run, "cube", tmp_path, every=2)
    assert not list(tmp_path.glob("*"))
