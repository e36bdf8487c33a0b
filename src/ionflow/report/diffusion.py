"""The section on diffusion: a table with errors, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from ionflow.report.cells import cell, nothing
from ionflow.report.displacement import msd_plot
from ionflow.report.doubts import doubts, name_of
from ionflow.report.estimates import Estimate, diffusivity, mobile
from ionflow.report.gather import Case, Data, Material
from ionflow.report.page import Cell, Section, Table
from ionflow.report.rounding import NONE, uncertain

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
    notices = tuple(doubts(data)) if table.rows else (nothing("diffusion coefficient"),)
    return Section(
        "diffusion",
        "Diffusion",
        lead,
        notices=notices,
        tables=(table,) if table.rows else (),
        plots=(plot,) if plot else (),
    )


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
        _value(data, cases[t], species) if t in cases else Cell(NONE, tone="muted")
        for t in data.temperatures
    ]


def _value(data: Data, case: Case, species: str) -> Cell:
    found, flags = cell(diffusivity(data, case, species)), data.flagged(case)
    return Cell(found.text, f"{found.remark} {flags}".strip(), "warn") if flags else found


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
