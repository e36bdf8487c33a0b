from itertools import product

import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.transport.displacement_correlation import DisplacementCorrelation
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

CENTRES = np.array([[3.0, 3, 3], [13.0, 13, 13], [3.0, 13, 13]])
ARMS = np.array([[1.3, 1.3, 1.3], [-1.3, -1.3, 1.3], [-1.3, 1.3, -1.3], [1.3, -1.3, -1.3]])
SYMBOLS = ["Al"] * 3 + ["Cl"] * 12 + ["Li"] * 3
CUTOFFS = {"Al-Cl": 3.2}


def tetrahedra(walk, rng: np.random.Generator, frames: int) -> np.ndarray:
    """Three AlCl4 that each move as one, and alkali on their own."""
    moved = walk(rng, frames, 3, 0.02)
    anions = (CENTRES[:, None] + ARMS).reshape(12, 3)
    sites = np.concatenate([CENTRES, anions, CENTRES + 4.0])
    x = np.broadcast_to(sites, (frames, 18, 3)).copy()
    x[:, :3] += moved
    x[:, 3:15] += np.repeat(moved, 4, axis=1)
    x[:, 15:] += walk(rng, frames, 3, 0.1)
    return x + rng.normal(0, 0.02, x.shape)


@pytest.fixture(scope="module")
def positions(walk) -> np.ndarray:
    return tetrahedra(walk, np.random.default_rng(8), 60).astype(np.float32)


@pytest.fixture(scope="module")
def result(trajectory, positions) -> xr.Dataset:
    analyser = DisplacementCorrelation(frame="none", cutoffs=CUTOFFS)
    return analyser.analyse(trajectory(positions, SYMBOLS))


def by_definition(x: np.ndarray, pairs, lag: int, origins: int) -> float:
    """Mean over origins and pairs of the product of displacements."""
    moved = x[lag : origins + lag].astype(np.float64) - x[:origins]
    return float(np.mean([(moved[:, a] * moved[:, b]).sum(axis=-1).mean() for a, b in pairs]))


def members(species: str) -> list[int]:
    return [k for k, name in enumerate(SYMBOLS) if name == species]


def test_keeps_the_contract(trajectory, positions) -> None:
    check_analyser(DisplacementCorrelation(cutoffs=CUTOFFS), trajectory(positions, SYMBOLS))


@pytest.mark.parametrize(("a", "b"), [("Al", "Cl"), ("Cl", "Cl"), ("Li", "Al"), ("Li", "Li")])
def test_is_the_mean_over_distinct_pairs(result, positions, a, b) -> None:
    pairs = [(i, j) for i, j in product(members(a), members(b)) if i != j]
    for lag in (1, 7, 20):
        found = result["displacement_correlation"].sel(species=a, species_other=b)
        expected = by_definition(positions, pairs, lag, len(positions) - lag)
        assert found.sel(lag=0.1 * lag, method="nearest") == pytest.approx(expected, rel=1e-6)


def test_pairs_of_one_fragment_and_of_two_by_definition(result, positions) -> None:
    part = result["displacement_correlation_part"].sel(species="Al", species_other="Cl")
    steps = np.rint(result["lag_origin"].values / 0.1).astype(int)
    origins = len(positions) - steps[-1]
    inside = [(i, 3 + 4 * i + k) for i in range(3) for k in range(4)]
    outside = [p for p in product(range(3), range(3, 15)) if p not in inside]
    for name, pairs in (("within", inside), ("between", outside)):
        for k, lag in enumerate(steps):
            expected = by_definition(positions, pairs, lag, origins)
            found = part.sel(part=name).values[k]
            # origins come in blocks that differ by one in size
            assert found == pytest.approx(expected, rel=0.05, abs=2e-4)
    assert (part.sel(part="within")[1:5] > 3 * abs(part.sel(part="between")[1:5])).all()


def test_within_and_between_add_up_to_all(result) -> None:
    total = result["displacement_sum"]
    np.testing.assert_allclose(
        total.sel(part="within") + total.sel(part="between"), total.sel(part="all"), atol=1e-12
    )
    pairs = result["n_pairs"].isel(lag_origin=0).sel(species="Al", species_other="Cl")
    assert pairs.values.tolist() == [12, 24, 36]
    lone = result["displacement_correlation_part"].sel(species="Li", part="within")
    assert lone.isnull().all()


def test_agrees_with_tidynamics(result, positions) -> None:
    import tidynamics

    sums = np.stack([positions[:, members(s)].sum(axis=1) for s in ("Al", "Cl")]).astype(float)
    cross = sum(np.array(tidynamics.cross_displacement(sums[:, :, k].T))[0, 1] for k in range(3))
    frames = np.rint(result["lag"].values / 0.1).astype(int)
    found = result["displacement_correlation"].sel(species="Al", species_other="Cl")
    np.testing.assert_allclose(found, cross[frames] / 36, rtol=1e-6, atol=1e-8)


def test_bodies_that_move_as_one_have_coefficient_one(trajectory, walk, rng) -> None:
    x = np.repeat(walk(rng, 200, 1, 0.5), 6, axis=1)
    result = DisplacementCorrelation(frame="none").analyse(trajectory(x, ["Li"] * 3 + ["Cl"] * 3))
    np.testing.assert_allclose(result["correlation_coefficient"], 1, rtol=1e-5)
    assert "no network centres" in result.attrs["fragments"]
    assert result["displacement_correlation_part"].isnull().all()


def test_independent_walkers_are_uncorrelated_within_the_errors(trajectory, walk) -> None:
    off = []
    for seed in range(40):
        x = walk(np.random.default_rng(seed), 200, 10, 0.5)
        result = DisplacementCorrelation(frame="none").analyse(
            trajectory(x, ["Li"] * 4 + ["Cl"] * 6)
        )
        pair = result.sel(species="Li", species_other="Cl").isel(lag=[2, 12])
        off.append(pair["displacement_correlation"] / pair["displacement_correlation_stderr"])
    spread = np.std(off, axis=0)
    assert ((spread > 0.7) & (spread < 1.3)).all()


def test_a_single_atom_has_no_pair(trajectory, walk, rng) -> None:
    result = DisplacementCorrelation(frame="none").analyse(
        trajectory(walk(rng, 100, 4, 0.5), ["Li"] + ["Cl"] * 3)
    )
    own = result["displacement_correlation"].sel(species="Li", species_other="Li")
    assert own.isnull().all()


def test_faults(trajectory, positions) -> None:
    with pytest.raises(DataError, match="species Na are not in the trajectory"):
        DisplacementCorrelation(alkali=("Na",)).analyse(trajectory(positions, SYMBOLS))


def test_blocks_do_not_matter(trajectory, positions) -> None:
    data = trajectory(positions, SYMBOLS)
    analyser = DisplacementCorrelation(cutoffs=CUTOFFS, bound_alkali=False)
    (cut,) = together([analyser], data, Blocks(frames=7, atoms=2))
    assert isinstance(cut, xr.Dataset)
    xr.testing.assert_allclose(cut, analyser.analyse(data), rtol=1e-6, atol=1e-9)
