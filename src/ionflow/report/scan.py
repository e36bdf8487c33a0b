"""The section on what only the whole scan tells: activation of σ, chemistry, glasses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow import plot
from ionflow.errors import DataError
from ionflow.report.activation import line_cells, line_columns, target_K
from ionflow.report.cells import absent, left_out, some_of
from ionflow.report.conductivity import SYMBOLS
from ionflow.report.gather import Data, part_of
from ionflow.report.multiples import Multiples, of_tiles, over_scan
from ionflow.report.page import Cell, Plot, Section, Table
from ionflow.report.rounding import NONE, between, short
from ionflow.report.style import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANALYSES = ("arrhenius_conductivity", "chemistry", "glass_spread")
ROWS = 48
NE = "nernst_einstein"
_QUANTITIES = {
    "diffusion": "ln D",
    "conductivity": "ln σ(NE)",
    "activation_energy": "Ea (eV)",
}

_LEAD = (
    "What the cases of the scan say together: how conduction is activated, how much of it the "
    "composition decides, and how far independently quenched glasses of one composition differ."
)


def scan(data: Data) -> Section | None:
    """Activation of conduction, chemistry, and the spread of glasses."""
    if not some_of(data, ANALYSES):
        return None
    made = {
        "arrhenius_conductivity": (_lines, _activated),
        "chemistry": (_chemistry, _effects),
        "glass_spread": (_spread, _glasses),
    }
    tables: list[Table] = []
    plots: list[Plot] = []
    for name, (tabulate, draw) in made.items():
        result = data.joined(name) if name in data.analyses else None
        if result is not None:
            tables += [table for table in [tabulate(data, result)] if table.rows]
            plots += [drawn for drawn in [draw(data, result)] if drawn is not None]
    return Section(
        "scan",
        "Over the scan",
        _LEAD,
        notices=absent(data, ANALYSES),
        tables=tuple(tables),
        plots=tuple(plots),
    )


def _lines(data: Data, result: xr.Dataset) -> Table:
    rows = []
    for material in data.materials:
        part, label = part_of(result, material), material.label
        for name in part["definition"].values if part is not None else ():
            assert part is not None
            symbol = f"σ({SYMBOLS.get(str(name), str(name))})"
            rows.append(
                (Cell(label), Cell(symbol), *line_cells(part.sel(definition=name), "sigma"))
            )
            label = ""
    columns = line_columns(f"σ at {target_K(result):g} K (S/cm)")
    note = (
        "Ea of σT, which is what is activated; the fit and the extrapolation are as for D. Where "
        "there is no fit, the verdict stands in its place."
    )
    return Table(
        "Activation of conduction",
        ("Material", "Definition", *columns),
        tuple(rows[:ROWS]),
        left_out(note, len(rows) - ROWS, "fits"),
        heads=2,
    )


def _activated(data: Data, result: xr.Dataset) -> Plot | None:
    return over_scan(data, result, _ACTIVATED)


# -- chemistry ---------------------------------------------------------------------------------


def _chemistry(data: Data, result: xr.Dataset) -> Table:
    rows = tuple(row for name in _QUANTITIES for row in _chemistry_rows(result, name))
    note = (
        "SD: spread between materials with what measurement errors add taken off, and its 95 % "
        "interval; a factor of exp(2 SD) holds most materials. Of it, the largest part is that of "
        "the axis named last. “all” counts all materials together; “rest” is what no axis explains "
        "by itself."
    )
    columns = ("SD", "95 % interval", "Factor", "95 % interval", "Verdict", "Largest part")
    heads = ("Quantity", "T (K)")
    return Table(
        "How much the composition decides", (*heads, *columns), rows[:ROWS],
        left_out(note, len(rows) - ROWS, "rows"), heads=2,
    )  # fmt: skip


def _of_nernst_einstein(result: xr.Dataset, name: str) -> xr.Dataset:
    """Variables of one quantity, of conductivities the one with the smallest error."""
    part = result[[n for n in result.data_vars if str(n).startswith(f"{name}_")]]
    if "definition" in part.dims:
        there = [str(name) for name in part["definition"].values]
        part = part.sel(definition=NE if NE in there else there[0])
    return part


def _chemistry_rows(result: xr.Dataset, name: str) -> Iterator[tuple[Cell, ...]]:
    part = _of_nernst_einstein(result, name)
    if f"{name}_sd" not in part:
        return
    own = part["temperature_K"].values if "temperature_K" in part.dims else [None]
    title = _QUANTITIES[name]
    for temperature in own:
        one = part if temperature is None else part.sel(temperature_K=temperature)
        where = NONE if temperature is None else f"{temperature:g}"
        yield Cell(title), Cell(where), *_whole(one, name), Cell(_largest(one, name))
        title = ""


def _whole(one: xr.Dataset, name: str) -> Iterator[Cell]:
    whole = one.sel(term="all")
    for what in (f"{name}_sd", f"{name}_spread_factor"):
        value = float(whole[what]) if what in whole else np.nan
        yield Cell(short(value, 2))
        yield Cell(_ends(whole, f"{what}_ci95", value))
    yield Cell(str(whole[f"{name}_verdict"].item()))


def _ends(one: xr.Dataset, name: str, value: float) -> str:
    if name not in one or not np.isfinite(one[name].values[0]):
        return NONE
    low, high = (float(end) for end in one[name].values)
    return between(low, high, value)


def _largest(one: xr.Dataset, name: str) -> str:
    """The term with the largest share of the variance."""
    shares = one[f"{name}_share"].drop_sel(term="all").fillna(-1.0)
    best = int(np.argmax(shares.values))
    share = float(shares.values[best])
    return f"{shares['term'].values[best]} ({share:.0%})" if share > 0 else NONE


def _effects(data: Data, result: xr.Dataset) -> Plot | None:
    tiles = [
        (title, _of_nernst_einstein(result, name).assign_attrs(quantity=name))
        for name, title in _QUANTITIES.items()
    ]
    return of_tiles(tiles, _EFFECTS)


def _effect(part: xr.Dataset, axes: Axes) -> Axes:
    return plot.chemistry(part, axes, quantity=str(part.attrs["quantity"]))


# -- glasses -----------------------------------------------------------------------------------


def _spread(data: Data, result: xr.Dataset) -> Table:
    columns = ("Verdict", "SD", "95 % interval", "Own error", "Share", "P(Q)", "Glasses", "Needed")
    rows = tuple(_spread_row(result.sel(quantity=name)) for name in result["quantity"].values)
    note = (
        "Of the natural logarithm, over the whole scan. SD: spread between quenches of one "
        "composition beyond the errors of the trajectories; own error: what a typical "
        "trajectory claims of itself; P(Q): chance of as much scatter by errors alone; glasses: "
        "trajectories with a number; needed: replicas for the error asked for."
    )
    shown = rows[:ROWS]
    return Table("Independent glasses", ("Quantity", *columns), shown,
                 left_out(note, len(rows) - len(shown), "quantities"))  # fmt: skip


def _spread_row(one: xr.Dataset) -> tuple[Cell, ...]:
    def number(name: str, digits: int = 2) -> Cell:
        return Cell(short(float(one[f"pooled_{name}"]), digits))

    sd = float(one["pooled_sd"])
    return (
        Cell(_symbol(one["quantity"].item())),
        Cell(str(one["pooled_verdict"].item())),
        number("sd"),
        Cell(_ends(one, "pooled_sd_ci95", sd)),
        number("error_sd"),
        number("share"),
        number("Q_probability"),
        number("n_replicas", 4),
        number("replicas_needed", 4),
    )


def _symbol(quantity: object) -> str:
    """The name of a quantity as the rest of the page writes it: `sigma(einstein)` is σ(E)."""
    name, _, what = str(quantity).rstrip(")").partition("(")
    return f"{name.replace('sigma', 'σ')}({SYMBOLS.get(what, what)})"


def _glasses(data: Data, result: xr.Dataset) -> Plot | None:
    return of_tiles([("", result)], _GLASSES)


def _between(result: xr.Dataset, axes: Axes) -> Axes:
    """SD between glasses with its interval, beside the error of a trajectory."""
    known = result.isel(quantity=np.isfinite(result["pooled_sd"].values))
    if not known.sizes["quantity"]:
        raise DataError("glass_spread has no number to draw", hint="see the results' verdicts")
    x = np.arange(known.sizes["quantity"])
    sd, ends = known["pooled_sd"].values, known["pooled_sd_ci95"].transpose(..., "bound").values
    style: dict[str, Any] = {"fmt": "o", "capsize": 2.5, "lw": 1.0}
    bars = np.nan_to_num(np.abs(ends - sd[:, None])).T
    axes.errorbar(x - 0.1, sd, yerr=bars, color=PALETTE[0], label="between glasses", **style)
    axes.plot(x + 0.1, known["pooled_error_sd"].values, "s", color=PALETTE[1],
              label="error of a trajectory")  # fmt: skip
    axes.set_xticks(x, [_symbol(name) for name in known["quantity"].values])
    # an interval from few glasses would leave no room for the values
    highest = 4 * max(sd.max(), known["pooled_error_sd"].values.max())
    axes.set(ylabel="SD of the logarithm", ylim=(0, min(highest, axes.get_ylim()[1])))
    return axes


_ACTIVATED = Multiples(
    "arrhenius_conductivity",
    "arrhenius_conductivity",
    "Conductivity over temperature",
    "By definition, with one standard error; lines: weighted fits of ln σT.",
    plot.arrhenius,
)
_EFFECTS = Multiples(
    "chemistry",
    "chemistry",
    "Spread by parts of the composition",
    "Standard deviation due to each axis of the scan, to what is left, and of all materials, "
    "measurement errors taken off.",
    _effect,
    height=3.0,
    shared="",
)
_GLASSES = Multiples(
    "glass_spread",
    "glass_spread",
    "Spread between glasses",
    "Pooled over the scan, with the 95 % interval, which may run out of the frame, beside the "
    "error that a typical trajectory claims of itself.",
    _between,
    height=3.2,
)
