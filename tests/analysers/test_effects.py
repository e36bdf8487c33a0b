"""Main effects against scipy, statsmodels, and tables worked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from ionflow.builtin.analysers.scan.effects import ALL, REST, Decomposition, Sample
from ionflow.builtin.analysers.scan.noncentral import noncentrality

GRID = {
    "A": np.repeat(["Li", "Na", "K"], 9),
    "M": np.tile(np.repeat(["Al", "Ga", "In"], 3), 3),
    "X": np.tile(["Cl", "Br", "I"], 9),
}
STEP = {"Li": -1.0, "Na": 0.0, "K": 1.0}


def sample(y: np.ndarray, stderr: float = 0.1, kept: slice = slice(None), **levels) -> Sample:
    chosen = {name: value[kept] for name, value in (levels or GRID).items()}
    y = y[kept]
    return Sample(y, np.full(len(y), stderr), np.full(len(y), np.inf), chosen)


def test_one_factor_equals_one_way_analysis_by_scipy() -> None:
    y = np.random.default_rng(1).normal(size=27)
    found = Decomposition(sample(y, A=GRID["A"])).classical["A"]
    groups = [y[GRID["A"] == name] for name in STEP]
    ratio, probability = stats.f_oneway(*groups)
    assert (found.f, found.probability) == pytest.approx((ratio, probability))


@pytest.mark.parametrize("kept", [slice(None), slice(0, 22)], ids=["complete", "with gaps"])
def test_the_table_equals_that_of_statsmodels(kept: slice) -> None:
    """Type II sums of squares, also where five materials are missing."""
    y = np.random.default_rng(2).normal(size=27) + 0.5 * np.repeat([0, 1, 2], 9)
    parts = Decomposition(sample(y, kept=kept))
    frame = pd.DataFrame({name: value[kept] for name, value in GRID.items()} | {"y": y[kept]})
    table = anova_lm(ols("y ~ C(A) + C(M) + C(X)", frame).fit(), typ=2)
    for name in "AMX":
        row = table.loc[f"C({name})"]
        assert parts.effects[name].squares == pytest.approx(row["sum_sq"])
        assert parts.effects[name].dof == row["df"]
        assert parts.classical[name].f == pytest.approx(row["F"])
        assert parts.classical[name].probability == pytest.approx(row["PR(>F)"])
    assert parts.effects[REST].squares == pytest.approx(table.loc["Residual", "sum_sq"])
    assert parts.effects[REST].dof == table.loc["Residual", "df"]


def test_a_table_worked_by_hand() -> None:
    """y = 1, 2, 3 | 4, 5, 6 | 7, 8, 9: between 54 (2), within 6 (6), so F = 27.

    η² = 54/60, ε² = (54 − 2)/60, ω² = (54 − 2)/61 (doi:10.1037/1082-989X.8.4.434).
    """
    y = np.arange(1.0, 10.0)
    found = Decomposition(sample(y, A=np.repeat(["a", "b", "c"], 3))).classical["A"]
    assert found.f == pytest.approx(27)
    assert found.eta == pytest.approx(54 / 60)
    assert found.epsilon == pytest.approx(52 / 60)
    assert found.omega == pytest.approx(52 / 61)
    (low68, high68), (low95, high95) = found.partial_bounds
    assert low95 < low68 < found.partial < high68 < high95
    ncp = low95 * 9 / (1 - low95)
    assert stats.ncf.sf(27, 2, 6, ncp) == pytest.approx(0.025)


def test_without_error_the_variance_is_that_of_the_levels() -> None:
    steps = np.array([STEP[name] for name in GRID["A"]])
    parts = Decomposition(sample(0.3 * steps, 1e-6))
    assert parts.effects["A"].variance == pytest.approx(np.var(0.3 * steps, ddof=1))
    assert parts.effects[ALL].variance == pytest.approx(np.var(0.3 * steps, ddof=1))
    assert parts.effects["M"].variance == pytest.approx(0, abs=1e-10)
    assert parts.effects["A"].span == pytest.approx(0.6)
    assert (parts.effects["A"].lowest, parts.effects["A"].highest) == ("Li", "K")
    assert parts.effects["A"].verdict == "resolved"
    assert parts.effects["M"].verdict == "below the error"


@pytest.mark.parametrize("kept", [slice(None), slice(0, 22)], ids=["complete", "with gaps"])
def test_variances_are_right_on_average_and_their_intervals_cover(kept: slice) -> None:
    """250 scans with an effect of A, an interplay, and errors that differ between materials."""
    rng = np.random.default_rng(3)
    truth = 0.15 * np.array([STEP[name] for name in GRID["A"]]) + 0.1 * rng.normal(size=27)
    stderr = 0.1 * np.exp(0.3 * rng.normal(size=27))
    # what each term is of the true values, by an independent fit
    frame = pd.DataFrame({name: value[kept] for name, value in GRID.items()} | {"y": truth[kept]})
    table = anova_lm(ols("y ~ C(A) + C(M) + C(X)", frame).fit(), typ=2)["sum_sq"]
    n = len(frame)
    exact = {"A": table["C(A)"] / (n - 1), ALL: frame["y"].var(ddof=1)}
    hits: dict[str, list] = {name: [] for name in exact}
    means: dict[str, list] = {name: [] for name in exact}
    levels = {name: value[kept] for name, value in GRID.items()}
    for _ in range(250):
        y = (truth + stderr * rng.normal(size=27))[kept]
        parts = Decomposition(Sample(y, stderr[kept], np.full(n, np.inf), levels))
        for name, variance in exact.items():
            effect = parts.effect(name)
            hits[name].append([low <= variance <= high for low, high in effect.bounds])
            means[name].append(effect.variance)
    for name, variance in exact.items():
        in68, in95 = np.mean(hits[name], axis=0)
        assert 0.62 < in68 < 0.78
        assert 0.90 < in95 < 0.99
        error = np.std(means[name]) / np.sqrt(250)
        assert np.mean(means[name]) == pytest.approx(variance, abs=4 * error)


def test_nothing_there_is_seldom_resolved() -> None:
    rng = np.random.default_rng(4)
    found = [Decomposition(sample(0.1 * rng.normal(size=27))).effects for _ in range(200)]
    for term in ("A", "X", REST, ALL):
        assert np.mean([effects[term].verdict == "resolved" for effects in found]) < 0.06
    highest = [effects[ALL].bounds[1][1] for effects in found]
    assert min(highest) > 0.001  # never a claim that no measurement with such errors can make


def test_few_levels_and_confounded_axes_are_told() -> None:
    y = np.random.default_rng(5).normal(size=27)
    other = np.array([{"Li": 1, "Na": 2, "K": 3}[name] for name in GRID["A"]])
    parts = Decomposition(sample(y, A=GRID["A"], same=other, one=np.full(27, "O")))
    assert [parts.effects[n].verdict for n in ("A", "same", "one")] == [
        "confounded",
        "confounded",
        "one level",
    ]
    assert np.isnan(parts.effects["A"].variance)
    lone = Decomposition(sample(y, kept=slice(0, 1)))
    assert {effect.verdict for effect in lone.effects.values()} == {
        "one level",
        "too few materials",
    }
    nothing = Decomposition(sample(y, kept=slice(0, 0)))
    assert np.isnan(nothing.effects[ALL].variance)
    assert {effect.verdict for effect in nothing.effects.values()} == {"too few materials"}


def test_the_slope_of_a_numeric_axis_equals_that_of_numpy() -> None:
    oxygen = np.tile([0.5, 0.75, 1.0], 9)
    y = 1 - 2 * oxygen + 0.01 * np.random.default_rng(6).normal(size=27)
    effect = Decomposition(sample(y, 0.1, oxygen=oxygen)).effects["oxygen"]
    line, matrix = np.polyfit(oxygen, y, 1, w=np.full(27, 10.0), cov="unscaled")
    assert effect.slope == pytest.approx(line[0])
    assert effect.slope_stderr == pytest.approx(np.sqrt(matrix[0, 0]))


def test_the_span_of_level_means_has_an_interval_for_all_pairs() -> None:
    rng = np.random.default_rng(7)
    truth = 0.05 * np.array([STEP[name] for name in GRID["A"]])
    inside = []
    for _ in range(200):
        effect = Decomposition(sample(truth + 0.1 * rng.normal(size=27))).effect("A")
        inside.append([low <= 0.1 <= high for low, high in effect.span_bounds])
    in68, in95 = np.mean(inside, axis=0)
    assert in68 > 0.66
    assert in95 > 0.94


@pytest.mark.parametrize("x", [1e-3, 3.0, 50.0, 9e3, 2e4])
def test_noncentrality_inverts_the_distribution(x: float) -> None:
    low, high = noncentrality(x, 4.0, 0.95)
    assert stats.ncx2.sf(x, 4.0, high) == pytest.approx(
        1 - 0.025 * stats.chi2.cdf(x, 4.0), abs=1e-3
    )
    assert noncentrality(0.0, 4.0, 0.95)[1] == pytest.approx(
        noncentrality(1e-4, 4.0, 0.95)[1], 1e-3
    )
    if low:
        assert stats.ncx2.sf(x, 4.0, low) == pytest.approx(0.025, abs=1e-3)
