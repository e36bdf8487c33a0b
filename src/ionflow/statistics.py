"""Pooling of independent estimates, and intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
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
        return nu * value / quantile

    return end(0.5 + level / 2), end(0.5 - level / 2)
