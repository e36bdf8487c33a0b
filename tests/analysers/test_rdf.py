from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.neighborlist import neighbor_list

from ionflow import schema
from ionflow.builtin.analysers.structure.rdf import Rdf
from ionflow.errors import DataError

GLASS = Path(__file__).parent.parent / "data" / "LiAlCl2.5O0.75_84.xyz"


def trajectory_of(atoms: Atoms, positions: np.ndarray, cells: np.ndarray | None = None):
    frames = len(positions)
    cell = np.broadcast_to(atoms.cell.array, (frames, 3, 3)) if cells is None else cells
    return schema.trajectory(atoms, np.arange(frames), 2.0, {"positions": positions, "cell": cell})


def of(result: xr.Dataset, pair: str) -> tuple[float, float, float]:
    names = ("first_peak", "cutoff", "coordination_number")
    return tuple(float(result[name].sel(pair=pair)) for name in names)


def test_ideal_gas_is_one_in_a_skewed_cell_beyond_half_of_it() -> None:
    rng = np.random.default_rng(1)
    atoms = Atoms("Li40Cl60", cell=[[12, 0, 0], [3, 11, 0], [1, 2, 13]], pbc=True)
    scaled = rng.random((150, 100, 3)) + rng.integers(-9, 9, (150, 100, 3))  # unwrapped
    data = trajectory_of(atoms, scaled @ atoms.cell.array)
    result = Rdf(r_max_angstrom=9, bins=90, max_frames=150).analyse(data)
    g = result["g"].sel(r=slice(2, 9))
    for pair, exact in {"Li-Li": 1 - 1 / 40, "Li-Cl": 1.0, "Cl-Cl": 1 - 1 / 60}.items():
        near = slice(2, 5)  # no atom meets its own image here
        assert g.sel(pair=pair, r=near).mean() == pytest.approx(exact, abs=0.015)
    assert abs(g.sel(pair="Li-Cl") - 1).max() < 0.12
    assert result["cutoff"].isnull().all()
    assert result["coordination_number"].isnull().all()


@pytest.mark.parametrize("repeat", [1, 2])
def test_rocksalt_shells_and_their_numbers(repeat) -> None:
    """Shells at a/2 (6), a/√2 (12), a√3/2 (8), even in the primitive cell of two atoms."""
    atoms = bulk("NaCl", "rocksalt", a=5.64) * ((repeat,) * 3)
    data = trajectory_of(atoms, np.repeat(atoms.positions[None], 3, axis=0))
    result = Rdf(r_max_angstrom=7, bins=280).analyse(data)
    peak, cutoff, number = of(result, "Na-Cl")
    assert peak == pytest.approx(2.82, abs=0.03)
    assert 2.82 < cutoff < 4.88
    assert number == pytest.approx(6)
    assert of(result, "Cl-Cl")[0] == pytest.approx(3.988, abs=0.03)
    assert of(result, "Cl-Cl")[2] == pytest.approx(12)
    edge = int(np.searchsorted(result["r_edge"], 5.2))
    assert result["running_coordination"].sel(pair="Na-Cl")[edge] == pytest.approx(6 + 8)


def test_fcc_coordination_is_twelve() -> None:
    atoms = bulk("Al", "fcc", a=4.05)
    data = trajectory_of(atoms, np.zeros((2, 1, 3)))
    peak, _, number = of(Rdf(r_max_angstrom=6).analyse(data), "Al-Al")
    assert peak == pytest.approx(4.05 / np.sqrt(2), abs=0.03)
    assert number == pytest.approx(12)


def test_equals_freud() -> None:
    freud = pytest.importorskip("freud")
    rng = np.random.default_rng(2)
    atoms = Atoms("Li30", cell=[14.0, 14.0, 14.0], pbc=True)
    x = rng.random((20, 30, 3)) * 14
    theirs = freud.density.RDF(bins=60, r_max=6.9)
    box = freud.box.Box.cube(14)
    for frame in x:
        theirs.compute((box, box.wrap(frame)), reset=False)
    ours = Rdf(r_max_angstrom=6.9, bins=60).analyse(trajectory_of(atoms, x))
    np.testing.assert_allclose(ours["r"], theirs.bin_centers, rtol=1e-5)
    np.testing.assert_allclose(ours["g"].sel(pair="Li-Li"), theirs.rdf, rtol=1e-4, atol=1e-5)


def test_a_glass_has_the_neighbours_that_ase_counts() -> None:
    atoms = read(GLASS)
    x = atoms.positions + np.random.default_rng(3).normal(0, 0.05, (12, len(atoms), 3))
    result = Rdf().analyse(trajectory_of(atoms, x))
    _, cutoff, number = of(result, "Al-O")
    assert cutoff > 1.9
    counts = []
    for frame in x:
        atoms.positions = frame
        i, j = neighbor_list("ij", atoms, cutoff)
        symbols = np.array(atoms.get_chemical_symbols())
        counts.append(((symbols[i] == "Al") & (symbols[j] == "O")).sum() / (symbols == "Al").sum())
    assert number == pytest.approx(np.mean(counts), abs=1e-9)
    block = np.arange(12) * 5 // 12
    blocks = [np.mean(np.array(counts)[block == k]) for k in range(5)]
    stderr = result["coordination_number_stderr"].sel(pair="Al-O")
    assert stderr == pytest.approx(np.std(blocks, ddof=1) / np.sqrt(5), abs=1e-9)
    there, back = (result["running_coordination"].sel(pair=p) for p in ("Al-O", "O-Al"))
    np.testing.assert_allclose(there * (symbols == "Al").sum(), back * (symbols == "O").sum())


def test_each_frame_counts_with_its_own_volume() -> None:
    """An ideal gas in a cell that doubles its volume is still one."""
    rng = np.random.default_rng(4)
    sides = np.where(np.arange(200) % 2, 10.0, 10.0 * 2 ** (1 / 3))
    cells = sides[:, None, None] * np.eye(3)
    atoms = Atoms("Li40Cl40", cell=[10.0] * 3, pbc=True)
    x = rng.random((200, 80, 3)) * sides[:, None, None]
    result = Rdf(r_max_angstrom=5, bins=50).analyse(trajectory_of(atoms, x, cells))
    far = result["g"].sel(pair="Li-Cl", r=slice(2, 5))
    assert far.mean() == pytest.approx(1, abs=0.01)


def test_frames_are_thinned_evenly_and_lazily() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    data = trajectory_of(atoms, np.repeat(atoms.positions[None], 90, axis=0)).chunk(time=7)
    result = Rdf(r_max_angstrom=5, max_frames=10).analyse(data.assign_coords(replica=2))
    assert result.attrs["frames"] == 10
    assert result.attrs["frames_of"] == 90
    assert result["replica"] == 2
    assert result["g_stderr"].notnull().all()
    assert result["pair"].values.tolist() == ["Na-Na", "Na-Cl", "Cl-Na", "Cl-Cl"]
    assert result["second"].sel(pair="Na-Cl") == "Cl"
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.variables.values()
               if v.dims != ())  # fmt: skip


def test_a_flat_cell_is_refused() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    data = trajectory_of(atoms, atoms.positions[None], np.zeros((1, 3, 3)))
    with pytest.raises(DataError, match="no volume"):
        Rdf().analyse(data)
