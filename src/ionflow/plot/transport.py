"""Figures of transport coefficients over a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.plot.series import (
    along_temperature,
    at,
    axes_of,
    axis_label,
    need,
    points,
    series,
    with_error,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def diffusion(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Diffusion coefficients (cm²/s, logarithmic) over the scan, of results of `diffusion`."""
    axes = _over_scan(data, "diffusion_coefficient", ax, of="diffusion")
    axes.set(yscale="log", ylabel="D (cm²/s)")
    return axes


def conductivity(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Conductivity (S/cm, logarithmic) over the scan, of results of `conductivity`."""
    axes = _over_scan(data, "conductivity", ax, of="conductivity")
    axes.set(yscale="log", ylabel="σ (S/cm)")
    return axes


def transference(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Transference numbers (1) over the scan by definition, of results of `transference`."""
    axes = _over_scan(data, "transference_number", ax, of="transference")
    for level in (0, 1):
        axes.axhline(level, color="0.8", lw=0.8, zorder=0)
    axes.set(ylabel="transference number")
    return axes


def haven(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Haven ratios (1) over the scan, of results of `haven`."""
    axes = _over_scan(data, "haven_ratio", ax, of="haven")
    axes.axhline(1, color="0.8", lw=0.8, zorder=0)
    axes.set(ylabel="Haven ratio D_tr/D_coll")
    return axes


def _over_scan(data: xr.Dataset, name: str, ax: Axes | None, *, of: str) -> Axes:
    need(data, name, of=of)
    axes = axes_of(ax)
    along = along_temperature(data, name)
    points(axes, series(with_error(data, name), name, along))
    axes.set(xlabel=axis_label(along))
    return axes


def onsager(data: xr.Dataset, ax: Axes | None = None, *, frame: str = "barycentric") -> Axes:
    """The matrix L_ij/√(L_ii L_jj) (1) at one point of the scan, of results of `onsager`.

    Parameters
    ----------
    frame : barycentric or framework, if the results have both

    Raises
    ------
    DataError
        If the results are of several points of the scan, or no species has a coefficient.
    """
    need(data, "onsager", of="onsager")
    chosen = at(data[["onsager"]], frame=frame)
    names, scaled = _scaled(_matrix(chosen["onsager"]))
    axes = axes_of(ax)
    # squares, which stay sharp where an image would be blurred
    axes.pcolormesh(scaled, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    for (row, column), value in np.ndenumerate(scaled):
        axes.text(
            column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize="small",
            color="white" if abs(value) > 0.7 else "black",
        )  # fmt: skip
    axes.set_title(f"L_ij/√(L_ii L_jj), {chosen['frame'].item()}", fontsize="medium")
    return axes


def _matrix(values: xr.DataArray) -> xr.DataArray:
    """One matrix over species, the mean of the replicas."""
    if "replica" in values.dims:
        values = values.mean("replica")
    matrix = values.squeeze().transpose("species", "species_other", ...).compute()
    if matrix.ndim > 2:
        several = ", ".join(str(dim) for dim in matrix.dims[2:])
        raise DataError("there are several matrices", hint=f"select along {several} with .sel(...)")
    return matrix


def _scaled(matrix: xr.DataArray) -> tuple[list[str], FloatArray]:
    """Names and L_ij/√(L_ii L_jj) of the species that have a coefficient."""
    diagonal = np.diag(matrix.values)
    known = np.flatnonzero(diagonal > 0)
    if not known.size:
        raise DataError("onsager has no number to draw", hint="see the results' verdicts")
    root = np.sqrt(diagonal[known])
    names = [str(name) for name in matrix["species"].values[known]]
    return names, matrix.values[np.ix_(known, known)] / np.outer(root, root)
