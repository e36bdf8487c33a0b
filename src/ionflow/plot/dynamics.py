"""Figures of the motion of ions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.plot.series import Series, at, axes_of, lines, need, points, series, with_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


def msd(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Mean squared displacement (Å²) over lag time (ps), of results of `msd`.

    Both axes are logarithmic; a dotted guide has slope 1, that of diffusion.
    """
    need(data, "msd", "lag", of="msd")
    axes = axes_of(ax)
    found = series(with_error(data, "msd"), "msd", "lag")
    lines(axes, found)
    _slope_1(axes, found)
    axes.set(
        xscale="log", yscale="log", xlabel="lag time (ps)", ylabel="mean squared displacement (Å²)"
    )
    return axes


def _slope_1(axes: Axes, found: Sequence[Series]) -> None:
    """A guide over the later half of the decades, above the fastest line."""
    fastest = max(found, key=lambda one: float(np.nanmax(one.y)))
    known = np.isfinite(fastest.y) & (fastest.x > 0) & (fastest.y > 0)
    if known.sum() < 2:
        return
    x, y = fastest.x[known], fastest.y[known]
    start = x[np.searchsorted(x, np.sqrt(x[0] * x[-1]))]
    late = x >= start
    guide = np.array([start, x[-1]])
    axes.plot(guide, 1.5 * np.max(y[late] / x[late]) * guide, ":", color="0.4", lw=1.0)
    axes.annotate(
        "slope 1", (guide[1], 1.5 * np.max(y[late] / x[late]) * guide[1]), xytext=(-4, 0),
        textcoords="offset points", fontsize="small", color="0.4", ha="right", va="center",
    )  # fmt: skip


def non_gaussian(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Non-Gaussian parameter α₂ (1) over lag time (ps), of results of `non_gaussian`."""
    need(data, "alpha2", of="non_gaussian")
    axes = axes_of(ax)
    lines(axes, series(with_error(data, "alpha2"), "alpha2", "lag"))
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set(xscale="log", xlabel="lag time (ps)", ylabel="non-Gaussian parameter α₂")
    return axes


def van_hove(data: xr.Dataset, ax: Axes | None = None, *, part: str = "self") -> Axes:
    """Van Hove functions over distance (Å), a line for each lag time, of results of `van_hove`.

    Parameters
    ----------
    part : self (4πr² G_s in 1/Å, without lag 0, where it is a needle) or distinct (G_d over the
        density, 1)
    """
    name = {"self": "p_self", "distinct": "g_distinct"}.get(part, part)
    need(data, name, of="van_hove")
    axes = axes_of(ax)
    chosen = with_error(data, name)
    if part == "self" and "lag" in chosen.dims:
        chosen = chosen.isel(lag=np.flatnonzero(chosen["lag"].values > 0))
    lines(axes, series(chosen, name, "r"))
    label = "4πr² G_s(r, t) (1/Å)" if part == "self" else "G_d(r, t)"
    axes.set(xlabel="r (Å)", ylabel=label, ylim=(0, None))
    return axes


def vacf(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Normalised velocity autocorrelation (1) over lag time (ps), of results of `vacf`."""
    name = "vacf_normalised"
    need(data, name, of="vacf")
    axes = axes_of(ax)
    lines(axes, series(with_error(data, name), name, "lag"))
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel="lag time (ps)", ylabel="⟨v(0)·v(t)⟩/⟨v²⟩")
    return axes


def vdos(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Vibrational density of states (1/THz) over frequency (THz), of results of `vacf`."""
    need(data, "vdos", "frequency", of="vacf")
    axes = axes_of(ax)
    lines(axes, series(with_error(data, "vdos"), "vdos", "frequency"))
    axes.set(xlabel="frequency (THz)", ylabel="density of states (1/THz)", ylim=(0, None))
    return axes


def hops(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Distribution of hop lengths (1/Å, over Å), of results of `hops`."""
    need(data, "hop_length_density", of="hops")
    axes = axes_of(ax)
    lines(axes, series(data[["hop_length_density"]], "hop_length_density", "length"))
    axes.set(xlabel="hop length (Å)", ylabel="density (1/Å)", ylim=(0, None))
    return axes


def residence(data: xr.Dataset, ax: Axes | None = None, *, variant: str = "continuous") -> Axes:
    """P(t) (1, logarithmic) over time (ps) by environment, of results of `residence`.

    Parameters
    ----------
    variant : continuous, intermittent or stable_states, if the results have several
    """
    need(data, "residence", of="residence")
    axes = axes_of(ax)
    chosen = at(with_error(data, "residence"), variant=variant)
    lines(axes, series(chosen, "residence", "lag"))
    axes.set(xlabel="time (ps)", ylabel=f"P(t), {_variant(chosen)}", yscale="log")
    axes.set_ylim(1e-3, 1.2)
    return axes


def residence_times(
    data: xr.Dataset, ax: Axes | None = None, *, variant: str = "continuous"
) -> Axes:
    """Residence times (ps, logarithmic) by environment, of results of `residence`.

    Parameters
    ----------
    variant : continuous, intermittent or stable_states, if the results have several
    """
    need(data, "residence_time", of="residence")
    axes = axes_of(ax)
    chosen = at(with_error(data, "residence_time"), variant=variant)
    points(axes, series(chosen, "residence_time", "environment"))
    axes.set(yscale="log", xlabel="environment", ylabel=f"τ (ps), {_variant(chosen)}")
    return axes


def _variant(data: xr.Dataset) -> str:
    return str(data["variant"].values).replace("_", " ")


def displacement_correlation(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Correlation coefficient (1) of distinct ions' displacements over lag time (ps, logarithmic).

    Each pair of species has one line, of results of `displacement_correlation`.
    """
    name = "correlation_coefficient"
    need(data, name, of="displacement_correlation")
    axes = axes_of(ax)
    lines(axes, series(_once(with_error(data, name)), name, "lag"))
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set(xscale="log", xlabel="lag time (ps)", ylabel="correlation of displacements")
    return axes


def _once(data: xr.Dataset) -> xr.Dataset:
    """Results where each pair of species stands once: Li with O, not O with Li."""
    if not {"species", "species_other"} <= set(data.dims):
        return data
    rank = {name: k for k, name in enumerate(data["species"].values.tolist())}
    first, second = (
        xr.DataArray([rank.get(name, len(rank)) for name in data[dim].values.tolist()], dims=dim)
        for dim in ("species", "species_other")
    )
    return data.where(first <= second)
