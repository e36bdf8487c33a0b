"""The checklist of claims: each with its verdict and the cases for and against it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ionflow.report.cells import nothing
from ionflow.report.gather import Data
from ionflow.report.page import Cell, Plot, Section, Table
from ionflow.report.rounding import short
from ionflow.report.style import PALETTE, drawing, figure, plain, svg

SUPPORTED, NOT_SUPPORTED = "supported", "not supported"
_TITLE = "Claims of the study"
_COUNTS = (
    ("n_support", "for", PALETTE[2]),
    ("n_undecided", "undecided", "#d9dde3"),
    ("n_against", "against", PALETTE[1]),
)


def claims(data: Data) -> Section | None:
    """What the scan says of each claim of the oxyhalide study."""
    if "claims" not in data.analyses:
        return None
    result = data.joined("claims")
    source = "" if result is None else _source(result)
    lead = (
        f"Whether this run bears out what the study of amorphous oxyhalides reports{source}. Each "
        "case speaks for a claim where one standard error lies inside it, and against it where "
        "two lie outside; a claim is supported if at least half of the cases bear it out and no "
        "more contradict it than chance would."
    )
    if result is None:
        return Section("claims", _TITLE, lead, notices=(nothing("verdict on the claims"),))
    plots = (_plot(result),) if int(result["n_cases"].sum()) else ()
    return Section("claims", _TITLE, lead, tables=(_table(result),), plots=plots)


def tally(data: Data) -> Iterator[tuple[str, str]]:
    """How many claims are supported, for the head of the page."""
    result = data.joined("claims") if "claims" in data.analyses else None
    if result is not None:
        verdicts = [str(v) for v in result["verdict"].values]
        supported, against = verdicts.count(SUPPORTED), verdicts.count(NOT_SUPPORTED)
        undecided = len(verdicts) - supported - against
        yield "Claims of the study", f"{supported} supported, {against} not, {undecided} open"


def _source(result: xr.Dataset) -> str:
    where = str(result.attrs.get("doi", ""))
    return f" ({where})" if where else ""


def _table(result: xr.Dataset) -> Table:
    columns = ("Claim", "Verdict", "For", "Against", "Undecided", "Median", "Quantity")
    rows = tuple(_row(result.isel(claim=index)) for index in range(result.sizes["claim"]))
    note = (
        "For, against and undecided count cases: a material at a temperature, or a fit over "
        "temperatures. Median and range (in brackets) are over the cases with a number."
    )
    return Table("Checklist", columns, rows, note, wrap=True)


def _row(one: xr.Dataset) -> tuple[Cell, ...]:
    verdict = str(one["verdict"].item())
    tone = {SUPPORTED: "", NOT_SUPPORTED: "warn"}.get(verdict, "muted")
    counts = [f"{int(one[name])}" for name in ("n_support", "n_against", "n_undecided")]
    median, low, high = (float(one[name]) for name in ("median", "lowest", "highest"))
    unit = str(one["unit"].item())
    bounds = f"[{short(low)}, {short(high)}]" if np.isfinite(low) else ""
    return (
        Cell(str(one["statement"].item())),
        Cell(verdict, tone=tone),  # type: ignore[arg-type]
        *map(Cell, counts),
        Cell(short(median), bounds),
        Cell(f"{one['quantity'].item()}" + ("" if unit == "1" else f" ({unit})")),
    )


def _plot(result: xr.Dataset) -> Plot:
    from matplotlib.ticker import MaxNLocator

    names = [str(name).replace("_", " ") for name in result["claim"].values]
    with drawing():
        fig = figure(8.0, 0.9 + 0.34 * len(names))
        axes = fig.subplots()
        start = np.zeros(len(names))
        for name, label, color in _COUNTS:
            counts = result[name].values.astype(float)
            axes.barh(range(len(names)), counts, left=start, color=color, label=label, height=0.68)
            start += counts
        axes.set_yticks(range(len(names)), [plain(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel("cases")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(axis="y", length=0)
        fig.legend(loc="outside upper left", ncols=3, handlelength=1.0)
        document = svg(fig)
    return Plot(
        name="claims",
        title="Cases for and against each claim",
        document=document,
        caption="A claim without a bar has no case with a number.",
        alt="Bars of the cases for, undecided and against each of " + ", ".join(names),
    )
