"""The section on displacements and velocities: α₂, van Hove functions, vibrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import xarray as xr

from ionflow import plot
from ionflow.report.cells import (
    ERRORS,
    absent,
    by_case,
    carrier,
    of_carrier,
    quantity,
    some_of,
    words,
)
from ionflow.report.estimates import mobile
from ionflow.report.gather import Data
from ionflow.report.multiples import Multiples
from ionflow.report.multiples import by_case as panels
from ionflow.report.page import Cell, Plot, Section, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANALYSES = ("non_gaussian", "van_hove", "vacf")

_LEAD = (
    "How displacements are distributed, and how atoms vibrate. Displacements of free diffusion are "
    "Gaussian; ions that hop from cage to cage are not, which α₂ and the van Hove functions show."
)


def dynamics(data: Data) -> Section | None:
    """Non-Gaussian parameter, van Hove functions and vibrations."""
    if not some_of(data, ANALYSES):
        return None
    tables = (_peaks(data), _velocities(data))
    return Section(
        "dynamics",
        "Dynamics",
        _LEAD,
        notices=absent(data, ANALYSES),
        tables=tuple(table for table in tables if table.rows),
        plots=tuple(_plots(data)),
    )


def _peaks(data: Data) -> Table:
    columns = {
        "Species": lambda result: Cell(carrier(data, result)),
        "α₂ at its peak": of_carrier(data, lambda s: quantity("peak_alpha2", species=s)),
        "at (ps)": of_carrier(data, lambda s: quantity("peak_time", signed=False, species=s)),
        "Verdict": of_carrier(data, lambda s: words("verdict", species=s)),
    }
    note = f"Of the most mobile species of each material. {ERRORS}"
    return by_case(data, "non_gaussian", "Non-Gaussian parameter", columns, note)


def _velocities(data: Data) -> Table:
    columns = {
        "Species": lambda result: Cell(carrier(data, result)),
        "D, Green–Kubo (cm²/s)": of_carrier(
            data,
            lambda s: quantity("diffusion_coefficient", signed=False, brackets=True, species=s),
        ),
        "Integral": of_carrier(data, lambda s: words("verdict", species=s)),
        "Temperature (K)": of_carrier(data, lambda s: quantity("kinetic_temperature", species=s)),
        "Sampling": of_carrier(data, lambda s: words("sampling", species=s)),
    }
    note = (
        "D from the integral of the velocity autocorrelation, to hold against that from the mean "
        "squared displacement. Frames too far apart alias the spectrum: “aliased”."
    )
    return by_case(data, "vacf", "Velocities", columns, note)


def _plots(data: Data) -> Iterator[Plot]:
    for what, temperatures in ((_ALPHA2, 3), (_moved(data), 3), (_around(data), 2), (_VDOS, 1)):
        drawn = panels(data, what, temperatures) if what.analysis in data.analyses else None
        if drawn is not None:
            yield drawn


def _moved(data: Data) -> Multiples:
    def draw(result: xr.Dataset, axes: Axes) -> Axes:
        # the first lags are 0 and a frame, at which an ion has hardly left its place
        moved = result.sel(species=carrier(data, result)).isel(lag=slice(2, None))
        return plot.van_hove(moved.coarsen(r=2, boundary="trim").mean(), axes)

    return Multiples(
        "van_hove",
        "van_hove",
        "Distances moved by the most mobile species",
        "Distribution of the displacement, 4πr² G_s, after each lag time in ps. A second maximum "
        "at the distance of a neighbouring site is the mark of hops.",
        draw,
        ("p_self", "p_self_stderr"),
    )


def _around(data: Data) -> Multiples:
    def draw(result: xr.Dataset, axes: Axes) -> Axes:
        species = [s for m in data.materials for s in mobile(data, m)[:1]]
        known = [p for s in species if (p := f"{s}-{s}") in result["pair"]]
        pair = known[0] if known else str(result["pair"].values[0])
        chosen = result.sel(pair=pair).isel(lag=slice(None, None, 2))
        return plot.van_hove(_in_shells(chosen), axes, part="distinct")

    return Multiples(
        "van_hove",
        "van_hove_distinct",
        "Others around the place of an ion of the most mobile species",
        "G_d over its mean, after each lag time in ps: g(r) at lag 0. What fills r = 0 with time "
        "are other ions that take the place that one has left.",
        draw,
        ("g_distinct", "g_distinct_stderr"),
    )


def _in_shells(result: xr.Dataset, bins: int = 4) -> xr.Dataset:
    """Averages over wider shells, by volume: near r = 0 there are few pairs in each."""
    volume = xr.DataArray(result["r"].values ** 2, dims="r")
    wide = (result * volume).coarsen(r=bins, boundary="trim").sum()
    return wide / volume.coarsen(r=bins, boundary="trim").sum()


_ALPHA2 = Multiples(
    "non_gaussian",
    "non_gaussian",
    "Non-Gaussian parameter",
    "α₂ of each species over lag time, with one standard error; 0 for Gaussian displacements.",
    plot.non_gaussian,
    ("alpha2", "alpha2_stderr"),
)
_VDOS = Multiples(
    "vacf",
    "vdos",
    "Vibrational density of states",
    "Spectrum of the velocities of each species at the highest temperature, its integral 1.",
    plot.vdos,
    ("vdos", "vdos_stderr"),
    height=2.8,
)
