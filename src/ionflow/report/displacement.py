"""Mean squared displacements and the windows that were fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from ionflow.report import figures
from ionflow.report.estimates import mobile
from ionflow.report.figures import Curve, Panel
from ionflow.report.gather import Case, Data, Material
from ionflow.report.page import Plot
from ionflow.report.style import colors

MATERIALS, TEMPERATURES = 6, 4


def window(data: Data, case: Case, species: str) -> tuple[float, float] | None:
    """The fitted window in ps: from the earliest start to the latest end of all replicas."""
    result = data.result("diffusion", case)
    if result is None or "fit_start" not in result or species not in result["species"]:
        return None
    start, end = (result[n].sel(species=species) for n in ("fit_start", "fit_end"))
    if start.isnull().all() or end.isnull().all():
        return None
    return float(start.min()), float(end.max())


def _msd(data: Data, case: Case, species: str) -> xr.DataArray | None:
    """MSD (replica, lag) in Å², of positive lags."""
    for name in ("msd", "diffusion"):
        result = data.result(name, case)
        if result is not None and "msd" in result and species in result["species"]:
            curve = result["msd"].sel(species=species)
            return curve.isel(lag=curve["lag"].values > 0)
    return None


def mean_msd(data: Data, case: Case, species: str) -> xr.DataArray | None:
    """MSD over lag (ps) in Å², averaged over replicas."""
    curve = _msd(data, case, species)
    return None if curve is None else curve.mean("replica").dropna("lag")


def msd_plot(data: Data) -> Plot | None:
    """Small multiples of the MSD: a row for each material, a column for each temperature."""
    shown = [material for material in data.materials if mobile(data, material)]
    temperatures = _spread(data.temperatures, TEMPERATURES)
    palette = colors(_all_species(data, shown[:MATERIALS]))
    grid = [
        [_msd_panel(data, case, palette) for case in data.of(m) if case.temperature in temperatures]
        for m in shown[:MATERIALS]
    ]
    if not any(panel for row in grid for panel in row):
        return None
    return Plot(
        name="msd",
        title="Mean squared displacement",
        document=figures.msd(grid),
        caption=_msd_caption(data, len(shown), len(temperatures)),
        alt="Log-log mean squared displacement over lag time for "
        + ", ".join(material.label for material in shown[:MATERIALS]),
    )


def _spread(values: Sequence[float], limit: int) -> list[float]:
    """At most `limit` of the values, the ends among them."""
    picks = np.unique(np.linspace(0, len(values) - 1, min(limit, len(values))).round().astype(int))
    return [values[index] for index in picks]


def _all_species(data: Data, materials: Sequence[Material]) -> list[str]:
    ranked = [mobile(data, material) for material in materials]
    first = [species[0] for species in ranked if species]
    return list(dict.fromkeys([*first, *(name for species in ranked for name in species)]))


def _msd_caption(data: Data, materials: int, temperatures: int) -> str:
    text = (
        "Bold: mean over replicas; thin: each replica. Shaded: the window from which D of the most "
        "mobile species was fitted. Dashed: slope 1, the mark of diffusion; a flat line is an ion "
        "in its cage."
    )
    left = max(0, materials - MATERIALS), len(data.temperatures) - temperatures
    if left[0]:
        text += f" Not drawn: {left[0]} of {materials} materials."
    return text + (
        f" Not drawn: {left[1]} of {len(data.temperatures)} temperatures." if left[1] else ""
    )


def _msd_panel(data: Data, case: Case, palette: dict[str, str]) -> Panel | None:
    species = mobile(data, case.material)
    pairs = [(name, _msd(data, case, name)) for name in species]
    curves = tuple(
        line
        for name, curve in pairs
        if curve is not None
        for line in _msd_curves(name, palette[name], curve)
    )
    if not curves:
        return None
    shaded = window(data, case, species[0])
    return Panel(f"{case.material.label}, {case.temperature:g} K", curves, shaded)


def _msd_curves(name: str, color: str, curve: xr.DataArray) -> Iterator[Curve]:
    mean = curve.mean("replica").dropna("lag")
    lags = _log_spaced(mean["lag"].values)
    yield Curve(name, color, mean["lag"].values[lags], mean.values[lags])
    for index in range(curve.sizes["replica"] if curve.sizes["replica"] > 1 else 0):
        one = curve.isel(replica=index).dropna("lag")
        few = _log_spaced(one["lag"].values)
        yield Curve(name, color, one["lag"].values[few], one.values[few], faint=True)


def _log_spaced(values: np.ndarray, points: int = 80) -> np.ndarray:
    """Indices of at most about `points` values, evenly spread on a log axis."""
    if values.size <= points:
        return np.arange(values.size)
    return np.unique(np.geomspace(1, values.size, points).round().astype(int) - 1)
