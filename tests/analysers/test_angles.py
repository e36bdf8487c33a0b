from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.neighborlist import neighbor_list

from ionflow import schema
from ionflow.builtin.analysers.structure.angles import AngleDistributions
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

GLASS = Path(__file__).parent.parent / "data" / "LiAlCl2.5O0.75_84.xyz"
CUTOFFS = {"Al-O": 2.4, "Al-Cl": 2.9}


def trajectory_of(atoms: Atoms, positions: np.ndarray) -> xr.Dataset:
    frames = len(positions)
    cell = np.broadcast_to(atoms.cell.array, (frames, 3, 3))
    return schema.trajectory(atoms, np.arange(frames), 2.0, {"positions": positions, "cell": cell})


@pytest.fixture(scope="module")
def glass() -> tuple[Atoms, np.ndarray, xr.Dataset]:
    atoms = read(GLASS)
    x = atoms.positions + np.random.default_rng(3).normal(0, 0.05, (12, len(atoms), 3))
    return atoms, x, trajectory_of(atoms, x)


def test_zinc_blende_is_tetrahedral_even_in_its_primitive_cell() -> None:
    atoms = bulk("SiC", "zincblende", a=4.36)
    data = trajectory_of(atoms, np.repeat(atoms.positions[None], 2, axis=0))
    result = AngleDistributions(bonded=("Si-C",), cutoffs={"Si-C": 2.2}).analyse(data)
    assert result["triplet"].values.tolist() == ["C-Si-C", "Si-C-Si"]
    np.testing.assert_allclose(result["mean"], np.degrees(np.arccos(-1 / 3)))
    np.testing.assert_allclose(result["standard_deviation"], 0, atol=1e-5)
    np.testing.assert_allclose(result["count"], 6)
    assert result["mean_stderr"].isnull().all()  # one centre says nothing of others


def test_rocksalt_has_twelve_right_angles_and_three_straight_ones() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (2, 2, 2)
    data = trajectory_of(atoms, np.repeat(atoms.positions[None], 6, axis=0))
    result = AngleDistributions(bonded=("Na-Cl",)).analyse(data).sel(triplet="Cl-Na-Cl")
    assert result["mean"] == pytest.approx((12 * 90 + 3 * 180) / 15)
    assert result["standard_deviation"] == pytest.approx(36)
    assert result["density"].sum() == pytest.approx(1)
    assert result["density"].sel(angle=slice(85, 95)).sum() == pytest.approx(0.8)
    assert result["density"].sel(angle=slice(179, 180)) == pytest.approx(0.2)
    assert result["mean_stderr"] == pytest.approx(0, abs=1e-9)


def test_bonds_in_random_directions_are_isotropic() -> None:
    rng = np.random.default_rng(5)
    atoms = Atoms("Li60O60", cell=[12.0, 12.0, 12.0], pbc=True)
    data = trajectory_of(atoms, rng.random((60, 120, 3)) * 12)
    chosen = {"bonded": ("Li-O",), "cutoffs": {"Li-O": 3.0}, "bins": 18}
    result = AngleDistributions(**chosen).analyse(data).sel(triplet="O-Li-O")
    off = (result["isotropic_ratio"] - 1) / result["isotropic_ratio_stderr"]
    assert abs(result["isotropic_ratio"].sel(angle=slice(30, 150)) - 1).max() < 0.06
    assert float(np.sqrt((off**2).mean())) < 1.6
    assert abs(result["mean"] - 90) < 4 * result["mean_stderr"]
    exact = np.degrees(np.sqrt(np.pi**2 / 4 - 2))  # of θ with density sin(θ)/2
    assert result["standard_deviation"] == pytest.approx(exact, rel=0.02)


def test_equals_mdanalysis(glass) -> None:
    distances = pytest.importorskip("MDAnalysis.lib.distances")
    atoms, x, data = glass
    result = AngleDistributions(cutoffs=CUTOFFS).analyse(data)
    symbols = np.array(atoms.get_chemical_symbols())
    found: dict[str, list[float]] = {}
    for frame in x:
        atoms.positions = frame
        named = {("Al", "O"): 2.4, ("Al", "Cl"): 2.9}
        i, j = neighbor_list("ij", atoms, named)
        for centre in np.unique(i):
            ends = j[i == centre]
            pairs = [(a, b) for k, a in enumerate(ends) for b in ends[k + 1 :]]
            if not pairs:
                continue
            a, b = np.array(pairs).T
            at = np.broadcast_to(frame[centre], (len(a), 3))
            box = np.array([*atoms.cell.lengths(), *atoms.cell.angles()])
            theta = np.degrees(distances.calc_angles(frame[a], at, frame[b], box=box))
            for one, other, degrees in zip(symbols[a], symbols[b], theta, strict=True):
                for name in {(one, other), (other, one)}:
                    triplet = "-".join([name[0], symbols[centre], name[1]])
                    found.setdefault(triplet, []).append(degrees)
    assert set(result["triplet"].values) >= {"Cl-Al-Cl", "Al-O-Al"}
    for triplet in result["triplet"].values:
        one, theirs = result.sel(triplet=triplet), np.array(found.get(triplet, []))
        assert one["count"] * len(x) == pytest.approx(len(theirs))
        if len(theirs):
            assert one["mean"] == pytest.approx(theirs.mean(), abs=1e-4)
            assert one["standard_deviation"] == pytest.approx(theirs.std(), abs=1e-4)
            counts, _ = np.histogram(theirs, 180, (0, 180), density=True)
            np.testing.assert_allclose(one["density"], counts, atol=2.1 / len(theirs))


def test_a_frozen_glass_is_still_uncertain(glass) -> None:
    """Frames that repeat add nothing: the error is that of the number of centres."""
    atoms, _, _ = glass
    data = trajectory_of(atoms, np.repeat(atoms.positions[None], 10, axis=0))
    result = AngleDistributions(cutoffs=CUTOFFS).analyse(data).sel(triplet="Cl-Al-Cl")
    assert result["mean_stderr_blocks"] == pytest.approx(0, abs=1e-9)
    assert result["mean_stderr"] > 0.5
    assert float(result["density_stderr"].max()) > 0


def test_blocks_do_not_matter(glass) -> None:
    data = glass[2]
    analyser = AngleDistributions(cutoffs=CUTOFFS)
    (cut,) = together([analyser], data.chunk(time=5), Blocks(frames=5, atoms=2))
    xr.testing.assert_allclose(cut, analyser.analyse(data), rtol=1e-10, atol=1e-10)


def test_keeps_its_promises(glass) -> None:
    check_analyser(AngleDistributions(cutoffs=CUTOFFS), glass[2])
    result = AngleDistributions(cutoffs=CUTOFFS).analyse(glass[2])
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.variables.values())
    assert "Al-O 2.40" in result.attrs["cutoffs"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bonded": ("Al-S",)}, "Al-S"),
        ({"bonded": ("Al-O",), "cutoffs": {"Al-Cl": 2.9}}, "not bonded"),
        ({"cutoffs": {"Li-O": 2.9}}, "not asked for"),
    ],
)
def test_faults_are_named(glass, fields, words) -> None:
    with pytest.raises(DataError, match=words):
        AngleDistributions(**fields).analyse(glass[2])
