import numpy as np
import pytest
import xarray as xr
from scipy.stats import t

from ionflow.statistics import interval, pool


def replicas(*values: float) -> xr.DataArray:
    return xr.DataArray(list(values), dims="replica")


def test_the_larger_error_is_reported_and_both_are_kept() -> None:
    value = replicas(1.0, 2.0, 3.0)
    wide, narrow = pool(value, value * 0 + 0.1), pool(value, value * 0 + 9.0)
    assert wide["stderr"] == pytest.approx(1 / np.sqrt(3))
    assert narrow["stderr"] == pytest.approx(9 / np.sqrt(3))
    assert wide["stderr_propagated"] == pytest.approx(0.1 / np.sqrt(3))
    assert (wide["dof"], narrow["dof"]) == (2, np.inf)


def test_a_spread_takes_students_t_and_a_known_error_does_not() -> None:
    value = replicas(1.0, 2.0)
    spread, known = pool(value, value * 0 + 0.1), pool(value, value * 0 + 9.0)
    assert spread["halfwidth95"] / spread["stderr"] == pytest.approx(t.ppf(0.975, 1))
    assert known["halfwidth95"] / known["stderr"] == pytest.approx(1.959964, rel=1e-6)
    assert known["halfwidth68"] / known["stderr"] == pytest.approx(1)


def test_missing_replicas_do_not_count() -> None:
    pooled = pool(replicas(1.0, np.nan, 3.0), replicas(0.1, 0.1, 0.1))
    assert (pooled["mean"], pooled["count"]) == (2, 2)
    nothing = pool(replicas(np.nan, np.nan), replicas(0.1, 0.1))
    assert nothing["mean"].isnull()
    assert nothing["halfwidth68"].isnull()


def test_student_intervals_cover_where_normal_ones_do_not() -> None:
    value = xr.DataArray(
        np.random.default_rng(1).normal(size=(20_000, 3)), dims=("case", "replica")
    )
    pooled = pool(value, value * 0 + 1e-9)
    for level, name in ((0.683, "halfwidth68"), (0.95, "halfwidth95")):
        assert (abs(pooled["mean"]) < pooled[name]).mean() == pytest.approx(level, abs=0.01)
    assert (abs(pooled["mean"]) < 1.96 * pooled["stderr"]).mean() < 0.85


def test_interval_of_an_estimated_variance_covers() -> None:
    """A variance from n normal numbers has a relative standard error of √(2/n)."""
    n, exact = 8, 3.0
    draws = np.random.default_rng(2).normal(0, np.sqrt(exact), (20_000, n))
    found = (draws**2).mean(axis=1)
    for level in (0.68, 0.95):
        lower, upper = interval(found, found * np.sqrt(2 / n), level)
        assert ((lower < exact) & (exact < upper)).mean() == pytest.approx(level, abs=0.01)
        assert (lower > 0).all()


def test_interval_is_normal_for_small_errors_and_nan_without_a_number() -> None:
    lower, upper = interval(10.0, 0.01, 0.6826894921370859)
    assert (lower, upper) == pytest.approx((9.99, 10.01), abs=1e-4)
    assert np.isnan(interval(np.nan, 1.0, 0.95)).all()
    assert np.isnan(interval(1.0, np.nan, 0.95)).all()
