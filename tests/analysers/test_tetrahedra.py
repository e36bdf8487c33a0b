from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase.io import read
from ase.neighborlist import neighbor_list

from ionflow.builtin.analysers.network.ligands import angle_variance, order_parameter
from ionflow.builtin.analysers.network.ratios import Ratio, ratio, unit_error
from ionflow.builtin.analysers.network.tetrahedra import Tetrahedra
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser
from networks import CHARGES, CORNERS, CUTOFFS, atoms_of, chain, neutral

GLASS = Path(__file__).parent.parent / "data" / "LiAlCl2.5O0.75_84.xyz"
GIVEN = {"Al-O": 2.4, "Al-Cl": 2.9}


@pytest.fixture(scope="module")
def glass(trajectory) -> xr.Dataset:
    """A quick quench of 84 atoms, shaken."""
    atoms = read(GLASS)
    x = atoms.positions + np.random.default_rng(5).normal(0, 0.06, (30, len(atoms), 3))
    symbols = atoms.get_chemical_symbols()
    return trajectory(x, symbols, [CHARGES[s] for s in symbols], atoms.cell.array)


def still(trajectory, places, side=60.0, frames=3) -> xr.Dataset:
    symbols, x, charges = atoms_of(places)
    cell = np.eye(3) * side
    return trajectory(np.repeat(x[None], frames, axis=0), symbols, charges, cell)


def test_a_chain_has_two_ends_and_a_middle(trajectory) -> None:
    """[Al4O3Cl10] 4-: two X3O1 and two X2O2; CN = 4, of which 10/4 X and 6/4 O."""
    data = still(trajectory, neutral(chain(4)))
    result = Tetrahedra(cutoffs=CUTOFFS).analyse(data)
    np.testing.assert_allclose(result["fraction"], [0, 0.5, 0.5, 0, 0, 0])
    np.testing.assert_allclose(result["coordination_number"], [2.5, 1.5, 4])
    four = result["coordination_fraction"].sel(ligands="all", number=4)
    assert four == 1
    assert result["coordination_fraction"].sel(ligands="bridging", number=1) == 0.5
    np.testing.assert_allclose(result["bond_length"], [2.1, 1.75])
    np.testing.assert_allclose(result["bond_length_spread"], 0, atol=1e-6)
    assert result["bond"].values.tolist() == ["Al-Cl", "Al-O"]
    # no change in time, but four centres say no more than this of a glass: sqrt(p (1 - p) / 3)
    assert result["fraction_stderr_blocks"].sel(environment="X3O1") == 0
    assert result["fraction_stderr"].sel(environment="X3O1") == pytest.approx(np.sqrt(0.25 / 3))
    assert result.attrs["cutoffs"] == "Al-Cl 2.40, Al-O 2.00 angstrom"
    assert result.attrs["cutoffs_from"] == "as given"


@pytest.mark.parametrize("oxygens", range(5))
def test_environments_of_single_tetrahedra(trajectory, oxygens) -> None:
    """A regular tetrahedron: q = 1 and no variance, whatever its ligands, across the boundary."""
    reach = np.where(np.arange(4) < oxygens, 1.7, 2.1)[:, None]
    corners = CORNERS * reach
    places = {"O": corners[:oxygens], "Cl": corners[oxygens:]}
    places = neutral({"Al": np.zeros((1, 3)), **{e: x for e, x in places.items() if len(x)}})
    result = Tetrahedra(cutoffs={k: v for k, v in CUTOFFS.items() if k[3:] in places}).analyse(
        still(trajectory, places, side=30)
    )
    assert int(result["fraction"].values.argmax()) == oxygens
    assert result["fraction"].max() == 1
    assert result["order_parameter"] == pytest.approx(1)
    assert result["angle_variance"] == pytest.approx(0, abs=1e-6)
    own = result["order_parameter_by_environment"]
    assert own.notnull().sum() == 1
    assert own[oxygens] == pytest.approx(1)
    # one centre that never changes: the fraction of its kind may still be anything but nothing
    assert result["fraction_ci95"][oxygens, 0] < 0.5
    assert result["fraction_ci95"][oxygens, 1] == 1


def test_distortion_of_known_shapes() -> None:
    square = np.array([[[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]], dtype=float)
    assert order_parameter(square) == pytest.approx(1 - 3 / 8 * (4 / 9 + 2 * 4 / 9))
    expected = (4 * (90 - 109.4712206) ** 2 + 2 * (180 - 109.4712206) ** 2) / 5
    assert angle_variance(square) == pytest.approx(expected)
    rng = np.random.default_rng(6)
    random = rng.normal(size=(40_000, 4, 3))
    assert order_parameter(random).mean() == pytest.approx(0, abs=0.01)
    # neither depends on the lengths of the bonds
    scaled = CORNERS[None] * rng.uniform(1, 3, (1, 4, 1))
    assert order_parameter(scaled) == pytest.approx(1)
    assert angle_variance(scaled) == pytest.approx(0, abs=1e-9)


def test_a_glass_has_the_environments_that_ase_counts(glass) -> None:
    """Every bond of every frame, found by ASE."""
    atoms = read(GLASS)
    symbols = np.array(atoms.get_chemical_symbols())
    environments, number, lengths = np.zeros(6), [], []
    for x in glass["positions"].values.astype(float):
        atoms.positions = x
        i, j, d = neighbor_list("ijd", atoms, {("Al", "O"): 2.4, ("Al", "Cl"): 2.9})
        own = symbols[i] == "Al"
        o, cl = (
            np.bincount(i[own & (symbols[j] == e)], minlength=len(atoms))[symbols == "Al"]
            for e in ("O", "Cl")
        )
        environments += np.bincount(np.where(o + cl == 4, o, 5), minlength=6)
        number.append((o + cl).mean())
        lengths.append(d[own & (symbols[j] == "O")])
    result = Tetrahedra(cutoffs=GIVEN).analyse(glass)
    np.testing.assert_allclose(result["fraction"], environments / environments.sum(), atol=1e-12)
    assert result["coordination_number"].sel(ligands="all") == pytest.approx(np.mean(number))
    lengths = np.concatenate(lengths)
    assert result["bond_length"].sel(bond="Al-O") == pytest.approx(lengths.mean())
    assert result["bond_length_spread"].sel(bond="Al-O") == pytest.approx(lengths.std())
    np.testing.assert_allclose(result["fraction"].sum(), 1)
    np.testing.assert_allclose(result["coordination_fraction"].sum("number"), 1)
    np.testing.assert_allclose(
        result["fraction_in_time"].mean("block"), result["fraction"], atol=1e-12
    )


def test_conformance_blocks_and_chunks(glass) -> None:
    check_analyser(Tetrahedra(), glass)
    analyser = Tetrahedra(max_frames=11)
    (cut,) = together([analyser], glass, Blocks(frames=7, atoms=2))
    xr.testing.assert_allclose(cut, analyser.analyse(glass), rtol=1e-12)
    assert cut.attrs["frames"] == 10
    assert cut.attrs["frames_of"] == 30


def test_without_tetrahedra_there_is_no_order(trajectory) -> None:
    places = {"Al": np.zeros((1, 3)), "Cl": CORNERS[:3] * 2.1}
    result = Tetrahedra(cutoffs={"Al-Cl": 2.4}).analyse(still(trajectory, places, side=30))
    assert result["fraction"].sel(environment="other") == 1
    assert result["order_parameter"].isnull()
    assert result["angle_variance"].isnull()
    alone = Tetrahedra(cutoffs={"Al-Cl": 1.0}).analyse(still(trajectory, places, side=30))
    assert alone["bond_length"].isnull().all()
    assert alone["coordination_number"].sel(ligands="all") == 0


def test_a_single_frame_has_no_error_in_time(trajectory) -> None:
    result = Tetrahedra(cutoffs=CUTOFFS).analyse(still(trajectory, neutral(chain(4)), frames=1))
    assert result["fraction_stderr_blocks"].isnull().all()
    assert result["fraction_stderr"].notnull().all()
    assert result["fraction_ci95"].notnull().all()


def test_errors_of_ratios_are_those_of_independent_samples(rng) -> None:
    """The jackknife of a mean is the spread of block means; units that are frozen count once."""
    top = rng.normal(3, 1, (500, 1))
    found = ratio(top, np.ones_like(top), np.zeros(1))
    means = top.reshape(5, 100).mean(axis=1)
    assert found.blocks[0] == pytest.approx(means.std(ddof=1) / np.sqrt(5))
    drawn = rng.normal(3, 1, (200, 1))
    assert unit_error(drawn, np.ones_like(drawn)) == pytest.approx(drawn.std(ddof=1) / np.sqrt(200))
    # a ratio of two noisy sums, against the spread over repetitions
    b = rng.uniform(1, 3, (2000, 50, 1))
    a = 2 * b + rng.normal(0, 1, b.shape)
    spread = (a.sum(axis=1) / b.sum(axis=1)).std()
    mean = np.mean([unit_error(x, y)[0] for x, y in zip(a[:300], b[:300], strict=True)])
    assert mean == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("p", [0.03, 0.3, 0.5])
@pytest.mark.parametrize(("level", "low", "high"), [(0.6827, 0.58, 0.80), (0.95, 0.91, 0.99)])
def test_intervals_of_fractions_cover(p, level, low, high) -> None:
    """2000 frozen glasses of 84 centres, each of which is of a kind with probability p."""
    rng = np.random.default_rng(9)
    kinds = rng.random((2000, 84)) < p
    mean = kinds.mean(axis=1)
    units = np.sqrt(mean * (1 - mean) / 83)
    bounds = Ratio(mean, np.zeros(2000), units, 4).bounds_of_fraction(level, 84)
    covered = ((bounds[:, 0] <= p) & (p <= bounds[:, 1])).mean()
    # counts are whole numbers: no interval covers evenly when few are expected
    assert low < covered < high + (0.03 if p < 0.1 else 0)


def test_faults(trajectory, glass) -> None:
    with pytest.raises(DataError, match="no species of the trajectory is centre"):
        Tetrahedra().analyse(glass.isel(atom=glass["element"].values != "Al"))
    with pytest.raises(DataError, match=r"no species .* is bridging or terminal"):
        Tetrahedra().analyse(glass.isel(atom=np.isin(glass["element"].values, ["Al", "Li"])))
    with pytest.raises(DataError, match="cutoffs are given for Al-F"):
        Tetrahedra(cutoffs={"Al-F": 2.0}).analyse(glass)
    with pytest.raises(DataError, match="species Cl are named twice"):
        Tetrahedra(terminal=("Cl",), bridging=("O", "Cl")).analyse(glass)
    with pytest.raises(DataError, match="species Br are not in the trajectory"):
        Tetrahedra(terminal=("Br",)).analyse(glass)
