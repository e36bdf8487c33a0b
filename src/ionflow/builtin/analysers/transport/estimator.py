"""One linear estimator of slopes, for all elements of a matrix of displacement products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.transport.brownian import Curve, Line
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray


@dataclass(frozen=True)
class Parts:
    """Slopes and intercepts of the elements of a symmetric matrix of displacement products.

    C_ab(n) = ⟨ΔA·ΔB⟩ = s_ab n + b_ab for collective paths A, B, … of one trajectory.
    """

    slope: FloatArray
    """(path, path) Å² per frame times the units of the paths"""
    intercept: FloatArray
    """(path, path) Å²"""

    def combined(self, rows: npt.ArrayLike) -> Parts:
        """Those of linear combinations of the paths, (combination, path)."""
        rows = np.asarray(rows, dtype=np.float64)
        return Parts(rows @ self.slope @ rows.T, rows @ self.intercept @ rows.T)


@dataclass(frozen=True)
class Estimator:
    """Weights on the points of an MSD that give its slope and intercept, and their errors.

    The weights are those of generalised least squares for a single Brownian walker with one line
    as its MSD, and are then held: a linear functional keeps every linear identity between MSDs,
    such as Σ_j m_j L_ij = 0 or σ = Σ q_i q_j L_ij, to rounding. Its error follows from Wick's
    theorem for any pair of Gaussian walkers, whatever line the weights were made for.
    """

    lags: IntArray
    """(point,) frames of the window"""
    weights: FloatArray
    """(2, point) for slope and intercept"""
    noise: tuple[float, float, float]
    """wᵀ G w of the slope's weights w and the moments G of `brownian`: (v², 2 v n, n²)"""
    memory: float = 0.0
    """of the rattling that the errors are for"""
    inflation: float = 1.0
    """standard error that the spread over blocks shows over that of the fit, if larger"""

    @classmethod
    def of(cls, window: Curve, line: Line) -> Estimator:
        """That of a line fitted to a window."""
        w = line.weights[0]
        grown, mixed, still = (float(w @ moment @ w) for moment in window.moments)
        return cls(window.lags, line.weights, (grown, mixed, still), window.memory)

    def parts(self, curves: FloatArray, lags: IntArray) -> Parts:
        """Slopes and intercepts of curves (..., lag), which hold the window among their lags."""
        window = curves[..., np.searchsorted(lags, self.lags)]
        return Parts(window @ self.weights[0], window @ self.weights[1])

    def variance(self, parts: Parts) -> FloatArray:
        """Variance of every slope, (path, path).

        Var s_ab = [(s_aa s_bb + s_ab²) G_vv/2 + (s_aa b_bb + b_aa s_bb + 2 s_ab b_ab) G_vn/4
        + (b_aa b_bb + b_ab²) G_nn/2] / 3: Isserlis' theorem, with three directions; what is
        negative on the diagonal by chance counts as zero.
        """
        s, b = _bounded(parts.slope), _bounded(parts.intercept)
        s_own, b_own = np.diag(s), np.diag(b)
        grown, mixed, still = self.noise
        total = (
            (np.outer(s_own, s_own) + s**2) * grown / 2
            + (np.outer(s_own, b_own) + np.outer(b_own, s_own) + 2 * s * b) * mixed / 4
            + (np.outer(b_own, b_own) + b**2) * still / 2
        )
        variance: FloatArray = self.inflation**2 * np.maximum(total, 0.0) / 3
        return variance

    def own_variance(self, slope: Any, intercept: Any) -> FloatArray:
        """Variance of the slope of a single walker's own MSD, any shape."""
        s, b = np.maximum(slope, 0.0), np.maximum(intercept, 0.0)
        grown, mixed, still = self.noise
        total: FloatArray = (s**2 * grown + s * b * mixed + b**2 * still) / 3
        return self.inflation**2 * np.maximum(total, 0.0)


def _bounded(matrix: FloatArray) -> FloatArray:
    """As near as a covariance matrix of two gets: diagonals not negative, |m_ab| ≤ √(m_aa m_bb)."""
    own = np.maximum(np.diag(matrix), 0.0)
    limit = np.sqrt(np.outer(own, own))
    return np.clip(matrix, -limit, limit)
