"""The section on how the simulations went: temperature and energy over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.report import figures
from ionflow.report.figures import Column, Curve
from ionflow.report.gather import Data, Material
from ionflow.report.page import Notice, Plot, Section
from ionflow.report.style import colors
from ionflow.view import Row

Series = tuple[FloatArray, FloatArray, FloatArray]

MATERIALS = 6
LINES = 48
POINTS = 100


def course(data: Data) -> Section | None:
    """Temperature and potential energy over time, a column for each stage."""
    if not data.run.stages:
        return None
    lead = "What the thermostat and the melt-quench did, stage by stage."
    shown = data.materials[:MATERIALS]
    columns = [c for c in (_column(data, name, shown) for name in _stages(data)) if c.rows]
    if not columns:
        notice = Notice("No trajectory has begun.", "note")
        return Section("course", "Course of the simulations", lead, notices=(notice,))
    labels = ("temperature (K)", "potential energy\n(eV/atom)")
    plot = Plot(
        name="course",
        title="Temperature and potential energy over time",
        document=figures.course(columns, labels),
        caption=_caption(data),
        alt="Temperature and potential energy over time in " + ", ".join(c.title for c in columns),
    )
    return Section("course", "Course of the simulations", lead, plots=(plot,))


def _caption(data: Data) -> str:
    text = (
        f"Means over up to {POINTS} blocks of time; each stage has its own time axis. Energies of "
        "a material are relative to the lowest block of its own trajectories. The first replica "
        "is drawn bold."
    )
    left = len(data.materials) - MATERIALS
    return f"{text} Not drawn: {left} of {len(data.materials)} materials." if left > 0 else text


def _stages(data: Data) -> list[str]:
    return list(dict.fromkeys(row.name for row in data.run.stages))


def _column(data: Data, stage: str, shown: Sequence[Material]) -> Column:
    palette = colors([material.label for material in data.materials])
    pairs = [
        pair
        for material in shown
        for pair in _lines(data, stage, material, palette[material.label])
    ]
    if not pairs:
        return Column(stage, ())
    temperatures, energies = zip(*pairs, strict=True)
    return Column(stage, (temperatures, energies))


def _lines(data: Data, stage: str, material: Material, color: str) -> Iterator[tuple[Curve, Curve]]:
    lowest = _lowest_energy(data, material)
    for row in _rows(data, stage, material):
        series = _series(data, row)
        if series is not None:
            time, temperature, energy = series
            faint = row.coords.get("replica", 0) != 0
            yield (
                Curve(material.label, color, time, temperature, faint=faint),
                Curve(material.label, color, time, energy - lowest, faint=faint),
            )


def _rows(data: Data, stage: str, material: Material) -> list[Row]:
    """Trajectories of a stage that belong to a material; shared ones lack some of its axes."""
    mine = dict(material.coords)
    rows = [
        row
        for row in data.run.stages
        if row.name == stage and all(mine.get(a) == v for a, v in row.coords.items() if a in mine)
    ]
    if len(rows) * min(len(data.materials), MATERIALS) <= LINES:
        return rows
    return [row for row in rows if row.coords.get("replica", 0) == 0]


def _lowest_energy(data: Data, material: Material) -> float:
    energies = [
        series[2].min()
        for stage in _stages(data)
        for row in _rows(data, stage, material)
        if (series := _series(data, row)) is not None
    ]
    return float(min(energies, default=0.0))


def _series(data: Data, row: Row) -> Series | None:
    """Time (ps), temperature (K) and potential energy (eV/atom), in blocks."""
    if row.key not in data.series:
        data.series[row.key] = _read_series(data, row)
    series: Series | None = data.series[row.key]
    return series


def _read_series(data: Data, row: Row) -> Series | None:
    dataset = data.trajectory(row, "temperature", "potential_energy")
    if dataset is None or not dataset.sizes["time"]:
        return None
    dataset = dataset.load()
    columns = (dataset["time"], dataset["temperature"], dataset["potential_energy"] / row.atoms)
    time, temperature, energy = (blocks(column.values) for column in columns)
    return time, temperature, energy


def blocks(values: FloatArray) -> FloatArray:
    """Means over at most `POINTS` blocks of consecutive values.

    >>> blocks(np.arange(4.0))
    array([0., 1., 2., 3.])
    """
    edges = np.unique(np.linspace(0, values.size, min(POINTS, values.size) + 1).astype(int))
    sums = np.add.reduceat(values.astype(float), edges[:-1])
    return np.asarray(sums / np.diff(edges), dtype=np.float64)
