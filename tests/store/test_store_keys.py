"""Canonical JSON and keys."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionflow.errors import StoreError
from ionflow.store import canonical, key_of
from ionflow.store.keys import check_key

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | st.text() | numbers
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_json_reads_back_an_equal_value(value: object) -> None:
    assert json.loads(canonical(value)) == value


@given(values)
def test_canonical_is_a_fixed_point(value: object) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(st.dictionaries(st.text(), leaves, min_size=2))
def test_order_of_names_does_not_matter(value: dict[str, object]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@given(numbers, numbers)
def test_numbers_are_the_same_bytes_exactly_if_they_are_equal(a: float, b: float) -> None:
    assert (canonical(a) == canonical(b)) == (a == b)


@given(st.integers(-(2**53), 2**53))
def test_an_integer_equals_its_float(number: int) -> None:
    assert canonical(number) == canonical(float(number))


def test_numpy_and_tuples_are_what_they_hold() -> None:
    rich = {"a": np.float64(0.1), "b": np.int32(3), "c": (1, 2), "d": np.arange(2), "e": np.True_}
    assert canonical(rich) == canonical({"a": 0.1, "b": 3, "c": [1, 2], "d": [0, 1], "e": True})


def test_truth_values_are_not_numbers() -> None:
    assert canonical(True) != canonical(1)
    assert canonical(-0.0) == canonical(0)


def test_text_enumerations_are_text() -> None:
    class Ensemble(StrEnum):
        NVT = "nvt"

    assert canonical(Ensemble.NVT) == b'"nvt"'


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, {1: 2}, {1, 2}, b"x", object(), Path("/a"), 1j, np.float32("nan")]
)
def test_what_json_cannot_hold_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(StoreError) as error:
        canonical({"outer": [0, value]})
    assert error.value.where == "outer[1]"


def test_a_path_is_refused_with_advice() -> None:
    with pytest.raises(StoreError, match="SHA-256"):
        key_of(model=Path("weights.pt"))


def test_a_key_is_the_same_in_another_process() -> None:
    code = "from ionflow.store import key_of; print(key_of(b={'x': 1.5, 'a': 'Å'}, a=[500]))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert found.stdout.strip() == key_of(a=(500.0,), b={"a": "Å", "x": 1.5})


@pytest.mark.parametrize("key", ["", "../../etc", "AB" * 32, "ab/cd" * 4, "abc", "g" * 64, None])
def test_only_hex_becomes_a_path(key: str) -> None:
    with pytest.raises(StoreError, match="no key"):
        check_key(key)
