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
from itertools import pairwise

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

#: rattling that lasts longer than this from frame to frame is no rattling
MOST_MEMORY = 0.95


@dataclass(frozen=True)
class Line:
    """A straight line fitted to points that are correlated: y = intercept + slope x."""

    slope: float
    intercept: float
    covariance: FloatArray
    """(2, 2), of (slope, intercept)"""
    chi2: float
    dof: int
    weights: FloatArray
    """(2, point): slope and intercept are these, times y"""

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
    weights = spread @ weighted[:, :2].T
    slope, intercept = weights @ y
    residual = y - slope * x - intercept
    chi2 = float(residual @ (weighted @ [-slope, -intercept, 1.0]))
    return Line(float(slope), float(intercept), spread, chi2, len(x) - 2, weights)


@lru_cache(maxsize=256)
def _moments(
    lags: tuple[int, ...], frames: int, memory: float = 0.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums over all pairs of time origins of squared displacement covariances.

    Two displacements, of i and j frames, the second starting k frames after the first, overlap
    for v(k) frames and share rattling n(k), so that their covariance is s v + b n. Returns
    2/(N_i N_j) Σ_k count(k) · (v², 2 v n, n²), each (lag, lag).

    v and the number of such pairs are straight lines in k with kinks at 0 and i − j, so that their
    sums are in closed form. Rattling is shared where two ends of the displacements are near: it
    has the correlation ρ^|k| between frames k apart, ρ the memory.
    """
    i, j = np.meshgrid(np.array(lags, dtype=np.float64), np.array(lags), indexing="ij")
    places = _Offsets(i, j, frames)
    low, high = np.minimum(0, i - j), np.maximum(0, i - j)
    kinks = (places.first - 1, low, high, places.last)
    ends = [np.clip(kink, places.first - 1, places.last) for kink in kinks]
    grown = sum(places.squares(a, b) for a, b in pairwise(ends))
    signed = ((0 * i, 0.5), (i - j, 0.5), (i, -0.5), (-j, -0.5))
    mixed = sum(sign * places.shared(at, memory) for at, sign in signed)
    still = sum(
        one * other * places.count((at + to) / 2) * _overlap_of_memories(at - to, memory)
        for at, one in signed
        for to, other in signed
    )
    norm = 2 / ((frames - i) * (frames - j))
    return np.asarray(grown) * norm, np.asarray(mixed) * norm, np.asarray(still) * norm


def _overlap_of_memories(apart: FloatArray, memory: float) -> FloatArray:
    """Σ_k ρ^|k| ρ^|k − d| over all k, of places that are d apart."""
    distance = np.abs(apart)
    if memory <= 0:
        return np.where(distance == 0, 1.0, 0.0)
    square = memory**2
    total: FloatArray = memory**distance * (distance + (1 + square) / (1 - square))
    return total


@dataclass(frozen=True)
class _Offsets:
    """Pairs of displacements of i and j frames, (lag, lag), by the offset k of their origins."""

    i: FloatArray
    j: FloatArray
    frames: int

    @property
    def first(self) -> FloatArray:
        """Least offset of two that overlap."""
        return np.maximum(-self.j, 1 - (self.frames - self.i))

    @property
    def last(self) -> FloatArray:
        """Greatest offset of two that overlap."""
        return np.minimum(self.i, self.frames - self.j - 1)

    def overlap(self, k: FloatArray) -> FloatArray:
        """Frames that the two have in common."""
        common: FloatArray = np.minimum(self.i, k + self.j) - np.maximum(0.0, k)
        return common

    def count(self, k: FloatArray) -> FloatArray:
        """Number of pairs of origins."""
        latest = np.minimum(self.frames - self.i, self.frames - self.j - k)
        number: FloatArray = np.maximum(latest - np.maximum(0.0, -k), 0.0)
        return number

    def shared(self, at: FloatArray, memory: float) -> FloatArray:
        """Σ count(k) 2 overlap(k) ρ^|k − at|, as far as ρ^|k| is above one in a thousand."""
        reach = 0 if memory <= 0 else int(np.ceil(np.log(1e-3) / np.log(memory)))
        total = np.zeros(at.shape)
        for step in range(-reach, reach + 1):
            k = at + step
            total += self.count(k) * 2 * np.maximum(self.overlap(k), 0.0) * memory ** abs(step)
        return total

    def squares(self, before: FloatArray, last: FloatArray) -> FloatArray:
        """Σ count(k) overlap(k)² for before < k ≤ last, where both are straight lines in k."""
        number = last - before
        middle, half = 0.5 * (before + 1 + last), 0.5 * (number - 1)
        ends = middle - half, middle + half
        v, w = ([f(k) for k in ends] for f in (self.overlap, self.count))
        run = np.where(half > 0, 2 * half, 1.0)
        v0, w0 = 0.5 * (v[0] + v[1]), 0.5 * (w[0] + w[1])
        dv, dw = (v[1] - v[0]) / run, (w[1] - w[0]) / run
        # odd powers of the distance from the middle cancel; its square adds up to n (n² - 1)/12
        second = number * (number**2 - 1) / 12
        total = number * v0**2 * w0 + second * (dv**2 * w0 + 2 * v0 * dv * dw)
        return np.where(number > 0, total, 0.0)


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
    memory: float = 0.0
    """correlation of the rattling of one frame with that of the next"""

    @classmethod
    def of(
        cls, lags: IntArray, msd: FloatArray, frames: int, walkers: float, memory: float = 0.0
    ) -> Curve:
        """The curve of a trajectory of so many frames.

        Parameters
        ----------
        lags : (lag,) frames
        msd : (lag,) Å²
        walkers : number of independent walkers
        memory : correlation of the rattling of one frame with that of the next
        """
        moments = _moments(tuple(int(lag) for lag in lags), frames, memory)
        return cls(lags, msd, walkers, moments, memory)

    def between(self, first: int, last: int | None = None) -> Curve:
        """The part of the curve from one index to another."""
        part = slice(first, last)
        grown, mixed, still = (moment[part, part] for moment in self.moments)
        moments = (grown, mixed, still)
        return Curve(self.lags[part], self.msd[part], self.walkers, moments, self.memory)

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

    def memory_of(self, line: Line) -> float:
        """How much of the rattling that a line shows one frame keeps of the one before.

        MSD(n) = s n + b (1 − ρ^n), so that the first lag tells ρ; 0 where b is not clear of zero.
        """
        clear = line.intercept > 2 * float(np.sqrt(line.covariance[1, 1]))
        if not clear or self.lags[0] != 1:
            return 0.0
        kept = (line.slope + line.intercept - float(self.msd[0])) / line.intercept
        # in steps, so that equal moments are made once
        return float(np.clip(np.round(20 * kept) / 20, 0.0, MOST_MEMORY))

    def line_as(self, known: Line) -> Line:
        """The line by generalised least squares, with the errors of one that is known already."""
        x = self.lags.astype(np.float64)
        covariance = self.covariance(known.slope, known.intercept)
        return generalised_least_squares(x, self.msd, covariance)

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
