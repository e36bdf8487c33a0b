"""The section on structure: distances, angles, scattering and density."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow import plot as drawings
from ionflow.plot.series import points, series
from ionflow.report import figures
from ionflow.report.cells import ERRORS, absent, by_case, quantity, some_of, words
from ionflow.report.figures import Curve, Panel
from ionflow.report.gather import Data, Material
from ionflow.report.multiples import Multiples, by_material
from ionflow.report.multiples import by_case as panels
from ionflow.report.page import Plot, Section, Table
from ionflow.report.style import heat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANALYSES = ("rdf", "angles", "structure_factor", "density")
MATERIALS = 6
PAIRS = 5


def structure(data: Data) -> Section | None:
    """Partial g(r), angles, structure factors and density."""
    if not some_of(data, ANALYSES):
        return None
    lead = "Averages over the recorded stage and over replicas. A g(r) of 1 is the mean density."
    plots = (_rdf(data), *(_drawn(data, *figure) for figure in _FIGURES))
    densities = _densities(data)
    return Section(
        "structure",
        "Structure",
        lead,
        notices=absent(data, ANALYSES),
        tables=(densities,) if densities.rows else (),
        plots=tuple(plot for plot in plots if plot is not None),
    )


def _drawn(data: Data, what: Multiples, temperatures: int) -> Plot | None:
    if what.analysis not in data.analyses:
        return None
    return panels(data, what, temperatures) if temperatures else by_material(data, what)


def _densities(data: Data) -> Table:
    titles = {
        "mass_density": "Density (g/cm³)",
        "number_density": "Atoms per Å³",
        "volume": "Volume (Å³)",
        "temperature": "Temperature (K)",
        "pressure": "Pressure (GPa)",
    }
    columns = {title: quantity(name, verdict=f"{name}_verdict") for name, title in titles.items()}
    columns["Verdict on the density"] = words("mass_density_verdict")
    note = f"Pressure: positive where compressed. {ERRORS}"
    return by_case(data, "density", "Density", columns, note)


def _rdf(data: Data) -> Plot | None:
    shown = [m for m in data.materials if any(data.result("rdf", c) for c in data.of(m))]
    if "rdf" not in data.analyses or not shown:
        return None
    labels = [material.label for material in shown[:MATERIALS]]
    return Plot(
        name="rdf",
        title="Partial g(r)",
        document=figures.rdf([_row(data, material) for material in shown[:MATERIALS]], labels),
        caption=_caption(shown),
        alt="Radial distribution functions by pair of elements, for " + ", ".join(labels),
    )


def _caption(shown: Sequence[Material]) -> str:
    text = (
        f"The {PAIRS} pairs with the highest peaks of each material, each on its own scale; "
        "colours are temperatures. N is the number of atoms of the second element around one of "
        "the first up to the first minimum, at the lowest temperature."
    )
    left = len(shown) - MATERIALS
    return f"{text} Not drawn: {left} of {len(shown)} materials." if left > 0 else text


def _row(data: Data, material: Material) -> list[Panel | None]:
    colors = heat(data.temperatures)
    found = {c.temperature: data.result("rdf", c) for c in data.of(material)}
    results = {t: _mean(result) for t, result in found.items() if result is not None}
    coldest = next(iter(results.values()))
    return [
        Panel(
            pair.replace("-", "–"),
            tuple(_curve(result, t, pair, colors[t]) for t, result in results.items()),
            remark=_coordination(coldest, pair),
        )
        for pair in _pairs(coldest)
    ]


def _mean(result: xr.Dataset) -> xr.Dataset:
    names = [name for name in ("g", "coordination_number", "cutoff") if name in result]
    return result[names].mean("replica")


def _curve(result: xr.Dataset, temperature: float, pair: str, color: str) -> Curve:
    g = result["g"]
    y = g.sel(pair=pair).values if pair in g["pair"] else np.full(g.sizes["r"], np.nan)
    return Curve(f"{temperature:g} K", color, g["r"].values, y)


def _pairs(result: xr.Dataset) -> list[str]:
    """One name for each pair of elements, metals first, the highest peaks first."""
    from ase.formula import non_metals

    height = result["g"].max("r").fillna(0.0)
    heights = dict(zip(map(str, height["pair"].values), map(float, height.values), strict=True))
    ranked = sorted(heights, key=lambda pair: (-heights[pair], pair.split("-")[0] in non_metals))
    names: dict[frozenset[str], str] = {}
    for pair in ranked:
        names.setdefault(frozenset(pair.split("-")), pair)
    return list(names.values())[:PAIRS]


def _coordination(result: xr.Dataset, pair: str) -> str:
    if not {"coordination_number", "cutoff"} <= set(result):
        return ""
    one = result.sel(pair=pair)
    number, cutoff = float(one["coordination_number"]), float(one["cutoff"])
    return f"N({cutoff:.1f} Å) = {number:.1f}" if np.isfinite([number, cutoff]).all() else ""


def _density(result: xr.Dataset, axes: Axes) -> Axes:
    points(axes, series(result, "mass_density", "temperature_K"))
    axes.set(xlabel="T (K)", ylabel="density (g/cm³)")
    return axes


#: What is drawn, with how many temperatures side by side; 0: all in one panel.
_FIGURES = (
    (
        Multiples(
            "angles",
            "angles",
            "Angles between bonds",
            "Distribution of each angle, its integral 1, with one standard error, at the highest "
            "temperature; the middle element is at the corner.",
            drawings.angles,
            ("density", "density_stderr"),
            height=2.8,
            shared="x",
        ),
        1,
    ),
    *(
        (
            Multiples(
                "structure_factor",
                f"structure_factor_{weight}",
                f"Static structure factor, {how}",
                "Faber–Ziman total by temperature, with one standard error.",
                partial(drawings.structure_factor, weight=weight),
                (f"S_{weight}", f"S_{weight}_stderr"),
            ),
            0,
        )
        for weight, how in (("xray", "X-rays"), ("neutron", "neutrons"))
    ),
    (
        Multiples(
            "density",
            "density",
            "Density over temperature",
            "With one standard error. A cell of constant volume has one density and no error.",
            _density,
            ("mass_density", "mass_density_stderr"),
        ),
        0,
    ),
)
