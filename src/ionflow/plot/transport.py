"""Figures of transport, by case and over a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.plot.series import Series, along_temperature, axes_of, legend, need, points, series
from ionflow.report.style import PALETTE
from ionflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: what the three analyses of activation pool over temperature, and how its logarithm is fitted:
#: by which power of it and of the temperature
_ACTIVATED = {
    "diffusion_coefficient": ("D (cm²/s)", 1, 0),
    "conductivity": ("σ (S/cm)", 1, 1),
    "residence_time": ("τ (ps)", -1, 0),
}


def arrhenius(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Values against 1000 K/T with their fits, of results of `arrhenius` and its relatives.

    Fits of σT and of 1/τ are drawn as what they mean for σ and τ.
    """
    name = next((name for name in _ACTIVATED if name in data), "diffusion_coefficient")
    need(data, name, "activation_energy", "ln_prefactor", of="arrhenius")
    axes = axes_of(ax)
    found = series(data[[name, f"{name}_stderr"]], name, "temperature_K")
    inverse = [Series(s.name, s.labels, 1000.0 / s.x, s.y, s.error) for s in found]
    points(axes, inverse, join=False)
    for place, one in enumerate(found):
        _fit(axes, data.sel(one.labels), one, name, PALETTE[place % len(PALETTE)])
    label = _ACTIVATED[name][0]
    axes.set(yscale="log", xlabel="1000 K / T", ylabel=label)
    legend(axes, found)
    return axes


def _fit(axes: Axes, fit: xr.Dataset, one: Series, name: str, color: str) -> None:
    _, power, temperature_power = _ACTIVATED[name]
    known = np.isfinite(one.y)
    if not (np.isfinite(float(fit["activation_energy"])) and known.sum() > 1):
        return
    kelvin = 1.0 / np.linspace(1 / one.x[known].max(), 1 / one.x[known].min(), 50)
    ln_rate = float(fit["ln_prefactor"]) - float(fit["activation_energy"]) / (
        BOLTZMANN_EV_PER_K * kelvin
    )
    value = np.exp((ln_rate - temperature_power * np.log(kelvin)) / power)
    axes.plot(1000.0 / kelvin, value, color=color, lw=1.2)


def conductivity(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Conductivity over temperature by definition, of results of `conductivity`."""
    need(data, "conductivity", "definition", of="conductivity")
    axes = axes_of(ax)
    along = along_temperature(data, "conductivity")
    chosen = data[["conductivity", "conductivity_stderr"]]
    points(axes, series(chosen, "conductivity", along))
    axes.set(yscale="log", xlabel=_label(along), ylabel="σ (S/cm)")
    return axes


def transference(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Transference numbers over the scan by definition, of results of `transference`."""
    need(data, "transference_number", of="transference")
    axes = axes_of(ax)
    along = along_temperature(data, "transference_number")
    chosen = data[["transference_number", "transference_number_stderr"]]
    points(axes, series(chosen, "transference_number", along))
    for level in (0, 1):
        axes.axhline(level, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel=_label(along), ylabel="transference number")
    return axes


def haven(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Haven ratios over the scan, of results of `haven`."""
    need(data, "haven_ratio", of="haven")
    axes = axes_of(ax)
    along = along_temperature(data, "haven_ratio")
    points(axes, series(data[["haven_ratio", "haven_ratio_stderr"]], "haven_ratio", along))
    axes.axhline(1, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel=_label(along), ylabel="Haven ratio D_tracer/D_collective")
    return axes


def residence_times(
    data: xr.Dataset, ax: Axes | None = None, *, variant: str = "continuous"
) -> Axes:
    """Residence times by environment, of results of `residence`."""
    need(data, "residence_time", of="residence")
    axes = axes_of(ax)
    chosen = data[["residence_time", "residence_time_stderr"]].sel(variant=variant)
    points(axes, series(chosen, "residence_time", "environment"))
    axes.set(yscale="log", xlabel="environment", ylabel=f"τ (ps), {variant.replace('_', ' ')}")
    return axes


def onsager(data: xr.Dataset, ax: Axes | None = None, *, frame: str = "barycentric") -> Axes:
    """The matrix of Onsager coefficients of one case, each in units of its diagonal's mean.

    L_ij/sqrt(L_ii L_jj), of results of `onsager` at one point of the scan.
    """
    need(data, "onsager", of="onsager")
    axes = axes_of(ax)
    matrix = data["onsager"].sel(frame=frame)
    if "replica" in matrix.dims:
        matrix = matrix.mean("replica")
    matrix = matrix.squeeze(drop=True).transpose("species", "species_other")
    diagonal = np.sqrt(np.diag(matrix.values))
    scaled = matrix.values / np.outer(diagonal, diagonal)
    axes.imshow(scaled, cmap="RdBu_r", vmin=-1, vmax=1)
    names = [str(name) for name in matrix["species"].values]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(scaled):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize="small")
    axes.set_title(f"L_ij / sqrt(L_ii L_jj), {frame}", fontsize="medium")
    return axes


def chemistry(data: xr.Dataset, ax: Axes | None = None, *, quantity: str = "diffusion") -> Axes:
    """How much D, σ or Ea spread by each part of the composition, of results of `chemistry`.

    Parameters
    ----------
    quantity : diffusion, conductivity or activation_energy
    """
    name = f"{quantity}_sd"
    need(data, name, of="chemistry")
    axes = axes_of(ax)
    points(axes, series(data[[name]], name, "term"))
    unit = "Ea (eV)" if quantity == "activation_energy" else f"ln {quantity}"
    axes.set(xlabel="part of the composition", ylabel=f"SD of {unit}", ylim=(0, None))
    return axes


def _label(along: str) -> str:
    return "T (K)" if along == "temperature_K" else along
