"""What a page consists of, and its HTML."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

from ionflow.report.style import inline, plain


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, a smaller remark beside it, and how it reads."""

    text: str
    remark: str = ""
    tone: Literal["", "muted", "warn"] = ""


@dataclass(frozen=True)
class Table:
    """A table: the first `heads` columns name the row, the others hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    heads: int = 1
    wrap: bool = False
    """Whether the names of rows are sentences."""


@dataclass(frozen=True)
class Plot:
    """A figure: `document` is SVG, `name` its file, `alt` what it shows in words."""

    name: str
    title: str
    document: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Notice:
    """Something that the reader must know before using a number."""

    text: str
    tone: Literal["warn", "fail", "note"] = "warn"
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A chapter of the page."""

    id: str
    title: str
    lead: str = ""
    notices: tuple[Notice, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    told: tuple[tuple[str, str], ...] = ()
    """Names and what they are, at the end."""


@dataclass(frozen=True)
class Page:
    """Everything that is written."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    notices: tuple[Notice, ...]
    sections: tuple[Section, ...]
    footer: str = ""
    headline: tuple[tuple[str, str], ...] = field(default=())
    """A few results to see first: what and how much."""

    @property
    def plots(self) -> Sequence[Plot]:
        """All figures in order."""
        return [plot for section in self.sections for plot in section.plots]


def render(page: Page) -> str:
    """The page as one HTML document that loads nothing and runs nothing."""
    from jinja2 import Environment, StrictUndefined

    room = files("ionflow.report")
    style = room.joinpath("style.css").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.finalize = lambda value: plain(value) if type(value) is str else value
    template = environment.from_string(room.joinpath("template.html").read_text(encoding="utf-8"))
    drawings = {plot.name: inline(plot.document, plot.name) for plot in page.plots}
    return template.render(page=page, style=style, policy=_policy(style), drawings=drawings)


def _policy(style: str) -> str:
    """The content security policy: this style sheet, attributes of the figures, nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src-elem 'sha256-{digest}'; style-src-attr 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
