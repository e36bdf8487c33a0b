"""Reading a recipe: text, layers, parts, scan, cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, Final, cast

from pydantic import BaseModel

from ionflow.kinds import Analyser, Engine, Generator, Potential, Stage
from ionflow.recipe.analyses import analyses_of
from ionflow.recipe.axes import ScanAxis, axes_of
from ionflow.recipe.cluster import Cluster
from ionflow.recipe.emit import to_yaml
from ionflow.recipe.faults import Faults, Trouble, shown
from ionflow.recipe.head import Head, check_keys, cluster_of, head_of
from ionflow.recipe.layers import (
    SET,
    Override,
    chosen_scale,
    laid_over,
    scale_overrides,
    scales_of,
    set_overrides,
)
from ionflow.recipe.materials import check_elements
from ionflow.recipe.model import Axis, Case, Coordinate, Recipe
from ionflow.recipe.parts import KINDS, parts_of
from ionflow.recipe.resolved import resolved
from ionflow.recipe.source import Source, load, name_of
from ionflow.recipe.sweep import Variants, variants
from ionflow.recipe.tree import Node
from ionflow.registry import Registry

MAX_CASES: Final = 20_000


def read(
    source: Source,
    registry: Registry,
    scale: str | None = None,
    overrides: Sequence[str] = (),
) -> Recipe:
    """A recipe from a path, from YAML text (a string of several lines) or from a mapping.

    Parameters
    ----------
    scale : one of the recipe's scales; its `default_scale` if None
    overrides : `path=value`, each value in YAML; they have the last word

    Raises
    ------
    RecipeError
        With every fault, also those of the scales not asked for.
    """
    faults = Faults()
    root, text = load(source, faults)
    if root is None:
        faults.check()
        raise AssertionError("a recipe without a tree has a fault")
    if not isinstance(root.value, Mapping):
        faults.note(root.mark, "", f"a recipe is a mapping, not {shown(root.plain())}")
        faults.check()
    scales = scales_of(root, faults)
    name = chosen_scale(root, scales, scale, faults)
    layering = _Layering(root, scales, registry, set_overrides(overrides, faults))
    draft, found = layering.draft(name)
    for trouble in found:
        faults.add(trouble)
    for other in scales:
        _add_other(layering.draft(other)[1], faults)
    faults.check()
    recipe = _recipe(draft, name, tuple(scales), text, name_of(source))
    return replace(recipe, written=text or to_yaml(root.plain()), overrides=tuple(overrides))


@dataclass(frozen=True)
class _Draft:
    """Everything that a recipe is made of."""

    head: Head | None
    parts: Mapping[str, Variants[BaseModel]]
    axes: Sequence[ScanAxis]
    analyses: tuple[Analyser, ...]
    cluster: Cluster


@dataclass(frozen=True)
class _Layering:
    """A recipe as written, its scales, and what the command line lays over it."""

    root: Node
    scales: dict[str, Node]
    registry: Registry
    overrides: Sequence[Override]

    def draft(self, scale: str) -> tuple[_Draft, list[Trouble]]:
        """The recipe at one scale ("" for none), and what is wrong with it."""
        faults = Faults()
        layers = [*scale_overrides(scale, self.scales, faults), *self.overrides]
        tree = laid_over(self.root, layers, faults)
        draft = _draft(tree, self.registry, faults)
        return draft, self._told_of(scale, list(faults))

    def _told_of(self, scale: str, troubles: list[Trouble]) -> list[Trouble]:
        """The same troubles; those that the scale brings name it."""
        if not troubles or not scale:
            return troubles
        written = {(t.mark, t.path) for t in self.draft("")[1]}
        return [
            t if (t.mark, t.path) in written or t.mark.file == SET.file else _named(t, scale)
            for t in troubles
        ]


def _named(trouble: Trouble, scale: str) -> Trouble:
    return replace(trouble, message=f"{trouble.message} (at scale {scale!r})")


def _add_other(troubles: Sequence[Trouble], faults: Faults) -> None:
    """Faults of a scale that is not asked for; it may name plugins that are not installed here."""
    for trouble in troubles:
        if not (trouble.absent or faults.has(trouble) or trouble.mark.file == SET.file):
            faults.add(trouble)


def _draft(tree: Node, registry: Registry, faults: Faults) -> _Draft:
    check_keys(tree, faults)
    head = head_of(tree, faults)
    parts = parts_of(tree, faults)
    axes = _bounded(axes_of(tree, parts, faults), head, tree, faults)
    found = {part.path: variants(part, axes, registry, faults) for part in parts}
    if "structure" in found and "potential" in found:
        check_elements(parts[0], found["structure"], found["potential"], faults)
    analyses = analyses_of(tree, registry, faults)
    return _Draft(head, found, axes, analyses, cluster_of(tree, faults))


def _bounded(axes: list[ScanAxis], head: Head | None, tree: Node, faults: Faults) -> list[ScanAxis]:
    """The axes, or none of them if they would make more cases than anyone can want."""
    cases = prod(len(axis.values) for axis in axes) * (head.replicas if head else 1)
    if cases <= MAX_CASES:
        return axes
    scan = tree.entries.get("scan", tree)
    faults.note(scan.mark, "scan", f"makes {cases} cases; at most {MAX_CASES} are taken")
    return []


def _recipe(draft: _Draft, scale: str, scales: tuple[str, ...], text: str, source: str) -> Recipe:
    head = draft.head
    if head is None:
        raise AssertionError("a recipe without a head has a fault")
    axes = tuple(Axis(axis.name, axis.path, _coordinates(draft, axis)) for axis in draft.axes)
    return Recipe(
        **head.model_dump(),
        scale=scale,
        scales=scales,
        axes=axes,
        cases=_cases(draft, axes, head.replicas),
        analyses=draft.analyses,
        cluster=draft.cluster,
        resolved=resolved(head, axes, draft.parts, draft.analyses, draft.cluster),
        text=text,
        source=source,
    )


def _coordinates(draft: _Draft, axis: ScanAxis) -> tuple[Coordinate, ...]:
    """The axis's values as the parts understood them: 500 is 500.0 where a field is a float."""
    found = draft.parts[axis.part]
    place = found.axes.index(axis)
    models = {combination[place]: model for combination, model in found.values.items()}
    return tuple(
        _understood(models[number], axis.words, node) for number, node in enumerate(axis.values)
    )


def _understood(model: Any, words: Sequence[str], node: Node) -> Coordinate:
    for word in words:
        model = getattr(model, word, None)
    if isinstance(model, (str, int, float)) and not isinstance(model, bool):
        return model
    return cast("Coordinate", node.value)


def _cases(draft: _Draft, axes: Sequence[Axis], replicas: int) -> tuple[Case, ...]:
    numbers = product(*(range(len(axis.values)) for axis in axes))
    return tuple(case for place in numbers for case in _replicas(draft, axes, place, replicas))


def _replicas(
    draft: _Draft, axes: Sequence[Axis], place: Sequence[int], replicas: int
) -> list[Case]:
    position = {axis.path: number for axis, number in zip(axes, place, strict=True)}
    coords = {axis.name: axis.values[n] for axis, n in zip(axes, place, strict=True)}
    models = {path: found.at(position) for path, found in draft.parts.items()}
    stages = {p.removeprefix("protocol."): m for p, m in models.items() if p not in KINDS}
    return [
        Case(
            coords=coords,
            replica=replica,
            structure=cast("Generator", models["structure"]),
            potential=cast("Potential", models["potential"]),
            engine=cast("Engine", models["engine"]),
            protocol=tuple((name, cast("Stage", stage)) for name, stage in stages.items()),
        )
        for replica in range(replicas)
    ]
