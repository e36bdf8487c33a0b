"""What `ionflow analyse` prints: the trajectory in a few lines, then the headline numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import xarray as xr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ionflow.report.rounding import between, short, uncertain

#: rows of one variable
MOST_ROWS = 12


def about(trajectory: xr.Dataset) -> RenderableType:
    """Atoms, frames and time, and where the numbers come from."""
    grouped = "species" if "species" in trajectory.coords else "element"
    counts = Counter(str(name) for name in trajectory[grouped].values.tolist())
    time = trajectory["time"].values
    interval = (
        f", {short((time[-1] - time[0]) / (len(time) - 1))} ps apart" if len(time) > 1 else ""
    )
    lines = [
        f"{trajectory.attrs.get('source', 'trajectory')}: {trajectory.sizes['atom']} atoms "
        f"({', '.join(f'{name} {n}' for name, n in counts.items())}), "
        f"{len(time)} frames{interval}, {short(time[-1] - time[0])} ps"
    ]
    told = ("positions_from", "charges_from", "masses_from", "velocities_from",
            "temperature_from", "truncated", "repeated")  # fmt: skip
    for name in told:
        if name in trajectory.attrs:
            lines.append(f"  {name.removesuffix('_from'):<12} {trajectory.attrs[name]}")
    return Group(*map(Text, lines))


def headlines(results: dict[str, xr.Dataset]) -> RenderableType:
    """A row for each headline number, with its error, interval and verdict; a line for the rest."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("analyser", "quantity", "of", "value", "95 %", "units", "verdict"):
        table.add_column(title)
    others: list[RenderableType] = []
    for name, result in results.items():
        rows = list(_rows(result))
        for number, row in enumerate(rows):
            table.add_row("" if number else name, *map(Text, row))
        if not rows:
            others.append(Text(f"{name}: {_contents(result)}"))
    return Group(*([table] if table.row_count else []), *others)


def _contents(result: xr.Dataset) -> str:
    sizes = ", ".join(f"{dim} {size}" for dim, size in result.sizes.items())
    return f"{', '.join(map(str, result.data_vars))} ({sizes})"


Row = tuple[str, str, str, str, str, str]


def _rows(result: xr.Dataset) -> Iterator[Row]:
    for name in _headline_names(result):
        variable = result[name]
        places = list(np.ndindex(variable.shape))
        for place in places[:MOST_ROWS]:
            at = dict(zip(map(str, variable.dims), place, strict=True))
            yield _row(result, name, at)
        if len(places) > MOST_ROWS:
            yield (f"… {len(places) - MOST_ROWS} more", "", "", "", "", "")


def _headline_names(result: xr.Dataset) -> list[str]:
    """Variables of at most two dims with an interval: their own, or the only one there is."""
    known = [str(name) for name in result.data_vars if result[name].ndim <= 2]
    own = [name for name in known if f"{name}_ci95" in result or f"{name}_ci68" in result]
    if "ci68" in result:
        dims = set(result["ci68"].dims) - {"bound"}
        shared = [n for n in known if f"{n}_stderr" in result and set(result[n].dims) == dims]
        own = [*shared[:1], *own]
    return list(dict.fromkeys(own))


def _row(result: xr.Dataset, name: str, at: dict[str, int]) -> Row:
    variable = result[name].isel(at)
    value, stderr = float(variable), _number(result, f"{name}_stderr", at)
    labels = [str(variable.coords[d].values) if d in variable.coords else f"{d} {i}"
              for d, i in at.items()]  # fmt: skip
    shown = uncertain(value, stderr)
    bound = _number(result, "upper_bound", at)
    if not np.isfinite(value) and np.isfinite(bound):
        shown = f"< {short(bound, 2)}"
    units = str(variable.attrs.get("units", "")).removesuffix("1") or ""
    return (name, ", ".join(labels), shown, _interval(result, name, at, value), units,
            _text(result, "verdict", at))  # fmt: skip


def _at(result: xr.Dataset, name: str, at: dict[str, int]) -> xr.DataArray | None:
    if name not in result or not set(at) <= set(result[name].dims):
        return None
    return result[name].isel(at)


def _number(result: xr.Dataset, name: str, at: dict[str, int]) -> float:
    found = _at(result, name, at)
    return float(found) if found is not None and found.size == 1 else np.nan


def _text(result: xr.Dataset, name: str, at: dict[str, int]) -> str:
    found = _at(result, name, at)
    return str(found.values) if found is not None and found.size == 1 else ""


def _interval(result: xr.Dataset, name: str, at: dict[str, int], value: float) -> str:
    for source in (f"{name}_ci95", "ci95"):
        found = _at(result, source, at)
        if found is not None and found.dims == ("bound",):
            low, high = (float(end) for end in found)
            return between(low, high, value) if np.isfinite([low, high]).all() else ""
    return ""
