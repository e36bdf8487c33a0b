"""Lines and points from labelled results, one for each combination of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


def axes_of(ax: Axes | None) -> Axes:
    """The axes given, or new ones of the current figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


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


def series(data: xr.Dataset, name: str, along: str) -> list[Series]:
    """One series along a dim for each combination of labels of the others; replicas are pooled.

    Parameters
    ----------
    data : results, of which lines without any number are left out
    name : variable; its standard error is `<name>_stderr` where there is one
    along : the dim on the x axis

    Raises
    ------
    DataError
        If there are so many that nobody could tell them apart, or none.
    """
    value, error = _pooled(data, name)
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
    return _named(found)


def _pooled(data: xr.Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    value = data[name]
    error = data[f"{name}_stderr"] if f"{name}_stderr" in data else xr.full_like(value, np.nan)
    value, error = value.astype(float).compute(), error.astype(float).compute()
    if "replica" not in value.dims:
        return value, error
    if error.isnull().all():
        return value.mean("replica"), error.mean("replica")
    pooled = pool(value, error)
    return pooled["mean"], pooled["stderr"]


def _known(
    value: xr.DataArray, error: xr.DataArray, others: Sequence[str], along: str
) -> Iterator[Series]:
    x = np.asarray(value[along].values)
    for place in product(*(range(value.sizes[dim]) for dim in others)):
        at = dict(zip(others, place, strict=True))
        y = value.isel(at).values
        if np.isfinite(y).any():
            labels = {dim: value[dim].values[k].item() for dim, k in at.items() if dim in value}
            yield Series("", labels, x, y, error.isel(at).values)


def _named(found: Sequence[Series]) -> list[Series]:
    """Series named by the labels in which they differ."""
    telling = [dim for dim in found[0].labels if len({one.labels[dim] for one in found}) > 1]
    return [
        Series(" ".join(_word(d, s.labels[d]) for d in telling), s.labels, s.x, s.y, s.error)
        for s in found
    ]


def _word(dim: str, value: Any) -> str:
    if dim == "temperature_K":
        return f"{value:g} K"
    return plain(value).replace("_", " ") if isinstance(value, str) else f"{dim} = {value:g}"


def lines(ax: Axes, found: Sequence[Series], *, band: bool = True, **style: Any) -> None:
    """Draw series as lines with bands of one standard error."""
    for place, one in enumerate(found):
        color = PALETTE[place % len(PALETTE)]
        dashes = ("-", "--", ":")[place // len(PALETTE) % 3]
        ax.plot(one.x, one.y, dashes, color=color, label=one.name or None, **style)
        if band and np.isfinite(one.error).any():
            ax.fill_between(
                one.x, one.y - one.error, one.y + one.error, color=color, alpha=0.2, lw=0
            )
    legend(ax, found)


def points(ax: Axes, found: Sequence[Series], *, join: bool = True) -> None:
    """Draw series as points with bars of one standard error, beside each other on names."""
    names = found[0].x.dtype.kind in "UTO"
    for place, one in enumerate(found):
        x = np.arange(len(one.x), dtype=float) if names else one.x.astype(float)
        if names and len(found) > 1:
            x = x + 0.5 * (place / (len(found) - 1) - 0.5)
        known = np.isfinite(one.y)
        style = "o-" if join and not names else "o"
        ax.errorbar(
            x[known], one.y[known], yerr=np.nan_to_num(one.error[known]), fmt=style, capsize=2.5,
            lw=1.0, color=PALETTE[place % len(PALETTE)], label=one.name or None,
        )  # fmt: skip
    if names:
        words = [plain(name).replace("_", " ") for name in found[0].x.tolist()]
        turned = max(map(len, words)) > 8
        ax.set_xticks(
            range(len(words)), words, rotation=30 * turned, ha="right" if turned else "center"
        )
    legend(ax, found)


def legend(ax: Axes, found: Sequence[Series]) -> None:
    """A legend where there is more than one name."""
    if len(found) > 1:
        ax.legend(fontsize="small", ncols=1 + (len(found) > 8))


def along_temperature(data: xr.Dataset, name: str) -> str:
    """The temperature axis if the results have one, else the axis of a scan with most labels."""
    if "temperature_K" in data[name].dims:
        return "temperature_K"
    dims = [str(dim) for dim in data[name].dims if dim not in ("replica", "bound")]
    return max(dims, key=lambda dim: data.sizes[dim]) if dims else "temperature_K"
