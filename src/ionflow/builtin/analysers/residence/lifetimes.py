"""What a decaying correlation tells of a time: its integral, a stretched exponential, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray
from ionflow.statistics import LEVELS, interval

Verdict = Literal["resolved", "too few events", "not decayed", "undecided", "absent"]

#: the integral is by sums down to here, and of an exponential beyond
DECAYED = 0.02
#: fewer groups than this have no spread worth the name
MIN_GROUPS = 3
#: fewest points of a fit
MIN_POINTS = 4


@dataclass(frozen=True)
class Estimate:
    """A positive number and its errors."""

    value: float = np.nan
    stderr: float = np.nan
    """the largest of `parts`"""
    dof: float = np.inf
    """degrees of freedom of all of them"""
    parts: Mapping[str, float] | None = None
    """standard errors by kind of group"""

    def interval(self, level: str) -> FloatArray:
        """Lower and upper end of the central interval."""
        return np.array(interval(self.value, self.stderr, LEVELS[level], self.dof))


@dataclass(frozen=True)
class Decay:
    """A correlation that decays from 1 to 0, and again with each group of origins left out."""

    lags: FloatArray
    """(lag,) ps, from 0"""
    whole: FloatArray
    """(lag,)"""
    without: FloatArray
    """(group, lag)"""
    weight: FloatArray
    """(group,) origins of each"""
    kinds: Mapping[str, slice]
    """groups by kind; every origin is in one of each kind"""

    @property
    def rows(self) -> FloatArray:
        """(1 + group, lag)"""
        return np.concatenate([self.whole[None], self.without])

    def end(self) -> int:
        """Index of the lag at which it has decayed, or of the last that all groups know."""
        lost = np.flatnonzero(~np.isfinite(self.rows).all(axis=0))
        last = int(lost[0]) - 1 if lost.size else len(self.lags) - 1
        low = np.flatnonzero(self.whole[: last + 1] < DECAYED)
        return int(low[0]) if low.size else last

    def estimate(self, rows: FloatArray) -> Estimate:
        """A number from its value with all groups and without each, (1 + group,)."""
        parts = {
            kind: jackknife(rows[1:][groups], self.weight[groups])
            for kind, groups in self.kinds.items()
        }
        errors = {kind: error for kind, (error, _) in parts.items()}
        known = {kind: error for kind, error in errors.items() if np.isfinite(error)}
        if not known or not np.isfinite(rows[0]):
            return Estimate(float(rows[0]), parts=errors)
        # the largest of several is hardly small by chance: t with the sum of their degrees
        dof = sum(parts[kind][1] for kind in known)
        return Estimate(float(rows[0]), max(known.values()), dof, errors)

    def errors(self) -> FloatArray:
        """Standard error of the correlation at each lag, (lag,)."""
        each = [self.estimate(column).stderr for column in self.rows.T]
        return np.array(each)


def jackknife(without: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Standard error from values without each group, and its degrees of freedom.

    σ² = (n − 1)/n Σ_g (θ_g − θ̄)², with θ_g the value without group g (Efron and Stein, Ann. Stat.
    9, 586 (1981), doi:10.1214/aos/1176345462). Groups without origins do not count, and unequal
    ones count for fewer: n − 1 degrees of freedom, with n = (Σ w)²/Σ w².

    Parameters
    ----------
    without, weight : (group,)
    """
    held = weight > 0
    values, count = without[held], int(held.sum())
    if count < MIN_GROUPS or not np.isfinite(values).all():
        return np.nan, np.nan
    spread = float(((values - values.mean()) ** 2).sum())
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return float(np.sqrt((count - 1) / count * spread)), max(effective - 1, 1.0)


def mean_times(rows: FloatArray, lags: FloatArray, end: int) -> tuple[FloatArray, FloatArray]:
    """∫ P dt of each row, and the part of it that lies beyond the end.

    Between lags P is taken as exponential; beyond the end too, with the rate of its decay over the
    later half of the lags: τ_tail = (t_end − t_half)/ln(P_half/P_end).

    Parameters
    ----------
    rows : (row, lag)
    lags : (lag,) ps
    end : index of the last lag used

    Returns
    -------
    (row,) ps, infinite where P does not decay; (row,) ps.
    """
    used = np.maximum(rows[:, : end + 1], 0) if end else rows[:, :1]
    inner = _between(used[:, :-1], used[:, 1:]) @ np.diff(lags[: end + 1])
    half = int(np.searchsorted(lags, lags[end] / 2))
    half = min(half, max(end - 1, 0))
    low, high = rows[:, end], rows[:, half]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.log(high / low) / (lags[end] - lags[half])
        tail = np.where(low > 0, np.where(rate > 0, low / rate, np.inf), 0.0)
    return inner + tail, tail


def _between(first: FloatArray, second: FloatArray) -> FloatArray:
    """Mean over a span of what decays exponentially from `first` to `second`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(first / second)
        mean: FloatArray = (first - second) / ratio
    straight = 0.5 * (first + second)
    curved = (first > 0) & (second > 0) & (np.abs(ratio) > 1e-6)
    return np.where(curved, mean, straight)


def stretched(rows: FloatArray, lags: FloatArray, end: int) -> FloatArray:
    """exp(−(t/τ)^β) fitted to each row by least squares: τ (ps), β, and τ/β Γ(1/β), (row, 3).

    Kohlrausch, Ann. Phys. 167, 179 (1854), doi:10.1002/andp.18541670203; Williams and Watts,
    doi:10.1039/TF9706600080. The lags are evenly spaced on a log axis and weigh alike. The first
    row is fitted; the others are close to it and get one step of Gauss and Newton from there.

    Parameters
    ----------
    rows : (row, lag), P
    lags : (lag,) ps
    end : index of the last lag used
    """
    from scipy.optimize import least_squares

    t, data = lags[1 : end + 1], rows[:, 1 : end + 1]
    if len(t) < MIN_POINTS or not np.isfinite(data[0]).all() or data[0][-1] > 0.9:
        return np.full((len(rows), 3), np.nan)
    start = np.log([max(mean_times(rows[:1], lags, end)[0][0], t[0]), 0.8])
    start[0] = start[0] if np.isfinite(start[0]) else np.log(t[-1])
    fit = least_squares(lambda p: _stretched(p, t) - data[0], start, lambda p: _slopes(p, t))
    slopes = _slopes(fit.x, t)
    steps = (data - _stretched(fit.x, t)) @ np.linalg.pinv(slopes).T
    steps[0] = 0.0
    return _named(fit.x + steps)


def _stretched(parameters: FloatArray, t: FloatArray) -> FloatArray:
    tau, beta = np.exp(np.clip(parameters, -30, 30))
    value: FloatArray = np.exp(-np.minimum((t / tau) ** beta, 700))
    return value


def _slopes(parameters: FloatArray, t: FloatArray) -> FloatArray:
    """(lag, parameter) derivatives with respect to ln τ and ln β"""
    tau, beta = np.exp(np.clip(parameters, -30, 30))
    power = np.minimum((t / tau) ** beta, 700)
    common = np.exp(-power) * power * beta
    return np.stack([common, -common * np.log(t / tau)], axis=1)


def _named(parameters: FloatArray) -> FloatArray:
    from scipy.special import gamma

    tau, beta = np.exp(np.clip(parameters, -30, 30)).T
    found = np.stack([tau, beta, tau / beta * gamma(1 / beta)], axis=1)
    found[(beta < 0.1) | (beta > 10)] = np.nan
    return found


def lower_bound(exposure: float, events: int) -> float:
    """Bound at 95 % on a mean lifetime, from the time watched and the escapes seen.

    2 T/χ²_{2n+2, 0.95} for n escapes in a time T, if they come at a constant rate (Epstein and
    Sobel, J. Am. Stat. Assoc. 48, 486 (1953), doi:10.1080/01621459.1953.10483488).

    >>> round(lower_bound(30.0, 0), 1)  # the rule of three
    10.0
    """
    from scipy.stats import chi2

    return float(2 * exposure / chi2.ppf(0.95, 2 * events + 2)) if exposure > 0 else np.nan


@dataclass(frozen=True)
class Lifetime:
    """What is known of a time of residence, ps."""

    verdict: Verdict
    time: Estimate = Estimate()
    tail_fraction: float = np.nan
    stretched: tuple[Estimate, Estimate, Estimate] = (Estimate(),) * 3
    """τ, β and mean time of the stretched exponential"""


def lifetime(decay: Decay, events: int, min_events: int, max_tail: float) -> Lifetime:
    """The time in which a correlation decays, or why it cannot be told.

    Parameters
    ----------
    decay : the correlation
    events : escapes that were seen
    min_events : fewer have no error worth the name
    max_tail : largest share of the integral that may lie beyond the lags
    """
    if not np.isfinite(decay.whole[0]):
        return Lifetime("absent")
    if events < min_events:
        return Lifetime("too few events")
    end = decay.end()
    whole, tail = mean_times(decay.rows, decay.lags, end)
    share = float(tail[0] / whole[0]) if np.isfinite(whole[0]) and whole[0] > 0 else 1.0
    if end < 1 or share > max_tail or decay.whole[end] > max_tail:
        return Lifetime("not decayed", tail_fraction=share)
    time = decay.estimate(whole)
    if not time.stderr < time.value:
        return Lifetime("undecided", tail_fraction=share)
    fit = stretched(decay.rows, decay.lags, end)
    tau, beta, mean = (decay.estimate(column) for column in fit.T)
    return Lifetime("resolved", time, share, (tau, beta, mean))


def whole_words(lags: IntArray) -> IntArray:
    """Lags with 0 before them, long ones in whole words of 64 frames, which are quicker to reach.

    >>> whole_words(np.array([1, 5, 700]))
    array([  0,   1,   5, 640])
    """
    return np.unique(np.concatenate([[0], np.where(lags < 640, lags, lags // 64 * 64)]))
