"""Files that ASE or VASP write: XDATCAR, extended XYZ, .traj; and what ionflow exports."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import ionflow
from ionflow import view
from ionflow.errors import DataError
from ionflow.export import export


@pytest.fixture(scope="module")
def run(synthetic, tmp_path_factory) -> view.Run:
    root = tmp_path_factory.mktemp("reading") / "run"
    made = synthetic.Synthetic(root, alkalis=("Li",), replicas=1, steps=500, velocities=True)
    return view.open(made.trajectories().finish())


@pytest.mark.parametrize("to", ["extxyz", "traj", "lammpsdump"])
def test_what_ionflow_exports_is_read_back(run, tmp_path, to):
    truth = run.trajectory("production", temperature_K=1000).load()
    (path,) = export(run, to, tmp_path, temperature_K=1000)
    # the other two say the time of each frame
    read = ionflow.read(path, **({"timestep_fs": 2} if to == "lammpsdump" else {}))
    for name in ("positions", "cell", "velocities", "time", "step", "mass", "charge"):
        np.testing.assert_allclose(read[name], truth[name], atol=1e-6, err_msg=name)
    assert read["element"].values.tolist() == truth["element"].values.tolist()
    assert read.attrs["timestep_fs"] == pytest.approx(2)
    assert "velocities" in read.attrs["temperature_from"]
    if to != "lammpsdump":
        np.testing.assert_allclose(read["potential_energy"], truth["potential_energy"], rtol=1e-6)
        assert read.attrs["charges_from"] == "the file"


def images(walk, momenta: bool = False) -> list[Atoms]:
    found = []
    for t, (cell, inside) in enumerate(zip(walk.cells, walk.inside, strict=True)):
        atoms = Atoms(walk.names, inside @ cell, cell=cell, pbc=True)
        atoms.set_tags([1] * 4 + [2] * 12 + [3] * 8)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.5 * t)
        if momenta:
            atoms.set_momenta(walk.velocities[t])
        found.append(atoms)
    return found


@pytest.mark.parametrize("breathing", [0.0, 0.02])
def test_xdatcar(walk, tmp_path, breathing):
    truth = walk("triclinic", breathing=breathing)
    path = tmp_path / "XDATCAR"
    ase.io.write(path, images(truth), format="vasp-xdatcar")
    read = ionflow.read(path, timestep_fs=2, frame_every=10)
    frames = ase.io.read(path, ":", format="vasp-xdatcar")
    assert read.sizes["time"] == len(frames) == 40
    for t, atoms in enumerate(frames):
        np.testing.assert_allclose(read["cell"][t], atoms.cell.array, atol=1e-6)
        # the same but for whole cells
        shift = np.linalg.solve(
            atoms.cell.array.T, (read["positions"].values[t] - atoms.positions).T
        )
        np.testing.assert_allclose(shift, np.rint(shift), atol=1e-5)
    moved = (read["positions"] - read["positions"][0]).values
    offset = np.floor(truth.scaled[0]) @ (truth.cells - truth.cells[0])
    np.testing.assert_allclose(moved + offset, truth.positions - truth.positions[0], atol=1e-4)
    np.testing.assert_allclose(read["time"], np.arange(40) * 0.02)


def test_xdatcar_of_vasp_6_and_with_a_scale(walk, tmp_path):
    path = tmp_path / "XDATCAR_run2"
    ase.io.write(path, images(walk("cubic")), format="vasp-xdatcar")
    plain = ionflow.read(path, timestep_fs=20)
    lines = path.read_text().splitlines(keepends=True)
    names, scale = lines[5], lines[1]
    volume = f"  {-(18.0**3):.6f}\n"  # so a negative scale is meant
    changed = {names: " Li/a1b2  Al_d/3f4e  Cl\n", scale: volume}
    path.write_text("".join(changed.get(line, line) for line in lines))
    read = ionflow.read(path, timestep_fs=20)
    np.testing.assert_allclose(read["cell"], 2 * plain["cell"], rtol=1e-9)
    assert read["element"].values.tolist() == plain["element"].values.tolist()


def test_a_cut_xdatcar(walk, tmp_path):
    path = tmp_path / "XDATCAR"
    ase.io.write(path, images(walk("cubic")), format="vasp-xdatcar")
    path.write_text(path.read_text()[:-60])
    with pytest.raises(DataError, match=r"frame 39 .*ends within this frame"):
        ionflow.read(path, timestep_fs=20)
    assert ionflow.read(path, timestep_fs=20, truncated="drop").sizes["time"] == 39


@pytest.mark.parametrize("name", ["a.extxyz", "a.xyz", "a.traj"])
def test_energies_and_temperature_of_ase_files(walk, tmp_path, name):
    truth = walk("triclinic")
    frames = images(truth, momenta=True)
    ase.io.write(tmp_path / name, frames)
    read = ionflow.read(tmp_path / name, timestep_fs=2, frame_every=5, species="tags")
    np.testing.assert_allclose(read["potential_energy"], -1.5 * np.arange(40))
    energy = [atoms.get_kinetic_energy() for atoms in frames]
    np.testing.assert_allclose(read["kinetic_energy"], energy, rtol=1e-6)
    assert read["species"].values.tolist() == ["1"] * 4 + ["2"] * 12 + ["3"] * 8
    assert read["time"].values[-1] == pytest.approx(0.39)
    assert read.attrs["time_from"] == "frame_every = 5"
    plain = ionflow.read(tmp_path / name, timestep_fs=2)
    assert plain.attrs["time_from"].startswith("timestep_fs as the time between frames")


@pytest.mark.parametrize(("name", "cut"), [("a.extxyz", 30), ("a.traj", 300)])
def test_cut_ase_files(walk, tmp_path, name, cut):
    path = tmp_path / name
    ase.io.write(path, images(walk("cubic")))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        ionflow.read(path, timestep_fs=2)


def test_frames_of_a_generator_are_not_kept(walk):
    import weakref

    truth = walk("cubic")
    alive: list[weakref.ref] = []
    most = 0

    def frames():
        nonlocal most
        for atoms in images(truth):
            fresh = atoms.copy()
            alive.append(weakref.ref(fresh))
            most = max(most, sum(ref() is not None for ref in alive))
            yield fresh
            del fresh

    ionflow.from_ase(frames(), timestep_fs=2)
    assert len(alive) == 40
    assert most <= 3


def test_missing_momenta_are_nan_and_the_argument_is_used(walk):
    frames = images(walk("cubic"), momenta=True)
    del frames[0].arrays["momenta"]
    read = ionflow.from_ase(frames, timestep_fs=2)
    assert np.isnan(read["temperature"][0])
    assert np.isfinite(read["temperature"][1:]).all()
    still = ionflow.from_ase(images(walk("cubic")), timestep_fs=2, temperature_K=500)
    assert (still["temperature"] == 500).all()
    assert still.attrs["temperature_from"] == "as told"
    none = ionflow.from_ase(images(walk("cubic")), timestep_fs=2)
    assert "temperature" not in none
    with pytest.raises(DataError, match=r"no temperature.*temperature_K"):
        ionflow.analyse(none, ["conductivity"])


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames"),
        ("md.traj", r"frame 0: a str where ASE Atoms.*ionflow\.read"),
        ([Atoms("Li", cell=[5, 5, 5])], "not periodic in all three"),
        ([Atoms("Li", pbc=True)], "not periodic in all three"),
    ],
)
def test_frames_that_are_none(frames, message):
    with pytest.raises(DataError, match=message):
        ionflow.from_ase(frames, timestep_fs=1)


def test_an_unknown_format_lists_those_known(tmp_path):
    path = tmp_path / "trajectory.dcd"
    path.write_bytes(b"CORD")
    with pytest.raises(
        DataError, match=r"not known.*lammps.*xdatcar.*extxyz.*traj.*zarr.*from_ase"
    ):
        ionflow.read(path, timestep_fs=1)
    with pytest.raises(DataError, match="no such file"):
        ionflow.read(tmp_path / "none.traj")
    with pytest.raises(
        DataError, match=r"timestep: unknown option. Did you mean 'timestep_fs'.*every"
    ):
        ionflow.read(path, timestep=1, every=0)
