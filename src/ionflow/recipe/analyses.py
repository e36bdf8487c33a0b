"""The analyses of a recipe, and those that they need, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from ionflow.errors import PluginError
from ionflow.kinds import Analyser
from ionflow.recipe.faults import Faults, Trouble, shown
from ionflow.recipe.parts import plugin
from ionflow.recipe.tree import Mark, Node
from ionflow.registry import Registry

#: The analyser that every recipe with analyses of trajectories has, unless it lists it as off.
WATCH: Final = "soundness"


def analyses_of(tree: Node, registry: Registry, faults: Faults) -> tuple[Analyser, ...]:
    """Analysers asked for and needed, each after those that it needs."""
    node = tree.entries.get("analyses")
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, tuple):
        message = f"must be a list such as [rdf, msd], not {shown(node.plain())}"
        faults.note(node.mark, "analyses", message)
        return ()
    return _watched(analyses_in(node, registry, faults), node.mark, registry, faults)


def _watched(
    found: tuple[Analyser, ...], mark: Mark, registry: Registry, faults: Faults
) -> tuple[Analyser, ...]:
    """The analysers, and with those of trajectories the one that says whether these are sound."""
    reading = any(not analyser.needs for analyser in found)
    listed = any(analyser.use == WATCH for analyser in found)
    if not reading or listed:
        return found
    return analyses_in(Node((Node(WATCH, mark),), mark), registry, faults, found)


def analyses_in(
    node: Node, registry: Registry, faults: Faults, given: Iterable[Analyser] = ()
) -> tuple[Analyser, ...]:
    """Analysers that a list names and those `given`, and what they need, in order."""
    asked = {analyser.use: (analyser, node.mark) for analyser in given}
    for name, found in _asked(node, registry, faults).items():
        if name in asked:
            faults.note(found[1], f"analyses.{name}", "is there twice")
        asked[name] = found
    order = _Order(registry, {a.use: a for a, _ in asked.values()}, faults)
    for analyser, mark in asked.values():
        order.visit(analyser, mark, ())
    return tuple(order.done.values())


def _asked(node: Node, registry: Registry, faults: Faults) -> dict[str, tuple[Analyser, Mark]]:
    asked: dict[str, tuple[Analyser, Mark]] = {}
    for item in node.items:
        named = Node({"use": item}, item.mark) if isinstance(item.value, str) else item
        if not named.entries:
            message = f"takes names or mappings {{use: NAME, ...}}, not {shown(item.plain())}"
            faults.note(item.mark, "analyses", message)
            continue
        use = named.entries.get("use")
        label = use.value if use and isinstance(use.value, str) else ""
        model, troubles = plugin("analyser", named, f"analyses.{label}".rstrip("."), registry)
        for trouble in troubles:
            faults.add(trouble)
        if label in asked:
            faults.note(item.mark, f"analyses.{label}", "is there twice")
        elif model is not None:
            asked[label] = cast("Analyser", model), item.mark
    return asked


@dataclass
class _Order:
    """Depth first through `needs`."""

    registry: Registry
    asked: Mapping[str, Analyser]
    faults: Faults
    done: dict[str, Analyser] = field(default_factory=dict)

    def visit(self, analyser: Analyser, mark: Mark, trail: tuple[str, ...]) -> None:
        name = analyser.use
        if name in trail:
            circle = " -> ".join([*trail[trail.index(name) :], name])
            self.faults.note(mark, f"analyses.{trail[0]}", f"analysers need each other: {circle}")
        elif name not in self.done:
            for need in analyser.needs:
                found = self._find(need, name, mark, trail)
                if found is not None:
                    self.visit(found, mark, (*trail, name))
            self.done[name] = analyser

    def _find(self, need: str, name: str, mark: Mark, trail: tuple[str, ...]) -> Analyser | None:
        if need in self.asked:
            return self.asked[need]
        path = f"analyses.{(*trail, name)[0]}"
        try:
            self.registry.find("analyser", need)
        except PluginError as error:
            message = f"{name!r} needs {need!r}: {error}"
            self.faults.add(Trouble(mark, path, message, absent=True))
            return None
        found, troubles = plugin("analyser", _named(need, mark), path, self.registry)
        if troubles:
            message = f"{name!r} needs {need!r}, which does not run on its defaults; list it"
            self.faults.note(mark, path, f"{message} here with its fields")
        return cast("Analyser | None", found)


def _named(name: str, mark: Mark) -> Node:
    return Node({"use": Node(name, mark)}, mark)
