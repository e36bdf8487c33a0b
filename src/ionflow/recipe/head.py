"""What a recipe says of itself, and where it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from ionflow.kinds import Parameters
from ionflow.recipe.cluster import CLUSTERS, Cluster, LocalCluster
from ionflow.recipe.faults import Faults, Trouble, did_you_mean, shown
from ionflow.recipe.parts import LEGAL_NAME
from ionflow.recipe.tree import Node
from ionflow.recipe.words import unknown_field, validated
from ionflow.registry import NAME


def _legal(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no legal name; {LEGAL_NAME}")
    return name


class Head(Parameters):
    """What a recipe says of itself."""

    name: Annotated[
        str,
        AfterValidator(_legal),
        WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"}),
    ]
    """Names the run folder: a-z, 0-9, _ and -, starting with a letter."""

    title: str = ""
    """One line for the report."""

    description: str = ""
    """What is studied, for the report."""

    seed: int = Field(0, ge=0)
    """Seed of everything random."""

    replicas: int = Field(1, ge=1, le=10_000)
    """Independent repetitions of every combination, each with its own structure and velocities."""


KEYS: Final = (
    *("name", "title", "description", "seed", "scan", "replicas", "structure", "potential"),
    *("engine", "protocol", "analyses", "cluster", "scales", "default_scale"),
)


def head_of(tree: Node, faults: Faults) -> Head | None:
    """Name, seed and the like."""
    node = Node({k: v for k, v in tree.entries.items() if k in Head.model_fields}, tree.mark)
    head, troubles = validated(Head, node, "", "a recipe")
    _add(troubles, faults)
    return head


def check_keys(root: Node, faults: Faults) -> None:
    """Record the keys that no recipe has."""
    for key, node in root.entries.items():
        if key not in KEYS:
            faults.note(node.mark, key, unknown_field(key, KEYS, "a recipe"))


def cluster_of(tree: Node, faults: Faults) -> Cluster:
    """Where tasks run; this machine unless the recipe says otherwise."""
    node = tree.entries.get("cluster")
    if node is None or node.value is None:
        return LocalCluster()
    if not isinstance(node.value, dict):
        message = f"must be a mapping such as {{use: local}}, not {shown(node.plain())}"
        faults.note(node.mark, "cluster", message)
        return LocalCluster()
    use = node.entries.get("use", Node("local", node.mark))
    cls = CLUSTERS.get(use.value) if isinstance(use.value, str) else None
    if cls is None:
        hint = did_you_mean(str(use.value), list(CLUSTERS))
        faults.note(use.mark, "cluster.use", f"unknown cluster {use.plain()!r}. {hint}")
        return LocalCluster()
    cluster, troubles = validated(cls, node, "cluster", f"cluster {use.value!r}")
    _add(troubles, faults)
    return cluster or LocalCluster()


def _add(troubles: Iterable[Trouble], faults: Faults) -> None:
    for trouble in troubles:
        faults.add(trouble)
