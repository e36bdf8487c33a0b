"""What `ionflow plugins` prints."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ionflow.registry import Registry, describe


def listing(registry: Registry) -> RenderableType:
    """Every plugin with distribution and version, and every problem known.

    Those that are loaded, and those that come with ionflow, are told with kind and one line.
    """
    table = _table("kind", "name", "distribution", "version", "what it does")
    rows = registry.rows()
    for row in rows:
        table.add_row(*map(Text, row))  # not markup: it is other people's text
    rest = [name for kind, name, *_ in rows if not kind]
    note = [Text(f"not loaded: {', '.join(rest)}; --load runs their code")] if rest else []
    return Group(table, *note, *(Text(f"problem: {p}") for p in registry.problems))


def fields_of(registry: Registry, name: str) -> RenderableType:
    """One plugin's fields with types, units, defaults and documentation.

    Raises
    ------
    PluginError
        If there is no plugin of that name, or it does not work.
    """
    entry = registry.entry(name)
    head = Text(f"{entry.name} ({entry.kind}, {entry.distribution} {entry.distribution_version})")
    table = _table("field", "type", "units", "default", "meaning")
    for field in describe(entry.cls):
        cells = (field.name, field.type, field.units, str(field.default), field.doc)
        table.add_row(*map(Text, cells))  # not markup: a type may be written in brackets
    return Group(head, Text(entry.summary), Text(""), table)


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
