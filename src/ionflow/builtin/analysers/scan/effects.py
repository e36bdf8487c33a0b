"""How much factors explain of numbers that have errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ionflow.builtin.analysers.scan.noncentral import Interval, Noise, partial_eta
from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS

Verdict = Literal[
    "one level",
    "confounded",
    "too few materials",
    "below the error",
    "resolved",
    "resolved, one glass each",
]
NOTHING: Interval = (np.nan, np.nan)
REST, ALL = "rest", "all"


@dataclass(frozen=True)
class Sample:
    """Numbers of some materials with standard errors, and the level of each factor."""

    values: FloatArray
    """(material,)"""
    stderr: FloatArray
    """(material,)"""
    dof: FloatArray
    """(material,) degrees of freedom of the standard errors"""
    levels: Mapping[str, Any]
    """(material,) by factor"""

    @property
    def count(self) -> int:
        """Number of materials."""
        return len(self.values)

    def of(self, factor: str) -> list[Any]:
        """Levels of a factor that there are."""
        return list(dict.fromkeys(self.levels[factor].tolist()))

    def dummies(self, factor: str) -> FloatArray:
        """(material, level) 1 where a material has the level, without the first."""
        named = self.of(factor)[1:]
        return (
            np.stack([self.levels[factor] == name for name in named], axis=1).astype(float)
            if (named)
            else np.empty((self.count, 0))
        )

    def design(self, *but: str) -> FloatArray:
        """Constant and main effects of all factors, except some; (material, column)."""
        columns = [self.dummies(name) for name in self.levels if name not in but]
        return np.concatenate([np.ones((self.count, 1)), *columns], axis=1)


@dataclass(frozen=True)
class Effect:
    """What a factor, or all else, explains."""

    verdict: Verdict
    dof: int = 0
    levels: int = 0
    variance: float = np.nan
    """between materials, measurement error removed"""
    bounds: tuple[Interval, ...] = (NOTHING,) * len(LEVELS)
    """of the variance, at 68 and 95 %"""
    squares: float = np.nan
    """sum of squares"""
    span: float = np.nan
    """largest minus smallest level mean"""
    span_bounds: tuple[Interval, ...] = (NOTHING,) * len(LEVELS)
    highest: str = ""
    lowest: str = ""
    slope: float = np.nan
    slope_stderr: float = np.nan


@dataclass(frozen=True)
class Classical:
    """The entries of a table of analysis of variance for one factor."""

    f: float = np.nan
    probability: float = np.nan
    eta: float = np.nan
    epsilon: float = np.nan
    omega: float = np.nan
    partial: float = np.nan
    partial_bounds: tuple[Interval, ...] = (NOTHING,) * len(LEVELS)


@dataclass(frozen=True)
class Decomposition:
    """Main effects of all factors at once, each adjusted for the others (sums of squares of type
    II); materials count equally.
    """

    sample: Sample
    one_glass: bool = False
    """whether errors come from one glass each, so that what differs may be the glass"""

    @cached_property
    def effects(self) -> dict[str, Effect]:
        """By factor, with "rest", what main effects leave, and "all", between all materials."""
        return {term: self.effect(term) for term in (*self.sample.levels, REST, ALL)}

    def effect(self, term: str) -> Effect:
        """What one factor explains, or what "rest" or "all" stand for."""
        return self._factor(term) if term in self.sample.levels else self._term(term)

    @cached_property
    def classical(self) -> dict[str, Classical]:
        """Textbook effect sizes, which take what main effects leave for the error."""
        rest, total = self.effects[REST], self.effects[ALL]
        names = list(self.sample.levels)
        if not rest.dof or not total.squares > 0 or rest.squares < 1e-12 * total.squares:
            return dict.fromkeys(names, Classical())
        found = {name: self.effects[name] for name in names}
        return {
            name: _classical(effect, rest, total, self.sample.count)
            if np.isfinite(effect.squares)
            else Classical()
            for name, effect in found.items()
        }

    @cached_property
    def _main(self) -> tuple[FloatArray, int]:
        """Projection on all main effects."""
        return _span(self.sample.design())

    def _projection(self, term: str) -> tuple[FloatArray, int]:
        """(material, material) projection on what a term can explain, and its rank."""
        sample = self.sample
        whole = np.eye(sample.count), sample.count
        if term == ALL:
            wide, narrow = whole, _span(np.ones((sample.count, 1)))
        elif term == REST:
            wide, narrow = whole, self._main
        else:
            wide, narrow = self._main, _span(sample.design(term))
        return wide[0] - narrow[0], wide[1] - narrow[1]

    def _noise(self, projection: FloatArray) -> Noise:
        return Noise.of(projection, self.sample.stderr, self.sample.dof)

    def _factor(self, name: str) -> Effect:
        levels = self.sample.of(name)
        if len(levels) < 2:
            return Effect("one level" if levels else "too few materials", levels=len(levels))
        projection, dof = self._projection(name)
        if dof < len(levels) - 1:
            return Effect("confounded", levels=len(levels))
        found = self._explained(projection, dof, len(levels))
        return replace(found, **_contrasts(self.sample, name))

    def _term(self, term: str) -> Effect:
        projection, dof = self._projection(term) if self.sample.count else (np.empty((0, 0)), 0)
        return self._explained(projection, dof) if dof else Effect("too few materials")

    def _explained(self, projection: FloatArray, dof: int, levels: int = 0) -> Effect:
        y, noise = self.sample.values, self._noise(projection)
        squares = max(0.0, float(y @ projection @ y))
        scale = self.sample.count - 1
        bounds = tuple(noise.bounds(squares, level) for level in LEVELS.values())
        told: Verdict = "resolved, one glass each" if self.one_glass else "resolved"
        return Effect(
            told if bounds[-1][0] > 0 else "below the error",
            dof,
            levels,
            max(0.0, squares - noise.mean) / scale,
            tuple((low / scale, high / scale) for low, high in bounds),
            squares,
        )


def _span(columns: FloatArray) -> tuple[FloatArray, int]:
    """Projection on the space of some columns, and its rank."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, singular > 1e-9 * singular.max()]
    return basis @ basis.T, basis.shape[1]


def _classical(effect: Effect, rest: Effect, total: Effect, count: int) -> Classical:
    """Effect sizes as Olejnik and Algina define them (doi:10.1037/1082-989X.8.4.434)."""
    from scipy.stats import f

    error = rest.squares / rest.dof
    ratio = effect.squares / effect.dof / error
    excess = effect.squares - effect.dof * error
    return Classical(
        ratio,
        float(f.sf(ratio, effect.dof, rest.dof)),
        effect.squares / total.squares,
        excess / total.squares,
        excess / (total.squares + error),
        effect.squares / (effect.squares + rest.squares),
        tuple(partial_eta(ratio, effect.dof, rest.dof, count, p) for p in LEVELS.values()),
    )


def _contrasts(sample: Sample, factor: str) -> dict[str, Any]:
    """Largest difference between level means, with an interval for all pairs at once (Bonferroni),
    and the slope where levels are numbers.
    """
    names = sample.of(factor)
    columns = sample.dummies(factor)
    rows = np.linalg.pinv(np.concatenate([sample.design(factor), columns], axis=1))
    rows = np.concatenate([np.zeros((1, sample.count)), rows[-columns.shape[1] :]])
    means = rows @ sample.values
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    weights = np.stack([rows[i] - rows[j] for i, j in pairs])
    found: dict[str, Any] = {
        "span": float(means.max() - means.min()),
        "span_bounds": tuple(_span_bounds(weights, sample, p) for p in LEVELS.values()),
        "highest": str(names[int(means.argmax())]),
        "lowest": str(names[int(means.argmin())]),
    }
    return {**found, **_slope(sample, factor)}


def _span_bounds(weights: FloatArray, sample: Sample, level: float) -> Interval:
    from scipy.stats import t

    difference = np.abs(weights @ sample.values)
    parts = (weights * sample.stderr) ** 2
    total = parts.sum(axis=1)
    lost = (parts**2 / sample.dof).sum(axis=1)
    dof = np.divide(total**2, lost, out=np.full_like(total, np.inf), where=lost > 0)
    width = np.sqrt(total) * t.ppf(1 - (1 - level) / 2 / len(weights), dof)
    return max(0.0, float((difference - width).max())), float((difference + width).max())


def _slope(sample: Sample, factor: str) -> dict[str, float]:
    if sample.levels[factor].dtype.kind not in "iuf":
        return {}
    column = sample.levels[factor].astype(np.float64)[:, None]
    row = np.linalg.pinv(np.concatenate([sample.design(factor), column], axis=1))[-1]
    error = np.sqrt(((row * sample.stderr) ** 2).sum())
    return {"slope": float(row @ sample.values), "slope_stderr": float(error)}
