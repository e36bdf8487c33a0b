"""Small drawings in a grid, by the functions of `ionflow.plot`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow.errors import DataError
from ionflow.report.figures import WIDTH, label_between_decades, legend
from ionflow.report.gather import TROUBLE, Case, Data, part_of
from ionflow.report.page import Plot
from ionflow.report.style import SOFT, drawing, figure, log_axis, plain, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[xr.Dataset, "Axes"], object]
Tile = tuple[str, xr.Dataset | None]
"""A title, and what is to be drawn under it."""

MATERIALS, TEMPERATURES = 4, 3
#: Panels of one material each.
PANELS = 8
NO_NUMBER = "no number"
#: More points of a curve than this are not to be told apart on a page.
POINTS = 150


@dataclass(frozen=True)
class Multiples:
    """A figure of small panels, all drawn by one function from the results of one analysis."""

    analysis: str
    name: str
    title: str
    caption: str
    draw: Draw
    only: tuple[str, ...] = ()
    """The variables that it draws; all if empty."""
    height: float = 2.5
    shared: str = "xy"
    """Axes that all panels share."""
    legend: bool = True


def by_case(data: Data, what: Multiples, temperatures: int = TEMPERATURES) -> Plot | None:
    """A row of panels for each material, a column for each temperature, the hottest at least."""
    chosen = spread(data.temperatures, temperatures)
    rows = [[c for c in data.of(m) if c.temperature in chosen] for m in data.materials]
    rows = [row for row in rows if any(data.ready(what.analysis, case) for case in row)]
    left = _left(len(rows), MATERIALS, "materials")
    if len(chosen) > 1:
        left += _left(len(data.temperatures), len(chosen), "temperatures")
    tiles = [[_tile(data, case, what) for case in row] for row in rows[:MATERIALS]]
    return _plot(_grid(tiles), what, left)


def _tile(data: Data, case: Case, what: Multiples) -> Tile:
    title = f"{case.material.label}, {case.temperature:g} K"
    return title, data.result(what.analysis, case, what.only)


def by_material(data: Data, what: Multiples) -> Plot | None:
    """A panel for each material with all of its temperatures."""
    ready = [m for m in data.materials if any(data.ready(what.analysis, c) for c in data.of(m))]
    found = [(m.label, data.over_temperature(what.analysis, m, what.only)) for m in ready[:PANELS]]
    return of_tiles(found, what, of=len(ready))


def of_tiles(tiles: Sequence[Tile], what: Multiples, of: int = 0) -> Plot | None:
    """A panel for each of the tiles, which are some `of` all materials."""
    return _plot(_wrapped(tiles[:PANELS]), what, _left(of or len(tiles), PANELS, "materials"))


def over_scan(data: Data, result: xr.Dataset | None, what: Multiples) -> Plot | None:
    """A panel for each material from a result over the scan."""
    if result is None:
        return None
    tiles = [(m.label, part) for m in data.materials if (part := part_of(result, m)) is not None]
    return of_tiles(tiles, what)


def spread(values: Sequence[float], limit: int) -> list[float]:
    """At most `limit` of the values, the ends among them, the last if it is but one.

    >>> spread([500, 600, 700, 800], 3), spread([500, 600], 1)
    ([500, 700, 800], [600])
    """
    if limit == 1:
        return list(values[-1:])
    picks = np.unique(np.linspace(0, len(values) - 1, min(limit, len(values))).round().astype(int))
    return [values[index] for index in picks]


def _left(of: int, shown: int, what: str) -> str:
    return f" Not drawn: {of - shown} of {of} {what}." if of > shown else ""


def _grid(rows: Sequence[Sequence[Tile]]) -> list[list[Tile | None]]:
    """Rows of equal length; panels of few columns stand beside each other."""
    if rows and max(map(len, rows)) == 1:
        return _wrapped([tile for row in rows for tile in row])
    columns = max(map(len, rows), default=0)
    return [[*row, *[None] * (columns - len(row))] for row in rows]


def _wrapped(tiles: Sequence[Tile]) -> list[list[Tile | None]]:
    columns = min(len(tiles), 4 if len(tiles) > 6 else 3) if len(tiles) != 4 else 2
    rows = [list(tiles[i : i + columns]) for i in range(0, len(tiles), columns or 1)]
    return [[*row, *[None] * (columns - len(row))] for row in rows]


def _plot(grid: Sequence[Sequence[Tile | None]], what: Multiples, left: str) -> Plot | None:
    document = _document(grid, what) if grid else ""
    if not document:
        return None
    titles = ", ".join(tile[0] for row in grid for tile in row if tile and tile[0])
    return Plot(
        name=what.name,
        title=what.title,
        document=document,
        caption=what.caption + left,
        alt=f"{what.title}, for {titles}" if titles else what.title,
    )


def _document(grid: Sequence[Sequence[Tile | None]], what: Multiples) -> str:
    """The drawing, empty if no panel has a number to draw."""
    rows, columns = len(grid), len(grid[0])
    with drawing():
        fig = figure((4.6, 7.6, WIDTH, WIDTH)[columns - 1], 0.7 + what.height * rows)
        axes = fig.subplots(rows, columns, squeeze=False)
        tiles = [tile for row in grid for tile in row]
        drawn = [_panel(*pair, what) for pair in zip(np.ravel(axes), tiles, strict=True)]
        if not any(drawn):
            return ""
        _tidy(fig, what)
        return svg(fig)


def _panel(axes: Axes, tile: Tile | None, what: Multiples) -> bool:
    if tile is None:
        axes.set_axis_off()
        return False
    lacking = _drawn(axes, tile[1], what)
    # last, since what draws may set a title of its own
    axes.set_title(plain(tile[0]), pad=4)
    if lacking:
        axes.clear()
        axes.set_title(plain(tile[0]), pad=4)
        axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    axes.text(
        0.5, 0.5, lacking, transform=axes.transAxes, ha="center", va="center", color=SOFT
    )  # fmt: skip
    return lacking != NO_NUMBER


def _drawn(axes: Axes, found: xr.Dataset | None, what: Multiples) -> str:
    """Draw results, and say what became of it where that did not work."""
    try:
        if found is None:
            return NO_NUMBER
        what.draw(thinned(found), axes)
    except DataError:
        return NO_NUMBER
    except TROUBLE as error:
        return f"could not be drawn:\n{type(error).__name__}"
    return ""


def _tidy(fig: Figure, what: Multiples) -> None:
    """One legend, one scale, labels at the outer panels only, decades that can be read."""
    panels = [axes for axes in fig.axes if axes.axison]
    panels = [axes for axes in panels if axes.has_data()]
    for which in what.shared:
        _same_limits(panels, which)
    for axes in panels:
        _legible(axes)
        _outer(axes, panels, what.shared)
        own = axes.get_legend()
        if own is not None and what.legend:
            own.remove()
    if what.legend:
        legend(fig)


def _same_limits(panels: Sequence[Axes], which: str) -> None:
    """Limits that hold what every panel shows; each has chosen its own by now."""
    ends = np.array([sorted(getattr(axes, f"get_{which}lim")()) for axes in panels])
    for axes in panels if len(ends) else ():
        getattr(axes, f"set_{which}lim")(ends[:, 0].min(), ends[:, 1].max())


def _legible(axes: Axes) -> None:
    for which in "xy":
        if getattr(axes, f"get_{which}scale")() == "log":
            log_axis(axes, which)
    if axes.get_yscale() == "log":
        label_between_decades(axes)


def _outer(axes: Axes, panels: Sequence[Axes], shared: str) -> None:
    """Leave out labels that a panel to the left or below has too."""
    row, column = _place(axes)
    if any(_place(other)[0] == row and _place(other)[1] < column for other in panels):
        axes.set_ylabel("")
        axes.tick_params(axis="y", which="both", labelleft="y" not in shared)
    if any(_place(other)[1] == column and _place(other)[0] > row for other in panels):
        axes.set_xlabel("")
        axes.tick_params(axis="x", which="both", labelbottom="x" not in shared)


def _place(axes: Axes) -> tuple[int, int]:
    place = axes.get_subplotspec()
    return (place.rowspan.start, place.colspan.start) if place is not None else (0, 0)


def thinned(result: xr.Dataset) -> xr.Dataset:
    """Curves of at most about `POINTS` points: lags log-spaced, others averaged in groups."""
    for dim in _long(result):
        if dim.startswith("lag"):
            size = result.sizes[dim]
            picks = np.unique(np.geomspace(1, size, POINTS // 2).round().astype(int) - 1)
            result = result.isel({dim: picks})
        else:
            step = -(-result.sizes[dim] // POINTS)
            numbers = [n for n, v in result.data_vars.items() if v.dtype.kind == "f"]
            result = result[numbers].coarsen({dim: step}, boundary="trim").mean()
    return result


def _long(result: xr.Dataset) -> Iterator[str]:
    for dim, size in result.sizes.items():
        numeric = dim in result.coords and result[dim].dtype.kind == "f"
        if size > POINTS and numeric:
            yield str(dim)
