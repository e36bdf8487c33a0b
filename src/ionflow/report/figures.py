"""Drawings from plain numbers: each function takes curves and gives an SVG document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.report.rounding import short
from ionflow.report.style import (
    HAIR,
    MARKERS,
    SHADE,
    SOFT,
    drawing,
    figure,
    log_axis,
    ordered,
    plain,
    svg,
)
from ionflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.6


@dataclass(frozen=True)
class Curve:
    """A line: its name, colour, and points; `error` is a standard error where one is known."""

    name: str
    color: str
    x: FloatArray
    y: FloatArray
    error: FloatArray | None = None
    faint: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One of several small drawings with the same axes."""

    title: str
    curves: tuple[Curve, ...]
    shaded: tuple[float, float] | None = None
    """Part of the x axis that a fit used."""
    remark: str = ""


def rdf(grid: Sequence[Sequence[Panel | None]], labels: Sequence[str]) -> str:
    """Partial g(r): one row for each material, one column for each kind of pair."""
    rows, columns = len(grid), max(len(row) for row in grid)
    with drawing():
        fig = figure(WIDTH, 0.5 + 1.55 * rows)
        axes = fig.subplots(rows, columns, squeeze=False, sharex=True)
        for row, panels in zip(axes, grid, strict=True):
            for place, panel in zip(row, [*panels, *[None] * (columns - len(panels))], strict=True):
                _rdf_panel(place, panel)
        for place, label in zip(axes[:, 0], labels, strict=True):
            place.set_ylabel(f"{plain(label)}\ng(r)")
        fig.supxlabel("r (Å)", fontsize=10)
        legend(fig)
        return svg(fig)


def _rdf_panel(axes: Axes, panel: Panel | None) -> None:
    if panel is None:
        axes.set_axis_off()
        return
    axes.axhline(1, color=HAIR, lw=0.8, zorder=0)
    for curve in panel.curves:
        axes.plot(curve.x, curve.y, color=curve.color, lw=1.3, label=plain(curve.name))
    axes.set_title(plain(panel.title), pad=4)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", nbins=3)
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0)
    _remark(axes, panel.remark)


def _remark(axes: Axes, text: str) -> None:
    if text:
        axes.text(
            0.97, 0.93, plain(text), transform=axes.transAxes, ha="right", va="top",
            fontsize=8.5, color=SOFT, linespacing=1.35,
        )  # fmt: skip


def msd(grid: Sequence[Sequence[Panel | None]]) -> str:
    """MSD on log axes with the fitted window shaded and a guide of slope 1."""
    rows, columns = len(grid), max(len(row) for row in grid)
    with drawing():
        width = WIDTH if columns > 2 else 3.6 * columns + 1.2
        fig = figure(width, 0.6 + min(2.7, 8.4 / columns) * rows)
        axes = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for row, panels in zip(axes, grid, strict=True):
            for place, panel in zip(row, [*panels, *[None] * (columns - len(panels))], strict=True):
                _msd_panel(place, panel)
        fig.supxlabel("lag time (ps)", fontsize=10)
        fig.supylabel("mean squared displacement (Å²)", fontsize=10)
        legend(fig)
        return svg(fig)


def _msd_panel(axes: Axes, panel: Panel | None) -> None:
    if panel is None:
        axes.set_axis_off()
        return
    log_axis(axes, "x")
    log_axis(axes, "y")
    axes.set_title(plain(panel.title), pad=4)
    if panel.shaded:
        axes.axvspan(*panel.shaded, color=SHADE, lw=0, zorder=0)
    for curve in panel.curves:
        _line(axes, curve)
    _slope_one(axes, panel)


def _line(axes: Axes, curve: Curve) -> None:
    label = None if curve.faint else plain(curve.name)
    width, alpha = (0.7, 0.45) if curve.faint else (1.7, 1.0)
    style = "--" if curve.dashed else "-"
    axes.plot(curve.x, curve.y, style, color=curve.color, lw=width, alpha=alpha, label=label)


def _slope_one(axes: Axes, panel: Panel) -> None:
    """A dashed line of slope 1 beside the first, most mobile, species."""
    full = [curve for curve in panel.curves if not curve.faint and curve.x.size > 1]
    if not full:
        return
    first = full[0]
    low, high = panel.shaded or (first.x[first.x.size // 8], first.x[-1])
    anchor = np.interp(high, first.x, first.y) * 1.8
    x = np.array([low, high])
    axes.plot(x, anchor * x / high, "--", color=SOFT, lw=1.0, label="slope 1")


@dataclass(frozen=True)
class Activated:
    """Values against temperature with, where there is one, an Arrhenius fit.

    `fit` is (ln of the prefactor, activation energy in eV) and `covariance` its (2, 2) matrix.
    """

    name: str
    temperature: FloatArray
    value: FloatArray
    stderr: FloatArray
    fit: tuple[float, float] | None = None
    covariance: FloatArray | None = None


def arrhenius(panels: Mapping[str, Sequence[Activated]], colors: Mapping[str, str]) -> str:
    """Values on a log axis against 1000/T with error bars, fits and their 68 % bands."""
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with drawing():
        fig = figure(WIDTH if columns > 1 else 6.8, 0.3 + 4.0 * rows)
        axes = np.ravel(fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True))
        for place, (title, series) in zip(axes, panels.items(), strict=False):
            _arrhenius_panel(place, title, series, colors)
        for place in axes[len(panels) :]:
            place.set_axis_off()
        return svg(fig)


def _arrhenius_panel(
    axes: Axes, title: str, series: Sequence[Activated], colors: Mapping[str, str]
) -> None:
    log_axis(axes, "y")
    for index, one in enumerate(series):
        _activated(axes, one, colors[one.name], MARKERS[index % len(MARKERS)])
    axes.set_xlabel("1000 K / T")
    axes.set_ylabel("D (cm²/s)")
    axes.margins(x=0.08)
    label_between_decades(axes)
    _temperatures_on_top(axes, series)
    if title:
        axes.set_title(plain(title), pad=24)
    axes.legend(handlelength=1.4)


def _activated(axes: Axes, one: Activated, color: str, marker: str) -> None:
    inverse = 1000.0 / one.temperature
    # a bar that reaches zero has no end on a log axis; stop it within the plot
    lower = np.minimum(one.stderr, 0.9 * one.value)
    axes.errorbar(
        inverse, one.value, yerr=[lower, one.stderr], fmt=marker, color=color, capsize=2.5,
        elinewidth=1.2, markeredgecolor="white", markeredgewidth=0.6, markersize=6.5,
        label=plain(one.name), zorder=3,
    )  # fmt: skip
    if one.fit is None or inverse.size < 2:
        return
    x = np.linspace(inverse.min() - 0.03, inverse.max() + 0.03, 60)
    middle, spread = _fit_line(one, x)
    axes.plot(x, np.exp(middle), color=color, lw=1.3, zorder=2)
    if spread is not None:
        low, high = np.exp(middle - spread), np.exp(middle + spread)
        axes.fill_between(x, low, high, color=color, alpha=0.15, lw=0, zorder=1)


def _fit_line(one: Activated, x: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """ln D = ln D0 − Ea/(kB T) and its standard error, by the covariance of (ln D0, Ea)."""
    assert one.fit is not None
    design = np.stack([np.ones_like(x), -x / 1000.0 / BOLTZMANN_EV_PER_K], axis=1)
    middle = design @ np.array(one.fit)
    if one.covariance is None or not np.isfinite(one.covariance).all():
        return middle, None
    variance = np.einsum("pi,ij,pj->p", design, one.covariance, design)
    return middle, np.sqrt(np.maximum(variance, 0.0))


def label_between_decades(axes: Axes) -> None:
    """Labels at 2 and 5 between powers of ten where there are few of those."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    low, high = axes.get_ylim()
    if high / low < 300:
        axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: short(value, 1)))
        axes.tick_params(axis="y", which="minor", length=3)


def _temperatures_on_top(axes: Axes, series: Sequence[Activated]) -> None:
    known = sorted({float(t) for one in series for t in one.temperature})
    top = axes.secondary_xaxis("top")
    top.set_xticks([1000.0 / t for t in known], [f"{t:g} K" for t in known])
    top.tick_params(length=3, labelsize=8.5)
    top.spines["top"].set_visible(False)


@dataclass(frozen=True)
class Column:
    """One stage of the protocol: rows of curves over its own time axis."""

    title: str
    rows: tuple[tuple[Curve, ...], ...]


def course(columns: Sequence[Column], labels: Sequence[str]) -> str:
    """Quantities over time, a column for each stage and a row for each quantity."""
    with drawing():
        fig = figure(WIDTH, 0.4 + 2.15 * len(labels))
        axes = fig.subplots(len(labels), len(columns), squeeze=False, sharex="col", sharey="row")
        for index, column in enumerate(columns):
            axes[0, index].set_title(plain(column.title), pad=6)
            axes[-1, index].set_xlabel("time (ps)")
            for place, curves in zip(axes[:, index], column.rows, strict=True):
                place.margins(x=0.02)
                place.grid(axis="y", color=HAIR, lw=0.6)
                place.set_axisbelow(True)
                for curve in curves:
                    _line(place, curve)
        for place, label in zip(axes[:, 0], labels, strict=True):
            place.set_ylabel(label)
        legend(fig)
        return svg(fig)


def legend(fig: Figure) -> None:
    """One legend for all panels, above them, when there is more than one name."""
    handles: dict[str, Any] = {}
    for axes in fig.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) > 1:
        named = ordered(handles)
        fig.legend(
            named.values(), named.keys(), loc="outside upper left",
            ncols=min(len(named), 8), handlelength=1.4, columnspacing=1.4, borderaxespad=0.2,
        )  # fmt: skip


__all__ = [
    "Activated",
    "Column",
    "Curve",
    "Panel",
    "arrhenius",
    "course",
    "label_between_decades",
    "legend",
    "msd",
    "rdf",
]
