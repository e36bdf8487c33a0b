"""What `ionflow plugins` prints."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ionflow.errors import PluginError
from ionflow.registry import Registry, describe


def listing(registry: Registry) -> RenderableType:
    """Every plugin with kind, name, distribution, version and one line; then every problem."""
    table = _table("kind", "name", "distribution", "version", "what it does")
    for entry in sorted(registry.entries, key=lambda e: (e.kind, e.name)):
        table.add_row(
            entry.kind,
            entry.name,
            entry.distribution,
            entry.distribution_version,
            entry.summary,
        )
    problems = [Text(f"problem: {p.origin}: {p.message}") for p in registry.problems]
    return Group(table, *problems)


def fields_of(registry: Registry, name: str) -> RenderableType:
    """One plugin's fields with types, units, defaults and documentation.

    Raises
    ------
    PluginError
        If there is no plugin of that name.
    """
    entry = next((e for e in registry.entries if e.name == name), None)
    if entry is None:
        known = ", ".join(sorted(registry))
        raise PluginError(f"no plugin is called {name!r}", hint=f"Installed: {known}")
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
