"""A straight line in 1/T through the logarithm of a rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS
from ionflow.units import BOLTZMANN_EV_PER_K


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error and half widths of its intervals of 68 and 95 %."""

    value: float = np.nan
    stderr: float = np.nan
    halfwidths: tuple[float, ...] = (np.nan,) * len(LEVELS)


@dataclass(frozen=True)
class Activation:
    """ln D = ln D0 − Ea/(kB T)."""

    energy: Estimate
    """Ea, eV"""
    ln_prefactor: Estimate
    ln_extrapolated: Estimate
    """ln D at another temperature"""
    covariance: FloatArray
    """(2, 2) of (ln D0, Ea)"""
    chi2: float
    points: int

    @property
    def dof(self) -> int:
        """Temperatures beyond the two that a line needs."""
        return max(0, self.points - 2)


def fit_activation(
    temperature: FloatArray, value: FloatArray, stderr: FloatArray, dof: FloatArray, target: float
) -> Activation:
    """Weighted least squares of ln D against 1/T with the full covariance.

    The errors of the points carry through the linear estimate. From three temperatures on, they
    grow by √(χ²/dof) where the points scatter more than their errors say (Birge,
    doi:10.1103/PhysRev.40.207); with two, χ² is zero by construction and says nothing. Intervals
    take Student's t with the effective degrees of freedom of Welch and Satterthwaite
    (doi:10.2307/3002019).

    Parameters
    ----------
    temperature : (point,) K
    value, stderr : (point,) of D; points that are NaN or not positive are left out
    dof : (point,) degrees of freedom of the standard errors
    target : temperature to extrapolate to, K
    """
    known = np.isfinite(value) & np.isfinite(stderr) & (value > 0) & (stderr > 0)
    points = int(known.sum())
    if points < 2:
        nothing = Estimate()
        return Activation(nothing, nothing, nothing, np.full((2, 2), np.nan), np.nan, points)
    x, y = -1 / (BOLTZMANN_EV_PER_K * temperature[known]), np.log(value[known])
    sigma = stderr[known] / value[known]
    design = np.stack([np.ones_like(x), x], axis=1)
    weighted = design / sigma[:, None] ** 2
    solve = np.linalg.solve(design.T @ weighted, weighted.T)
    fitted = solve @ y
    chi2 = float((((y - design @ fitted) / sigma) ** 2).sum()) if points > 2 else 0.0
    scatter = max(1.0, chi2 / (points - 2)) if points > 2 else 1.0

    def estimate(wanted: FloatArray) -> Estimate:
        return _estimate(float(wanted @ fitted), (wanted @ solve * sigma) ** 2, dof[known], scatter)

    return Activation(
        estimate(np.array([0.0, 1.0])),
        estimate(np.array([1.0, 0.0])),
        estimate(np.array([1.0, -1 / (BOLTZMANN_EV_PER_K * target)])),
        (solve * sigma**2) @ solve.T * scatter,
        chi2,
        points,
    )


def _estimate(value: float, parts: FloatArray, dof: FloatArray, scatter: float) -> Estimate:
    """From the variance that each point contributes."""
    from scipy.stats import t

    total = parts.sum()
    lost = (parts**2 / dof).sum()
    effective = total**2 / lost if lost > 0 else np.inf
    stderr = float(np.sqrt(total * scatter))
    widths = tuple(float(stderr * t.ppf(0.5 + p / 2, effective)) for p in LEVELS.values())
    return Estimate(float(value), stderr, widths)
