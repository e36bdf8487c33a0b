"""The section on analyses that this report does not know: a summary of their variables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ionflow.report.gather import TROUBLE, Data
from ionflow.report.page import Cell, Notice, Section, Table
from ionflow.report.rounding import NONE, short

VARIABLES = 24


@dataclass
class Summary:
    """Running figures of one variable over all results of an analysis."""

    dims: str
    units: str
    meaning: str
    values: list[float] = field(default_factory=list)
    low: float = np.inf
    high: float = -np.inf
    known: int = 0
    asked: int = 0

    def add(self, variable: xr.DataArray) -> None:
        """Take in the variable of one result."""
        self.asked += variable.size
        if variable.dtype.kind not in "biuf" or not variable.size:
            return
        values = variable.values.astype(float)
        finite = values[np.isfinite(values)]
        self.known += finite.size
        if finite.size:
            self.low, self.high = min(self.low, finite.min()), max(self.high, finite.max())
            self.values.append(float(finite.mean()))


def other(data: Data, drawn: Collection[str]) -> Section | None:
    """A table for each analysis that has no section of its own."""
    names = [name for name in data.analyses if name not in drawn and data.ready(name)]
    if not names:
        return None
    made = [_table(data, name) for name in names]
    notices = tuple(notice for _, notice in made if notice is not None)
    lead = "Further results in outline; ionflow.open(run).results has them in full."
    tables = tuple(table for table, _ in made if table.rows)
    return Section("other", "Other analyses", lead, notices=notices, tables=tables)


def _table(data: Data, name: str) -> tuple[Table, Notice | None]:
    summaries: dict[str, Summary] = {}
    for row in data.analyses[name]:
        if data.run.store.has_result(row.key):
            try:
                _take_in(summaries, data.run.store.read_result(row.key))
            except TROUBLE as error:
                data.troubles.append(f"{name} of {row.label or row.case}: {error}")
    rows = tuple(_row(variable, summary) for variable, summary in summaries.items())
    left = len(rows) - VARIABLES
    notice = Notice(f"{name}: variables not listed: {left}.", "note") if left > 0 else None
    columns = ("Variable", "Dims", "Unit", "Mean", "Lowest", "Highest", "Known")
    return Table(name, columns, rows[:VARIABLES], heads=3), notice


def _take_in(summaries: dict[str, Summary], result: xr.Dataset) -> None:
    for name, variable in result.data_vars.items():
        if str(name) not in summaries:
            dims = ", ".join(map(str, variable.dims)) or NONE
            units, meaning = variable.attrs.get("units", ""), variable.attrs.get("long_name", "")
            summaries[str(name)] = Summary(dims, str(units), str(meaning))
        summaries[str(name)].add(variable)


def _row(name: str, summary: Summary) -> tuple[Cell, ...]:
    mean = float(np.mean(summary.values)) if summary.values else np.nan
    share = summary.known / summary.asked if summary.asked else 0.0
    return (
        Cell(name, summary.meaning),
        Cell(summary.dims),
        Cell(summary.units),
        *(Cell(short(value)) for value in (mean, summary.low, summary.high)),
        Cell(f"{share:.0%}"),
    )
