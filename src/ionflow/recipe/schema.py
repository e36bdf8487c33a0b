"""The JSON schema of a recipe, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from ionflow.kinds import Stage
from ionflow.recipe.cluster import CLUSTERS
from ionflow.recipe.head import KEYS, Head
from ionflow.recipe.parts import KINDS
from ionflow.registry import NAME, Registry

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema(registry: Registry) -> dict[str, Any]:
    """Draft 2020-12 schema of a recipe with all installed plugins; `use` tells them apart.

    It serves completion and documentation while typing. It asks less than `ionflow check`: what
    a scan or a scale fills in need not be written elsewhere.
    """
    shared: dict[str, Any] = {}
    plugins = {kind: _plugins(registry, kind, shared) for kind in (*KINDS.values(), "analyser")}
    properties = _properties(plugins, shared)
    return {
        "$schema": _DIALECT,
        "title": "ionflow recipe",
        "type": "object",
        "properties": {key: properties[key] for key in KEYS},
        "required": ["name", "structure", "potential", "protocol"],
        "additionalProperties": False,
        "$defs": shared,
    }


def _properties(plugins: Mapping[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    name = {"pattern": f"^{NAME.pattern}$"}
    stage = _of(Stage, "Stage", shared, drop_required=True)
    listed = {"type": "array", "items": plugins["analyser"]}
    scan = {
        "description": "Dotted paths to lists of values; every combination is a material.",
        "type": ["object", "null"],
        "additionalProperties": {
            "type": "array",
            "items": {"type": ["string", "number"]},
            "minItems": 1,
            "uniqueItems": True,
        },
    }
    clusters = [_of(cls, f"cluster.{use}", shared) for use, cls in CLUSTERS.items()]
    return {
        **_of(Head, "Head", shared)["properties"],
        "scan": scan,
        **{key: plugins[kind] for key, kind in KINDS.items()},
        "protocol": {
            "description": "Stages, in order.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": name,
            "additionalProperties": stage,
        },
        "analyses": listed,
        "cluster": {"oneOf": [_with_use(part, part["properties"]["use"]["const"], needed=False)
                              for part in clusters]},
        "scales": {
            "description": "Named overrides, by dotted path or nested.",
            "type": "object",
            "propertyNames": name,
            "additionalProperties": {"type": ["object", "null"]},
        },
        "default_scale": {"type": "string", "description": "The scale that a bare run takes."},
    }  # fmt: skip


def _plugins(registry: Registry, kind: str, shared: dict[str, Any]) -> dict[str, Any]:
    parts = []
    for name, cls in registry.of(kind).items():
        part = _of(cls, name, shared, drop_required=True)
        # the engine's `use` has a default; the others' has none
        parts.append(_with_use(part, name, needed=not (kind == "engine" and name == "ase")))
    names = [{"enum": list(registry.of(kind))}] if kind == "analyser" else []
    return {"oneOf": [*names, *parts]}


def _with_use(part: dict[str, Any], name: str, *, needed: bool) -> dict[str, Any]:
    use = {"const": name, "description": part.get("description", "")}
    properties = {"use": use, **{k: v for k, v in part["properties"].items() if k != "use"}}
    required = [*(["use"] if needed else []), *(r for r in part.get("required", []) if r != "use")]
    return {**part, "title": name, "properties": properties, "required": required}


def _of(
    cls: type[BaseModel], prefix: str, shared: dict[str, Any], *, drop_required: bool = False
) -> dict[str, Any]:
    """The schema of one model, its definitions moved to the shared ones under a prefix."""
    try:
        schema = cls.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    except PydanticInvalidForJsonSchema:  # a type of its own, that an editor cannot check
        schema = {"type": "object", "properties": dict.fromkeys(cls.model_fields, True)}
    definitions = schema.pop("$defs", {})
    shared.update({f"{prefix}.{name}": part for name, part in definitions.items()})
    if drop_required:
        schema["required"] = []
    return {**schema, "properties": schema.get("properties", {})}
