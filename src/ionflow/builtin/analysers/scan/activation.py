"""A straight line in 1/T through the logarithm of a rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS
from ionflow.units import BOLTZMANN_EV_PER_K

Verdict = Literal[
    "no temperature", "one temperature", "two temperatures", "straight", "scattered", "curved"
]

#: a bend of this many standard errors tells a curve from mere scatter
_CLEAR_BEND = 2.0


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error and half widths of its intervals of 68 and 95 %."""

    value: float = np.nan
    stderr: float = np.nan
    halfwidths: tuple[float, ...] = (np.nan,) * len(LEVELS)


@dataclass(frozen=True)
class Activation:
    """ln k = ln k0 − Ea/(kB T) of a rate k, such as D."""

    points: int
    """temperatures with a rate"""
    energy: Estimate = Estimate()
    """Ea, eV"""
    ln_prefactor: Estimate = Estimate()
    ln_extrapolated: Estimate = Estimate()
    """ln k at another temperature"""
    covariance: FloatArray | None = None
    """(2, 2) of (ln k0, Ea)"""
    chi2: float = np.nan
    probability: float = np.nan
    """of a larger χ², were the line right; NaN with fewer than three temperatures"""
    bend: Estimate = Estimate()
    """Ea at the coldest minus Ea at the hottest temperature, of a parabola, eV"""
    bent_probability: float = np.nan
    """of a larger χ² of the parabola; NaN with fewer than four temperatures"""

    @property
    def dof(self) -> int:
        """Temperatures beyond the two that a line needs."""
        return max(0, self.points - 2)

    def verdict(self, implausible: float) -> Verdict:
        """Whether a line describes the points, if χ² of a probability below this says that not."""
        if self.points < 2:
            return "one temperature" if self.points else "no temperature"
        if self.points == 2:
            return "two temperatures"
        if self.probability >= implausible:
            return "straight"
        clear = abs(self.bend.value) > _CLEAR_BEND * self.bend.stderr
        return "curved" if clear and self.bent_probability >= implausible else "scattered"


@dataclass(frozen=True)
class _Points:
    """Logarithms of rates against −1/(kB T)."""

    x: FloatArray
    """−1/(kB T), 1/eV, so that the slope is Ea"""
    y: FloatArray
    sigma: FloatArray
    dof: FloatArray
    """of each σ"""


@dataclass(frozen=True)
class _Fit:
    """Weighted least squares with a given design."""

    points: _Points
    parameters: FloatArray
    solve: FloatArray
    """(parameter, point): from y to the parameters"""
    chi2: float
    probability: float

    @classmethod
    def of(cls, design: FloatArray, points: _Points) -> _Fit:
        weighted = design / points.sigma[:, None] ** 2
        solve = np.asarray(np.linalg.solve(design.T @ weighted, weighted.T), np.float64)
        parameters = solve @ points.y
        chi2 = float((((points.y - design @ parameters) / points.sigma) ** 2).sum())
        spare = len(points.y) - design.shape[1]
        leverage = np.einsum("ij,ji->i", design, solve)
        return cls(
            points, parameters, solve, chi2 if spare else 0.0, _tail(chi2, spare, leverage, points)
        )

    def combined(self, wanted: FloatArray, scatter: float = 1.0) -> Estimate:
        """A linear combination of the parameters."""
        parts = (wanted @ self.solve * self.points.sigma) ** 2
        return _estimate(float(wanted @ self.parameters), parts, self.points.dof, scatter)


def fit_activation(
    temperature: FloatArray, value: FloatArray, stderr: FloatArray, dof: FloatArray, target: float
) -> Activation:
    """Weighted least squares of ln k against 1/T with the full covariance.

    The errors of the points carry through the linear estimate. From three temperatures on, they
    grow by √(χ²/dof) where the points scatter more than their errors say (Birge,
    doi:10.1103/PhysRev.40.207); with two, χ² is zero by construction and says nothing. Intervals
    take Student's t with the effective degrees of freedom of Welch and Satterthwaite
    (doi:10.2307/3002019), the probability of χ² takes the errors' own degrees of freedom into
    account as Welch, James and Johansen do (doi:10.1093/biomet/67.1.85).

    Parameters
    ----------
    temperature : (point,) K
    value, stderr : (point,) of k; points that are NaN or not positive are left out
    dof : (point,) degrees of freedom of the standard errors
    target : temperature to extrapolate to, K
    """
    known = np.isfinite(value) & np.isfinite(stderr) & (value > 0) & (stderr > 0)
    count = int(known.sum())
    if count < 2:
        return Activation(count)
    points = _Points(
        -1 / (BOLTZMANN_EV_PER_K * temperature[known]),
        np.log(value[known]),
        stderr[known] / value[known],
        dof[known],
    )
    line = _Fit.of(np.stack([np.ones(count), points.x], axis=1), points)
    scatter = max(1.0, line.chi2 / (count - 2)) if count > 2 else 1.0
    bend, bent_probability = _bend(points)
    return Activation(
        count,
        line.combined(np.array([0.0, 1.0]), scatter),
        line.combined(np.array([1.0, 0.0]), scatter),
        line.combined(np.array([1.0, -1 / (BOLTZMANN_EV_PER_K * target)]), scatter),
        (line.solve * points.sigma**2) @ line.solve.T * scatter,
        line.chi2,
        line.probability,
        bend,
        bent_probability,
    )


def _bend(points: _Points) -> tuple[Estimate, float]:
    """Change of slope from the hottest to the coldest point, and how well a parabola fits."""
    if len(points.x) < 3:
        return Estimate(), np.nan
    span = points.x.min() - points.x.max()
    z = (points.x - points.x.mean()) / span  # of order one, for a well conditioned fit
    parabola = _Fit.of(np.stack([np.ones_like(z), z, z**2], axis=1), points)
    return parabola.combined(np.array([0.0, 0.0, 2 / span])), parabola.probability


def _tail(chi2: float, spare: int, leverage: FloatArray, points: _Points) -> float:
    """Probability of a larger χ² when the errors are themselves known from few replicas only.

    χ²/c follows F(r, r(r + 2)/(3A)) with A = Σ (1 − h)²/ν over the points of leverage h and ν
    degrees of freedom of their errors, and c = r + 2A − 6A/(r + 2) (Johansen,
    doi:10.1093/biomet/67.1.85); for ν → ∞ it is χ² itself with r degrees of freedom.
    """
    from scipy.stats import chi2 as chi_squared
    from scipy.stats import f

    if spare < 1:
        return np.nan
    loss = float(((1 - leverage) ** 2 / points.dof).sum())
    if loss == 0:
        return float(chi_squared.sf(chi2, spare))
    scale = spare + 2 * loss - 6 * loss / (spare + 2)
    return float(f.sf(chi2 / scale, spare, spare * (spare + 2) / (3 * loss)))


def _estimate(value: float, parts: FloatArray, dof: FloatArray, scatter: float) -> Estimate:
    """From the variance that each point contributes."""
    from scipy.stats import t

    total = parts.sum()
    lost = (parts**2 / dof).sum()
    effective = total**2 / lost if lost > 0 else np.inf
    stderr = float(np.sqrt(total * scatter))
    widths = tuple(float(stderr * t.ppf(0.5 + p / 2, effective)) for p in LEVELS.values())
    return Estimate(value, stderr, widths)
