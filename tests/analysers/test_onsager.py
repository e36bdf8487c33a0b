import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.transport.conductivity import Conductivity
from ionflow.builtin.analysers.transport.onsager import Onsager
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

sys.path.insert(0, str(Path(__file__).parent))
from coverage import ionic_mixture
from coverage import trajectory as exact_trajectory

FRAMES = 400


@pytest.fixture(scope="module")
def mixture():
    return ionic_mixture(np.random.default_rng(4), FRAMES)


@pytest.fixture(scope="module")
def data(mixture) -> xr.Dataset:
    return exact_trajectory(*mixture)


@pytest.fixture(scope="module")
def result(data) -> xr.Dataset:
    return Onsager().analyse(data)


def test_keeps_the_contract(data) -> None:
    check_analyser(Onsager(), data.isel(time=slice(0, 120)))


def test_momentum_is_conserved_to_rounding(result) -> None:
    matrix = result["onsager"].sel(frame="barycentric").values
    lost = matrix @ result["mass"].values
    assert abs(lost).max() < 1e-11 * abs(matrix * result["mass"].values).max()
    np.testing.assert_allclose(matrix, matrix.T)


def test_conductivity_is_that_of_all_charge_in_every_frame(result, data) -> None:
    q = result["charge"].values
    np.testing.assert_array_equal(q, [1.0, 3.0, -1.0])
    alone = Conductivity(clusters=False).analyse(data)
    sigma = alone.sel(definition="einstein")
    for frame in result["frame"].values:
        total = q @ result["onsager"].sel(frame=frame).values @ q
        assert total == pytest.approx(float(sigma["conductivity"]), rel=1e-9)
    assert result["fit_start"] == sigma["fit_start"]
    assert result["conductivity"] == pytest.approx(float(sigma["conductivity"]), rel=1e-9)


def test_self_and_distinct_add_up_to_all(result) -> None:
    parts = result["onsager_self"] + result["onsager_distinct"]
    np.testing.assert_allclose(parts, result["onsager"], rtol=1e-12)
    own = result["onsager_self"].values
    assert (own[:, ~np.eye(3, dtype=bool)] == 0).all()
    assert (own[:, np.eye(3, dtype=bool)] > 0).all()


def test_a_common_drift_changes_nothing_but_rounding(mixture, result) -> None:
    kind, positions = mixture
    drift = np.cumsum(np.random.default_rng(1).normal(0, 0.3, (FRAMES, 1, 3)), axis=0)
    moved = Onsager().analyse(exact_trajectory(kind, positions + drift))
    np.testing.assert_allclose(moved["onsager"], result["onsager"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(moved["onsager_self"], result["onsager_self"], rtol=1e-4)


def test_independent_ions_have_nernst_and_einstein_on_the_diagonal(trajectory, walk) -> None:
    """By hand: L = N D/(kB T V) = 12 · 0.8/(0.0861733 · 8000) e⁻²·16.0218 S/cm = 0.223111."""
    found = []
    for seed in range(12):
        x = np.zeros((500, 24, 3))
        x[:, :12] = walk(np.random.default_rng(seed), 500, 12, 0.4)
        symbols, charges = ["Li"] * 12 + ["I"] * 12, [1.0] * 12 + [-1.0] * 12
        r = Onsager(framework=("I",)).analyse(trajectory(x, symbols, charges))
        r = r.sel(frame="framework", species="Li", species_other="Li")
        found.append([float(r[n]) for n in ("onsager", "onsager_self", "onsager_distinct")])
    total, own, distinct = np.mean(found, axis=0) / 0.223111
    spread = np.std(found, axis=0) / np.sqrt(len(found)) / 0.223111
    assert own == pytest.approx(1, abs=3 * spread[1])
    assert total == pytest.approx(1, abs=3 * spread[0])
    assert distinct == pytest.approx(0, abs=3 * spread[2])


def test_products_agree_with_tidynamics(mixture, data, result) -> None:
    import tidynamics

    kind, positions = mixture
    positions = positions.astype(np.float32).astype(np.float64)
    masses = kind.atoms.get_masses()
    centre = np.einsum("i,tix->tx", masses, positions) / masses.sum()
    index = np.repeat(np.arange(3), kind.number)
    sums = np.stack([(positions - centre[:, None])[:, index == k].sum(axis=1) for k in range(3)])
    theirs = np.zeros((3, 3, FRAMES))
    for direction in range(3):
        theirs += np.array(tidynamics.cross_displacement(sums[:, :, direction].T))
    frames = np.rint(result["lag"].values / 0.1).astype(int)
    ours = result["collective_msd"].sel(frame="barycentric").values
    np.testing.assert_allclose(ours, theirs[..., frames], rtol=1e-6, atol=1e-6)


def test_the_matrix_is_that_of_the_model_within_its_errors(mixture) -> None:
    """Interval by interval over a few trajectories; the sums of squares of deviations are χ²."""
    kind = mixture[0]
    w = kind._centre
    shift = np.eye(3) - np.outer(kind.number, w)
    # S/cm/e² of one Å²/frame/2: 1/(V kB T) · 16.0218/0.1 ps
    exact = shift @ kind.sums @ shift.T * 0.5 / 0.1 / (8000 * 0.08617333) * 16.02176634
    off = []
    for seed in range(40):
        sample = ionic_mixture(np.random.default_rng([9, seed]), 300)
        r = Onsager().analyse(exact_trajectory(*sample)).sel(frame="barycentric")
        if r["diffusive"]:
            off.append((r["onsager"].values - exact) / r["onsager_stderr"].values)
    assert len(off) >= 36
    spread = np.sqrt(np.mean(np.square(off), axis=0))
    assert ((spread > 0.6) & (spread < 1.4)).all()


def test_without_charges_the_window_is_that_of_all_species(trajectory, walk, rng) -> None:
    x = np.concatenate([walk(rng, 400, 8, 0.4), walk(rng, 400, 8, 0.3)], axis=1)
    result = Onsager().analyse(trajectory(x, ["Li"] * 8 + ["Cl"] * 8))
    assert "the charge has none" in result.attrs["window"]
    assert result["diffusive"]
    assert np.isfinite(result["onsager"].values).all()
    assert result["conductivity"].isnull()
    assert result["charge"].isnull().all()


def test_pairs_of_opposite_charge_still_have_a_matrix(trajectory, walk, rng) -> None:
    x = np.zeros((600, 36, 3))
    x[:, :12] = walk(rng, 600, 12, 0.5)
    x[:, 12:24] = x[:, :12] + rng.normal(0, 0.1, (600, 12, 3))
    symbols, charges = ["Li"] * 12 + ["F"] * 12 + ["Al"] * 12, [1.0] * 12 + [-1.0] * 12 + [0.0] * 12
    result = Onsager(framework=("Al",)).analyse(trajectory(x, symbols, charges))
    assert "the charge has none" in result.attrs["window"]
    matrix = result["onsager"].sel(frame="framework").values
    np.testing.assert_allclose(matrix[:2, :2], matrix[0, 0], rtol=0.06)
    stderr = float(result["onsager_stderr"].sel(frame="framework")[0, 0])
    assert matrix[0, 0] == pytest.approx(0.223111 * 0.25 / 0.16, abs=3 * stderr)


def test_ions_that_stay_have_no_matrix(trajectory, rattle, rng) -> None:
    x = rattle(rng, 300, 24, 0.3, 3)
    result = Onsager().analyse(trajectory(x, ["Li"] * 12 + ["Cl"] * 12, [1.0] * 12 + [-1.0] * 12))
    assert result["onsager"].isnull().all()
    assert result["onsager_stderr"].isnull().all()
    assert str(result["verdict"].values) != "diffusive"


def test_without_a_framework_there_is_one_frame(trajectory, walk, rng) -> None:
    result = Onsager().analyse(trajectory(walk(rng, 400, 12, 0.4), ["Li"] * 6 + ["Na"] * 6))
    assert result["onsager"].sel(frame="framework").isnull().all()
    assert result["onsager"].sel(frame="barycentric").notnull().all()


def test_faults(trajectory, walk, rng) -> None:
    x = walk(rng, 100, 12, 0.4)
    with pytest.raises(ValueError, match="frame: framework wants framework"):
        Onsager(frame="framework")
    with pytest.raises(DataError, match="framework species Al"):
        Onsager(framework=("Al",)).analyse(trajectory(x, ["Li"] * 12))
    with pytest.raises(DataError, match="add up to"):
        Onsager().analyse(trajectory(x, ["Li"] * 12, [1.0] * 12))


def test_blocks_do_not_matter(data, result) -> None:
    (cut,) = together([Onsager()], data, Blocks(frames=7, atoms=2))
    assert isinstance(cut, xr.Dataset)
    xr.testing.assert_allclose(cut, result, rtol=1e-7)
