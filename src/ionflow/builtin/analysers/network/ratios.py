"""Ratios of sums over units, such as centres or fragments, in single frames; with errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.builtin.analysers.thinned import BLOCKS
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray
from ionflow.statistics import LEVELS

Row = dict[str, FloatArray]
"""Sums over the units of one frame, by name."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of sums, with its error from time and its error from the finite number of units."""

    value: FloatArray
    """(..., column)"""
    blocks: FloatArray
    """standard error from the spread over blocks of frames; NaN with a single frame"""
    units: FloatArray
    """standard error from the spread over units, as if each were one observation; NaN with a single
    unit, of which nobody knows how far it stands for others"""
    dof: int
    """degrees of freedom of `blocks`"""

    @property
    def stderr(self) -> FloatArray:
        """The larger of the two; NaN with a single unit."""
        return self._larger(self.blocks, self.units)

    def _larger(self, blocks: FloatArray, units: FloatArray) -> FloatArray:
        return np.where(np.isnan(units), np.nan, np.fmax(blocks, units))

    def _halfwidth(self, level: float) -> FloatArray:
        from scipy.stats import norm, t

        few = t.ppf(0.5 + level / 2, max(self.dof, 1)) * self.blocks
        return self._larger(few, norm.ppf(0.5 + level / 2) * self.units)

    def bounds(self, level: float) -> FloatArray:
        """Central interval, normal (Student's t where blocks decide), (..., column, bound)."""
        half = self._halfwidth(level)
        return np.stack([self.value - half, self.value + half], axis=-1)

    def bounds_of_fraction(self, level: float, units: int) -> FloatArray:
        """Central interval of a fraction, Jeffreys' with the effective number of observations.

        n = p (1 − p) / s², (..., column, bound). Where p is 0 or 1, n is the number of units and
        the end is that of Clopper and Pearson (Brown, Cai and DasGupta, doi:10.1214/ss/1009213286).
        """
        from scipy.stats import beta, norm

        p = self.value
        s = self._halfwidth(level) / norm.ppf(0.5 + level / 2)
        inside = (p > 0) & (p < 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            n = np.where(inside, p * (1 - p) / s**2, units)
        a, b = p * n + 0.5, (1 - p) * n + 0.5
        far = (0.5 - level / 2) ** (1 / units)
        lower = np.where(p < 1, np.where(p > 0, beta.ppf(0.5 - level / 2, a, b), 0.0), far)
        upper = np.where(p > 0, np.where(p < 1, beta.ppf(0.5 + level / 2, a, b), 1.0), 1 - far)
        return np.where(np.isfinite(p)[..., None], np.stack([lower, upper], axis=-1), np.nan)


def ratio(top: FloatArray, bottom: FloatArray, units: FloatArray) -> Ratio:
    """A ratio of sums over frames.

    Parameters
    ----------
    top : (frame, ..., column)
    bottom : (frame, ...), or of the shape of `top`
    units : standard error from the finite number of units, (..., column)
    """
    bottom = bottom[..., None] if bottom.ndim < top.ndim else bottom
    edges = block_edges(len(top))
    value = _divided(top.sum(axis=0), bottom.sum(axis=0))
    if len(edges) < 2:
        return Ratio(value, np.full_like(value, np.nan), units, 0)
    left_out = [np.add.reduceat(part, edges, axis=0) for part in (top, bottom)]
    rest = _divided(*(part.sum(axis=0) - part for part in left_out))
    # the jackknife: each block left out in turn
    spread = (len(edges) - 1) / len(edges) * ((rest - rest.mean(axis=0)) ** 2).sum(axis=0)
    return Ratio(value, np.sqrt(spread), units, len(edges) - 1)


def unit_error(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Standard error of Σ top / Σ bottom over units drawn independently, (..., column).

    s² = n/(n−1) Σ (t_u − R b_u)² / (Σ b_u)²: that of a ratio estimator (Cochran, Sampling
    Techniques, 3rd edition, 1977, eq. 6.13). NaN with fewer than two units that count.

    Parameters
    ----------
    top, bottom : (unit, ..., column), of shapes that broadcast
    """
    top, bottom = np.broadcast_arrays(top, bottom)
    count = (bottom != 0).sum(axis=0)
    whole = bottom.sum(axis=0)
    off = top - _divided(top.sum(axis=0), whole) * bottom
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(count > 1, count / (count - 1.0), np.nan)
    return _divided(np.sqrt(scale * (off**2).sum(axis=0)), whole)


def block_edges(frames: int) -> IntArray:
    """Where blocks of frames begin."""
    count = min(BLOCKS, frames)
    return np.arange(count) * frames // count


def stacked(rows: Sequence[Row]) -> Row:
    """Rows of several frames, each with a first axis of frames."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def summed(first: Row, second: Row) -> Row:
    """Two rows added; an empty one is none."""
    return (
        {name: first[name] + second[name] for name in first}
        if first and second
        else {
            **first,
            **second,
        }
    )


def _divided(top: Any, bottom: Any) -> FloatArray:
    """NaN where there is nothing to divide by."""
    top, bottom = np.broadcast_arrays(top, bottom)
    quotient = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient


def ratio_variables(
    name: str, found: Ratio, dims: tuple[str, ...], units: str, long_name: str, of: str
) -> dict[str, Labelled]:
    """A ratio as variables: the value, its standard error and the two that it is the larger of.

    Parameters
    ----------
    of : what the units are, such as centres; `<name>_stderr_<of>`
    """
    larger = f"standard error, the larger of {name}_stderr_blocks and {name}_stderr_{of}"
    error = f"standard error of the {long_name} from the"
    return {
        name: labelled(dims, found.value, units, long_name),
        f"{name}_stderr": labelled(dims, found.stderr, units, larger),
        f"{name}_stderr_blocks": labelled(
            dims, found.blocks, units, f"{error} spread over blocks of frames"
        ),
        f"{name}_stderr_{of}": labelled(
            dims, found.units, units, f"{error} finite number of {of}, as if they never changed"
        ),
    }


def interval_variables(
    name: str, bounds: Mapping[str, FloatArray], dims: tuple[str, ...], units: str
) -> dict[str, Labelled]:
    """Intervals by level, as variables."""
    return {
        f"{name}_ci{level}": labelled(
            (*dims, "bound"), bounds[level], units, f"{level} % interval of {name}"
        )
        for level in LEVELS
    }
