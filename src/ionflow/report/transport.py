"""The section on how the ions move together: Onsager, transference, Haven, correlations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow import plot
from ionflow.plot.series import points, series
from ionflow.report.cells import (
    ERRORS,
    Tell,
    absent,
    by_case,
    carrier,
    labels,
    left_out,
    of_carrier,
    quantity,
    some_of,
    words,
)
from ionflow.report.conductivity import SYMBOLS
from ionflow.report.estimates import estimate
from ionflow.report.gather import Case, Data
from ionflow.report.multiples import Multiples, by_material, of_tiles
from ionflow.report.multiples import by_case as panels
from ionflow.report.page import Cell, Plot, Section, Table
from ionflow.report.rounding import NONE, uncertain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANALYSES = ("onsager", "transference", "haven", "displacement_correlation")
#: Rows of the table of Onsager coefficients.
PAIRS = 40

_LEAD = (
    "How far the motion of one ion goes with that of the others. Transference numbers say which "
    "share of the current a species carries; the Haven ratio compares the diffusion of single ions "
    "with that of their common charge; Onsager coefficients L hold both, with "
    "σ = Σ q_i q_j L_ij."
)


def transport(data: Data) -> Section | None:
    """Collective transport."""
    if not some_of(data, ANALYSES):
        return None
    tables = (_transference(data), _haven(data), _onsager(data))
    return Section(
        "transport",
        "Transport",
        _LEAD,
        notices=absent(data, ANALYSES),
        tables=tuple(table for table in tables if table.rows),
        plots=tuple(_plots(data)),
    )


def _transference(data: Data) -> Table:
    columns: dict[str, Tell] = {"Species": lambda result: Cell(carrier(data, result))}
    columns |= {
        f"t({SYMBOLS.get(definition, definition)})": _share(data, definition)
        for definition in labels(data, "transference", "definition")
    }
    note = f"Of the most mobile species; t(E) in the barycentric frame. {ERRORS}"
    return by_case(data, "transference", "Transference numbers", columns, note)


def _share(data: Data, definition: str) -> Tell:
    return of_carrier(
        data, lambda s: quantity("transference_number", definition=definition, species=s)
    )


def _haven(data: Data) -> Table:
    columns = {
        f"H ({kind})": quantity("haven_ratio", signed=False, brackets=True, kind=kind)
        for kind in labels(data, "haven", "kind")
    }
    note = (
        "Tracer over collective diffusion: above 1 where ions of like charge hinder each other, "
        "below 1 where they move together."
    )
    return by_case(data, "haven", "Haven ratios", columns, note)


def _onsager(data: Data) -> Table:
    """Coefficients of each pair of species at the highest temperature of each material."""
    rows: list[tuple[Cell, ...]] = []
    for case, result in _hottest(data, "onsager"):
        label = _named(case)
        species = [str(s) for s in result["species"].values]
        if not result["onsager"].notnull().any():
            said = Cell(words("verdict")(result).text, tone="muted")
            rows.append((Cell(label), Cell("all"), said, *[Cell(NONE, tone="muted")] * 3))
            continue
        for pair in combinations_with_replacement(species, 2):
            rows.append((Cell(label), Cell("–".join(pair)), *_coefficients(result, pair)))
            label = ""
    note = (
        "At the highest temperature, in S/cm/e², in the barycentric frame: of all pairs of atoms, "
        "of each atom with itself, and of distinct atoms; the last column is L in the frame of the "
        "framework."
    )
    columns = ("Material", "Pair", "L", "self", "distinct", "L (framework)")
    left = len(rows) - PAIRS
    return Table(
        "Onsager coefficients", columns, tuple(rows[:PAIRS]), left_out(note, left, "pairs"), heads=2
    )


def _named(case: Case) -> str:
    return f"{case.material.label}, {case.temperature:g} K"


_PARTS_OF_L = (
    ("onsager", "barycentric"),
    ("onsager_self", "barycentric"),
    ("onsager_distinct", "barycentric"),
    ("onsager", "framework"),
)


def _coefficients(result: xr.Dataset, pair: tuple[str, str]) -> Iterator[Cell]:
    at = dict(zip(("species", "species_other"), pair, strict=True))
    for name, frame in _PARTS_OF_L:
        value = estimate(result, name, signed=True, frame=frame, **at)
        if name == "onsager_self" and pair[0] != pair[1]:
            yield Cell("0", tone="muted")
        elif value.known:
            yield Cell(uncertain(value.mean, value.stderr))
        else:
            yield Cell(value.verdict, tone="muted")


def _hottest(data: Data, analysis: str) -> Iterator[tuple[Case, xr.Dataset]]:
    """The hottest case of each material that has a result."""
    for material in data.materials:
        for case in reversed(data.of(material)):
            result = data.result(analysis, case)
            if result is not None:
                yield case, result
                break


def _plots(data: Data) -> Iterator[Plot]:
    made: tuple[tuple[str, Callable[[], Plot | None]], ...] = (
        ("transference", lambda: by_material(data, _shares(data))),
        ("haven", lambda: by_material(data, _HAVEN)),
        ("onsager", lambda: panels(data, _ONSAGER, temperatures=1)),
        ("displacement_correlation", lambda: panels(data, _CORRELATION, temperatures=2)),
        ("displacement_correlation", lambda: of_tiles(_tiles(data), _PARTS)),
    )
    for name, make in made:
        drawn = make() if name in data.analyses else None
        if drawn is not None:
            yield drawn


def _shares(data: Data) -> Multiples:
    def draw(result: xr.Dataset, axes: Axes) -> Axes:
        return plot.transference(result.sel(species=[carrier(data, result)]), axes)

    return Multiples(
        "transference",
        "transference",
        "Transference number of the most mobile species",
        "By definition, over temperature, with one standard error; lines at 0 and 1.",
        draw,
        ("transference_number", "transference_number_stderr"),
    )


def _tiles(data: Data) -> list[tuple[str, xr.Dataset | None]]:
    return [(_named(case), found) for case, found in _hottest(data, "displacement_correlation")]


def _within(result: xr.Dataset, axes: Axes) -> Axes:
    """Points for the pairs of species that are correlated most, by part, at the longest lag."""
    name = "displacement_correlation_part"
    last = result[[name, f"{name}_stderr"]].isel(lag_origin=-1).sel(part=["within", "between"])
    points(axes, series(_strongest(_paired(last), name), name, "pair"))
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set_ylabel("correlation (Å²)")
    return axes


def _paired(result: xr.Dataset) -> xr.Dataset:
    """With one dim for pairs of species in place of two."""
    names: Sequence[str] = [str(s) for s in result["species"].values]
    pairs = list(combinations_with_replacement(names, 2))
    parts = [
        result.sel(species=one, species_other=other).drop_vars(["species", "species_other"])
        for one, other in pairs
    ]
    return xr.concat(parts, "pair").assign_coords(pair=["–".join(pair) for pair in pairs])


def _strongest(paired: xr.Dataset, name: str, count: int = 4) -> xr.Dataset:
    size = abs(paired[name])
    size = size.max([dim for dim in size.dims if dim != "pair"]).fillna(0.0)
    return paired.isel(pair=np.sort(np.argsort(-size.values)[:count]))


def _correlated(result: xr.Dataset, axes: Axes) -> Axes:
    """Coefficients with the relative error of the correlation that they come from."""
    name = "displacement_correlation"
    coefficient = result["correlation_coefficient"]
    error = abs(coefficient / result[name]) * result[f"{name}_stderr"]
    whole = xr.Dataset(
        {"correlation_coefficient": coefficient, "correlation_coefficient_stderr": error}
    )
    return plot.displacement_correlation(whole, axes)


_HAVEN = Multiples(
    "haven",
    "haven",
    "Haven ratio",
    "Of the alkali and of all charge, with one standard error; 1 where ions move independently.",
    plot.haven,
    ("haven_ratio", "haven_ratio_stderr"),
)
_ONSAGER = Multiples(
    "onsager",
    "onsager",
    "Onsager matrix",
    "L_ij over the root of L_ii L_jj at the highest temperature, in the barycentric frame: 1 "
    "(red) where two species move as one, −1 (blue) where they move against each other.",
    plot.onsager,
    ("onsager",),
    height=3.0,
    shared="",
    legend=False,
)
_CORRELATION = Multiples(
    "displacement_correlation",
    "displacement_correlation",
    "Correlation of displacements",
    "Of distinct ions, over the root of the product of their mean squared displacements; bands: "
    "one standard error.",
    _correlated,
    ("correlation_coefficient", "displacement_correlation", "displacement_correlation_stderr"),
    height=2.8,
)
_PARTS = Multiples(
    "displacement_correlation",
    "displacement_correlation_part",
    "Correlation within and between fragments",
    "Mean over pairs of ions of one fragment and of two, at the longest lag and the highest "
    "temperature, for the four pairs of species that are correlated most.",
    _within,
    height=2.8,
    shared="",
)
