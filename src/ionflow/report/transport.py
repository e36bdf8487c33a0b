"""The sections on diffusion and conductivity: tables with errors, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ionflow.report.displacement import msd_plot
from ionflow.report.doubts import COARSE, doubts, name_of
from ionflow.report.estimates import Estimate, diffusivity, estimate, mobile
from ionflow.report.gather import Case, Data, Material
from ionflow.report.page import Cell, Notice, Section, Table
from ionflow.report.rounding import NONE, between, short, uncertain

#: More materials than this: only their most mobile species is in the table.
ALL_SPECIES = 8


def diffusion(data: Data) -> Section | None:
    """D of every species, and the displacements it comes from."""
    if not {"diffusion", "msd"} & set(data.analyses):
        return None
    lead = (
        "Self-diffusion coefficients from the slope of the mean squared displacement, pooled over "
        "replicas. The number in parentheses is one standard error in the last digits: the larger "
        "of what the trajectories say by themselves and what the replicas differ by."
    )
    table = _table(data)
    plot = msd_plot(data)
    notices = tuple(doubts(data)) if table.rows else (_nothing("diffusion coefficient"),)
    return Section(
        "diffusion",
        "Diffusion",
        lead,
        notices=notices,
        tables=(table,) if table.rows else (),
        plots=(plot,) if plot else (),
    )


def _nothing(what: str) -> Notice:
    return Notice(f"No {what} is there yet.", "note")


def _table(data: Data) -> Table:
    rows = [
        (Cell(material.label if first else ""), Cell(species), *_values(data, material, species))
        for material in data.materials
        for first, species in _listed(data, material)
    ]
    note = (
        "D in cm²/s, the most mobile species of each material first; in brackets the 95 % "
        "interval. “<” gives the upper 95 % bound where the motion is not diffusive. A "
        "remark such as 2/3 says how many of the replicas gave a number."
    )
    if len(data.materials) > ALL_SPECIES:
        note += " Of each material only the most mobile species is listed; the data has all."
    columns = tuple(f"D at {t:g} K" for t in data.temperatures)
    title = "Self-diffusion coefficients (cm²/s)"
    return Table(title, ("Material", "Species", *columns), tuple(rows), note, heads=2)


def _listed(data: Data, material: Material) -> Iterator[tuple[bool, str]]:
    species = mobile(data, material)
    if not any(data.result("diffusion", case) for case in data.of(material)):
        return
    limit = 1 if len(data.materials) > ALL_SPECIES else None
    for index, name in enumerate(species[:limit]):
        yield index == 0, name


def _values(data: Data, material: Material, species: str) -> list[Cell]:
    cases = {case.temperature: case for case in data.of(material)}
    return [
        _cell(diffusivity(data, cases[t], species)) if t in cases else Cell(NONE, tone="muted")
        for t in data.temperatures
    ]


def _cell(value: Estimate) -> Cell:
    if not value.asked:
        return Cell("no result", tone="muted")
    if not value.known:
        if np.isfinite(value.bound):
            return Cell(f"< {short(value.bound, 2)}", value.verdict, "muted")
        return Cell(value.verdict, tone="muted")
    remark = f"{value.count}/{value.asked} " if value.count < value.asked else ""
    if np.isfinite(value.low) and np.isfinite(value.high):
        remark += between(value.low, value.high, value.mean)
    coarse = not value.stderr <= COARSE * abs(value.mean)
    return Cell(uncertain(value.mean, value.stderr), remark, "warn" if coarse else "")


def conductivity(data: Data) -> Section | None:
    """Nernst–Einstein and Einstein conductivities."""
    if "conductivity" not in data.analyses:
        return None
    lead = (
        "σ(NE) is the Nernst–Einstein conductivity, of ions that move independently; σ(E) is the "
        "Einstein conductivity from the displacement of all charge together, correlations included "
        "and with the larger error. H is their ratio σ(NE)/σ(E), near 1 where correlations cancel."
    )
    rows = [
        _conductivity_row(data, case, first)
        for material in data.materials
        for first, case in _with_first(
            [case for case in data.of(material) if data.result("conductivity", case)]
        )
    ]
    if not rows:
        return Section("conductivity", "Conductivity", lead, notices=(_nothing("conductivity"),))
    columns = ("Material", "T (K)", "σ(NE) (S/cm)", "σ(E) (S/cm)", "H")
    note = "Errors, intervals and bounds as for D."
    table = Table("Ionic conductivity", columns, tuple(rows), note, heads=2)
    return Section("conductivity", "Conductivity", lead, tables=(table,))


def _with_first(cases: Sequence[Case]) -> Iterator[tuple[bool, Case]]:
    return ((index == 0, case) for index, case in enumerate(cases))


def _conductivity_row(data: Data, case: Case, first: bool) -> tuple[Cell, ...]:
    result = data.result("conductivity", case)
    single, collective = (
        estimate(result, "conductivity", definition=name)
        for name in ("nernst_einstein", "einstein")
    )
    ratio = single.mean / collective.mean if collective.known and collective.mean > 0 else np.nan
    relative = np.hypot(single.stderr / single.mean, collective.stderr / collective.mean)
    return (
        Cell(case.material.label if first else ""),
        Cell(f"{case.temperature:g}"),
        _cell(single),
        _cell(collective),
        Cell(uncertain(ratio, ratio * relative) if np.isfinite(ratio) else NONE),
    )


def headline(data: Data) -> Iterator[tuple[str, str]]:
    """D of the most mobile species of a few materials at the highest temperature that has one."""
    for material in data.materials[:4]:
        species = mobile(data, material)
        for case in reversed(data.of(material)):
            value = diffusivity(data, case, species[0]) if species else Estimate()
            if value.known:
                what = f"D of {name_of(case, species[0])}"
                yield what, f"{uncertain(value.mean, value.stderr)} cm²/s"
                break
