"""Figures of structure and of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.plot.series import (
    along_temperature,
    at,
    axes_of,
    axis_label,
    curves,
    need,
    points,
    series,
    with_error,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rdf(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Partial g(r) (1) over distance (Å), a line for each pair, of results of `rdf`."""
    need(data, "g", of="rdf")
    axes = axes_of(ax)
    curves(axes, data, "g", "r")
    axes.axhline(1, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel="r (Å)", ylabel="g(r)", ylim=(0, None))
    return axes


def angles(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Distributions (1/°) of angles (°), a line for each triplet, of results of `angles`."""
    need(data, "density", "angle", of="angles")
    axes = axes_of(ax)
    curves(axes, data, "density", "angle")
    axes.set(xlabel="angle (°)", ylabel="density (1/°)", xlim=(0, 180), ylim=(0, None))
    return axes


def structure_factor(data: xr.Dataset, ax: Axes | None = None, *, weight: str = "xray") -> Axes:
    """Static structure factor (1) over wave number (1/Å), of results of `structure_factor`.

    Parameters
    ----------
    weight : xray, neutron, number, charge, or faber_ziman and ashcroft_langreth for partials
    """
    name = f"S_{weight}"
    need(data, name, of="structure_factor")
    axes = axes_of(ax)
    curves(axes, data, name, "q")
    axes.set(xlabel="q (1/Å)", ylabel=f"S(q), {weight.replace('_', ' ')}")
    return axes


def soundness(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Bragg peaks and long waves over their bounds (1), trajectory by trajectory, of `soundness`.

    What lies above 1 is a crystal, or phases that have separated.
    """
    need(data, "bragg_ratio", "S_long", of="soundness")
    axes = axes_of(ax)
    bragg = data["bragg_ratio"] / data["bragg_bound"]
    waves = (data["S_long"] / data["S_long_bound"]).max("component")
    for name, ratio in (("Bragg peak", bragg), ("longest waves", waves)):
        values = np.ravel(ratio.values)
        axes.plot(np.arange(1, len(values) + 1), values, "o", label=name)
    axes.axhline(1, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel="trajectory", ylabel="of its bound", yscale="log")
    axes.legend()
    return axes


def density(data: xr.Dataset, ax: Axes | None = None, *, quantity: str = "mass_density") -> Axes:
    """Density or another average over the scan, of results of `density`.

    Parameters
    ----------
    quantity : mass_density (g/cm³), number_density (1/Å³), volume (Å³), temperature (K) or
        pressure (GPa)
    """
    need(data, quantity, of="density")
    axes = axes_of(ax)
    along = along_temperature(data, quantity)
    points(axes, series(with_error(data, quantity), quantity, along))
    unit = str(data[quantity].attrs.get("units", "")).replace("^3", "³")
    axes.set(xlabel=axis_label(along), ylabel=f"{quantity.replace('_', ' ')} ({unit})")
    return axes


def tetrahedra(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Fractions (1) of environments of network centres, of results of `tetrahedra`."""
    need(data, "fraction", "environment", of="tetrahedra")
    axes = axes_of(ax)
    points(axes, series(with_error(data, "fraction"), "fraction", "environment"))
    axes.set(xlabel="environment", ylabel="fraction of centres", ylim=(0, None))
    return axes


def chain_lengths(data: xr.Dataset, ax: Axes | None = None, *, through: str = "bridging") -> Axes:
    """Share (1) of the centres in chains of each length (centres), of results of `chains`.

    Parameters
    ----------
    through : links through bridging anions alone (bridging), or through all (any)
    """
    from matplotlib.ticker import MaxNLocator

    need(data, "length_weight", "length", of="chains")
    axes = axes_of(ax)
    chosen = at(with_error(data, "length_weight"), through=through)
    found = series(chosen, "length_weight", "length")
    points(axes, found)
    longest = max(float(one.x[np.isfinite(one.y) & (one.y > 0)].max()) for one in found)
    axes.set(
        xlabel="centres in the chain", ylabel="share of the centres", xlim=(0.4, longest + 0.6),
        ylim=(0, None),
    )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return axes


def invariants(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """What the formula implies for a perfect glass (dashes), and what was found, by invariant.

    All are numbers without a unit; of results of `chains`.
    """
    need(data, "invariant_value", "invariant_ideal", of="chains")
    axes = axes_of(ax)
    points(axes, series(with_error(data, "invariant_value"), "invariant_value", "invariant"))
    ideal = data["invariant_ideal"].astype(float)
    values = ideal.mean([dim for dim in ideal.dims if dim != "invariant"]).values
    axes.scatter(range(len(values)), values, marker="_", s=400, color="0.3", zorder=1)
    axes.set(ylabel="value (dash: implied by the formula)", ylim=(0, None))
    return axes
