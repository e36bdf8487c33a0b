"""Whatever stands in a recipe, reading it ends in a Recipe or in faults, and soon."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ionflow.errors import RecipeError
from ionflow.recipe import Recipe, read, to_yaml

sys.path.insert(0, str(Path(__file__).parent))
from conftest import BASE

# IONFLOW_FUZZ=10000 for the long form, with that of the shipped recipes 100,000 inputs
EXAMPLES = int(os.environ.get("IONFLOW_FUZZ", "60"))
SLOWEST_S = 1.0

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LINES = BASE.splitlines(keepends=True)
FRAGMENTS = st.sampled_from(
    ["&a", "*a", "!!int", "!x", "<<", "? ", "- ", "[", "]", "{", "}", ":", ": ", "#", "|", ">", "'",
     '"', "%YAML 1.1\n---\n", "---", "...", "\t", "~", "null", "1e999", ".nan", "0x", "-", "\\x",
     '"\\U99999999"', "!<", "!<tag:>", "%TAG ! a\n", "@", "`", "\x85", "\u2028", "\ufeff", "é",
     "use: bomb", "[[[[[[", "scan: 3", "0b1", "2026-01-01", "\n", "\n  ", " "]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["salt", "bomb", "springs", "leap", "ase", "chgnet", "oxyhalide", "count",
                     "Li", "nvt", "structure.A", "protocol.hot.temperature_K", 500, 1e-3]),
)  # fmt: skip
KEYS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["use", "A", "X", "atoms", "name", "scan", "structure", "potential", "engine",
                     "protocol", "analyses", "cluster", "scales", "default_scale", "replicas",
                     "hot", "ensemble", "temperature_K", "duration_ps", "structure.A", "a.b",
                     "protocol.hot.temperature_K", "scan.structure.A", "radii", "bath"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=12,
)


def settles(source, registry, **options) -> Recipe | None:
    """The recipe, or None with faults, within the time allowed.

    Twice over it is the recipe's fault: once, plugins were imported or the machine was busy.
    """
    slow = 0
    for _ in range(2):
        start, worked = time.perf_counter(), time.process_time()
        recipe, faults = None, ()
        try:
            recipe = read(source, registry, **options)
        except RecipeError as error:
            faults = error.faults
        # its own time, for another process may hold the core; and it must not wait for anything
        spent = time.process_time() - worked
        slow += spent > SLOWEST_S or time.perf_counter() - start > 20 * SLOWEST_S
        if not slow:
            break
    assert slow < 2, f"{spent:.1f} s"
    assert recipe or faults
    assert all(f.message and "\n" not in str(f) for f in faults)
    assert list(faults) == sorted(faults)
    return recipe


@fuzz
@given(data=st.binary(max_size=300))
def test_any_bytes(kit, registry, data):
    settles(kit.written(data), registry)


@fuzz
@given(text=st.lists(st.one_of(FRAGMENTS, st.sampled_from(LINES)), max_size=30).map("".join))
def test_any_yaml(kit, registry, text):
    settles(kit.written(text), registry)


@fuzz
@given(place=st.integers(0, len(BASE)), length=st.integers(0, 12), new=FRAGMENTS)
def test_a_good_recipe_with_something_typed_into_it(kit, registry, place, length, new):
    settles(kit.written(BASE[:place] + new + BASE[place + length :]), registry)


@fuzz
@given(lines=st.lists(st.sampled_from(LINES), max_size=len(LINES)))
def test_lines_in_any_order(kit, registry, lines):
    settles(kit.written("".join(lines)), registry)


@fuzz
@given(key=KEYS, value=VALUES, scale=st.sampled_from([None, "small", "all"]))
def test_a_good_recipe_with_anything_laid_over_it(kit, registry, key, value, scale):
    mapping = read(kit.written(BASE), registry).resolved
    scales = {"small": {key: value}, "all": {}}
    settles({**mapping, "scales": scales}, registry, scale=scale)
    settles({**mapping, key: value}, registry)


@fuzz
@given(value=VALUES, part=st.sampled_from(["structure", "potential", "engine", "protocol", "scan",
                                           "analyses", "cluster", "scales"]))  # fmt: skip
def test_any_part(kit, registry, value, part):
    settles({**read(kit.written(BASE), registry).resolved, part: value}, registry)


@fuzz
@given(text=st.one_of(st.text(max_size=30), st.tuples(KEYS, FRAGMENTS).map("=".join)))
def test_any_override(kit, registry, text):
    settles(kit.written(BASE), registry, overrides=[text])


@fuzz
@given(title=st.text(max_size=40), seed=st.integers(0, 2**63 - 1))
def test_what_is_read_is_written_and_read_again(kit, registry, title, seed):
    mapping = {**read(kit.written(BASE), registry).resolved, "title": title, "seed": seed}
    recipe = settles(mapping, registry)
    if recipe is not None:
        again = settles(to_yaml(recipe.resolved), registry)
        assert again is not None
        assert (again.title, again.seed, again.cases) == (title, seed, recipe.cases)


@pytest.mark.parametrize(
    "text",
    ["[" * 900_000, "a: " + "x " * 400_000, "- " * 400_000, "{a: " * 100_000, "? " * 300_000,
     "a: |\n" + " x\n" * 300_000, '"' + "\\" * 900_000, "\n" * 900_000 + "a: 1", "#" * 900_000,
     "k: v\n" * 150_000, "a: [" + "1," * 400_000 + "]", "!" * 900_000, "&" * 900_000,
     "a: &b [" + "*b," * 200_000 + "]", "'" * 900_001, "a: 1" + "0" * 900_000, "-" * 900_000],
    ids=lambda text: repr(text[:8]),
)  # fmt: skip
def test_bombs_of_a_megabyte_are_defused(kit, registry, text):
    start = time.perf_counter()
    with pytest.raises(RecipeError):
        read(kit.written(text), registry)
    assert time.perf_counter() - start < 10 * SLOWEST_S
