"""Between-group variance against a published example and another library."""

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from ionflow.builtin.analysers.scan.variance import between, ln_moments

# vaccinated with and without tuberculosis, controls with and without: the 13 trials of BCG of
# Colditz et al. (1994), as van Houwelingen, Arends and Stijnen analyse them (doi:10.1002/sim.1040)
BCG = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619),
        (33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892),
        (29, 7470, 45, 7232), (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=float,
)  # fmt: skip


def log_odds() -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d = BCG.T
    return np.log(a * d / (b * c)), (1 / BCG).sum(axis=1)


def test_the_published_example() -> None:
    """τ² of DerSimonian and Laird 0.366; Q-profile interval 0.1302 to 1.1812."""
    y, v = log_odds()
    found = between([(y, v)])
    assert y[:2] == pytest.approx([-0.9387, -1.6662], abs=1e-4)
    assert found.tau2_moments == pytest.approx(0.366, abs=5e-4)
    assert found.bounds[1] == pytest.approx((0.1302, 1.1812), abs=1e-4)
    assert found.dof == 12


def test_estimates_equal_those_of_statsmodels() -> None:
    rng = np.random.default_rng(1)
    for y, v in (log_odds(), (rng.normal(size=5), rng.uniform(0.1, 0.5, 5))):
        found = between([(y, v)])
        paule_mandel = combine_effects(y, v, method_re="iterated", atol=1e-10)
        moments = combine_effects(y, v, method_re="chi2")
        assert found.tau2 == pytest.approx(max(0.0, paule_mandel.tau2), abs=1e-6)
        assert found.tau2_moments == pytest.approx(max(0.0, moments.tau2))
        assert found.q == pytest.approx(moments.q)


def test_equal_errors_leave_the_textbook_variance() -> None:
    """With equal errors τ² = s²(y) − σ², pooled over groups; I² = τ²/(τ² + σ²)."""
    rng = np.random.default_rng(2)
    groups = [(rng.normal(3 * g, 1.0, 4), np.full(4, 0.04)) for g in range(6)]
    found = between(groups)
    expected = np.mean([y.var(ddof=1) for y, _ in groups]) - 0.04
    assert found.tau2 == pytest.approx(expected)
    assert found.tau2_moments == pytest.approx(expected)
    assert found.typical == pytest.approx(0.04)
    assert found.share == pytest.approx(expected / (expected + 0.04))


@pytest.mark.parametrize(
    ("tau", "relative", "glasses", "groups"),
    [(0.3, 0.1, 3, 1), (0.3, 0.3, 3, 9), (0.2, 0.5, 5, 9)],
)
def test_intervals_cover(tau: float, relative: float, glasses: int, groups: int) -> None:
    """300 draws of D with lognormal glasses and chi-squared errors."""
    rng = np.random.default_rng(3)
    freedom = 2 / relative**2
    hits = []
    for _ in range(300):
        peculiar = np.exp(tau * rng.normal(size=(groups, glasses)))
        d = peculiar * rng.chisquare(freedom, peculiar.shape) / freedom
        found = between([ln_moments(row, relative * row) for row in d])
        hits.append([low <= tau**2 <= high for low, high in found.bounds])
    in68, in95 = np.mean(hits, axis=0)
    assert 0.60 < in68 < 0.76
    assert 0.90 < in95 < 0.98


def test_a_shared_deviation_counts_once() -> None:
    """Four temperatures with the very same glasses say no more of them than one does."""
    y, v = np.array([0.1, -0.3, 0.4]), np.full(3, 0.01)
    one, four = between([(y, v)]), between([(y, v)] * 4, repeated=4.0)
    assert four.tau2 == pytest.approx(one.tau2)
    assert np.array(four.bounds) == pytest.approx(np.array(one.bounds))
    assert four.probability == pytest.approx(one.probability)


def test_moments_of_the_logarithm_of_a_chi_squared_variable() -> None:
    rng = np.random.default_rng(4)
    freedom = 2 / 0.6**2
    d = rng.chisquare(freedom, 200_000) / freedom
    y, variance = ln_moments(d, 0.6 * d)
    assert y.mean() == pytest.approx(0.0, abs=5e-3)
    assert variance[0] == pytest.approx(y.var(), rel=0.02)


def test_single_items_say_nothing() -> None:
    found = between([(np.ones(1), np.ones(1))])
    assert np.isnan(found.tau2)
    assert found.dof == 0
    assert found.items == 1
