"""The shipped recipes, with the real plugins, and anything done to any of their values."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionflow.recipe import read
from ionflow.recipe.faults import Faults
from ionflow.recipe.reader import compose
from ionflow.registry import load

sys.path.insert(0, str(Path(__file__).parent))
from test_fuzz import EXAMPLES, FRAGMENTS, KEYS, VALUES, fuzz, settles

# each takes longer, of more plugins: IONFLOW_FUZZ=10000 makes 100,000 inputs of both files
fuzz = settings(fuzz, max_examples=max(1, EXAMPLES * 2 // 3))

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "recipes").glob("*.yaml"))

#: what someone might try, whatever the field is
HOSTILE = st.sampled_from(
    ["../../etc", "/dev/zero", "/dev/random", "/proc/self/mem", "~root", "a/b", ".", "..", "con",
     "a\x00b", "a\nb", "\u202egpj", "{{7*7}}", "${HOME}", "$(id)", "`id`", "%s%n", "<script>",
     "os.system", "builtins.eval", "!!python/object/apply:os.system ['id']", "x" * 5000, -1, 0,
     2**63 - 1, -(2**63), 1e308, 5e-324, -0.0, [], {}, [[]], [None], {"use": "chgnet"},
     {"use": "from_file", "path": "/dev/zero"}, {"use": "from_file", "path": "."},
     {"use": "ase_calculator", "class_path": "os.system"},
     {"use": "chgnet", "checkpoint": "/dev/zero", "sha256": "0" * 64},
     {"use": "address", "address": "tls://[::1]:1"}, {"use": "address", "address": "tcp://:0"}]
)  # fmt: skip
ANY = st.one_of(HOSTILE, VALUES)


@pytest.fixture(scope="module")
def installed():
    """The real registry, loaded, so that imports count for no recipe."""
    registry = load()
    assert registry.entries
    for path in SHIPPED:
        read(path, registry)
    return registry


@pytest.fixture(scope="module")
def shipped(installed) -> dict[str, Any]:
    """Every shipped recipe as plain Python."""
    trees = {path.name: compose(path.read_text("utf-8"), path.name, Faults()) for path in SHIPPED}
    assert all(trees.values())
    return {name: tree.plain() for name, tree in trees.items()}


def places(tree: Any, trail: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a tree."""
    if trail:
        yield trail
    pairs = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree if isinstance(tree, list) else ())
    )
    for key, child in pairs:
        yield from places(child, (*trail, key))


def changed(tree: Any, trail: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """A copy with the container at the end of the trail changed in place."""
    copy = json.loads(json.dumps(tree))
    holder = copy
    for step in trail[:-1]:
        holder = holder[step]
    change(holder, trail[-1])
    return copy


def mutated(tree: Any, data: st.DataObject) -> Any:
    """One thing replaced, dropped, renamed, added, moved or wrapped."""
    trails = list(places(tree))
    trail = data.draw(st.sampled_from(trails))
    kind = data.draw(st.sampled_from(["replace", "drop", "rename", "add", "move", "wrap"]))
    value, key = data.draw(ANY), data.draw(KEYS)

    def change(holder: Any, last: Any) -> None:
        if kind == "replace":
            holder[last] = value
        elif kind == "wrap":
            holder[last] = [holder[last]]
        elif kind == "drop":
            del holder[last]
        elif isinstance(holder, list):
            holder.insert(last, value)
        elif kind == "add":
            holder[key] = value
        elif kind == "rename":
            holder[key] = holder.pop(last)
        else:
            holder[key] = _at(tree, data.draw(st.sampled_from(trails)))

    return changed(tree, trail, change)


def _at(tree: Any, trail: tuple[Any, ...]) -> Any:
    for step in trail:
        tree = tree[step]
    return json.loads(json.dumps(tree))


@fuzz
@given(data=st.data())
def test_a_shipped_recipe_with_some_of_its_values_changed(kit, installed, shipped, data):
    tree = shipped[data.draw(st.sampled_from(sorted(shipped)))]
    for _ in range(data.draw(st.integers(1, 3))):
        tree = mutated(tree, data) or tree
    # JSON is YAML: what is written comes back through the reader
    text = json.dumps(tree, ensure_ascii=data.draw(st.booleans()), indent=1)
    settles(kit.written(text.encode(errors="surrogatepass")), installed)


@fuzz
@given(data=st.data())
def test_a_shipped_recipe_with_something_typed_into_it(kit, installed, data):
    text = data.draw(st.sampled_from(SHIPPED)).read_text("utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        place, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 12))
        text = text[:place] + data.draw(FRAGMENTS) + text[place + length :]
    settles(kit.written(text), installed)


@fuzz
@given(data=st.data())
def test_a_shipped_recipe_with_a_field_set_to_anything(kit, installed, shipped, data):
    path = data.draw(st.sampled_from(SHIPPED))
    words = data.draw(st.sampled_from([t for t in places(shipped[path.name]) if len(t) < 4]))
    value = data.draw(st.one_of(ANY.map(json.dumps), st.text(max_size=20)))
    settles(path, installed, overrides=[f"{'.'.join(map(str, words))}={value}"])
