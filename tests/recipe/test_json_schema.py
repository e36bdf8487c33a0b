"""The JSON schema for editors: shipped recipes pass it, typos do not."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ionflow.recipe import json_schema
from ionflow.recipe.faults import Faults
from ionflow.recipe.source import load as load_tree
from ionflow.registry import load

ROOT = Path(__file__).parents[2] / "recipes"

TYPES = {
    "object": dict, "array": list, "string": str, "number": (int, float), "integer": int,
    "boolean": bool, "null": type(None),
}  # fmt: skip


def is_type(value: Any, names: str | list[str]) -> bool:
    names = [names] if isinstance(names, str) else names
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, TYPES[name]) for name in names)


def fits(value: Any, schema: Any, root: dict[str, Any]) -> bool:
    """Validation by the keywords of JSON Schema 2020-12 that the schema uses."""
    if isinstance(schema, bool):
        return schema
    return all(RULES[key](value, arg, schema, root) for key, arg in schema.items() if key in RULES)


def unreferenced(pointer: str, root: dict[str, Any]) -> Any:
    for word in pointer.removeprefix("#/").split("/"):
        root = root[word]
    return root


def properties(value: Any, arg: Any, schema: Any, root: Any) -> bool:
    return not isinstance(value, dict) or all(
        fits(value[k], part, root) for k, part in arg.items() if k in value
    )


def additional(value: Any, arg: Any, schema: Any, root: Any) -> bool:
    if not isinstance(value, dict):
        return True
    known = schema.get("properties", {})
    return all(fits(v, arg, root) for k, v in value.items() if k not in known)


def items(value: Any, arg: Any, schema: Any, root: Any) -> bool:
    return not isinstance(value, list) or all(fits(v, arg, root) for v in value)


def prefix_items(value: Any, arg: Any, schema: Any, root: Any) -> bool:
    pairs = zip(value, arg, strict=False) if isinstance(value, list) else ()
    return all(fits(v, part, root) for v, part in pairs)


def number(compare: Any) -> Any:
    return lambda v, arg, *_: not is_type(v, "number") or compare(v, arg)


def size(of: type, compare: Any) -> Any:
    return lambda v, arg, *_: not isinstance(v, of) or compare(len(v), arg)


RULES: dict[str, Any] = {
    "$ref": lambda v, arg, s, root: fits(v, unreferenced(arg, root), root),
    "type": lambda v, arg, *_: is_type(v, arg),
    "const": lambda v, arg, *_: v == arg,
    "enum": lambda v, arg, *_: v in arg,
    "oneOf": lambda v, arg, s, root: sum(fits(v, part, root) for part in arg) == 1,
    "anyOf": lambda v, arg, s, root: any(fits(v, part, root) for part in arg),
    "required": lambda v, arg, *_: not isinstance(v, dict) or set(arg) <= set(v),
    "properties": properties,
    "additionalProperties": additional,
    "propertyNames": lambda v, arg, s, root: all(fits(k, arg, root) for k in v),
    "items": items,
    "prefixItems": prefix_items,
    "pattern": lambda v, arg, *_: not isinstance(v, str) or re.search(arg, v) is not None,
    "minimum": number(lambda v, bound: v >= bound),
    "maximum": number(lambda v, bound: v <= bound),
    "exclusiveMinimum": number(lambda v, bound: v > bound),
    "exclusiveMaximum": number(lambda v, bound: v < bound),
    "minItems": size(list, lambda n, bound: n >= bound),
    "maxItems": size(list, lambda n, bound: n <= bound),
    "minLength": size(str, lambda n, bound: n >= bound),
    "maxLength": size(str, lambda n, bound: n <= bound),
    "minProperties": size(dict, lambda n, bound: n >= bound),
    "uniqueItems": lambda v, arg, *_: (
        not isinstance(v, list) or len({json.dumps(i) for i in v}) == len(v)
    ),
}
ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "format", "examples"}


def subschemas(schema: Any) -> list[dict[str, Any]]:
    if not isinstance(schema, dict):
        return []
    below = [schema.get(k) for k in ("items", "additionalProperties", "propertyNames")]
    below += [s for k in ("properties", "$defs") for s in schema.get(k, {}).values()]
    below += [s for k in ("oneOf", "anyOf", "prefixItems") for s in schema.get(k, [])]
    return [schema, *(found for part in below for found in subschemas(part))]


SCHEMA = json_schema(load())


@pytest.fixture
def written() -> dict[str, Any]:
    tree, _ = load_tree(ROOT / "amx_scan.yaml", Faults())
    assert tree is not None
    return tree.plain()


def test_the_checker_knows_every_keyword_of_the_schema():
    used = {key for part in subschemas(SCHEMA) for key in part}
    assert used <= set(RULES) | ANNOTATIONS
    json.dumps(SCHEMA, allow_nan=False)


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_recipes_pass(path):
    tree, _ = load_tree(path, Faults())
    assert tree is not None
    assert fits(tree.plain(), SCHEMA, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sede", 1), ("seed", "x"), ("replicas", 0), ("name", "No Name"), ("structure.use", "salt"),
        ("structure.atom", 3), ("structure.atoms", "many"), ("potential.use", "ase"),
        ("engine.timestep_fs", -1), ("protocol.melt.ensemble", "nvtt"), ("protocol.Melt", {}),
        ("protocol.melt.temperature_K", [1, "x"]), ("scan.structure/A", []),
        ("scan.structure/A", ["Li", "Li"]), ("analyses", ["rdff"]), ("analyses", "rdf"),
        ("analyses", [{"use": "rdf", "bin": 3}]), ("cluster", {"use": "address"}),
        ("cluster.workers", 0), ("scales.laptop", 3),
    ],
)  # fmt: skip
def test_what_check_refuses_an_editor_underlines(written, path, value):
    recipe = copy.deepcopy(written)
    *way, last = path.split(".")
    place = recipe
    for word in way:
        place = place[word]
    place[last.replace("/", ".")] = value
    assert fits(written, SCHEMA, SCHEMA)
    assert not fits(recipe, SCHEMA, SCHEMA)


def test_every_installed_plugin_and_field_is_there_with_its_documentation():
    registry = load()
    for key, kind in (("structure", "generator"), ("potential", "potential"), ("engine", "engine")):
        options = {s["properties"]["use"]["const"]: s for s in SCHEMA["properties"][key]["oneOf"]}
        assert set(options) == set(registry.of(kind))
        for name, cls in registry.of(kind).items():
            assert set(options[name]["properties"]) == {"use", *cls.model_fields}
            assert options[name]["description"]
            for field in cls.model_fields:
                assert options[name]["properties"][field].get("description")
