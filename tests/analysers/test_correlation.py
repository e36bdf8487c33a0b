import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionflow.builtin.analysers.dynamics.correlation import mean_squared_displacement, spaced_lags


def brute_force(paths: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """(walker, direction, lag), by the definition."""
    return np.stack(
        [((paths[..., n:] - paths[..., :-n]) ** 2).mean(axis=-1) for n in lags], axis=-1
    )


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(8, 90),
    walkers=st.integers(1, 5),
    origin=st.floats(-1e4, 1e4),
    seed=st.integers(0, 10**6),
)
def test_equals_the_definition(frames: int, walkers: int, origin: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    paths = origin + np.cumsum(rng.normal(size=(walkers, 3, frames)), axis=-1)
    lags = np.arange(1, frames // 2 + 1)
    by_walker, by_direction = mean_squared_displacement(paths, lags)
    expected = brute_force(paths, lags)
    np.testing.assert_allclose(by_walker, expected.sum(axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(by_direction, expected.mean(axis=0), rtol=1e-9, atol=1e-9)


def test_straight_flight_is_exact() -> None:
    paths = np.array([1.0, -2.0, 0.5])[None, :, None] * np.arange(500.0)
    lags = np.array([1, 10, 250, 499])
    by_walker, by_direction = mean_squared_displacement(paths, lags)
    np.testing.assert_allclose(by_walker[0], 5.25 * lags**2, rtol=1e-9)
    np.testing.assert_allclose(by_direction[1], 4.0 * lags**2, rtol=1e-9)


@pytest.mark.parametrize(("frames", "fraction"), [(8, 0.5), (100, 0.5), (20000, 0.9), (9, 0.2)])
def test_lags_are_thin_distinct_and_within_the_fraction(frames: int, fraction: float) -> None:
    lags = spaced_lags(frames, fraction, 64)
    assert lags[0] == 1
    assert (np.diff(lags) > 0).all()
    assert len(lags) <= 64
    assert lags[-1] <= max(1, fraction * (frames - 1) + 1e-6)
