"""A recipe with every default filled in, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ionflow.kinds import Analyser, Plugin
from ionflow.recipe.cluster import Cluster
from ionflow.recipe.head import Head
from ionflow.recipe.model import Axis
from ionflow.recipe.parts import KINDS
from ionflow.recipe.sweep import Variants


def resolved(
    head: Head,
    axes: Sequence[Axis],
    parts: Mapping[str, Variants[BaseModel]],
    analyses: Sequence[Analyser],
    cluster: Cluster,
) -> dict[str, Any]:
    """Enough to run the recipe again: what `recipe.yaml` in a run folder holds."""
    told = {path: _shared(found) for path, found in parts.items()}
    stages = {p.removeprefix("protocol."): told[p] for p in told if p not in KINDS}
    return {
        **head.model_dump(mode="json"),
        "scan": {axis.path: list(axis.values) for axis in axes},
        **{kind: told[kind] for kind in KINDS},
        "protocol": stages,
        "analyses": [_told(analyser) for analyser in analyses],
        "cluster": cluster.model_dump(mode="json"),
    }


def _told(model: BaseModel) -> dict[str, Any]:
    use = {"use": model.use} if isinstance(model, Plugin) else {}
    return {**use, **model.model_dump(mode="json")}


def _shared(found: Variants[BaseModel]) -> dict[str, Any]:
    """What all variants of a part have in common, and the first value of what the scan varies."""
    first, *others = [_told(model) for model in found.values.values()]
    scanned = {axis.words[0] for axis in found.axes}
    return {
        key: value
        for key, value in first.items()
        if key in scanned or all(key in other and other[key] == value for other in others)
    }
