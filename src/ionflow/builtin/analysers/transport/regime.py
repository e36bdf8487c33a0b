"""Where, if anywhere, a mean squared displacement is diffusive, and what the slope is there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from pydantic import Field

from ionflow.builtin.analysers.dynamics.motion import Independence, PartMotion, SelfMotion
from ionflow.builtin.analysers.inframe import InFrame
from ionflow.builtin.analysers.transport.brownian import Curve, Line
from ionflow.builtin.analysers.transport.estimator import Estimator
from ionflow.builtin.analysers.transport.windows import (
    MAX_EXPONENT_STDERR,
    MIN_POINTS,
    MIN_SPAN,
    BoolArray,
    diffusive_start,
    first_of,
    last_decade,
    settled,
)
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, IntArray, Subject
from ionflow.statistics import interval

Verdict = Literal["diffusive", "caged", "anomalous", "undecided", "percolating", "no clusters"]

#: what is left of the relaxation in cages where a line is straight within its errors would still
#: bias the slope: the fit starts so many times later
SETTLE = 2.0
#: fewer blocks than this have no spread worth the name
MIN_BLOCKS = 3
#: nor have fewer walkers than this
MIN_WALKERS = 5

#: (lags, parts) to the MSD in each of some consecutive equal parts of a trajectory, (part, lag)
Source = Callable[[IntArray, int], FloatArray]


class DiffusiveFit(InFrame):
    """An analyser that needs the slope of a diffusive mean squared displacement."""

    cage_A2: float = Field(3.0, ge=0)
    """An ion whose mean squared displacement is below this still rattles in its cage; the fit
    starts beyond. 3 Å² is about half of a hop of an alkali ion."""

    exponent_tolerance: float = Field(0.1, gt=0, le=0.5)
    """How far the log-log slope of diffusion may be from 1, beyond two standard errors."""

    blocks: int = Field(12, ge=3, le=50)
    """Consecutive parts of the trajectory whose spread gives a second standard error; fewer where
    the fitted window does not fit into them."""

    @property
    def parts(self) -> tuple[int, ...]:
        """Numbers of parts to try, most first."""
        counts = (self.blocks, self.blocks * 2 // 3, self.blocks * 5 // 12, MIN_BLOCKS)
        return tuple(sorted({max(MIN_BLOCKS, n) for n in counts}, reverse=True))

    @property
    def criteria(self) -> tuple[Hashable, ...]:
        """All that a slope depends on: fits that are equal in it share slopes."""
        own = (self.max_lag_fraction, self.lags, self.cage_A2, self.exponent_tolerance)
        return (self.reference, *own, self.parts)

    def motions(self, subject: Subject) -> dict[str, AnyMeasure]:
        """What `species_slope` needs measured."""
        lags = tuple(self.lag_frames(subject).tolist())
        return {
            "motion": SelfMotion(lags, reference=self.reference),
            "parts": PartMotion(lags, self.parts, reference=self.reference),
            "independent": Independence(reference=self.reference),
        }

    def fit_attrs(self) -> dict[str, str]:
        """How results state the way in which a slope was found."""
        return {
            "method": (
                "slope of the all-origins MSD with intercept, by generalised least squares with "
                "the exact covariance of overlapping displacements of Gaussian walkers"
            ),
            "doi": "10.1016/S0006-3495(91)82125-7, 10.1103/PhysRevE.82.041914",
            "window": (
                f"the earliest that starts beyond {self.cage_A2:g} angstrom^2 and whose log-log "
                f"slope is within {self.exponent_tolerance:g} and 2 standard errors of 1 and "
                f"which is straight, from {SETTLE:g} times its start, where the trajectory is long "
                f"enough, up to {self.max_lag_fraction:g} of the trajectory"
            ),
            "error": (
                "the larger of the error of the fit, for as many independent walkers as the "
                "displacements show, or whose slopes spread as theirs do, and the spread over up "
                f"to {self.blocks} blocks; intervals are those of a scaled chi-squared variable, "
                "and take the spread over blocks where it is larger by more than chance"
            ),
            **self.frame_attrs(),
        }


@dataclass(frozen=True)
class Slope:
    """What an MSD tells of D = slope/6; lags in frames, lengths in Å, times in frames."""

    verdict: Verdict
    exponent: float
    exponent_stderr: float
    straight_from: float = np.nan
    """where the earliest straight window starts; the fit starts later"""
    fit_start: float = np.nan
    fit_end: float = np.nan
    intercept: float = np.nan
    value: float = np.nan
    """D"""
    stderr_gls: float = np.nan
    stderr_blocks: float = np.nan
    stderr_interval: float = np.nan
    """that of intervals: the spread over blocks counts where it is larger beyond chance"""
    blocks: int = 0
    upper_bound: float = np.nan
    """Bound on D, at 95 % confidence, where it has no value."""
    estimator: Estimator | None = field(default=None, compare=False, repr=False)
    """How the slope is made of the points, where it has a value."""

    @property
    def stderr(self) -> float:
        """The larger standard error."""
        return float(np.fmax(self.stderr_gls, self.stderr_blocks))

    def interval(self, level: float) -> FloatArray:
        """Lower and upper end of the central interval of D."""
        return np.array(interval(self.value, self.stderr_interval, level))


@dataclass(frozen=True)
class Observed:
    """An MSD over walkers, and over parts of the trajectory."""

    source: Source
    """gives the MSD, Å²"""
    lags: IntArray
    """(lag,) frames"""
    frames: int
    """length of the trajectory"""
    walkers: float
    """number of independent walkers"""
    each: FloatArray | None = None
    """(walker, lag) Å² MSD of each walker, where there are several"""

    def curve(self, memory: float = 0.0) -> Curve:
        """The MSD over the whole trajectory, of walkers whose rattling has a memory."""
        msd = self.source(self.lags, 1)[0]
        return Curve.of(self.lags, msd, self.frames, self.walkers, memory)


def slope_of(
    observed: Observed,
    fit: DiffusiveFit,
    beyond: Callable[[FloatArray], BoolArray],
) -> Slope:
    """The diffusive slope of an MSD, or the reason why it has none.

    Parameters
    ----------
    observed : the MSD
    fit : criteria
    beyond : from the MSD (lag,), Å², to whether each lag is beyond the motion in a cage, (lag,)
    """
    curve, lags = observed.curve(), observed.lags
    first = first_of(beyond(curve.msd) & (curve.msd > 0))
    if first is None or lags[-1] < MIN_SPAN * lags[first] or len(lags) - first < MIN_POINTS:
        return _not_diffusive("caged", curve, last_decade(lags), fit)
    start = diffusive_start(curve, first, fit.exponent_tolerance)
    if start is None:
        told = curve.between(first).exponent()[1] <= MAX_EXPONENT_STDERR
        return _not_diffusive("anomalous" if told else "undecided", curve, first, fit)
    memory = curve.memory_of(curve.between(settled(curve, start, SETTLE)).line())
    if memory > 0:
        curve = observed.curve(memory)
        again = diffusive_start(curve, first, fit.exponent_tolerance)
        start = start if again is None else again
    found = _fitted(observed, curve.between(settled(curve, start, SETTLE)), fit)
    found = replace(found, straight_from=float(lags[start]))
    if found.stderr >= found.value:  # consistent with no diffusion at all
        return _not_diffusive("undecided", curve, start, fit)
    return found


def _not_diffusive(verdict: Verdict, curve: Curve, first: int, fit: DiffusiveFit) -> Slope:
    window = curve.between(first)
    if not (window.msd > 0).all():
        return Slope("caged", np.nan, np.nan, upper_bound=0.0)
    exponent, stderr = window.exponent()
    # MSD/6t bounds D from above only while the MSD does not bend upwards
    bends_up = exponent - 2 * stderr > 1 + fit.exponent_tolerance
    bound = np.nan if bends_up else _upper_bound(curve)
    return Slope(verdict, exponent, stderr, upper_bound=bound)


def _upper_bound(curve: Curve) -> float:
    """Upper 95 % bound on D of a walker whose MSD does not bend upwards: D ≤ MSD(t)/6t."""
    upper = interval(curve.msd, curve.msd * curve.relative_stderr(), 0.9)[1]
    return float(np.min(upper / (6 * curve.lags)))


def _fitted(observed: Observed, window: Curve, fit: DiffusiveFit) -> Slope:
    line, (exponent, stderr) = window.line(), window.exponent()
    expected = line.slope_stderr / 6
    spread = block_spread(observed, window, line, fit)
    gls = expected * _walker_ratio(observed, window, line)
    return Slope(
        "diffusive",
        exponent,
        stderr,
        fit_start=float(window.lags[0]),
        fit_end=float(window.lags[-1]),
        intercept=line.intercept,
        value=line.slope / 6,
        stderr_gls=gls,
        stderr_blocks=expected * spread.ratio,
        stderr_interval=max(gls, expected * beyond_chance(spread.ratio, spread.dof)),
        blocks=spread.blocks,
        estimator=Estimator.of(window, line),
    )


def _walker_ratio(observed: Observed, window: Curve, line: Line) -> float:
    """Spread of the slopes of single walkers over that of Gaussian ones, at least 1.

    Ions that hop seldom, and ions that differ, have slopes that spread more: the number of hops
    of a walker adds a relative variance of its inverse, which no lag averages out.
    """
    each = observed.each
    if each is None or len(each) < MIN_WALKERS:
        return 1.0
    slopes = each[:, np.searchsorted(observed.lags, window.lags)] @ line.weights[0]
    expected = line.slope_stderr * float(np.sqrt(window.walkers))
    return beyond_chance(float(slopes.std(ddof=1)) / expected, len(each) - 1)


def beyond_chance(ratio: float, dof: float) -> float:
    """A ratio of an observed to an expected spread where chance hardly makes it as large, else 1.

    A spread of few has a large error of its own, and the larger of it and the expected one is too
    large on average: intervals would cover too often. Chance brings about more in one of 20 cases.
    """
    from scipy.stats import chi2

    if not (dof > 0 and np.isfinite(ratio)):
        return 1.0
    return ratio if ratio**2 > chi2.ppf(0.95, dof) / dof else 1.0


@dataclass(frozen=True)
class BlockSpread:
    """The spread of the slopes of blocks over the spread expected of them."""

    ratio: float = np.nan
    """NaN where the window is too long for blocks"""
    blocks: int = 0
    dof: float = 0.0
    """degrees of freedom of the squared ratio"""


def block_spread(observed: Observed, window: Curve, line: Line, fit: DiffusiveFit) -> BlockSpread:
    """How the slopes of blocks spread, beside how they should.

    The ratio, times the error of the whole, is the error that the blocks show. Their plain
    spread would be larger, since a fit to a short block loses information that the whole has.
    There are as many blocks as are long enough for the start of the window. A slope of relative
    error r spreads as a χ² variable of 2/r² degrees of freedom does, with an excess kurtosis of
    6 r², which makes the variance of a few such slopes uncertain: 2/dof = 2/(B − 1) + 6 r²/B.
    """
    for blocks in fit.parts:
        length = observed.frames // blocks
        lags = window.lags[window.lags <= fit.max_lag_fraction * (length - 1)]
        if len(lags) >= MIN_POINTS and lags[-1] >= MIN_SPAN * lags[0]:
            msds = observed.source(lags, blocks)
            curves = [Curve.of(lags, m, length, window.walkers, window.memory) for m in msds]
            spread = float(np.std([curve.line().slope for curve in curves], ddof=1))
            expected = curves[0].slope_stderr(line.slope, line.intercept)
            kurtosis = 6 * (expected / line.slope) ** 2
            dof = 2 / (2 / (blocks - 1) + kurtosis / blocks)
            return BlockSpread(spread / expected, blocks, dof)
    return BlockSpread()
