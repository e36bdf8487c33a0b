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
#: values along a dim of numbers from which on a variable is a curve
CURVE = 8
#: variables named of a result without headline numbers
MOST_NAMES = 6


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
    told = ("time_from", "positions_from", "charges_from", "masses_from", "velocities_from",
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
    names = [str(name) for name in result.data_vars]
    more = f", … {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    sizes = ", ".join(f"{dim} {size}" for dim, size in result.sizes.items())
    return f"{', '.join(names[:MOST_NAMES])}{more} ({sizes})"


Row = tuple[str, str, str, str, str, str]


def _rows(result: xr.Dataset) -> Iterator[Row]:
    for name in _headline_names(result):
        variable = result[name]
        places = [dict(zip(map(str, variable.dims), p, strict=True))
                  for p in np.ndindex(variable.shape)]  # fmt: skip
        told = [row for at in places if (row := _row(result, name, at))]
        yield from told[:MOST_ROWS]
        if len(told) > MOST_ROWS:
            yield (f"… {len(told) - MOST_ROWS} more", "", "", "", "", "")
        if len(told) < len(places):
            yield (f"… {len(places) - len(told)} without a number", "", "", "", "", "")


def _headline_names(result: xr.Dataset) -> list[str]:
    """Variables, no curves, that have an interval: their own, or the only one there is."""
    known = [str(name) for name in result.data_vars if not _is_curve(result[name])]
    own = [name for name in known if f"{name}_ci95" in result or f"{name}_ci68" in result]
    if "ci68" in result:
        dims = set(result["ci68"].dims) - {"bound"}
        shared = [n for n in known if f"{n}_stderr" in result and set(result[n].dims) == dims]
        own = [*shared[:1], *own]
    return list(dict.fromkeys(own))


def _is_curve(variable: xr.DataArray) -> bool:
    long = [dim for dim, size in variable.sizes.items() if size > CURVE]
    named = [dim for dim in long if dim in variable.coords and variable[dim].dtype.kind in "UOT"]
    return variable.ndim > 2 or len(named) < len(long)


def _row(result: xr.Dataset, name: str, at: dict[str, int]) -> Row | None:
    """A number with all that is told of it; None if there is neither a number nor a reason."""
    variable = result[name].isel(at)
    value, stderr = float(variable), _number(result, f"{name}_stderr", at)
    bound, verdict = _number(result, "upper_bound", at), _text(result, "verdict", at)
    if not (np.isfinite(value) or np.isfinite(bound) or verdict):
        return None
    bounded = not np.isfinite(value) and np.isfinite(bound)
    shown = f"< {short(bound, 2)}" if bounded else uncertain(value, stderr)
    units = str(variable.attrs.get("units", ""))
    return (name, _place(variable, at), shown, _interval(result, name, at, value),
            "" if units == "1" else units, verdict)  # fmt: skip


def _place(variable: xr.DataArray, at: dict[str, int]) -> str:
    labels = (
        str(variable.coords[dim].values) if dim in variable.coords else f"{dim} {i}"
        for dim, i in at.items()
    )  # fmt: skip
    return ", ".join(labels)


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
