"""What installed distributions say that they contribute, read without running their code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from ionflow.registry.contributions import NAME, NAMES_ARE, Origin, Problem

GROUP: Final = "ionflow"


@dataclass(frozen=True)
class Declared:
    """The name of a plugin, and what contributes it."""

    name: str
    origin: Origin


def installed() -> Iterator[Declared]:
    """The entry points of every distribution: names of plugins, and the module with its hooks."""
    versions: dict[str, str] = {}
    origins: dict[tuple[str, str], Origin] = {}
    for point in metadata.entry_points(group=GROUP):
        owner = point.dist.name if point.dist else point.name
        if owner not in versions:  # it is parsed anew each time
            versions[owner] = point.dist.version if point.dist else ""
        origin = Origin(owner, versions[owner], point.load, point.value)
        yield Declared(point.name, origins.setdefault((owner, point.value), origin))


def told_apart(declared: Sequence[Declared]) -> tuple[list[Declared], dict[str, Problem]]:
    """Those that a recipe can name, and why it cannot name the others, by name."""
    times = Counter(d.name for d in declared)
    problems = {}
    for name in times:
        owners = [d.origin for d in declared if d.name == name]
        if not NAME.fullmatch(name):
            problems[name] = Problem(owners[0].label, f"declares {name!r}; {NAMES_ARE}")
        elif len(owners) > 1:
            problems[name] = _clash(name, owners)
    return [d for d in declared if d.name not in problems], problems


def _clash(name: str, origins: Sequence[Origin]) -> Problem:
    # none of them wins: which one a recipe meant cannot be told
    owners = [origin.label for origin in origins]
    message = f"the name {name!r} is claimed by {' and '.join(owners)}; uninstall one"
    return Problem(" and ".join(dict.fromkeys(owners)), message)
