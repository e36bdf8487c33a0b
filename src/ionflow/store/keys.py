"""Keys: SHA-256 of canonical JSON, the same in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from ionflow.errors import StoreError

_KEY = re.compile(r"[0-9a-f]{8,64}")


def canonical(value: Any) -> bytes:
    """Canonical JSON: equal values give equal bytes, whatever their order or number type.

    Keys are sorted, there is no white space, a number is written as an integer where it is one
    and as its shortest decimal form otherwise. Tuples and arrays are lists; truth values are not
    numbers.

    Raises
    ------
    StoreError
        For a value that JSON cannot hold exactly: NaN, infinity, bytes, sets, paths (their
        meaning depends on the machine; a key needs the content's SHA-256), other objects.

    >>> canonical({"b": 500.0, "a": (1, 0.1)})
    b'{"a":[1,0.1],"b":500}'
    """
    return _dumps(_unified(plain(value), ""))


def key_of(**parts: Any) -> str:
    """Hex SHA-256 of the canonical JSON of named parts.

    >>> key_of(temperature_K=500) == key_of(temperature_K=500.0)
    True
    """
    return hashlib.sha256(canonical(parts)).hexdigest()


def check_key(key: str) -> str:
    """A key that is safe as a name of a file: 8 to 64 lower-case hexadecimal digits.

    Raises
    ------
    StoreError
        For anything else.
    """
    if not is_key(key):
        raise StoreError(f"{key!r} is no key", hint="a key is 8 to 64 lower-case hex digits")
    return key


def is_key(key: object) -> bool:
    """Whether it is a key."""
    return isinstance(key, str) and bool(_KEY.fullmatch(key))


def plain(value: Any, where: str = "") -> Any:
    """The same value made of dict, list, str, int, float, bool and None, as JSON reads it back.

    Numbers keep their type; numpy scalars and arrays become Python numbers and lists.

    Raises
    ------
    StoreError
        For a value that JSON has no form for.
    """
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, Mapping):
        return {_name(k, where): plain(v, f"{where}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    # subclasses (enumerations, numpy's float64) are written as what they hold
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    advice = "give the SHA-256 of its content" if isinstance(value, PurePath) else ""
    kind_name = type(value).__name__
    raise StoreError(f"a {kind_name} has no place in JSON: {value!r}", where=where, hint=advice)


def _name(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise StoreError(f"{key!r} names a value, but only text can", where=where)
    return str.__str__(key)


def _unified(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {name: _unified(item, f"{where}.{name}".lstrip(".")) for name, item in value.items()}
    if isinstance(value, list):
        return [_unified(item, f"{where}[{i}]") for i, item in enumerate(value)]
    return _number(value, where) if isinstance(value, float) else value


def _number(value: float, where: str) -> int | float:
    if not math.isfinite(value):
        raise StoreError(f"{value} is no number that a key can hold", where=where)
    return int(value) if value.is_integer() else value


def _dumps(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")
