"""Numbers as cells of tables, and tables with a row for each case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from ionflow.report.estimates import COARSE, Estimate, estimate, mobile
from ionflow.report.gather import Data
from ionflow.report.page import Cell, Notice, Table
from ionflow.report.rounding import NONE, between, short, uncertain

#: What a column says of the results of a case, by replica.
Tell = Callable[[xr.Dataset], Cell]

#: An interval that reaches beyond so many times the value has no upper end worth telling.
ENDLESS = 1e3
#: More cases than this are not listed on the page.
CASES = 48

ERRORS = (
    "In parentheses: one standard error in the last digits, pooled over replicas; in brackets: "
    "the 95 % interval. Where there is no number, the verdict stands in its place."
)


def nothing(what: str) -> Notice:
    """What is said while an analysis has no result."""
    return Notice(f"No {what} is there yet.", "note")


def cell(value: Estimate, *, brackets: bool = True) -> Cell:
    """A pooled quantity with its error and interval, or the reason why there is none."""
    if not value.asked:
        return Cell("no result", tone="muted")
    if not value.known:
        if np.isfinite(value.bound):
            return Cell(f"< {short(value.bound, 2)}", value.verdict, "muted")
        return Cell(value.verdict, tone="muted")
    remark = f"{value.count}/{value.asked} " if value.count < value.asked else ""
    if brackets and np.isfinite(value.low) and np.isfinite(value.high):
        high = value.high if value.high < ENDLESS * abs(value.mean) else np.inf
        remark += between(value.low, high, value.mean)
    coarse = not value.stderr <= COARSE * abs(value.mean)
    return Cell(uncertain(value.mean, value.stderr), remark.strip(), "warn" if coarse else "")


def quantity(
    name: str, *, verdict: str = "verdict", signed: bool = True, brackets: bool = False,
    **at: str | int | float,
) -> Tell:  # fmt: skip
    """A column for one quantity; one that may be negative is not coarse for being near zero."""

    def tell(result: xr.Dataset) -> Cell:
        found = cell(
            estimate(result, name, verdict=verdict, signed=signed, **at), brackets=brackets
        )
        return Cell(found.text, found.remark) if signed and found.tone == "warn" else found

    return tell


def average(name: str, digits: int = 3, **at: str | int | float) -> Tell:
    """A column for the mean over replicas of a number without an error, such as a count."""

    def tell(result: xr.Dataset) -> Cell:
        if name not in result:
            return Cell(NONE, tone="muted")
        return Cell(short(float(result[name].sel(at).mean()), digits))

    return tell


def words(name: str, **at: str | int | float) -> Tell:
    """A column for a verdict, with how many of the replicas say so where they differ."""

    def tell(result: xr.Dataset) -> Cell:
        if name not in result:
            return Cell(NONE, tone="muted")
        return Cell(counted([str(v) for v in np.ravel(result[name].sel(at).values)]))

    return tell


def counted(said: Sequence[str]) -> str:
    """What replicas say, the most frequent first.

    >>> counted(["met", "missed", "met"]), counted(["met", "met"])
    ('met 2/3, missed 1/3', 'met')
    """
    kinds = sorted(set(said), key=lambda one: (-said.count(one), one))
    if len(kinds) == 1:
        return kinds[0].replace("_", " ") or NONE
    return ", ".join(f"{k.replace('_', ' ') or NONE} {said.count(k)}/{len(said)}" for k in kinds)


def by_case(
    data: Data, analysis: str, title: str, columns: Mapping[str, Tell], note: str = "",
    only: tuple[str, ...] = (),
) -> Table:  # fmt: skip
    """A row for each material and temperature that has a result of an analysis."""
    names = ("Material", "T (K)", *columns)
    ready = [c for m in data.materials for c in data.of(m) if data.ready(analysis, c)]
    rows: list[tuple[Cell, ...]] = []
    before = None
    for case in ready[:CASES]:
        result = data.result(analysis, case, only)
        if result is not None:
            told = (tell(result) for tell in columns.values())
            label = Cell("" if case.material == before else case.material.label)
            rows.append((label, Cell(f"{case.temperature:g}", data.flagged(case)), *told))
            before = case.material
    return Table(title, names, tuple(rows), left_out(note, len(ready) - CASES), heads=2)


def left_out(note: str, left: int, what: str = "cases") -> str:
    """A note on a table that says how many rows it lacks."""
    return f"{note} Not listed: {left} more {what}; the data has them." if left > 0 else note


def labels(data: Data, analysis: str, dim: str, only: tuple[str, ...] = ()) -> list[str]:
    """The labels of a dim in the listed results of an analysis, in order of appearance."""
    ready = [case for case in data.cases if data.ready(analysis, case)]
    results = (data.result(analysis, case, only) for case in ready[:CASES])
    found = (r[dim].values for r in results if r is not None and dim in r.coords)
    return list(dict.fromkeys(str(label) for values in found for label in values))


def some_of(data: Data, analyses: Sequence[str]) -> list[str]:
    """Those of the analyses that were asked for."""
    return [name for name in analyses if name in data.analyses]


def absent(data: Data, analyses: Sequence[str]) -> tuple[Notice, ...]:
    """A note on analyses that were asked for and have no result yet."""
    lacking = [name for name in some_of(data, analyses) if not data.ready(name)]
    names = ", ".join(name.replace("_", " ") for name in lacking)
    return (nothing(f"result of {names}"),) if lacking else ()


def carrier(data: Data, result: xr.Dataset) -> str:
    """The species of a result that is the most mobile of some material, else its first."""
    first = [species for material in data.materials for species in mobile(data, material)[:1]]
    known = [species for species in first if species in result["species"]]
    return known[0] if known else str(result["species"].values[0])


def of_carrier(data: Data, make: Callable[[str], Tell]) -> Tell:
    """A column for the most mobile species; `make` gives the column for a species."""
    return lambda result: make(carrier(data, result))(result)
