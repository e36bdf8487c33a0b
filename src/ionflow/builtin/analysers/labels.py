"""Names, units and coordinates of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

Labelled = tuple[tuple[str, ...], Any, dict[str, Any]]


def labelled(
    dims: tuple[str, ...], values: Any, units: str, long_name: str, **attrs: Any
) -> Labelled:
    """What xarray takes for a variable, never without units and a name for people."""
    return dims, np.asarray(values), {"units": units, "long_name": long_name, **attrs}


def scan_coords(source: xr.Dataset) -> dict[str, xr.DataArray]:
    """The scalar coordinates that tell where in a scan a trajectory stands."""
    return {str(name): coord for name, coord in source.coords.items() if coord.ndim == 0}


def result(
    variables: Mapping[str, Labelled],
    coords: Mapping[str, Labelled],
    source: xr.Dataset,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """A result with its own coordinates and those of the scan."""
    return xr.Dataset(dict(variables), {**scan_coords(source), **coords}, dict(attrs))


def species_coord(names: tuple[str, ...]) -> Labelled:
    """The coordinate of the dimension `species`."""
    return labelled(("species",), np.array(names, dtype=str), "1", "chemical species")


def bound_coord() -> Labelled:
    """The coordinate of the dimension `bound` of an interval."""
    return labelled(("bound",), np.array(["lower", "upper"]), "1", "end of the interval")


def lag_coord(lags: Any, interval_ps: float) -> Labelled:
    """Lags in ps; rounded, so that those of equal runs are equal when results are joined."""
    return labelled(("lag",), np.round(np.asarray(lags) * interval_ps, 9), "ps", "lag time")
