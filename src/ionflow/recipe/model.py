"""A recipe, understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ionflow.kinds import Analyser, Engine, Generator, Potential, Stage
from ionflow.recipe.cluster import Cluster

Coordinate = str | float | int


@dataclass(frozen=True)
class Axis:
    """One axis of the scan."""

    name: str
    """The last word of its path."""
    path: str
    values: tuple[Coordinate, ...]


@dataclass(frozen=True)
class Case:
    """One combination of the scan's values, and one replica of it."""

    coords: Mapping[str, Coordinate]
    """The value on each axis."""
    replica: int
    """From 0."""
    structure: Generator
    potential: Potential
    engine: Engine
    protocol: tuple[tuple[str, Stage], ...]
    """Stages with their names, in order."""


@dataclass(frozen=True)
class Recipe:
    """What to run: every case of a scan, validated, with all defaults filled."""

    name: str
    title: str
    description: str
    scale: str
    """The scale chosen; "" if the recipe is taken as written."""
    scales: tuple[str, ...]
    seed: int
    replicas: int
    axes: tuple[Axis, ...]
    cases: tuple[Case, ...]
    """The axes as in a product, the last one faster than the first, replicas fastest."""
    analyses: tuple[Analyser, ...]
    """Those asked for and those that they need, each after what it needs."""
    cluster: Cluster
    resolved: dict[str, Any]
    """The recipe with its scale applied and all defaults filled: enough to run it again."""
    text: str
    """As written; "" if it came from Python."""
    source: str
    """The path as given, "text" or "recipe"."""
    written: str = ""
    """The text; of a recipe from Python, its mapping as YAML."""
    overrides: tuple[str, ...] = ()
    """What the command line laid over it, as `path=value`."""
