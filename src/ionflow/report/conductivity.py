"""The section on conductivity, by all of its definitions."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ionflow import plot
from ionflow.report.cells import ERRORS, by_case, labels, nothing, quantity
from ionflow.report.estimates import estimate
from ionflow.report.gather import Data
from ionflow.report.multiples import Multiples, by_material
from ionflow.report.page import Cell, Section
from ionflow.report.rounding import NONE, uncertain

SYMBOLS = {
    "nernst_einstein": "NE",
    "cluster_nernst_einstein": "cNE",
    "cluster_nernst_einstein_bound": "cNE, bound",
    "einstein": "E",
}

LEAD = (
    "σ(NE) is the Nernst–Einstein conductivity, of ions that move independently; σ(cNE) that of "
    "independent clusters of network centres and anions, “bound” with the alkali ions counted into "
    "them; σ(E) is the Einstein conductivity from the displacement of all charge together, "
    "correlations included and with the larger error. H is the ratio σ(NE)/σ(E), near 1 where "
    "correlations cancel."
)


def conductivity(data: Data) -> Section | None:
    """Conductivities of all definitions that were asked for."""
    if "conductivity" not in data.analyses:
        return None
    found = labels(data, "conductivity", "definition")
    if not found:
        return Section("conductivity", "Conductivity", LEAD, notices=(nothing("conductivity"),))
    columns = {
        f"σ({symbol}) (S/cm)": quantity("conductivity", signed=False, brackets=True, definition=d)
        for d, symbol in SYMBOLS.items()
        if d in found
    }
    table = by_case(data, "conductivity", "Ionic conductivity", columns | {"H": _ratio}, ERRORS)
    figure = by_material(data, _FIGURE)
    return Section(
        "conductivity",
        "Conductivity",
        LEAD,
        tables=(table,),
        plots=(figure,) if figure else (),
    )


def _ratio(result: xr.Dataset) -> Cell:
    single, collective = (
        estimate(result, "conductivity", definition=name)
        for name in ("nernst_einstein", "einstein")
    )
    if not (single.known and collective.known and collective.mean > 0):
        return Cell(NONE)
    ratio = single.mean / collective.mean
    relative = np.hypot(single.stderr / single.mean, collective.stderr / collective.mean)
    return Cell(uncertain(ratio, ratio * relative))


_FIGURE = Multiples(
    "conductivity",
    "conductivity",
    "Conductivity by definition",
    "With one standard error, replicas pooled. A definition without a trustworthy number at a "
    "temperature has no point there.",
    plot.conductivity,
    ("conductivity", "conductivity_stderr"),
)
