"""Pooling of independent estimates."""

from __future__ import annotations

import numpy as np
import xarray as xr


def pool(value: xr.DataArray, stderr: xr.DataArray, dim: str = "replica") -> xr.Dataset:
    """Mean over independent replicas with the larger of two standard errors.

    The first is propagated from the replicas' own errors, sqrt(Σ s²)/n; the second is the spread
    of the replicas, sd/sqrt(n). Both are kept. Missing replicas (NaN) do not count.

    Parameters
    ----------
    value, stderr : any dims that include `dim`

    Returns
    -------
    Dataset with `mean`, `stderr`, `stderr_propagated`, `stderr_spread` and `count`, without `dim`;
    `mean` is NaN where no replica has a number, `stderr_spread` where fewer than two have.
    """
    known = value.notnull() & stderr.notnull()
    count = known.sum(dim)
    mean = value.where(known).mean(dim)
    propagated = np.sqrt((stderr.where(known) ** 2).sum(dim)) / count.where(count > 0)
    spread = value.where(known).std(dim, ddof=1) / np.sqrt(count)
    spread = spread.where(count > 1)
    return xr.Dataset(
        {
            "mean": mean,
            "stderr": xr.ufuncs.fmax(propagated, spread),
            "stderr_propagated": propagated,
            "stderr_spread": spread,
            "count": count,
        }
    )
