"""Pooling of independent estimates, means of correlated series, and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

#: Probability of one and of two standard deviations of a normal variable, as they are named.
LEVELS = {"68": 0.6826894921370859, "95": 0.95}


def pool(value: xr.DataArray, stderr: xr.DataArray, dim: str = "replica") -> xr.Dataset:
    """Mean over independent replicas with the larger of two standard errors.

    The first is propagated from the replicas' own errors, sqrt(Σ s²)/n; the second is the spread
    of the replicas, sd/sqrt(n). Both are kept. Missing replicas (NaN) do not count. A spread is
    itself uncertain when replicas are few, so that the half widths of the intervals carry
    Student's t with n - 1 degrees of freedom where the spread is what is reported.

    Parameters
    ----------
    value, stderr : any dims that include `dim`

    Returns
    -------
    Dataset with `mean`, `stderr`, `stderr_propagated`, `stderr_spread`, `count`, `dof` (infinite
    where the propagated error is reported) and `halfwidth68`, `halfwidth95`, without `dim`;
    `mean` is NaN where no replica has a number, `stderr_spread` where fewer than two have.
    """
    known = value.notnull() & stderr.notnull()
    count = known.sum(dim)
    mean = value.where(known).mean(dim)
    propagated = np.sqrt((stderr.where(known) ** 2).sum(dim)) / count.where(count > 0)
    spread = value.where(known).std(dim, ddof=1) / np.sqrt(count)
    spread = spread.where(count > 1)
    stderr = xr.ufuncs.fmax(propagated, spread)
    dof = (count - 1.0).where(spread > propagated, np.inf)
    return xr.Dataset(
        {
            "mean": mean,
            "stderr": stderr,
            "stderr_propagated": propagated,
            "stderr_spread": spread,
            "count": count,
            "dof": dof,
            "halfwidth68": stderr * student(LEVELS["68"], dof),
            "halfwidth95": stderr * student(LEVELS["95"], dof),
        }
    )


def student(level: float, dof: Any) -> Any:
    """Half width of a central interval in standard errors."""
    from scipy.stats import t

    return xr.apply_ufunc(lambda n: t.ppf(0.5 + level / 2, n), dof, dask="parallelized")


def interval(value: Any, stderr: Any, level: float, dof: Any = np.inf) -> tuple[Any, Any]:
    """Central interval of a positive quantity, such as D, from its estimate and standard error.

    An estimated variance, which a diffusion coefficient is, spreads like a scaled χ² variable: the
    interval is (ν v / χ²_{ν,(1+p)/2}, ν v / χ²_{ν,(1-p)/2}) with ν = 2 (v/s)², which for a small
    relative error is v ± z s, and for a large one is lopsided and stays positive. With few
    degrees of freedom s is first widened by the ratio of Student's t to the normal z.

    Parameters
    ----------
    value, stderr : in one unit, any shape; where either is NaN or not positive, so is the result
    level : probability, between 0 and 1
    dof : degrees of freedom of the standard error; infinite if it is known

    Returns
    -------
    Lower and upper end.

    Examples
    --------
    >>> [round(float(end), 3) for end in interval(1.0, 0.01, 0.95)]
    [0.981, 1.02]
    >>> [round(float(end), 2) for end in interval(1.0, 0.5, 0.95)]
    [0.46, 3.67]
    """
    from scipy.stats import chi2

    relative = stderr * student(level, dof) / student(level, np.inf) / value
    nu = 2 / xr.where(relative > 0, relative, np.nan) ** 2

    def end(probability: float) -> Any:
        quantile = xr.apply_ufunc(lambda n: chi2.ppf(probability, n), nu, dask="parallelized")
        with np.errstate(divide="ignore"):  # an interval may well be without end
            return nu * value / quantile

    return end(0.5 + level / 2), end(0.5 - level / 2)


@dataclass(frozen=True)
class BlockedMean:
    """The mean of a correlated series, with an error that knows of the correlation."""

    mean: float
    stderr: float
    """NaN if the series is too short for its correlation to be known"""
    dof: int
    """degrees of freedom of the standard error: blocks less one"""
    inefficiency: float
    """values for each independent one; NaN with the standard error"""
    least: float
    """the largest standard error of any block length: what it is at least, if it is NaN"""

    @property
    def settled(self) -> bool:
        """Whether the error is known."""
        return bool(np.isfinite(self.stderr))

    def bounds(self, level: float) -> tuple[float, float]:
        """Central interval, by Student's t."""
        half = float(student(level, max(self.dof, 1))) * self.stderr
        return self.mean - half, self.mean + half


def blocked(series: npt.ArrayLike) -> BlockedMean:
    """Mean of an evenly spaced, stationary series by blocking.

    Neighbours are averaged in pairs again and again; s_B² = var/(n_B − 1) of the n_B block means of
    length B grows until blocks are independent (Flyvbjerg and Petersen, doi:10.1063/1.457480). The
    shortest length with B³ > 2 n (s_B/s_1)⁴ balances the bias of short blocks against the noise of
    few (Lee et al., doi:10.1103/PhysRevE.83.066706); where there is none the series is too short
    and the error not known. The statistical inefficiency is (s_B/s_1)².

    Parameters
    ----------
    series : (time,)

    Returns
    -------
    BlockedMean; of a series that never changes, with no error.

    Examples
    --------
    >>> independent = blocked(np.random.default_rng(0).normal(size=4000))
    >>> 0.9 < independent.stderr * 4000**0.5 < 1.1
    True
    >>> blocked(np.cumsum(np.random.default_rng(0).normal(size=4000))).settled
    False
    """
    values = np.asarray(series, dtype=np.float64)
    mean = float(values.mean())
    if np.ptp(values) <= 1e-12 * abs(mean):
        return BlockedMean(mean, 0.0, len(values) - 1, 1.0, 0.0)
    levels = _blocking(values)
    if not levels:
        return BlockedMean(mean, np.nan, 0, np.nan, np.nan)
    least = max(square for _, _, square in levels) ** 0.5
    for length, blocks, square in levels:
        growth = square / levels[0][2]
        if length**3 > 2 * len(values) * growth**2:
            return BlockedMean(mean, square**0.5, blocks - 1, growth, least)
    return BlockedMean(mean, np.nan, 0, np.nan, least)


def _blocking(values: npt.NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """Length and number of blocks, and the squared error of their mean, by length."""
    levels, length = [], 1
    while len(values) >= 4:
        levels.append((length, len(values), float(values.var()) / (len(values) - 1)))
        values = values[len(values) % 2 :]
        values, length = 0.5 * (values[::2] + values[1::2]), 2 * length
    return levels
