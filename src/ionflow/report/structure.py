"""The section on structure: partial radial distribution functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ionflow.report import figures
from ionflow.report.figures import Curve, Panel
from ionflow.report.gather import Data, Material
from ionflow.report.page import Notice, Plot, Section
from ionflow.report.style import heat

MATERIALS = 6
PAIRS = 5


def structure(data: Data) -> Section | None:
    """Partial g(r) of each material, a line for each temperature."""
    if "rdf" not in data.analyses:
        return None
    lead = (
        "Partial radial distribution functions of the recorded stage, averaged over replicas. "
        "A g(r) of 1 is the mean density."
    )
    shown = [m for m in data.materials if any(data.result("rdf", c) for c in data.of(m))]
    if not shown:
        notice = Notice("No radial distribution function is there yet.", "note")
        return Section("structure", "Structure", lead, notices=(notice,))
    rows = [_row(data, material) for material in shown[:MATERIALS]]
    labels = [material.label for material in shown[:MATERIALS]]
    plot = Plot(
        name="rdf",
        title="Partial g(r)",
        document=figures.rdf(rows, labels),
        caption=_caption(shown),
        alt="Radial distribution functions by pair of elements, for " + ", ".join(labels),
    )
    return Section("structure", "Structure", lead, plots=(plot,))


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
