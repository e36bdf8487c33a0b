import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.transport.haven import Haven
from ionflow.builtin.analysers.transport.onsager import Onsager
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

N = 12
SYMBOLS = ["Li"] * N + ["I"] * N
CHARGES = [1.0] * N + [-1.0] * N


def among_still_ones(x: np.ndarray) -> np.ndarray:
    """Moving alkali and anions that stay."""
    return np.concatenate([x, np.zeros_like(x)], axis=1)


def test_keeps_the_contract(trajectory, walk, rng) -> None:
    data = trajectory(among_still_ones(walk(rng, 150, N, 0.6)), SYMBOLS, CHARGES)
    check_analyser(Haven(), data)


def test_ions_that_move_as_one_have_the_inverse_of_their_number(trajectory, walk, rng) -> None:
    x = np.repeat(walk(rng, 400, 1, 0.6), N, axis=1)
    result = Haven(frame="none").analyse(trajectory(among_still_ones(x), SYMBOLS, CHARGES))
    np.testing.assert_allclose(result["haven_ratio"], 1 / N, rtol=1e-4)
    # single and collective displacement are the same thing: nothing is left to chance
    assert (result["haven_ratio_stderr"] < 0.01 / N).all()


def test_is_the_ratio_of_the_parts_of_the_onsager_matrix(trajectory, walk, rng) -> None:
    data = trajectory(among_still_ones(walk(rng, 400, N, 0.6)), SYMBOLS, CHARGES)
    h, matrix = Haven().analyse(data), Onsager().analyse(data).sel(frame="barycentric")
    li = matrix.sel(species="Li", species_other="Li")
    expected = float(li["onsager_self"] / li["onsager"])
    assert h["haven_ratio"].sel(kind="alkali") == pytest.approx(expected, rel=1e-6)
    q = matrix["charge"].values
    ratio = (q**2 @ np.diag(matrix["onsager_self"])) / (q @ matrix["onsager"].values @ q)
    assert h["haven_ratio"].sel(kind="total") == pytest.approx(float(ratio), rel=1e-6)
    assert "D_tracer/D_collective" in h.attrs["definition"]
    assert h["ci68"].sel(bound="lower", kind="alkali") < expected
    assert expected < h["ci68"].sel(bound="upper", kind="alkali")


def test_agrees_with_mdanalysis(trajectory, walk, rng) -> None:
    """Tracer over collective slope, both MSDs by MDAnalysis, by the same two lags."""
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.msd import EinsteinMSD

    x = walk(rng, 400, N, 0.6).astype(np.float32)
    x += 0.5 * walk(rng, 400, 1, 0.6).astype(np.float32)

    def msd(paths: np.ndarray) -> np.ndarray:
        universe = mda.Universe.empty(paths.shape[1], trajectory=True)
        universe.load_new(paths.astype(np.float32))
        found = EinsteinMSD(universe, select="all", msd_type="xyz", fft=False).run()
        return found.results.timeseries

    one, all_together = msd(x), msd(x.sum(axis=1, keepdims=True))
    result = Haven(frame="none").analyse(trajectory(among_still_ones(x), SYMBOLS, CHARGES))
    low, high = (round(float(result[name]) / 0.1) for name in ("fit_start", "fit_end"))
    middle = low + (high - low) // 4
    theirs = N * (one[middle] - one[low]) / (all_together[middle] - all_together[low])
    ours = result.sel(kind="alkali")
    assert float(ours["haven_ratio"]) == pytest.approx(
        theirs, abs=2 * float(ours["haven_ratio_stderr"])
    )


def test_no_alkali_no_charge_no_ratio(trajectory, walk, rattle, rng) -> None:
    x = walk(rng, 300, 24, 0.6)
    bare = Haven().analyse(trajectory(x, ["Al"] * 12 + ["Cl"] * 12))
    assert bare["verdict"].values.tolist() == ["no alkali", "no charges"]
    still = Haven().analyse(trajectory(rattle(rng, 300, 24, 0.3, 3), SYMBOLS, CHARGES))
    for result in (bare, still):
        assert not result["diffusive"].any()
        for name in ("haven_ratio", "haven_ratio_stderr", "ci68", "ci95"):
            assert result[name].isnull().all()


def test_blocks_do_not_matter(trajectory, walk, rng) -> None:
    data = trajectory(among_still_ones(walk(rng, 200, N, 0.6)), SYMBOLS, CHARGES)
    (cut,) = together([Haven()], data, Blocks(frames=7, atoms=2))
    assert isinstance(cut, xr.Dataset)
    xr.testing.assert_allclose(cut, Haven().analyse(data), rtol=1e-7)
