"""Lines and points from labelled results, one for each combination of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.report.style import PALETTE, plain
from ionflow.statistics import pool

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: more lines than this are refused: nobody could tell them apart
MOST = 24


@dataclass(frozen=True)
class Series:
    """A line: its name, its points, and their standard errors (NaN where none are known)."""

    name: str
    labels: Mapping[str, Any]
    x: FloatArray
    y: FloatArray
    error: FloatArray
    """(point,), or (2, point) for the lengths of a lower and an upper bar"""
    place: int = 0
    """among all combinations of labels, whether they have numbers or not: it sets the colour, so
    that a label looks the same in every panel"""
    units: Mapping[str, str] = field(default_factory=dict)
    """of the labels"""

    @property
    def color(self) -> str:
        """Its colour."""
        return PALETTE[self.place % len(PALETTE)]


def axes_of(ax: Axes | None) -> Axes:
    """The axes given, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def need(data: xr.Dataset, *names: str, of: str) -> None:
    """Check that results have what is to be drawn.

    Raises
    ------
    DataError
        Naming what is missing, and the analysis that gives it.
    """
    absent = [name for name in names if name not in data.variables]
    if absent:
        raise DataError(
            f"these results have no {', '.join(absent)}", hint=f"draw the results of {of}"
        )


def at(data: xr.Dataset, **labels: str) -> xr.Dataset:
    """Results at labels of those dims that they still have.

    Raises
    ------
    DataError
        If a label is not among those there, which are named.
    """
    labels = {dim: label for dim, label in labels.items() if dim in data.dims}
    for dim, label in labels.items():
        there = data[dim].values.tolist()
        if label not in there:
            raise DataError(f"no {dim} {label!r}", hint=f"there are {', '.join(map(str, there))}")
    return data.sel(labels)


def with_error(data: xr.Dataset, name: str) -> xr.Dataset:
    """A variable and its standard error if there is one."""
    return data[[one for one in (name, f"{name}_stderr") if one in data]]


def series(data: xr.Dataset, name: str, along: str, *, steady: bool = False) -> list[Series]:
    """One series along a dim for each combination of labels of the others; replicas are pooled.

    Parameters
    ----------
    data : results, of which lines without any number are left out
    name : variable; its standard error is `<name>_stderr` where there is one
    along : the dim on the x axis
    steady : leave out points that fewer replicas know than others of the line, lest a curve jump
        where one of them ends

    Raises
    ------
    DataError
        If there are so many that nobody could tell them apart, or none.
    """
    value, error = _pooled(data, name, along if steady else None)
    others = [str(dim) for dim in value.dims if dim != along]
    if along not in value.dims:
        value, error = value.expand_dims(along), error.expand_dims(along)
    found = list(_known(value, error, others, along))
    if not found:
        raise DataError(f"{name} has no number to draw", hint="see the results' verdicts")
    if len(found) > MOST:
        sizes = ", ".join(f"{dim} ({value.sizes[dim]})" for dim in others)
        raise DataError(
            f"{len(found)} lines of {name} cannot be told apart",
            hint=f"select along {sizes} with .sel(...) or .isel(...)",
        )
    return _named(found, [dim for dim in others if value.sizes[dim] > 1])


def with_interval(data: xr.Dataset, name: str, along: str, interval: str = "ci68") -> list[Series]:
    """Series whose bars are the ends of an interval, `<name>_<interval>` over `bound`, if any."""
    if f"{name}_{interval}" not in data:
        return series(data[[name]], name, along)
    ends = data[f"{name}_{interval}"].astype(float).compute()
    lower, upper = (ends.sel(bound=bound, drop=True) for bound in ("lower", "upper"))
    return [_barred(one, lower, upper, along) for one in series(data[[name]], name, along)]


def _barred(one: Series, lower: xr.DataArray, upper: xr.DataArray, along: str) -> Series:
    low, high = (np.atleast_1d(end.sel(one.labels).values) for end in (lower, upper))
    # an interval of a skewed quantity need not hold its best value
    bars = np.stack([np.fmax(one.y - low, 0), np.fmax(high - one.y, 0)])
    return replace(one, error=np.where(np.isfinite(low) & np.isfinite(high), bars, np.nan))


def _pooled(data: xr.Dataset, name: str, steady: str | None) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over replicas and its standard error."""
    value = data[name]
    error = data[f"{name}_stderr"] if f"{name}_stderr" in data else xr.full_like(value, np.nan)
    value, error = value.astype(float).compute(), error.astype(float).compute()
    if "replica" not in value.dims:
        return value, error
    pooled = pool(value, error)
    count = value.notnull().sum("replica")
    # a number without an error counts as much as one with it; then the spread is the error
    bare = (value.notnull() & error.isnull()).any("replica")
    spread = value.std("replica", ddof=1) / count**0.5
    pooled = pooled.assign(
        mean=pooled["mean"].where(~bare, value.mean("replica")),
        stderr=pooled["stderr"].where(~bare, spread.where(count > 1)),
    )
    full = count == count.max(steady) if steady in count.dims else count > 0
    return pooled["mean"].where(full), pooled["stderr"].where(full)


def _known(
    value: xr.DataArray, error: xr.DataArray, others: Sequence[str], along: str
) -> Iterator[Series]:
    x = np.asarray(value[along].values)
    units = {dim: str(value[dim].attrs.get("units", "")) for dim in others}
    places = product(*(range(value.sizes[dim]) for dim in others))
    for number, place in enumerate(places):
        here = dict(zip(others, place, strict=True))
        y = value.isel(here).values
        if np.isfinite(y).any():
            labels = {dim: value[dim].values[k].item() for dim, k in here.items()}
            yield Series("", labels, x, y, error.isel(here).values, number, units)


def _named(found: Sequence[Series], several: Sequence[str]) -> list[Series]:
    """Series named by the labels in which they differ, each word once: Li, not Li Li."""
    labels = found[0].labels
    telling = [dim for dim in labels if len({one.labels[dim] for one in found}) > 1]
    # a lone line has its name too, for a legend that several axes share
    telling = telling if len(found) > 1 else list(several)
    return [
        replace(one, name=" ".join(dict.fromkeys(_word(one, dim) for dim in telling)))
        for one in found
    ]


def _word(one: Series, dim: str) -> str:
    value = one.labels[dim]
    if isinstance(value, str):
        return plain(value).replace("_", " ")
    if dim == "temperature_K":
        return f"{value:g} K"
    unit = one.units.get(dim, "")
    return f"{value:.3g} {unit}" if unit not in ("", "1") else f"{dim} = {value:g}"


def lines(ax: Axes, found: Sequence[Series], *, band: bool = True, **style: Any) -> None:
    """Draw series as lines with bands of one standard error."""
    for one in found:
        dashes = ("-", "--", ":")[one.place // len(PALETTE) % 3]
        ax.plot(one.x, one.y, dashes, color=one.color, label=one.name or None, **style)
        if band and np.isfinite(one.error).any():
            ax.fill_between(
                one.x, one.y - one.error, one.y + one.error, color=one.color, alpha=0.2, lw=0
            )
    legend(ax, found)


def curves(ax: Axes, data: xr.Dataset, name: str, along: str) -> list[Series]:
    """Draw a variable as lines along a dim, with its standard error."""
    found = series(with_error(data, name), name, along, steady=True)
    lines(ax, found)
    return found


def points(ax: Axes, found: Sequence[Series], *, join: bool = True) -> None:
    """Draw series as points with bars of one standard error, beside each other on names."""
    names = found[0].x.dtype.kind in "UTO"
    for place, one in enumerate(found):
        x = np.arange(len(one.x), dtype=float) if names else one.x.astype(float)
        if names and len(found) > 1:
            x = x + 0.5 * (place / (len(found) - 1) - 0.5)
        known = np.isfinite(one.y)
        ax.errorbar(
            x[known], one.y[known], yerr=_bars(one.error[..., known]),
            fmt="o-" if join and not names else "o", capsize=2.5, lw=1.0, color=one.color,
            label=one.name or None,
        )  # fmt: skip
    if names:
        _ticks(ax, found[0].x.tolist())
    legend(ax, found)


def _bars(error: FloatArray) -> FloatArray | None:
    """Lengths of bars, of which matplotlib leaves out those that are NaN; None if all are."""
    return error if np.isfinite(error).any() else None


def _ticks(ax: Axes, names: Sequence[str]) -> None:
    words = [plain(name).replace("_", " ") for name in names]
    turned = max(map(len, words)) > 8 or len(words) > 8
    ax.set_xticks(
        range(len(words)), words, rotation=30 * turned, ha="right" if turned else "center",
        rotation_mode="anchor",
    )  # fmt: skip


def legend(ax: Axes, found: Sequence[Series]) -> None:
    """A legend where there is a name to tell one series from another."""
    if any(one.name for one in found):
        ax.legend(fontsize="small", ncols=1 + (len(found) > 8))


def along_temperature(data: xr.Dataset, name: str) -> str:
    """The temperature axis if the results have one, else the axis of a scan with most labels."""
    if "temperature_K" in data[name].dims:
        return "temperature_K"
    dims = [str(dim) for dim in data[name].dims if dim not in ("replica", "bound")]
    return max(dims, key=lambda dim: data.sizes[dim]) if dims else "temperature_K"


def axis_label(along: str) -> str:
    """What stands at the x axis of a scan."""
    return "T (K)" if along == "temperature_K" else along.replace("_", " ")
