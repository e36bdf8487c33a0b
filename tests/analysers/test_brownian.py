import numpy as np
import pytest
from scipy.signal import lfilter

from ionflow.builtin.analysers.transport.brownian import Curve, generalised_least_squares

LAGS = np.array([1, 2, 5, 9, 20, 30])
FRAMES = 60


def msd_of(x: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """(lag, walker) from one-dimensional paths (time, walker)."""
    return np.array([((x[n:] - x[:-n]) ** 2).mean(axis=0) for n in lags])


@pytest.mark.parametrize(("step", "noise"), [(1.3, 0.0), (1.3, 0.9), (0.3, 2.0)])
def test_covariance_of_overlapping_displacements_is_exact(step: float, noise: float) -> None:
    rng = np.random.default_rng(3)
    shape = (FRAMES, 60_000)
    x = np.cumsum(rng.normal(0, step, shape), axis=0) + rng.normal(0, noise, shape)
    measured = np.cov(msd_of(x, LAGS))
    curve = Curve.of(LAGS, LAGS * 1.0, FRAMES, walkers=1 / 3)  # a single direction
    expected = curve.covariance(step**2, 2 * noise**2)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(measured / scale, expected / scale, atol=0.03)


@pytest.mark.parametrize("memory", [0.4, 0.7])
def test_rattling_with_a_memory_adds_to_the_covariance(memory: float) -> None:
    rng = np.random.default_rng(3)
    kicks = rng.normal(size=(FRAMES, 30_000)) * np.sqrt(1 - memory**2)
    kicks[0] /= np.sqrt(1 - memory**2)
    steps = np.cumsum(rng.normal(0, 0.5, kicks.shape), axis=0)
    x = steps + 0.9 * lfilter([1.0], [1.0, -memory], kicks, axis=0)
    measured = np.cov(msd_of(x, LAGS))
    curve = Curve.of(LAGS, LAGS * 1.0, FRAMES, walkers=1 / 3, memory=memory)
    expected = curve.covariance(0.25, 2 * 0.9**2)
    beyond = LAGS >= 2  # the line that the MSD is taken for is that of later lags
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    off = ((measured - expected) / scale)[np.ix_(beyond, beyond)]
    assert abs(off).max() < 0.06
    lags = np.arange(1, 31)
    known = Curve.of(lags, msd_of(x, lags).mean(axis=1), FRAMES, 30_000)
    assert known.memory_of(known.between(12).line()) == pytest.approx(memory, abs=0.06)


def test_covariance_falls_as_the_number_of_walkers() -> None:
    one, many = (Curve.of(LAGS, LAGS * 1.0, FRAMES, n).covariance(1.0) for n in (1, 10))
    np.testing.assert_allclose(one, 10 * many)


def test_a_part_of_a_curve_has_that_part_of_the_covariance() -> None:
    curve = Curve.of(LAGS, LAGS * 1.0, FRAMES, 4)
    np.testing.assert_allclose(
        curve.between(2, 5).covariance(2.0, 1.0), curve.covariance(2.0, 1.0)[2:5, 2:5]
    )


def test_generalised_least_squares_finds_a_line_exactly() -> None:
    x = np.linspace(1, 5, 7)
    covariance = np.exp(-np.abs(np.subtract.outer(x, x)))
    line = generalised_least_squares(x, 3 * x - 2, covariance)
    assert (line.slope, line.intercept) == pytest.approx((3, -2))
    assert line.chi2 == pytest.approx(0, abs=1e-12)
    assert line.dof == 5


def test_line_and_exponent_claim_the_errors_that_they_make() -> None:
    rng = np.random.default_rng(5)
    lags = np.unique(np.geomspace(10, 150, 12).round().astype(int))
    slopes, exponents = [], []
    for _ in range(200):
        x = np.cumsum(rng.normal(size=(300, 3 * 8)), axis=0)
        curve = Curve.of(lags, 3 * msd_of(x, lags).mean(axis=1), 300, 8)
        line = curve.line()
        slopes.append((line.slope, line.slope_stderr))
        exponents.append(curve.exponent())
    for found, exact in ((slopes, 3.0), (exponents, 1.0)):
        value, claimed = np.array(found).T
        assert value.mean() == pytest.approx(exact, abs=3 * value.std() / np.sqrt(200))
        assert claimed.mean() == pytest.approx(value.std(), rel=0.15)
