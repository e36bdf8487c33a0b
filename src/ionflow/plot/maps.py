"""Figures of where ions are in the cell."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.plot.series import axes_of, need
from ionflow.report.style import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VECTORS = ("a", "b", "c")
#: what a map shows, and in which colours
_SHOWN = {
    "density": ("ions per area (1/Å²)", "Blues"),
    "free_energy": ("lowest free energy (eV)", "Blues_r"),
}
_NETWORK = ("node_fraction", "node_occupancy", "edge_node", "edge_image")


def density_map(
    data: xr.Dataset, ax: Axes | None = None, *, along: str = "c", variable: str = "density"
) -> Axes:
    """Where the mobile ions were, seen along a cell vector, of results of `density_map`.

    Drawn over the plane of the other two vectors (Å) is the number of ions per area (1/Å²), or
    the lowest free energy (eV) on the way through the cell. Circles are the nodes of the network
    of paths, the larger the more ions they hold; lines are its edges within the cell.

    Parameters
    ----------
    data : of one trajectory: maps of different glasses cannot be pooled
    along : a, b or c
    variable : density or free_energy

    Raises
    ------
    DataError
        If the results are of several trajectories, or have no such map.
    """
    if along not in VECTORS or variable not in _SHOWN:
        raise DataError(
            f"no map of {variable!r} along {along!r}",
            hint=f"along is one of {', '.join(VECTORS)}; variable of {', '.join(_SHOWN)}",
        )
    need(data, variable, "cell", of="density_map")
    one = _single(data[[name for name in (variable, "cell", *_NETWORK) if name in data]])
    axes = axes_of(ax)
    seen = [k for k, vector in enumerate(VECTORS) if vector != along]
    plane = _plane(one["cell"].values[seen].astype(float))
    mesh = _map(axes, one, along, variable, plane)
    if set(_NETWORK) <= set(one.variables):
        _network(axes, one, seen, plane)
    names = [VECTORS[k] for k in seen]
    axes.set(xlabel=f"along {names[0]} (Å)", ylabel=f"across, towards {names[1]} (Å)")
    axes.set_aspect("equal")
    axes.figure.colorbar(mesh, ax=axes, label=_SHOWN[variable][0])
    return axes


def _single(data: xr.Dataset) -> xr.Dataset:
    """The one trajectory of results."""
    own = {*VECTORS, "vector", "xyz", "node", "edge", "end"}
    data = data.squeeze([dim for dim in data.dims if dim not in own and data.sizes[dim] == 1])
    several = [str(dim) for dim in data.dims if dim not in own]
    if several:
        raise DataError(
            "there are several maps",
            hint=f"select along {', '.join(several)} with .sel(...) or .isel(...)",
        )
    return data.compute()


def _plane(vectors: FloatArray) -> FloatArray:
    """Two cell vectors (vector, xyz) in the coordinates of their plane, the first along x."""
    first, second = vectors
    x = first / np.linalg.norm(first)
    along = second @ x
    return np.array(
        [[np.linalg.norm(first), 0.0], [along, np.linalg.norm(second - along * x)]], dtype=float
    )


def _map(axes: Axes, one: xr.Dataset, along: str, variable: str, plane: FloatArray) -> Any:
    seen = [vector for vector in VECTORS if vector != along]
    values = one[variable].transpose(*seen, along).values.astype(float)
    if not np.isfinite(values).any():
        raise DataError(f"{variable} has no number to draw")
    if variable == "density":
        volume = abs(np.linalg.det(one["cell"].values))
        # the way through the cell at right angles to the plane
        shown = values.mean(axis=-1) * volume / abs(np.linalg.det(plane))
    else:
        with warnings.catch_warnings():
            # columns that no ion visited stay empty
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            shown = np.nanmin(values, axis=-1)
    edges = [np.arange(size + 1) / size for size in shown.shape]
    corners = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1) @ plane
    return axes.pcolormesh(corners[..., 0], corners[..., 1], shown, cmap=_SHOWN[variable][1])


def _network(axes: Axes, one: xr.Dataset, seen: list[int], plane: FloatArray) -> None:
    nodes = one["node_fraction"].values[:, seen] @ plane
    image = one["edge_image"].values.astype(float)
    inside = np.isfinite(image).all(axis=-1) & (image[:, seen] == 0).all(axis=-1)
    for ends in one["edge_node"].values[inside].astype(int):
        axes.plot(*nodes[ends].T, "-", color=PALETTE[1], lw=0.9)
    size = 12 + 60 * np.nan_to_num(one["node_occupancy"].values.astype(float))
    axes.scatter(
        nodes[:, 0], nodes[:, 1], s=size, color=PALETTE[1], edgecolor="white", lw=0.6, zorder=3
    )
