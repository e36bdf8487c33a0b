import numpy as np
import pytest
from scipy.signal import lfilter

from ionflow.statistics import LEVELS, blocked


def autoregressive(rng: np.random.Generator, count: int, size: int, keep: float) -> np.ndarray:
    """Series whose neighbours correlate by `keep`: inefficiency (1 + keep)/(1 − keep)."""
    kicks = rng.normal(size=(count, size + 1000))
    return lfilter([1], [1, -keep], kicks, axis=1)[:, 1000:]


@pytest.mark.parametrize("keep", [0.0, 0.6, 0.95])
def test_intervals_cover_and_the_inefficiency_is_right(keep) -> None:
    series = autoregressive(np.random.default_rng(1), 300, 8000, keep)
    means = [blocked(one) for one in series]
    assert np.mean([mean.settled for mean in means]) > 0.98
    known = [mean for mean in means if mean.settled]
    share = {n: np.mean([a < 0 < b for a, b in (m.bounds(p) for m in known)])
             for n, p in LEVELS.items()}  # fmt: skip
    assert 0.60 <= share["68"] <= 0.76
    assert 0.90 <= share["95"] <= 0.98
    inefficiency = np.mean([mean.inefficiency for mean in known])
    assert inefficiency == pytest.approx((1 + keep) / (1 - keep), rel=0.12)


def test_agrees_with_the_autocorrelation_time_of_emcee() -> None:
    autocorr = pytest.importorskip("emcee.autocorr")
    (series,) = autoregressive(np.random.default_rng(2), 1, 100_000, 0.9)
    theirs = float(autocorr.integrated_time(series)[0])
    assert blocked(series).inefficiency == pytest.approx(theirs, rel=0.15)


def test_a_series_too_short_for_its_correlation_says_so() -> None:
    series = autoregressive(np.random.default_rng(3), 100, 200, 0.99)
    means = [blocked(one) for one in series]
    assert np.mean([not mean.settled for mean in means]) > 0.9
    lost = next(mean for mean in means if not mean.settled)
    assert np.isnan(lost.stderr)
    assert np.isnan(lost.bounds(0.95)).all()
    assert lost.least > 0
    assert not blocked([1.0, 2.0, 3.0]).settled


def test_a_constant_has_no_error() -> None:
    mean = blocked(np.full(50, 0.1) * 3)
    assert (mean.stderr, mean.inefficiency) == (0, 1)
    assert mean.bounds(0.95) == (mean.mean, mean.mean)
    assert blocked([2.0]).stderr == 0
