"""The section on the network: tetrahedra, chains, and whether each glass is a good one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow import plot
from ionflow.report.cells import (
    ERRORS,
    Tell,
    absent,
    average,
    by_case,
    labels,
    left_out,
    quantity,
    some_of,
    words,
)
from ionflow.report.estimates import estimate
from ionflow.report.gather import Case, Data
from ionflow.report.multiples import Multiples, by_material
from ionflow.report.page import Cell, Notice, Plot, Section, Table
from ionflow.report.rounding import NONE, short, uncertain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANALYSES = ("tetrahedra", "chains")
ENVIRONMENTS = ("X4", "X3O1", "X2O2", "X1O3", "O4", "other")
GOOD = "good glass"
_SHORT = {
    "coordination_number": "neighbours",
    "bridging_per_centre": "bridging each",
    "links_per_centre": "links each",
    "number_average_length": "length",
    "rings_per_centre": "rings each",
    "bridging_fraction": "O bridging",
    "terminal_fraction": "X terminal",
    "free_anion_fraction": "free anions",
}
#: Glasses told one by one, and fragments listed of a case.
GLASSES, FRAGMENTS = 12, 4

_LEAD = (
    "Network centres, the tetrahedra around them and the chains that they form by sharing oxygen. "
    "Tetrahedra that share corners in chains fix the numbers of neighbours, bridges and chain ends "
    "by the formula alone; a glass that has them within their tolerances is called good."
)


def network(data: Data) -> Section | None:
    """Environments, chains and the invariants of the glass."""
    if not some_of(data, ANALYSES):
        return None
    tables = (_environments(data), _chains(data), _invariants(data), _fragments(data))
    return Section(
        "network",
        "Network",
        _LEAD,
        notices=(*absent(data, ANALYSES), *_poor(data)),
        tables=tuple(table for table in tables if table.rows),
        plots=tuple(_plots(data)),
    )


def _environments(data: Data) -> Table:
    columns: dict[str, Tell] = {
        name: quantity("fraction", environment=name) for name in ENVIRONMENTS
    }
    columns["neighbours"] = quantity("coordination_number", ligands="all")
    columns["order"] = quantity("order_parameter")
    columns["angle var. (°²)"] = quantity("angle_variance")
    note = (
        "Shares of the centres by their ligands; neighbours: anions within the bond cutoffs; "
        f"order: 1 for a perfect tetrahedron, 0 for random directions. {ERRORS}"
    )
    return by_case(data, "tetrahedra", "Environments of centres", columns, note)


def _chains(data: Data) -> Table:
    at: dict[str, Any] = {"through": "bridging"}
    columns: dict[str, Tell] = {
        "quality": _quality,
        "mean length": quantity("number_average_length", signed=False, **at),
        "by weight": quantity("weight_average_length", signed=False, **at),
        "longest": average("longest", **at),
        "branching": quantity("branching_fraction", **at),
        "rings per centre": quantity("rings_per_centre", **at),
        "percolating": quantity("percolating_fraction", **at),
    }
    note = (
        "Centres linked through bridging anions. Length: centres in a chain, averaged over chains "
        "and, by weight, over centres; branching: share of centres with three neighbours or more; "
        "percolating: share of the time in which a fragment spans the cell."
    )
    return by_case(data, "chains", "Chains and quality of the glass", columns, note)


def _quality(result: xr.Dataset) -> Cell:
    """How many of the glasses are good, poor or undecided."""
    said = [_kind(str(v)) for v in np.ravel(result["quality"].values)]
    kinds = sorted(set(said), key=lambda kind: (-said.count(kind), kind))
    text = ", ".join(f"{said.count(kind)} of {len(said)} {kind}" for kind in kinds)
    return Cell(text, tone="" if kinds == [GOOD] else "warn")


def _kind(quality: str) -> str:
    return quality.split(":")[0].strip() or NONE


def _poor(data: Data) -> Iterator[Notice]:
    """Glasses that are not good, by replica, with what is wrong with them."""
    if "chains" not in data.analyses:
        return
    items = [text for case in data.cases for text in _wrong(data, case)]
    if items:
        shown = items[:GLASSES]
        left = [f"and {len(items) - len(shown)} more"] if len(items) > len(shown) else []
        text = "Not every glass has the numbers that its formula implies within their tolerances:"
        yield Notice(text, "warn", (*shown, *left))


def _wrong(data: Data, case: Case) -> Iterator[str]:
    result = data.result("chains", case)
    if result is None or "quality" not in result:
        return
    for replica, quality in zip(result["replica"].values, result["quality"].values, strict=True):
        if str(quality) and str(quality) != GOOD:
            where = f"{case.material.label} at {case.temperature:g} K, replica {replica}"
            yield f"{where}: {quality}"


def _invariants(data: Data) -> Table:
    found = labels(data, "chains", "invariant")
    columns = {_SHORT.get(name, name.replace("_", " ")): _invariant(name) for name in found}
    note = (
        "Found with one standard error; in small print what the formula implies, and how many of "
        "the replicas have it within the tolerance. Each: per centre; O bridging and X "
        "terminal: shares of the anions of their kind."
    )
    return by_case(data, "chains", "Invariants of the glass", columns, note)


def _invariant(name: str) -> Tell:
    def tell(result: xr.Dataset) -> Cell:
        named = result.rename(invariant_stderr="invariant_value_stderr")
        value = estimate(named, "invariant_value", signed=True, invariant=name)
        said = words("invariant_verdict", invariant=name)(result).text
        if not value.known:
            return Cell(said, tone="muted")
        ideal = float(result["invariant_ideal"].sel(invariant=name).mean())
        tone = "" if said == "met" else "warn" if "missed" in said else "muted"
        met = [str(v) for v in np.ravel(result["invariant_verdict"].sel(invariant=name).values)]
        remark = f"{short(ideal)}, {met.count('met')}/{len(met)}" if np.isfinite(ideal) else said
        return Cell(uncertain(value.mean, value.stderr), remark, tone)  # type: ignore[arg-type]

    return tell


def _fragments(data: Data) -> Table:
    """The most frequent fragments of each material at its lowest temperature."""
    rows: list[tuple[Cell, ...]] = []
    for material in data.materials if "chains" in data.analyses else ():
        cases = [c for c in data.of(material) if data.result("chains", c) is not None]
        if cases:
            rows += _fragment_rows(data, cases[0])
    note = (
        "At the lowest temperature, in the first replica: the mean number of each fragment in a "
        "frame, and its charge without bound alkali."
    )
    shown = tuple(rows[:40])
    return Table("Most frequent fragments", ("Material", "Fragment", "In a frame", "Charge (e)"),
                 shown, left_out(note, len(rows) - len(shown), "fragments"), heads=2)  # fmt: skip


def _fragment_rows(data: Data, case: Case) -> Iterator[tuple[Cell, ...]]:
    result = data.result("chains", case)
    if result is None or "fragment_formula" not in result:
        return
    one = result.isel(replica=0)
    label = f"{case.material.label}, {case.temperature:g} K"
    count = np.nan_to_num(one["fragment_count"].values.astype(float))
    for index in np.argsort(-count, kind="stable")[:FRAGMENTS]:
        if count[index] > 0:
            charge = float(one["fragment_charge"].values[index])
            formula = str(one["fragment_formula"].values[index])
            yield Cell(label), Cell(formula), Cell(short(float(count[index]))), Cell(short(charge))
            label = ""


def _plots(data: Data) -> Iterator[Plot]:
    for what in _FIGURES:
        drawn = by_material(data, what) if what.analysis in data.analyses else None
        if drawn is not None:
            yield drawn


def _found(result: xr.Dataset, axes: Axes) -> Axes:
    short_names = [_SHORT.get(str(n), str(n)) for n in result["invariant"].values]
    named = result.rename(invariant_stderr="invariant_value_stderr")
    return plot.invariants(named.assign_coords(invariant=short_names), axes)


_FIGURES = (
    Multiples(
        "tetrahedra",
        "tetrahedra",
        "Environments of centres",
        "Share of the centres with each set of ligands, with one standard error.",
        plot.tetrahedra,
        ("fraction", "fraction_stderr"),
    ),
    Multiples(
        "chains",
        "chains",
        "Lengths of chains",
        "Share of the centres that are in chains of so many centres, linked through bridging "
        "anions.",
        plot.chain_lengths,
        ("length_weight", "length_weight_stderr"),
        shared="y",
    ),
    Multiples(
        "chains",
        "invariants",
        "Invariants of the glass",
        "Points: found, with one standard error; dashes: what the formula implies.",
        _found,
        ("invariant_value", "invariant_stderr", "invariant_ideal"),
        height=3.4,
    ),
)
