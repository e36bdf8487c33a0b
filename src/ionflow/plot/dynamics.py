"""Figures of the motion of ions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.plot.series import axes_of, lines, need, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def msd(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Mean squared displacements on log axes with a guide of slope 1, of results of `msd`."""
    need(data, "msd", "lag", of="msd")
    axes = axes_of(ax)
    found = series(data[[n for n in ("msd", "msd_stderr") if n in data]], "msd", "lag")
    lines(axes, found)
    fastest = max(found, key=lambda one: float(np.nanmax(one.y)))
    x = fastest.x[fastest.x > 0][[-1, len(fastest.x) // 2]]
    y = 1.6 * np.nanmax(fastest.y) * x / x.max()
    axes.plot(x, y, ":", color="0.4", lw=1.0)
    axes.annotate("slope 1", (x.min(), y.min()), fontsize="small", color="0.4", ha="right")
    axes.set(
        xscale="log", yscale="log", xlabel="lag time (ps)", ylabel="mean squared displacement (Å²)"
    )
    return axes


def non_gaussian(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """The non-Gaussian parameter over time, of results of `non_gaussian`."""
    need(data, "alpha2", of="non_gaussian")
    axes = axes_of(ax)
    lines(axes, series(data[["alpha2", "alpha2_stderr"]], "alpha2", "lag"))
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set(xscale="log", xlabel="lag time (ps)", ylabel="non-Gaussian parameter α₂")
    return axes


def van_hove(data: xr.Dataset, ax: Axes | None = None, *, part: str = "self") -> Axes:
    """Van Hove functions over distance, of results of `van_hove`.

    Parameters
    ----------
    part : self (4πr² G_s) or distinct
    """
    name = {"self": "p_self", "distinct": "g_distinct"}.get(part, part)
    need(data, name, of="van_hove")
    axes = axes_of(ax)
    lines(axes, series(data[[name, f"{name}_stderr"]], name, "r"))
    label = "4πr² G_s(r, t) (1/Å)" if part == "self" else "G_d(r, t)"
    axes.set(xlabel="r (Å)", ylabel=label, ylim=(0, None))
    return axes


def vdos(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Vibrational density of states by species, of results of `vacf`."""
    need(data, "vdos", "frequency", of="vacf")
    axes = axes_of(ax)
    lines(axes, series(data[["vdos", "vdos_stderr"]], "vdos", "frequency"))
    axes.set(xlabel="frequency (THz)", ylabel="density of states (1/THz)", ylim=(0, None))
    return axes


def hops(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Distribution of hop lengths, of results of `hops`."""
    need(data, "hop_length_density", of="hops")
    axes = axes_of(ax)
    lines(axes, series(data, "hop_length_density", "length"))
    axes.set(xlabel="hop length (Å)", ylabel="density (1/Å)", ylim=(0, None))
    return axes


def residence(data: xr.Dataset, ax: Axes | None = None, *, variant: str = "continuous") -> Axes:
    """P(t) by environment on a log axis, of results of `residence`.

    Parameters
    ----------
    variant : continuous, intermittent or stable_states
    """
    need(data, "residence", of="residence")
    axes = axes_of(ax)
    chosen = data[["residence", "residence_stderr"]].sel(variant=variant)
    lines(axes, series(chosen, "residence", "lag"))
    axes.set(xlabel="time (ps)", ylabel=f"P(t), {variant.replace('_', ' ')}", yscale="log")
    axes.set_ylim(1e-3, 1.2)
    return axes


def displacement_correlation(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Displacement correlation of distinct pairs, of results of `displacement_correlation`."""
    name = "correlation_coefficient"
    need(data, name, of="displacement_correlation")
    axes = axes_of(ax)
    upper = data[[n for n in (name, f"{name}_stderr") if n in data]]
    order = {label: k for k, label in enumerate(upper["species"].values.tolist())}
    rank = xr.DataArray([order[s] for s in order], dims="species")
    other = xr.DataArray([order[s] for s in order], dims="species_other")
    lines(axes, series(upper.where(rank <= other), name, "lag"))
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set(xscale="log", xlabel="lag time (ps)", ylabel="correlation of displacements")
    return axes
