"""The order of a page, and what becomes of a section that cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ionflow.report import about
from ionflow.report.activation import activation
from ionflow.report.course import course
from ionflow.report.gather import TROUBLE, Data
from ionflow.report.other import other
from ionflow.report.page import Notice, Page, Section
from ionflow.report.settled import unsettled
from ionflow.report.structure import structure
from ionflow.report.transport import conductivity, diffusion, headline
from ionflow.view import Run

Maker = Callable[[Data], Section | None]

#: Analyses that have a section of their own.
DRAWN = frozenset({"msd", "diffusion", "arrhenius", "conductivity", "rdf"})

_MAKERS: tuple[tuple[str, str, Maker], ...] = (
    ("diffusion", "Diffusion", diffusion),
    ("activation", "Activation", activation),
    ("conductivity", "Conductivity", conductivity),
    ("structure", "Structure", structure),
    ("course", "Course of the simulations", course),
    ("other", "Other analyses", lambda data: other(data, DRAWN)),
    ("about", "What was run", about.about),
)


def compose(run: Run) -> Page:
    """Everything that the page of a run says."""
    import dask

    data = Data(run)
    # many small reads, for which threads cost more than they gain
    with dask.config.set(scheduler="synchronous"):
        sections = tuple(_sections(data))
        first = tuple(_headline(data))
    record = run.provenance
    return Page(
        title=str(record.get("title") or run.name),
        subtitle=_subtitle(run, data),
        facts=about.facts(data),
        headline=first,
        notices=(*about.failures(data), *_troubles(data), *unsettled(data)),
        sections=sections,
        footer=f"Made by ionflow {record.get('ionflow', '')} from {run.path.name}. Every number is "
        "in the run folder: ionflow.open(path).results.",
    )


def _sections(data: Data) -> Iterator[Section]:
    for name, title, make in _MAKERS:
        try:
            section = make(data)
        except TROUBLE as error:
            text = f"This section could not be made: {type(error).__name__}: {error}"
            section = Section(name, title, notices=(Notice(text, "fail"),))
        if section is not None:
            yield section


def _headline(data: Data) -> list[tuple[str, str]]:
    try:
        return list(headline(data))
    except TROUBLE:
        # the sections that hold these numbers say what is wrong with them
        return []


def _subtitle(run: Run, data: Data) -> str:
    labels = [material.label for material in data.materials]
    shown = ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
    temperatures = data.temperatures
    if not labels:
        return f"Recipe {run.name}"
    if len(temperatures) > 1:
        return f"{shown}; {temperatures[0]:g} to {temperatures[-1]:g} K"
    return f"{shown}; {temperatures[0]:g} K"


def _troubles(data: Data) -> tuple[Notice, ...]:
    if not data.troubles:
        return ()
    items = tuple(dict.fromkeys(data.troubles))[:12]
    return (Notice("Some data could not be read.", "fail", items),)
