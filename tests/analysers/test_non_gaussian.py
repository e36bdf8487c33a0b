import numpy as np
import pytest
import xarray as xr
from scipy.stats import moment

from ionflow.builtin.analysers.dynamics.non_gaussian import NonGaussian
from ionflow.builtin.analysers.jackknife import Jackknife, spread
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

#: of the hopping ions: length (Å), hops per frame, width of the rattling in the cage (Å)
HOP, RATE, WIDTH = 3.0, 0.005, 0.3


def hopping(rng: np.random.Generator, frames: int, atoms: int) -> np.ndarray:
    """Hops of one length in random directions at a constant rate, and white rattling."""
    direction = rng.normal(size=(frames, atoms, 3))
    direction *= HOP / np.linalg.norm(direction, axis=-1, keepdims=True)
    hops = direction * (rng.random((frames, atoms, 1)) < RATE)
    return np.cumsum(hops, axis=0) + rng.normal(0, WIDTH, (frames, atoms, 3))


def hopping_alpha2(frames: xr.DataArray) -> xr.DataArray:
    """Exact for `hopping`: with n hops, <R^4> = (n + 5/3 n(n − 1)) a^4, and 15 s², s = 2 w²."""
    s, n = 2 * WIDTH**2, RATE * frames
    again = RATE**2 * frames * (frames - 1)
    second = 3 * s + n * HOP**2
    fourth = 15 * s**2 + 10 * s * n * HOP**2 + (n + 5 / 3 * again) * HOP**4
    return 0.6 * fourth / second**2 - 1


def test_of_free_walkers_is_zero(trajectory, walk, rng) -> None:
    data = trajectory(walk(rng, 3000, 40, 0.3), ["Li"] * 40)
    result = NonGaussian(frame="none", max_lag_fraction=0.2).analyse(data)
    deviation = result["alpha2"] / result["alpha2_stderr"]
    assert abs(deviation).max() < 4
    assert result["alpha2_stderr"].isel(lag=0) < 0.01
    assert result["verdict"].values.tolist() == ["no peak"]
    assert np.isnan(result["peak_time"]).all()


def test_of_two_populations_is_that_of_the_mixture(trajectory, walk, rng) -> None:
    x = walk(rng, 3000, 60, 0.5)
    x[:, :45] *= 0.2
    result = NonGaussian(frame="none", max_lag_fraction=0.1).analyse(trajectory(x, ["Li"] * 60))
    slow, fast = 0.1**2, 0.5**2
    exact = (0.75 * slow**2 + 0.25 * fast**2) / (0.75 * slow + 0.25 * fast) ** 2 - 1
    early = result["alpha2"].sel(species="Li").isel(lag=slice(20))
    np.testing.assert_allclose(early, exact, rtol=0.05)
    # the atoms differ, and only the spread over them shows it
    assert (result["alpha2_stderr_atoms"] > result["alpha2_stderr_blocks"]).isel(lag=0).all()


def test_of_hopping_ions_peaks_where_it_should(trajectory, rng) -> None:
    result = NonGaussian(frame="none").analyse(trajectory(hopping(rng, 4000, 60), ["Li"] * 60))
    exact = hopping_alpha2(result["lag"] / 0.1)
    early = slice(0, 80)
    deviation = ((result["alpha2"] - exact) / result["alpha2_stderr"]).sel(lag=early)
    assert abs(deviation).max() < 4
    assert result["verdict"].values.tolist() == ["peak"]
    time = 3 * 2 * WIDTH**2 / (RATE * HOP**2) * 0.1
    # the peak of the continuous curve, which that of the discrete one is close to
    assert abs(float(result["peak_time"][0]) - time) < 3 * float(result["peak_time_stderr"][0])
    assert float(result["peak_time_stderr"][0]) < 0.1 * time
    height = HOP**2 / (20 * 2 * WIDTH**2)
    assert float(result["peak_alpha2"][0]) == pytest.approx(height, rel=0.1)


def test_moments_are_those_of_scipy(trajectory, walk, rng) -> None:
    x = walk(rng, 120, 6, 0.4)
    result = NonGaussian(frame="none").analyse(trajectory(x, ["Li"] * 6)).sel(species="Li")
    for lag in (1, 7, 30):
        moved = np.linalg.norm(x[lag:] - x[:-lag], axis=-1).ravel()
        at = result.sel(lag=lag * 0.1, method="nearest")
        assert float(at["msd"]) == pytest.approx(moment(moved, 2, center=0.0))
        assert float(at["fourth_moment"]) == pytest.approx(moment(moved, 4, center=0.0))


def test_fewer_origins_tell_the_same(trajectory, walk, rng) -> None:
    data = trajectory(walk(rng, 2000, 20, 0.4), ["Li"] * 20)
    all_of_them, few = (NonGaussian(max_origins=n).analyse(data) for n in (4096, 100))
    difference = (all_of_them["alpha2"] - few["alpha2"]) / few["alpha2_stderr"]
    assert abs(difference).max() < 3


def test_still_rising_and_frozen_atoms_have_no_peak(trajectory, walk, rng) -> None:
    x = walk(rng, 200, 90, 0.3)
    # the longer, the farther apart are those that fly from those that walk
    x[:, :20] += np.arange(200)[:, None, None] * 0.2
    x[:, 80:] = 0.0
    result = NonGaussian(frame="none").analyse(trajectory(x, ["Li"] * 80 + ["Al"] * 10))
    assert result["verdict"].values.tolist() == ["still rising", "no peak"]
    assert np.isnan(result["alpha2"].sel(species="Al")).all()


def test_lazy_blocks_give_the_same(trajectory, walk, rng) -> None:
    data = trajectory(walk(rng, 150, 9, 0.4), ["Li"] * 5 + ["O"] * 4)
    whole = NonGaussian().analyse(data)
    (cut,) = together([NonGaussian()], data.chunk(time=37), Blocks(frames=7, atoms=2))
    xr.testing.assert_allclose(cut, whole)


def test_keeps_the_contract(trajectory, walk, rng) -> None:
    check_analyser(NonGaussian(max_lag_fraction=0.2))
    alone = trajectory(walk(rng, 100, 2, 0.4), ["Li", "O"])
    result = NonGaussian(frame="none").analyse(alone)
    assert np.isnan(result["alpha2_stderr_atoms"]).all()
    assert np.isfinite(result["alpha2_stderr"].isel(lag=0)).all()
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.variables.values() if v.ndim)


class TestJackknife:
    def test_of_a_mean_is_the_textbook_error(self, rng) -> None:
        sums = rng.normal(size=(8, 5, 3))
        found = Jackknife.of(sums, np.ones_like(sums))
        np.testing.assert_allclose(found.whole, sums.mean(axis=(0, 1)))
        blocks = sums.mean(axis=1).std(axis=0, ddof=1) / np.sqrt(8)
        groups = sums.mean(axis=0).std(axis=0, ddof=1) / np.sqrt(5)
        np.testing.assert_allclose(found.stderr_blocks, blocks)
        np.testing.assert_allclose(found.stderr(), np.maximum(blocks, groups))
        np.testing.assert_allclose(found.dof(), np.where(blocks > groups, 7, 4))
        np.testing.assert_allclose(found.stderr(told=False), groups)

    def test_of_a_function_is_that_of_error_propagation(self, rng) -> None:
        sums = rng.normal(10, 1, size=(200, 1, 1))
        found = Jackknife.of(sums, np.ones_like(sums)).map(np.square)
        np.testing.assert_allclose(found.stderr(), 20 * sums.std() / np.sqrt(200), rtol=0.05)

    def test_one_sample_has_no_error(self) -> None:
        assert np.isnan(spread(np.ones((1, 4)))).all()
