"""Which analysers are asked for, with which fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ionflow.kinds import Analyser
from ionflow.recipe.analyses import analyses_in
from ionflow.recipe.faults import Faults
from ionflow.recipe.source import tree_of
from ionflow.recipe.tree import Mark, Node
from ionflow.registry import Registry

Asked = str | Mapping[str, Any] | Analyser
"""An analyser, its name, or `{"use": name, field: value, ...}`."""


def chosen(asked: Sequence[Asked], registry: Registry) -> tuple[Analyser, ...]:
    """The analysers asked for and those that they need, each after what it needs.

    Raises
    ------
    RecipeError
        With every name that is not known and every field that is wrong.
    """
    faults = Faults()
    given = [item for item in asked if isinstance(item, Analyser)]
    written = [item for item in asked if not isinstance(item, Analyser)]
    tree = tree_of(written, Mark("analyse"), faults)
    found = analyses_in(tree, registry, faults, given)
    faults.check()
    return found


def worded(
    names: Sequence[str],
    fields: Mapping[str, Mapping[str, Node]],
    registry: Registry,
    faults: Faults,
) -> tuple[Analyser, ...]:
    """The analysers that a command line asks for; what is wrong goes to `faults`.

    Parameters
    ----------
    names : those asked for
    fields : for each name the fields that are set
    """
    mark = Mark("--with")
    items = tuple(
        Node({**fields.get(name, {}), "use": Node(name, mark)}, mark)
        for name in dict.fromkeys(names)
    )
    return analyses_in(Node(items, mark), registry, faults)
