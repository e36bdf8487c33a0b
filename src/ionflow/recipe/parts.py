"""The parts of a case: structure, potential, engine, and each stage of the protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel

from ionflow.errors import PluginError
from ionflow.kinds import Stage
from ionflow.recipe.faults import Faults, Trouble, shown
from ionflow.recipe.tree import Node
from ionflow.recipe.words import place, validated
from ionflow.registry import NAME, Registry

KINDS: Final = {"structure": "generator", "potential": "potential", "engine": "engine"}
DEFAULT_USE: Final = {"engine": "ase"}

LEGAL_NAME: Final = "use a-z, 0-9, _ and -, starting with a letter, at most 64 characters"


@dataclass(frozen=True)
class Part:
    """One part as written: a plugin, or a stage."""

    path: str
    node: Node

    @property
    def kind(self) -> str:
        """What it is: a kind of plugin, or a stage."""
        return KINDS.get(self.path, "stage")

    def model(self, node: Node, registry: Registry) -> tuple[BaseModel | None, list[Trouble]]:
        """The part, and what is wrong with it, with `node` in place of what is written."""
        if node.value in (None, {}) and self.path not in DEFAULT_USE:
            return None, [Trouble(node.mark, self.path, f"is empty; it takes {self._wants()}")]
        if node.value is not None and not isinstance(node.value, dict):
            message = f"must be {self._wants()}, not {shown(node.plain())}"
            return None, [Trouble(node.mark, self.path, message)]
        if self.kind == "stage":
            return validated(Stage, node, self.path, "a stage")
        return plugin(self.kind, node, self.path, registry, DEFAULT_USE.get(self.path, ""))

    def _wants(self) -> str:
        if self.kind == "stage":
            return "a mapping such as {ensemble: nvt, temperature_K: 500, duration_ps: 10}"
        return "a mapping such as {use: NAME, ...}"


def plugin(
    kind: str, node: Node, path: str, registry: Registry, default: str = ""
) -> tuple[BaseModel | None, list[Trouble]]:
    """One plugin with its parameters, and what is wrong with it."""
    use = node.entries.get("use") or Node(default or None, node.mark)
    where = f"{path}.use"
    if not isinstance(use.value, str):
        named = f"must be the name of a plugin, not {shown(use.plain())}"
        message = named if "use" in node.entries else "is missing"
        return None, [place(use, where, f"{message}. {registry.installed(kind)}")]
    try:
        cls = registry.find(kind, use.value)
    except PluginError as error:
        return None, [replace(place(use, where, str(error)), absent=True)]
    return validated(cls, node, path, repr(use.value), leave_out=("use",))


def parts_of(tree: Node, faults: Faults) -> list[Part]:
    """Every part of a recipe, in order; missing ones are faults."""
    found = [part for name in KINDS if (part := _part(tree, name, faults))]
    return found + _stages(tree, faults)


def _part(tree: Node, name: str, faults: Faults) -> Part | None:
    node = tree.entries.get(name)
    if node is None and name not in DEFAULT_USE:
        faults.note(tree.mark, name, "is missing; a recipe needs it")
        return None
    return Part(name, node or Node({}, tree.mark))


def _stages(tree: Node, faults: Faults) -> list[Part]:
    protocol = tree.entries.get("protocol")
    if protocol is None:
        faults.note(tree.mark, "protocol", "is missing; a recipe needs it")
        return []
    if not protocol.entries:
        message = f"must be a mapping of stages, by name, not {shown(protocol.plain())}"
        if protocol.value is None or protocol.value == {}:
            message = "has no stages"
        faults.note(protocol.mark, "protocol", message)
    for name, node in protocol.entries.items():
        if not NAME.fullmatch(name):
            faults.note(node.mark, f"protocol.{name}", f"is no legal name; {LEGAL_NAME}")
    return [Part(f"protocol.{name}", node) for name, node in protocol.entries.items()]
