"""Figures of what a whole scan says: activation, chemistry, glasses, claims."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.plot.series import (
    Series,
    axes_of,
    need,
    points,
    series,
    with_error,
    with_interval,
)
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
    """D (cm²/s), σ (S/cm) or τ (ps), logarithmic, over 1000/T (1/K) with their fits.

    Of results of `arrhenius`, `arrhenius_conductivity` or `arrhenius_residence`. Fits of σT and
    of 1/τ are drawn as what they mean for σ and τ.
    """
    name = next((name for name in _ACTIVATED if name in data), "diffusion_coefficient")
    need(data, name, "activation_energy", "ln_prefactor", of="arrhenius")
    axes = axes_of(ax)
    found = series(with_error(data, name), name, "temperature_K")
    points(axes, [replace(one, x=1000.0 / one.x) for one in found], join=False)
    fit = data[["activation_energy", "ln_prefactor"]].compute()
    for one in found:
        _fit(axes, fit.sel(one.labels), one, name)
    axes.set(yscale="log", xlabel="1000 K / T", ylabel=_ACTIVATED[name][0])
    return axes


def _fit(axes: Axes, fit: xr.Dataset, one: Series, name: str) -> None:
    _, power, temperature_power = _ACTIVATED[name]
    known = np.isfinite(one.y)
    if not (np.isfinite(float(fit["activation_energy"])) and known.sum() > 1):
        return
    kelvin = 1.0 / np.linspace(1 / one.x[known].max(), 1 / one.x[known].min(), 50)
    energy = float(fit["activation_energy"]) / (BOLTZMANN_EV_PER_K * kelvin)
    ln_rate = float(fit["ln_prefactor"]) - energy
    value = np.exp((ln_rate - temperature_power * np.log(kelvin)) / power)
    axes.plot(1000.0 / kelvin, value, color=one.color, lw=1.2)


def chemistry(data: xr.Dataset, ax: Axes | None = None, *, quantity: str = "diffusion") -> Axes:
    """How much D, σ or Ea spread by each part of the composition, of results of `chemistry`.

    Points are standard deviations of ln D or ln σ (1) or of Ea (eV), bars 68 % intervals.

    Parameters
    ----------
    quantity : diffusion, conductivity or activation_energy
    """
    name = f"{quantity}_sd"
    need(data, name, "term", of="chemistry")
    axes = axes_of(ax)
    points(axes, with_interval(data, name, "term"))
    unit = "Ea (eV)" if quantity == "activation_energy" else f"ln {_SYMBOL.get(quantity, quantity)}"
    axes.set(xlabel="part of the composition", ylabel=f"SD of {unit}", ylim=(0, None))
    return axes


_SYMBOL = {"diffusion": "D", "conductivity": "σ"}


def glass_spread(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """How much independent glasses differ (SD of ln D and ln σ), of results of `glass_spread`.

    Points are pooled over the whole scan, with 68 % intervals; dashes are the errors that the
    trajectories claim.
    """
    need(data, "pooled_sd", "quantity", of="glass_spread")
    axes = axes_of(ax)
    points(axes, with_interval(data, "pooled_sd", "quantity"))
    if "pooled_error_sd" in data:
        claimed = data["pooled_error_sd"].values.astype(float)
        axes.scatter(range(len(claimed)), claimed, marker="_", s=300, color="0.3", zorder=1)
    axes.set(ylabel="SD of ln between glasses\n(dash: claimed error)", ylim=(0, None))
    return axes


def claims(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """How many cases (number) support each claim of the study, or contradict it, or are undecided.

    Verdicts stand at the right. Of results of `claims`.
    """
    need(data, "verdict", "n_support", "n_against", "n_undecided", of="claims")
    axes = axes_of(ax)
    rows, start = np.arange(data.sizes["claim"]), np.zeros(data.sizes["claim"])
    for name, color in (("support", PALETTE[2]), ("undecided", "0.8"), ("against", PALETTE[1])):
        width = data[f"n_{name}"].astype(float).values
        axes.barh(rows, width, left=start, color=color, label=name)
        start = start + width
    for row, verdict in enumerate(data["verdict"].values.tolist()):
        axes.text(
            1.01, row, verdict, transform=axes.get_yaxis_transform(), va="center", fontsize="small"
        )
    axes.set_yticks(rows, [str(name).replace("_", " ") for name in data["claim"].values])
    axes.invert_yaxis()
    axes.set(xlabel="cases")
    axes.legend(fontsize="small", ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0))
    return axes
