"""Trajectories larger than memory: streamed to zarr, whole or not at all, and opened lazily."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import ionflow
from ionflow import view
from ionflow.errors import DataError, StoreError
from ionflow.store import PRECISION_ANGSTROM, Store

COLUMNS = "id element xs ys zs vx vy vz"


@pytest.fixture
def path(walk, write_dump, tmp_path):
    return write_dump(tmp_path / "a.lammpstrj", walk("triclinic", breathing=0.01), COLUMNS)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("ionflow.reading.collecting.shard_frames", lambda atoms: 7)
    monkeypatch.setattr("ionflow.store.standalone.shard_frames", lambda atoms: 200)


@pytest.mark.usefixtures("small_blocks")
def test_a_store_holds_what_memory_would(path, tmp_path):
    inside = ionflow.read(path, timestep_fs=2)
    stored = ionflow.read(path, timestep_fs=2, out=tmp_path / "a.zarr")
    assert stored["positions"].chunks is not None
    np.testing.assert_allclose(
        stored["positions"], inside["positions"], atol=0.51 * PRECISION_ANGSTROM
    )
    for name in ("cell", "velocities", "temperature", "time", "step", "mass", "charge"):
        np.testing.assert_array_equal(stored[name], inside[name], err_msg=name)
    assert stored.attrs == inside.attrs
    again = ionflow.read(tmp_path / "a.zarr")
    assert again.identical(stored)
    plain = xr.open_zarr(tmp_path / "a.zarr")
    np.testing.assert_array_equal(plain["positions"], stored["positions"])
    assert [p.name for p in tmp_path.iterdir()].count("a.zarr") == 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("small_blocks")
def test_at_most_a_block_of_frames_is_in_memory(path, tmp_path, monkeypatch):
    from ionflow.store import standalone

    sizes: list[int] = []
    monkeypatch.setattr(
        standalone,
        "prepared",
        lambda block, old=standalone.prepared: sizes.append(block.sizes["time"]) or old(block),
    )
    ionflow.read(path, timestep_fs=2, out=tmp_path / "a.zarr")
    assert sizes == [7, 7, 7, 7, 7, 5]


@pytest.mark.usefixtures("small_blocks")
def test_a_fault_on_the_way_leaves_nothing(path, tmp_path):
    path.write_text(path.read_text()[:-100])
    with pytest.raises(DataError, match="frame 39 "):
        ionflow.read(path, timestep_fs=2, out=tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_that_is_there_stays_unless_told(path, tmp_path):
    out = tmp_path / "a.zarr"
    ionflow.read(path, timestep_fs=2, out=out)
    with pytest.raises(StoreError, match="exists already"):
        ionflow.read(path, timestep_fs=4, out=out)
    assert ionflow.read(out).attrs["timestep_fs"] == 2
    assert ionflow.read(path, timestep_fs=4, out=out, replace=True).attrs["timestep_fs"] == 4
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match="something else"):
        ionflow.read(path, timestep_fs=2, out=tmp_path / "mine", replace=True)
    assert len(list(tmp_path.iterdir())) == 3


def test_options_of_a_store(path, tmp_path):
    stored = ionflow.read(path, timestep_fs=2, out=tmp_path / "a.zarr")
    read = ionflow.read(
        tmp_path / "a.zarr", every=3, start_ps=1.0, charges={"Li": 0.5}, masses={"Li": 6.0}
    )
    np.testing.assert_array_equal(read["positions"], stored["positions"][10::3])
    assert read["positions"].chunks is not None
    assert read["charge"].values[0] == 0.5
    assert read["mass"].values[0] == 6.0
    assert read.attrs["charges_from"].startswith("given for Li")
    with pytest.raises(DataError, match="timestep_fs, units: for files of other programs"):
        ionflow.read(tmp_path / "a.zarr", timestep_fs=1, units="real")
    with pytest.raises(DataError, match="a temperature of its own"):
        ionflow.read(tmp_path / "a.zarr", temperature_K=3)
    with pytest.raises(DataError, match="no frame is left"):
        ionflow.read(tmp_path / "a.zarr", start_ps=100)
    with pytest.raises(DataError, match="is a store already"):
        ionflow.read(tmp_path / "a.zarr", out=tmp_path / "b.zarr")


def test_numeric_species_of_a_store_can_be_told_their_charges(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "b.lammpstrj", walk("cubic"), "id type xu yu zu")
    ionflow.read(path, timestep_fs=2, species="type", out=tmp_path / "b.zarr")
    told = {"charges": {1: 1, 2: 3, 3: -1}, "masses": {1: 6.94, 2: 26.98, 3: 35.45}}
    read = ionflow.read(tmp_path / "b.zarr", **told, temperature_K=800)
    assert read["species"].values[[0, 4, 8]].tolist() == ["1", "2", "3"]
    assert read["charge"].values[[0, 4, 8]].tolist() == [1, 3, -1]
    assert (read["temperature"] == 800).all()
    assert read.attrs["temperature_from"] == "as told"


@pytest.fixture(scope="module", params=[True, False], ids=["sealed", "live"])
def run(request, synthetic, tmp_path_factory) -> view.Run:
    root = tmp_path_factory.mktemp("stores") / "run"
    made = synthetic.Synthetic(
        root, alkalis=("Li",), replicas=1, steps=500, sealed=request.param
    ).trajectories()
    return view.open(made.finish())


def test_trajectories_of_a_run(run):
    (row,) = run.select("production", temperature_K=800)
    truth = run.trajectory("production", temperature_K=800)
    folder = run.path / "trajectories" / row.key
    read = ionflow.read(folder)
    np.testing.assert_array_equal(read["positions"], truth["positions"])
    if Store.open(run.path).is_sealed(row.key):
        assert ionflow.read(folder / "trajectory.zarr").identical(read)
    with pytest.raises(StoreError, match=r"this is a run.*--select"):
        ionflow.read(run.path)


def test_a_zarr_that_is_no_trajectory(tmp_path):
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "a.zarr", consolidated=False)
    with pytest.raises(StoreError, match="no trajectory in this zarr"):
        ionflow.read(tmp_path / "a.zarr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="empty"):
        ionflow.read(tmp_path / "empty")
