"""What is known of a straight line through an overlapping mean squared displacement.

The points of an all-origins MSD are so strongly correlated that ordinary least squares claims
errors many times too small. For a Gaussian walker with MSD(n) = s n + b per direction (s from
Brownian steps, b from rattling or localisation noise) the covariance of the points is known
exactly, and generalised least squares with it is the efficient estimator. Without the noise term:
Qian, Sheetz, Elson, Biophys. J. 60, 910 (1991), doi:10.1016/S0006-3495(91)82125-7; with it:
Michalet, Phys. Rev. E 82, 041914 (2010), doi:10.1103/PhysRevE.82.041914.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray


@dataclass(frozen=True)
class Line:
    """A straight line fitted to points that are correlated: y = intercept + slope x."""

    slope: float
    intercept: float
    covariance: FloatArray
    """(2, 2), of (slope, intercept)"""
    chi2: float
    dof: int

    @property
    def slope_stderr(self) -> float:
        """Standard error of the slope."""
        return float(np.sqrt(self.covariance[0, 0]))


def generalised_least_squares(x: FloatArray, y: FloatArray, covariance: FloatArray) -> Line:
    """The line that is best when the errors of the points have a known covariance.

    β = (Xᵀ C⁻¹ X)⁻¹ Xᵀ C⁻¹ y, cov β = (Xᵀ C⁻¹ X)⁻¹.

    Parameters
    ----------
    x, y : (point,)
    covariance : (point, point), of y
    """
    design = np.stack([x, np.ones_like(x)], axis=1)
    weighted = np.linalg.solve(covariance, np.column_stack([design, y]))
    spread = np.linalg.inv(design.T @ weighted[:, :2])
    slope, intercept = spread @ design.T @ weighted[:, 2]
    residual = y - slope * x - intercept
    chi2 = float(residual @ (weighted @ [-slope, -intercept, 1.0]))
    return Line(float(slope), float(intercept), spread, chi2, len(x) - 2)


@lru_cache(maxsize=64)
def _moments(lags: tuple[int, ...], frames: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums over all pairs of time origins of squared displacement covariances.

    Two displacements, of i and j frames, the second starting k frames after the first, overlap
    for v(k) frames and share rattling n(k), so that their covariance is s v + b n. Returns
    2/(N_i N_j) Σ_k count(k) · (v², 2 v n, n²), each (lag, lag).
    """
    size = len(lags)
    sums = np.zeros((3, size, size))
    for a, i in enumerate(lags):
        for b, j in enumerate(lags[a:], a):
            k = np.arange(max(-j, 1 - (frames - i)), min(i, frames - j - 1) + 1)
            count = np.minimum(frames - i, frames - j - k) - np.maximum(0, -k)
            overlap = (np.minimum(i, k + j) - np.maximum(0, k)).astype(np.float64)
            shared = 0.5 * ((k == 0) + 1.0 * (k == i - j) - (k == i) - 1.0 * (k == -j))
            terms = count @ np.stack([overlap**2, 2 * overlap * shared, shared**2], axis=1)
            sums[:, a, b] = sums[:, b, a] = 2 * terms / ((frames - i) * (frames - j))
    return sums[0], sums[1], sums[2]


@dataclass(frozen=True)
class Curve:
    """An all-origins MSD, summed over three directions, and what its errors depend on."""

    lags: IntArray
    """(lag,) frames"""
    msd: FloatArray
    """(lag,) Å²"""
    walkers: float
    """number of independent walkers averaged over"""
    moments: tuple[FloatArray, FloatArray, FloatArray]

    @classmethod
    def of(cls, lags: IntArray, msd: FloatArray, frames: int, walkers: float) -> Curve:
        """The curve of a trajectory of so many frames."""
        return cls(lags, msd, walkers, _moments(tuple(int(lag) for lag in lags), frames))

    def between(self, first: int, last: int | None = None) -> Curve:
        """The part of the curve from one index to another."""
        part = slice(first, last)
        grown, mixed, still = (moment[part, part] for moment in self.moments)
        return Curve(self.lags[part], self.msd[part], self.walkers, (grown, mixed, still))

    def covariance(self, slope: float, intercept: float = 0.0) -> FloatArray:
        """Covariance of the points for Gaussian walkers with a given line as their MSD.

        Parameters
        ----------
        slope : Å² per frame
        intercept : Å²; what lies below zero, which no noise can cause, is ignored

        Returns
        -------
        (lag, lag) Å⁴
        """
        grown, mixed, still = self.moments
        b = max(intercept, 0.0)
        total = slope * slope * grown + slope * b * mixed + b * b * still
        return total / (3 * self.walkers)

    def line(self) -> Line:
        """The MSD as a line, by generalised least squares with the exact Brownian covariance.

        The covariance needs the line that it is to find: three rounds reach it. A slope that is
        not positive ends the search.
        """
        x = self.lags.astype(np.float64)
        slope, intercept = float(self.msd[-1] / x[-1]), 0.0
        for _ in range(3):
            line = generalised_least_squares(x, self.msd, self.covariance(slope, intercept))
            if line.slope <= 0:
                break
            slope, intercept = line.slope, line.intercept
        return line

    def slope_stderr(self, slope: float, intercept: float) -> float:
        """Standard error expected of the slope for Gaussian walkers with a given line."""
        x = self.lags.astype(np.float64)
        known = self.covariance(slope, intercept)
        return generalised_least_squares(x, self.msd, known).slope_stderr

    def exponent(self) -> tuple[float, float]:
        """Log-log slope, 1 for diffusion, 0 in a cage, 2 in free flight, and its standard error.

        Ordinary least squares, so that all of the window speaks and not its short lags alone;
        the error is that of Brownian walkers, propagated with the full covariance.
        """
        x = self.lags.astype(np.float64)
        design = np.stack([np.log(x), np.ones_like(x)], axis=1)
        solve = np.linalg.pinv(design)
        model = x * float(self.msd @ x / (x @ x))
        errors = self.covariance(model[-1] / x[-1]) / np.outer(model, model)
        slope = float((solve @ np.log(self.msd))[0])
        return slope, float(np.sqrt((solve @ errors @ solve.T)[0, 0]))

    def relative_stderr(self) -> FloatArray:
        """Standard error of each point of a Brownian MSD over its value, (lag,)."""
        return np.sqrt(np.diag(self.covariance(1.0))) / self.lags
