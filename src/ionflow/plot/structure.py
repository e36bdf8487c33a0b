"""Figures of structure and of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.plot.series import axes_of, lines, need, points, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rdf(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Partial g(r), a line for each pair and case, of results of `rdf`."""
    need(data, "g", of="rdf")
    axes = axes_of(ax)
    lines(axes, series(data, "g", "r"))
    axes.axhline(1, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel="r (Å)", ylabel="g(r)", ylim=(0, None))
    return axes


def angles(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Distributions of angles, a line for each triplet and case, of results of `angles`."""
    need(data, "density", "angle", of="angles")
    axes = axes_of(ax)
    lines(axes, series(data, "density", "angle"))
    axes.set(xlabel="angle (°)", ylabel="density (1/°)", xlim=(0, 180), ylim=(0, None))
    return axes


def structure_factor(data: xr.Dataset, ax: Axes | None = None, *, weight: str = "xray") -> Axes:
    """Static structure factor of results of `structure_factor`.

    Parameters
    ----------
    weight : xray, neutron, number, charge, or faber_ziman and ashcroft_langreth for partials
    """
    need(data, f"S_{weight}", of="structure_factor")
    axes = axes_of(ax)
    lines(axes, series(data, f"S_{weight}", "q"))
    axes.set(xlabel="q (1/Å)", ylabel=f"S(q), {weight.replace('_', ' ')}")
    return axes


def tetrahedra(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Fractions of environments of network centres, of results of `tetrahedra`."""
    need(data, "fraction", "environment", of="tetrahedra")
    axes = axes_of(ax)
    points(axes, series(data, "fraction", "environment"))
    axes.set(xlabel="environment", ylabel="fraction of centres", ylim=(0, None))
    return axes


def chain_lengths(data: xr.Dataset, ax: Axes | None = None, *, through: str = "bridging") -> Axes:
    """Share of the centres in chains of each length, of results of `chains`.

    Parameters
    ----------
    through : links through bridging anions alone, or through any
    """
    need(data, "length_weight", "length", of="chains")
    axes = axes_of(ax)
    found = series(data[["length_weight", "length_weight_stderr"]].sel(through=through),
                   "length_weight", "length")  # fmt: skip
    points(axes, found)
    longest = max(float(s.x[np.isfinite(s.y) & (s.y > 0)].max()) for s in found)
    axes.set(
        xlabel="centres in the chain", ylabel="share of the centres", xlim=(0.4, longest + 0.6),
        ylim=(0, None),
    )  # fmt: skip
    return axes


def invariants(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """What the formula implies for a perfect glass, and what was found, of results of `chains`."""
    need(data, "invariant_value", "invariant_ideal", of="chains")
    axes = axes_of(ax)
    found = series(data, "invariant_value", "invariant")
    points(axes, found)
    ideal = data["invariant_ideal"].astype(float)
    rest = [dim for dim in ideal.dims if dim != "invariant"]
    values = ideal.mean(rest).values
    axes.scatter(range(len(values)), values, marker="_", s=400, color="0.3", zorder=3)
    axes.set(ylabel="value (dash: implied by the formula)", ylim=(0, None))
    return axes
