from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.units import fs

from ionflow import view
from ionflow.errors import DataError
from ionflow.export import export, frames, turned, write_lammps_frame


@pytest.fixture(scope="module")
def run(synthetic, tmp_path_factory) -> view.Run:
    root = tmp_path_factory.mktemp("export") / "run"
    made = synthetic.Synthetic(root, alkalis=("Li",), replicas=1, steps=500, velocities=True)
    return view.open(made.trajectories().finish())


@pytest.fixture(scope="module")
def truth(run):
    return run.trajectory("production", temperature_K=1000).load()


FORMATS = [("extxyz", "extxyz"), ("traj", "traj"), ("lammpsdump", "lammps-dump-text")]


@pytest.mark.parametrize(("to", "ase_format"), FORMATS)
def test_ase_reads_back_what_the_store_holds(run, truth, tmp_path, to, ase_format):
    (path,) = export(run.path, to, tmp_path, temperature_K=1000)
    read = ase.io.read(path, index=":", format=ase_format)
    assert path.name.startswith("production-Li-1000K-r0.")
    assert len(read) == truth.sizes["time"]
    for index, atoms in enumerate(read):
        frame = truth.isel(time=index)
        np.testing.assert_allclose(atoms.positions, frame["positions"], atol=1e-6)
        np.testing.assert_allclose(atoms.cell.array, frame["cell"], atol=1e-6)
        np.testing.assert_allclose(atoms.get_velocities() * fs, frame["velocities"], atol=1e-6)
        assert atoms.get_chemical_symbols() == frame["element"].values.tolist()
        assert atoms.pbc.all()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("to", ["extxyz", "traj"])
def test_energies_times_and_charges_are_written(run, truth, tmp_path, to):
    (path,) = export(run, to, tmp_path, temperature_K=1000)
    last = ase.io.read(path, index=-1)
    energy = truth["potential_energy"].values[-1]
    assert last.get_potential_energy() == pytest.approx(energy, abs=1e-6)
    assert last.info["step"] == 500
    assert last.info["time_ps"] == pytest.approx(1.0)
    np.testing.assert_allclose(last.get_initial_charges(), truth["charge"])


def test_positions_stay_unwrapped(run, truth, tmp_path):
    (path,) = export(run, "lammpsdump", tmp_path, temperature_K=1000)
    assert "xu yu zu" in path.read_text().splitlines()[8]
    assert (truth["positions"].values < 0).any()


def test_every_selects_frames(run, truth, tmp_path):
    (path,) = export(run, "extxyz", tmp_path, temperature_K=1000, every=3)
    steps = [atoms.info["step"] for atoms in ase.io.read(path, ":")]
    assert steps == truth["step"].values[::3].tolist()


def test_without_selection_all_cases_of_the_recorded_stage_are_written(run):
    paths = export(run)
    assert [p.name for p in paths] == [
        "production-Li-800K-r0.extxyz",
        "production-Li-1000K-r0.extxyz",
    ]
    assert paths[0].parent == run.path / "export"


def test_memory_holds_a_few_frames_only(truth, monkeypatch):
    monkeypatch.setattr("ionflow.export._BLOCK_BYTES", 2 * truth.sizes["atom"] * 24)
    loaded: list[int] = []
    load = type(truth).load
    monkeypatch.setattr(
        type(truth), "load", lambda self: loaded.append(self.sizes["time"]) or load(self)
    )
    assert len(list(frames(truth.chunk(time=2)))) == truth.sizes["time"]
    assert max(loaded) <= 2


CELLS = [
    [[7, 0, 0], [0, 8, 0], [0, 0, 9]],
    [[7, 0, 0], [2, 8, 0], [-1, 1.5, 9]],
    [[7, 0.3, 1], [2, 8, -1], [-1, 1.5, 9]],
    [[0, 7, 0], [8, 0, 0], [0, 0, 9]],
]


@pytest.mark.parametrize("cell", CELLS)
def test_a_lammps_box_keeps_every_distance(cell, tmp_path):
    rng = np.random.default_rng(1)
    atoms = Atoms("LiClO", rng.uniform(-20, 20, (3, 3)), cell=cell, pbc=True)
    with (tmp_path / "a.lammpstrj").open("w") as file:
        write_lammps_frame(file, atoms)
    read = ase.io.read(tmp_path / "a.lammpstrj", format="lammps-dump-text")
    np.testing.assert_allclose(read.cell.cellpar(), atoms.cell.cellpar(), atol=1e-6)
    scaled = atoms.get_scaled_positions(wrap=False)
    np.testing.assert_allclose(read.get_scaled_positions(wrap=False), scaled, atol=1e-6)
    distances = atoms.get_all_distances(mic=True)
    np.testing.assert_allclose(read.get_all_distances(mic=True), distances, atol=1e-6)
    np.testing.assert_allclose(read.get_celldisp().ravel(), 0, atol=1e-9)


def test_a_cell_that_lies_right_is_not_turned():
    cell = np.array(CELLS[1], dtype=float)
    lower, rotation = turned(cell)
    assert lower is cell
    assert (rotation == np.eye(3)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "pdb"}, "unknown format 'pdb'. Formats: extxyz, traj, lammpsdump"),
        ({"every": 0}, "every must be 1 or more"),
        ({"A": "Rb"}, "no trajectory that has begun matches.*Li-800K-r0"),
        ({"stage": "melt"}, "no positions"),
        ({"stage": "boil"}, "no stage named 'boil'"),
    ],
)
def test_what_cannot_be_written_is_an_error(run, tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        export(run, out=tmp_path / "out", **options)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
