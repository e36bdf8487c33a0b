"""Whether a potential knows the elements of the structures that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from pydantic import BaseModel

from ionflow.errors import IonflowError, foreign
from ionflow.kinds import Generator, Potential
from ionflow.recipe.axes import ScanAxis
from ionflow.recipe.faults import Faults, Trouble
from ionflow.recipe.parts import Part
from ionflow.recipe.sweep import Combination, Variants, combinations, tell
from ionflow.recipe.tree import Node
from ionflow.recipe.words import place

_FEW = 20


def check_elements(
    part: Part, structures: Variants[BaseModel], potentials: Variants[BaseModel], faults: Faults
) -> None:
    """Record every element that a potential does not know, and structures without composition."""
    compositions = {c: _composition(part, s) for c, s in structures.values.items()}
    failed = {c: [x] if isinstance(x, Trouble) else [] for c, x in compositions.items()}
    own = [t for found in failed.values() for t in found]
    tell(structures.axes, failed, own if len(own) == len(failed) else (), faults)
    found = Variants(
        structures.axes, {c: x for c, x in compositions.items() if not isinstance(x, Trouble)}
    )
    _check_pairs(part, found, potentials, faults)


def _check_pairs(
    part: Part,
    compositions: Variants[Mapping[str, int]],
    potentials: Variants[BaseModel],
    faults: Faults,
) -> None:
    axes = (*compositions.axes, *potentials.axes)
    cut = len(compositions.axes)
    troubles: dict[Combination, list[Trouble]] = {}
    for combination in combinations(axes):
        composition = compositions.values.get(combination[:cut], {})
        potential = potentials.values.get(combination[cut:])
        if potential is not None:
            node = _written(part.node, compositions.axes, combination)
            troubles[combination] = _strangers(part.path, node, composition, potential)
    own = [t for found in troubles.values() for t in found]
    tell(axes, troubles, own if axes and all(troubles.values()) else (), faults)


def _composition(part: Part, model: BaseModel) -> Mapping[str, int] | Trouble:
    structure = cast("Generator", model)
    try:
        composition = structure.composition()
        return composition if composition else Trouble(part.node.mark, part.path, "has no atoms")
    except IonflowError as error:
        return Trouble(part.node.mark, part.path, str(error))
    except Exception as error:  # noqa: BLE001 - a third party's method may raise anything
        message = foreign(repr(structure.use), error)
        return Trouble(part.node.mark, part.path, message)


def _strangers(
    path: str, node: Node, composition: Mapping[str, int], model: BaseModel
) -> list[Trouble]:
    potential = cast("Potential", model)
    try:
        known = potential.elements()
    except IonflowError as error:
        return [Trouble(node.mark, path, str(error))]
    except Exception as error:  # noqa: BLE001 - a third party's method may raise anything
        return [Trouble(node.mark, path, foreign(f"elements() of {potential.use!r}", error))]
    if known is None:
        return []
    listed = f"; it knows {', '.join(sorted(known))}" if len(known) <= _FEW else ""
    return [
        _of_element(path, node, e, f"{e} is unknown to the potential {potential.use!r}{listed}")
        for e in composition
        if e not in known
    ]


def _of_element(path: str, node: Node, element: str, message: str) -> Trouble:
    """Trouble at the field that names the element, if one does."""
    named = [(name, child) for name, child in node.entries.items() if child.value == element]
    for name, child in sorted(named, key=lambda pair: pair[1].axis is None):
        return place(child, f"{path}.{name}", message)
    return Trouble(node.mark, path, message)


def _written(node: Node, axes: Sequence[ScanAxis], combination: Combination) -> Node:
    """The part with the scan's values where they take effect."""
    values = {a.words[0]: a.values[n] for a, n in zip(axes, combination, strict=False)}
    return replace(node, value={**node.entries, **values})
