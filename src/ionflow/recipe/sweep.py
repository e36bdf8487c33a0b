"""Every variant of a part over the scan, and faults told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Generic, TypeVar

from pydantic import BaseModel

from ionflow.recipe.axes import ScanAxis
from ionflow.recipe.faults import Faults, Trouble
from ionflow.recipe.parts import Part
from ionflow.recipe.tree import Node, NoMappingError, put
from ionflow.registry import Registry

Combination = tuple[int, ...]
"""For each axis, the number of its value."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Variants(Generic[Value]):
    """One value for each combination along the axes that it depends on."""

    axes: tuple[ScanAxis, ...]
    values: Mapping[Combination, Value]

    def at(self, position: Mapping[str, int]) -> Value | None:
        """The value at a place in the scan, by the axes' paths."""
        return self.values.get(tuple(position[axis.path] for axis in self.axes))


def variants(
    part: Part, axes: Sequence[ScanAxis], registry: Registry, faults: Faults
) -> Variants[BaseModel]:
    """A part's models over the scan; what is wrong is told once."""
    mine = tuple(axis for axis in axes if axis.part == part.path)
    models: dict[Combination, BaseModel] = {}
    troubles: dict[Combination, list[Trouble]] = {}
    for combination in combinations(mine):
        model, troubles[combination] = _variant(part, mine, combination, registry)
        if model is not None:
            models[combination] = model
    unscanned = part.model(part.node, registry)[1] if mine else []
    tell(mine, troubles, unscanned, faults)
    _tell_replaced(part, mine, unscanned, faults)
    return Variants(mine, models)


def _tell_replaced(
    part: Part, axes: Sequence[ScanAxis], troubles: Iterable[Trouble], faults: Faults
) -> None:
    """Record what is wrong with values that the scan will replace: they are written, too."""
    written = [axis.path for axis in axes if part.node.child(axis.words[0])]
    for trouble in troubles:
        if any(f"{trouble.path}.".startswith(f"{path}.") for path in written):
            faults.add(trouble)


def combinations(axes: Iterable[ScanAxis]) -> Iterator[Combination]:
    """All combinations, the last axis fastest."""
    return product(*(range(len(axis.values)) for axis in axes))


def _variant(
    part: Part, axes: Sequence[ScanAxis], combination: Combination, registry: Registry
) -> tuple[BaseModel | None, list[Trouble]]:
    node = part.node
    for axis, number in zip(axes, combination, strict=True):
        try:
            node = put(node, axis.words, axis.values[number])
        except NoMappingError:
            message = "leads through something that has no fields"
            return None, [Trouble(axis.node.mark, axis.node.path, message, settled=True)]
    return part.model(node, registry)


def tell(
    axes: Sequence[ScanAxis],
    troubles: Mapping[Combination, Sequence[Trouble]],
    unscanned: Sequence[Trouble],
    faults: Faults,
) -> None:
    """Record each trouble once: where it is written, or at the value of the scan that brings it.

    Parameters
    ----------
    troubles : for every combination of `axes`
    unscanned : the same for the part as written, without the scan
    """
    times = Counter(t for found in troubles.values() for t in dict.fromkeys(found))
    # trouble of every combination is the part's own, unless the part alone has none
    own = not axes or bool(unscanned)
    plain = {t for t, n in times.items() if t.settled or (own and n == len(troubles))}
    for trouble in times:
        if trouble in plain:
            faults.add(trouble)
    left = {c: [t for t in found if t not in plain] for c, found in troubles.items()}
    brought = {c: found[0] for c, found in left.items() if found}
    if brought and own and len(brought) == len(troubles):
        faults.add(next(iter(brought.values())))
    else:
        _tell_values(axes, brought, len(troubles), faults)


def _tell_values(
    axes: Sequence[ScanAxis],
    troubles: Mapping[Combination, Trouble],
    total: int,
    faults: Faults,
) -> None:
    left = dict(troubles)
    for i, axis in enumerate(axes):
        for number, value in enumerate(axis.values):
            group = [c for c in troubles if c[i] == number]
            if len(group) == total // len(axis.values) and any(c in left for c in group):
                _tell_one([axis], value, [number], left[group[0]], 1, faults)
                left = {c: t for c, t in left.items() if c not in group}
    if left:
        first = min(left)
        _tell_one(axes, axes[-1].values[first[-1]], first, left[first], len(left), faults)


def _tell_one(
    axes: Sequence[ScanAxis],
    value: Node,
    numbers: Sequence[int],
    trouble: Trouble,
    times: int,
    faults: Faults,
) -> None:
    named = ", ".join(
        f"{axis.name}={axis.values[n].value}" for axis, n in zip(axes, numbers, strict=True)
    )
    others = f" (and {times - 1} more like it)" if times > 1 else ""
    message = f"with {named}: {trouble.path}: {trouble.message}{others}"
    faults.add(replace(trouble, mark=value.mark, path=value.path, message=message))
