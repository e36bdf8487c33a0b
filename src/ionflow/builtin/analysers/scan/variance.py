"""Variance between groups of estimates beyond the errors that they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS

#: groups of (value, variance), each (item,)
Groups = Sequence[tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Between:
    """Variance τ² of true values within groups, each about a mean of its own."""

    tau2: float = np.nan
    """Paule and Mandel's estimate"""
    tau2_moments: float = np.nan
    """DerSimonian and Laird's"""
    bounds: tuple[tuple[float, float], ...] = ((np.nan, np.nan),) * len(LEVELS)
    """Q-profile intervals of τ² at 68 and 95 %"""
    typical: float = np.nan
    """variance of a typical estimate by its own error"""
    q: float = np.nan
    """Cochran's Q, which follows χ² if there is no τ²"""
    probability: float = np.nan
    """of a larger Q if there is no τ²"""
    below: float = np.nan
    """of a smaller Q if there is no τ²"""
    dof: float = 0.0
    items: int = 0

    @property
    def share(self) -> float:
        """I²: τ² as a share of the whole variance of a typical estimate."""
        return self.tau2 / (self.tau2 + self.typical)


def between(groups: Groups, repeated: float = 1.0) -> Between:
    """Variance between true values from estimates with known errors.

    With weights w = 1/(s² + τ²) and ȳ the weighted mean of each group, Q(τ²) = Σ w (y − ȳ)²
    decreases with τ² and follows χ² with as many degrees of freedom as items beyond one for each
    group, if τ² is true. Paule and Mandel's τ² solves Q(τ²) = dof (J. Res. Natl. Bur. Stand. 87,
    377, doi:10.6028/jres.087.022); that of DerSimonian and Laird is the moment estimate with
    weights 1/s² (doi:10.1016/0197-2456(86)90046-2); the interval holds all τ² whose Q lies between
    two quantiles of χ² (Viechtbauer, doi:10.1002/sim.2514). The typical variance is that of
    Higgins and Thompson (doi:10.1002/sim.1186).

    Parameters
    ----------
    groups : (value, variance) of the items of each group; groups of one item say nothing
    repeated : how many items of different groups share one and the same deviation; Q and its
        degrees of freedom are divided by it, which is exact if they share all of it, and makes
        the interval too wide otherwise
    """
    kept = [(y, v) for y, v in groups if len(y) > 1]
    if not kept:
        return Between(items=sum(len(y) for y, _ in groups))
    dof = float(sum(len(y) - 1 for y, _ in kept))
    q = _q(kept, 0.0)
    moments, curvature = _moments(kept)
    return Between(
        tau2=_solve(kept, dof),
        tau2_moments=max(0.0, (q - dof) / curvature),
        bounds=tuple(_profile(kept, dof, repeated, level) for level in LEVELS.values()),
        typical=moments,
        q=q,
        probability=_chi2(repeated, dof, q)[1],
        below=_chi2(repeated, dof, q)[0],
        dof=dof / repeated,
        items=sum(len(y) for y, _ in groups),
    )


def _q(groups: Groups, tau2: float) -> float:
    total = 0.0
    for y, v in groups:
        w = 1 / (v + tau2)
        total += float((w * (y - (w @ y) / w.sum()) ** 2).sum())
    return total


def _moments(groups: Groups) -> tuple[float, float]:
    """Typical variance, and how fast the mean of Q grows with τ²."""
    growth = 0.0
    for _, v in groups:
        w = 1 / v
        growth += float(w.sum() - (w**2).sum() / w.sum())
    return sum(len(v) - 1 for _, v in groups) / growth, growth


def _chi2(repeated: float, dof: float, q: float) -> tuple[float, float]:
    """Probability of a smaller and of a larger Q."""
    from scipy.stats import chi2

    below, above = (float(tail(q / repeated, dof / repeated)) for tail in (chi2.cdf, chi2.sf))
    return below, above


def _profile(groups: Groups, dof: float, repeated: float, level: float) -> tuple[float, float]:
    from scipy.stats import chi2

    few, many = (chi2.ppf(p, dof / repeated) * repeated for p in (0.5 - level / 2, 0.5 + level / 2))
    return _solve(groups, float(many)), _solve(groups, float(few))


def _solve(groups: Groups, wanted: float) -> float:
    """The τ² at which Q has a value; 0 where it is less already without any."""
    from scipy.optimize import brentq

    if _q(groups, 0.0) <= wanted:
        return 0.0
    upper = max(float(v.max()) for _, v in groups)
    while _q(groups, upper) > wanted:
        upper *= 4
    return float(brentq(lambda tau2: _q(groups, tau2) - wanted, 0.0, upper, xtol=1e-14, rtol=1e-12))


def ln_moments(value: FloatArray, stderr: FloatArray) -> tuple[FloatArray, FloatArray]:
    """ln of the true value, estimated without bias, and its variance, of a positive quantity.

    An estimated D or σ spreads like a scaled χ² variable of ν = 2 (value/stderr)² degrees of
    freedom, as in `ionflow.statistics.interval`; the mean of its logarithm is less than that of
    the true value by ln(ν/2) − ψ(ν/2), its variance is ψ′(ν/2) (Bartlett and Kendall,
    doi:10.2307/2983830).
    """
    from scipy.special import digamma, polygamma

    half = (value / stderr) ** 2
    return np.log(value) + np.log(half) - digamma(half), polygamma(1, half)
