"""The order of a page, and what becomes of a section that cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ionflow.report import about
from ionflow.report.activation import activation
from ionflow.report.claims import claims, tally
from ionflow.report.conductivity import conductivity
from ionflow.report.course import course
from ionflow.report.diffusion import diffusion, headline
from ionflow.report.dynamics import ANALYSES as DYNAMICS
from ionflow.report.dynamics import dynamics
from ionflow.report.flagged import flagged, soundness
from ionflow.report.gather import TROUBLE, Data
from ionflow.report.hopping import ANALYSES as HOPS
from ionflow.report.hopping import hops
from ionflow.report.network import ANALYSES as NETWORK
from ionflow.report.network import network
from ionflow.report.other import other
from ionflow.report.page import Notice, Page, Section
from ionflow.report.residence import ANALYSES as RESIDENCE
from ionflow.report.residence import residence
from ionflow.report.scan import ANALYSES as SCAN
from ionflow.report.scan import scan
from ionflow.report.settled import unsettled
from ionflow.report.structure import ANALYSES as STRUCTURE
from ionflow.report.structure import structure
from ionflow.report.transport import ANALYSES as TRANSPORT
from ionflow.report.transport import transport
from ionflow.view import Run

Maker = Callable[[Data], Section | None]

#: Sections in the order of the page: id, title, what makes it, and the analyses that it tells of.
_MAKERS: tuple[tuple[str, str, Maker, tuple[str, ...]], ...] = (
    ("claims", "Claims of the study", claims, ("claims",)),
    ("diffusion", "Diffusion", diffusion, ("msd", "diffusion")),
    ("activation", "Activation", activation, ("arrhenius",)),
    ("conductivity", "Conductivity", conductivity, ("conductivity",)),
    ("transport", "Transport", transport, TRANSPORT),
    ("residence", "Residence", residence, RESIDENCE),
    ("network", "Network", network, NETWORK),
    ("structure", "Structure", structure, STRUCTURE),
    ("dynamics", "Dynamics", dynamics, DYNAMICS),
    ("hops", "Hops and paths", hops, HOPS),
    ("scan", "Over the scan", scan, SCAN),
    ("soundness", "Soundness", soundness, ("soundness",)),
    ("course", "Course of the simulations", course, ()),
    ("other", "Other analyses", lambda data: other(data, DRAWN), ()),
    ("about", "What was run", about.about, ()),
)

#: Analyses that have a section of their own.
DRAWN: frozenset[str] = frozenset(name for *_, names in _MAKERS for name in names)


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
        notices=(*about.failures(data), *flagged(data), *_troubles(data), *unsettled(data)),
        sections=sections,
        footer=f"Made by ionflow {record.get('ionflow', '')} from {run.path.name}. Every number is "
        "in the run folder: ionflow.open(path).results.",
    )


def _sections(data: Data) -> Iterator[Section]:
    for name, title, make, _ in _MAKERS:
        try:
            section = make(data)
        except TROUBLE as error:
            text = f"This section could not be made: {type(error).__name__}: {error}"
            section = Section(name, title, notices=(Notice(text, "fail"),))
        if section is not None:
            yield section


def _headline(data: Data) -> list[tuple[str, str]]:
    try:
        return [*tally(data), *headline(data)]
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
