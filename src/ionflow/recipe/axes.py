"""The axes of a scan, as written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ionflow.recipe.faults import Faults, did_you_mean, shown
from ionflow.recipe.parts import Part
from ionflow.recipe.tree import Node

#: Dims and coords that every result may have.
TAKEN: Final = frozenset(
    {"replica", "time", "step", "atom", "element", "mass", "charge", "xyz", "voigt", "vector",
     "species", "pair", "stage"}
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ScanAxis:
    """One axis: where its values go, and where each is written."""

    path: str
    part: str
    values: tuple[Node, ...]
    node: Node

    @property
    def name(self) -> str:
        """The last word of the path: the name of the axis in results."""
        return self.path.rpartition(".")[2]

    @property
    def words(self) -> list[str]:
        """The way from the part to the field."""
        return self.path[len(self.part) + 1 :].split(".")


def axes_of(tree: Node, parts: Sequence[Part], faults: Faults) -> list[ScanAxis]:
    """The axes that make sense; every other one is a fault."""
    scan = tree.entries.get("scan")
    if scan is None or scan.value is None:
        return []
    if not isinstance(scan.value, dict):
        message = f"must be a mapping of paths to lists, not {shown(scan.plain())}"
        faults.note(scan.mark, "scan", message)
        return []
    axes = [
        axis for path, node in scan.entries.items() if (axis := _axis(path, node, parts, faults))
    ]
    _check_names(axes, faults)
    return axes


def _axis(path: str, node: Node, parts: Sequence[Part], faults: Faults) -> ScanAxis | None:
    where = f"scan.{path}"
    part = next((p.path for p in parts if path.startswith(f"{p.path}.")), None)
    if part is None or not all(path.split(".")):
        faults.note(node.mark, where, _unknown_path(path, parts))
        return None
    if not isinstance(node.value, tuple):
        faults.note(node.mark, where, f"must be a list of values, not {shown(node.plain())}")
        return None
    if not node.value:
        faults.note(node.mark, where, "has no values; an axis needs at least one")
        return None
    axis = replace(node, path=where)
    values = tuple(replace(v, path=where, axis=axis) for v in _values(node, where, faults))
    return ScanAxis(path, part, values, axis) if values else None


def _unknown_path(path: str, parts: Sequence[Part]) -> str:
    words = path.split(".")
    stages = [p.path for p in parts if p.kind == "stage"]
    if words[0] == "protocol" and len(words) > 1:
        hint = did_you_mean(".".join(words[:2]), stages)
        missing = ".".join(words[:2]) not in stages
        return f"there is no such stage. {hint}" if missing else "names a stage, not a field of it"
    if path in [p.path for p in parts]:
        return f"names a whole part; write {path}.FIELD"
    known = [p.path for p in parts if p.kind != "stage"]
    hint = did_you_mean(words[0], [*known, "protocol"])
    return f"is not a path that a scan can vary: PART.FIELD or protocol.STAGE.FIELD. {hint}"


def _values(node: Node, where: str, faults: Faults) -> Iterator[Node]:
    seen: set[str | int | float] = set()
    for item in node.items:
        value = item.value
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            message = f"an axis takes names and numbers, not {shown(item.plain())}"
            faults.note(item.mark, where, message)
        elif value in seen:
            faults.note(item.mark, where, f"the value {value} is there twice")
        else:
            seen.add(value)
            yield item


def _check_names(axes: Sequence[ScanAxis], faults: Faults) -> None:
    first: dict[str, ScanAxis] = {}
    for axis in axes:
        where, mark = axis.node.path, axis.node.mark
        if axis.name in TAKEN:
            faults.note(mark, where, f"the results have their own {axis.name!r}; it names no axis")
        elif axis.name in first:
            other = first[axis.name].path
            message = f"this axis would be called {axis.name!r}, and so is {other}"
            faults.note(mark, where, message)
        first.setdefault(axis.name, axis)
