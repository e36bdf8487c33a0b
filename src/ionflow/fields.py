"""What a plugin's parameters are, in words: for listings, documentation and messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo

from ionflow.units import split_unit

_WORDS = {
    "number": "number",
    "integer": "whole number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


@dataclass(frozen=True)
class Field:
    """One parameter, for people."""

    name: str
    type: str
    units: str
    default: str
    """As a recipe would write it; "required" if there is none."""
    doc: str


def describe(cls: type[BaseModel]) -> list[Field]:
    """The parameters of a plugin or a stage, in the order in which they are declared.

    >>> from ionflow.kinds import Stage
    >>> describe(Stage)[4].type
    'true or false'
    """
    types = _types(cls)
    return [
        Field(
            name=name,
            type=types.get(name) or _annotation(info),
            units=split_unit(name)[1],
            default=_default(info),
            doc=" ".join((info.description or "").split()),
        )
        for name, info in cls.model_fields.items()
    ]


def _types(cls: type[BaseModel]) -> dict[str, str]:
    try:
        schema = cls.model_json_schema()
    except PydanticInvalidForJsonSchema:  # a type of its own, which its annotation names
        return {}
    return {name: _words(part, schema) for name, part in schema.get("properties", {}).items()}


def _words(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in part:
        return _words(schema["$defs"][part["$ref"].rpartition("/")[2]], schema)
    if "const" in part or "enum" in part:
        return " | ".join(str(value) for value in part.get("enum", [part.get("const")]))
    for union in ("anyOf", "oneOf"):
        if union in part:
            return " or ".join(_words(option, schema) for option in part[union])
    if part.get("type") == "array":
        return _list_words(part, schema)
    if part.get("type") == "object":
        return _table_words(part, schema)
    bounds = [f"{sign} {part[key]:g}" for key, sign in _BOUNDS.items() if key in part]
    word = _WORDS.get(str(part.get("type")), "any value")
    return f"{word} {' and '.join(bounds)}" if bounds else word


def _list_words(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "prefixItems" in part:
        return f"[{', '.join(_words(item, schema) for item in part['prefixItems'])}]"
    items = part.get("items")
    return f"list of {_words(items, schema)}" if items else "list"


def _table_words(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if part.get("properties"):
        return f"{{{', '.join(part['properties'])}}}"
    values = part.get("additionalProperties")
    return f"table of {_words(values, schema)}" if isinstance(values, Mapping) else "table"


def _annotation(info: FieldInfo) -> str:
    return str(getattr(info.annotation, "__name__", info.annotation))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=False)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if value == () or value is None:
        return "null" if value is None else "none"
    return value if isinstance(value, str) else json.dumps(value, default=str)
