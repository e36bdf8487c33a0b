"""Where, if anywhere, a mean squared displacement is diffusive, and what the slope is there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ionflow.builtin.analysers.brownian import Curve, Line
from ionflow.builtin.analysers.estimator import Estimator
from ionflow.builtin.analysers.inframe import InFrame
from ionflow.builtin.analysers.motion import Independence, PartMotion, SelfMotion
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, IntArray, Subject
from ionflow.statistics import interval

BoolArray = npt.NDArray[np.bool_]

Verdict = Literal["diffusive", "caged", "anomalous", "undecided", "percolating", "no clusters"]

#: a window spans at least this factor in time, or its log-log slope says little
MIN_SPAN = 2.0
MIN_POINTS = 4
#: and one this long is long
LONG_SPAN = 4.0
#: with a larger error, a log-log slope of 1 cannot be told from that of a cage (0) or of free
#: flight (2), given that two standard errors are allowed for
MAX_EXPONENT_STDERR = 0.4
#: two windows whose slopes differ by more standard errors than this are not one straight line
MAX_BEND = 1.5
#: what is left of the relaxation in cages where a line is straight within its errors would still
#: bias the slope: the fit starts so many times later
SETTLE = 2.0
#: fewer blocks than this have no spread worth the name
MIN_BLOCKS = 3

#: (lags, parts) to the MSD in each of some consecutive equal parts of a trajectory, (part, lag)
Source = Callable[[IntArray, int], FloatArray]


class DiffusiveFit(InFrame):
    """An analyser that needs the slope of a diffusive mean squared displacement."""

    cage_A2: float = Field(3.0, ge=0)
    """An ion whose mean squared displacement is below this still rattles in its cage; the fit
    starts beyond. 3 Å² is about half of a hop of an alkali ion."""

    exponent_tolerance: float = Field(0.1, gt=0, le=0.5)
    """How far the log-log slope of diffusion may be from 1, beyond two standard errors."""

    blocks: int = Field(8, ge=3, le=50)
    """Consecutive parts of the trajectory whose spread gives a second standard error; fewer where
    the fitted window does not fit into them."""

    @property
    def parts(self) -> tuple[int, ...]:
        """Numbers of parts to try, most first."""
        counts = (self.blocks, round(0.6 * self.blocks), MIN_BLOCKS)
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
                f"displacements show, and the spread over up to {self.blocks} blocks; intervals "
                "are those of a scaled chi-squared variable"
            ),
            **self.frame_attrs(),
        }


@dataclass(frozen=True)
class Slope:
    """What an MSD tells of D = slope/6; lags in frames, lengths in Å, times in frames."""

    verdict: Verdict
    exponent: float
    exponent_stderr: float
    fit_start: float = np.nan
    fit_end: float = np.nan
    intercept: float = np.nan
    value: float = np.nan
    """D"""
    stderr_gls: float = np.nan
    stderr_blocks: float = np.nan
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
        """Lower and upper end of the central interval of D.

        Student's t would guard against a spread that is small by chance; the error of the fit,
        below which the standard error cannot fall, does so already.
        """
        return np.array(interval(self.value, self.stderr, level))


def slope_of(
    source: Source,
    lags: IntArray,
    frames: int,
    walkers: float,
    fit: DiffusiveFit,
    beyond: Callable[[FloatArray], BoolArray],
    settle: float = SETTLE,
) -> Slope:
    """The diffusive slope of an MSD, or the reason why it has none.

    Parameters
    ----------
    source : gives the MSD, Å²
    lags : (lag,) frames
    frames : length of the trajectory
    walkers : number of independent walkers
    fit : criteria
    beyond : from the MSD (lag,), Å², to whether each lag is beyond the motion in a cage, (lag,)
    settle : how many times later than the earliest straight window the fit starts
    """
    curve = Curve.of(lags, source(lags, 1)[0], frames, walkers)
    first = _first(beyond(curve.msd) & (curve.msd > 0))
    if first is None or lags[-1] < MIN_SPAN * lags[first] or len(lags) - first < MIN_POINTS:
        return _not_diffusive("caged", curve, _last_decade(lags), fit)
    start = _diffusive_start(curve, first, fit)
    if start is None:
        told = curve.between(first).exponent()[1] <= MAX_EXPONENT_STDERR
        return _not_diffusive("anomalous" if told else "undecided", curve, first, fit)
    found = _fitted(source, curve.between(_settled(curve, start, settle)), frames, fit)
    if found.stderr >= found.value:  # consistent with no diffusion at all
        return _not_diffusive("undecided", curve, start, fit)
    return found


def _first(true: BoolArray) -> int | None:
    places = np.flatnonzero(true)
    return int(places[0]) if places.size else None


def _last_decade(lags: IntArray) -> int:
    early = int(np.searchsorted(lags, lags[-1] / 10))
    return min(early, len(lags) - MIN_POINTS)


def _diffusive_start(curve: Curve, first: int, fit: DiffusiveFit) -> int | None:
    """Index of the earliest straight window that looks diffusive.

    If none is straight, the latest that looks diffusive and is long: what bends it has had most
    time to relax.
    """
    last = int(np.searchsorted(curve.lags, curve.lags[-1] / MIN_SPAN, side="right"))
    bent = None
    for start in range(first, min(last, len(curve.lags) - MIN_POINTS + 1)):
        window = curve.between(start)
        if _is_diffusive(window, fit.exponent_tolerance):
            if _is_straight(window):
                return start
            bent = start if bent is None or window.lags[-1] >= LONG_SPAN * window.lags[0] else bent
    return bent


def _is_diffusive(window: Curve, tolerance: float) -> bool:
    exponent, stderr = window.exponent()
    near = abs(exponent - 1) <= tolerance + 2 * stderr
    return near and stderr <= MAX_EXPONENT_STDERR and window.line().slope > 0


def _settled(curve: Curve, start: int, times: float) -> int:
    """The window that starts so many times later, if it is long enough."""
    later = int(np.searchsorted(curve.lags, times * curve.lags[start]))
    enough = len(curve.lags) - later >= MIN_POINTS and _spans(curve.between(later))
    return later if enough else start


def _spans(window: Curve) -> bool:
    return bool(window.lags[-1] >= MIN_SPAN * window.lags[0])


def _is_straight(window: Curve) -> bool:
    """Whether the window is one line: by χ², and by the slope of the part from twice its start.

    χ² of the line is one that chance brings about more often than in one of 100. The later part's
    slope is an estimate by itself, of variance larger by that of their difference (Hausman,
    doi:10.2307/1913827), which tells relaxation that χ² of many points cannot.
    """
    from scipy.stats import chi2

    line = window.line()
    if chi2.sf(line.chi2, line.dof) <= 0.01:
        return False
    later = int(np.searchsorted(window.lags, 2 * window.lags[0]))
    part = window.between(later)
    if len(part.lags) < MIN_POINTS or not _spans(part):
        return True
    rest = part.line_as(line)
    variance = rest.covariance[0, 0] - line.covariance[0, 0]
    return bool((rest.slope - line.slope) ** 2 <= MAX_BEND**2 * max(variance, 0.0))


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


def _fitted(source: Source, window: Curve, frames: int, fit: DiffusiveFit) -> Slope:
    line, (exponent, stderr) = window.line(), window.exponent()
    found = Slope(
        "diffusive",
        exponent,
        stderr,
        fit_start=float(window.lags[0]),
        fit_end=float(window.lags[-1]),
        intercept=line.intercept,
        value=line.slope / 6,
        stderr_gls=line.slope_stderr / 6,
    )
    ratio, blocks = _block_ratio(source, window, line, frames, fit)
    return replace(
        found,
        stderr_blocks=ratio * found.stderr_gls,
        blocks=blocks,
        estimator=Estimator.of(window, line, float(np.fmax(1.0, ratio))),
    )


def _block_ratio(
    source: Source, window: Curve, line: Line, frames: int, fit: DiffusiveFit
) -> tuple[float, int]:
    """Spread of the slopes of blocks over the spread expected of them, and how many blocks.

    The ratio, times the error of the whole, is the error that the blocks show. Their plain
    spread would be larger, since a fit to a short block loses information that the whole has.
    There are as many blocks as are long enough for the start of the window.
    """
    for blocks in fit.parts:
        length = frames // blocks
        lags = window.lags[window.lags <= fit.max_lag_fraction * (length - 1)]
        if len(lags) >= MIN_POINTS and lags[-1] >= MIN_SPAN * lags[0]:
            curves = [Curve.of(lags, msd, length, window.walkers) for msd in source(lags, blocks)]
            spread = np.std([curve.line().slope for curve in curves], ddof=1)
            expected = curves[0].slope_stderr(line.slope, line.intercept)
            return float(spread) / expected, blocks
    return np.nan, 0
