"""Figures of the motion of ions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.plot.series import Series, at, axes_of, curves, need, points, series, with_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


def msd(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Mean squared displacement (Å²) over lag time (ps), of results of `msd`.

    Both axes are logarithmic; a dotted guide has slope 1, that of diffusion.
    """
    need(data, "msd", "lag", of="msd")
    axes = axes_of(ax)
    _slope_1(axes, curves(axes, data, "msd", "lag"))
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
    curves(axes, data, "alpha2", "lag")
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
    curves(axes, chosen, name, "r")
    label = "4πr² G_s(r, t) (1/Å)" if part == "self" else "G_d(r, t)"
    axes.set(xlabel="r (Å)", ylabel=label, ylim=(0, None))
    return axes


def vacf(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Normalised velocity autocorrelation (1) over lag time (ps), of results of `vacf`."""
    name = "vacf_normalised"
    need(data, name, of="vacf")
    axes = axes_of(ax)
    curves(axes, data, name, "lag")
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel="lag time (ps)", ylabel="⟨v(0)·v(t)⟩/⟨v²⟩")
    return axes


def vdos(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Vibrational density of states (1/THz) over frequency (THz), of results of `vacf`."""
    need(data, "vdos", "frequency", of="vacf")
    axes = axes_of(ax)
    curves(axes, data, "vdos", "frequency")
    axes.set(xlabel="frequency (THz)", ylabel="density of states (1/THz)", ylim=(0, None))
    return axes


def hops(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Distribution of hop lengths (1/Å, over Å), of results of `hops`."""
    need(data, "hop_length_density", of="hops")
    axes = axes_of(ax)
    curves(axes, data, "hop_length_density", "length")
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
    found = curves(axes, chosen, "residence", "lag")
    axes.set(xlabel="time (ps)", ylabel=f"P(t), {_variant(chosen)}", yscale="log")
    lowest = min(float(np.nanmin(one.y)) for one in found)
    axes.set_ylim(np.clip(0.8 * lowest, 1e-3, 0.5), 1.1)
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
    curves(axes, _by_pair(with_error(data, name)), name, "lag")
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set(xscale="log", xlabel="lag time (ps)", ylabel="correlation of displacements")
    return axes


def _by_pair(data: xr.Dataset) -> xr.Dataset:
    """Results over `pair`, each pair of species once: Li-O, not O-Li."""
    if not {"species", "species_other"} <= set(data.dims):
        return data
    firsts, seconds = (data[dim].values.tolist() for dim in ("species", "species_other"))
    later = {name: firsts[k:] for k, name in enumerate(firsts)}
    pairs = [(one, two) for one in firsts for two in seconds if two in later[one]]
    parts = [
        data.sel(species=one, species_other=two, drop=True).assign_coords(pair=f"{one}-{two}")
        for one, two in pairs
    ]
    return xr.concat(parts, "pair")
