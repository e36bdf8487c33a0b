"""A resolved recipe as YAML that reads back as itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ionflow.recipe.reader import scalar

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")


def to_yaml(resolved: Mapping[str, Any]) -> str:
    """YAML 1.2: mappings as blocks, lists on one line.

    >>> print(to_yaml({"name": "x", "scan": {"structure.A": ["Li", "No"]}, "seed": 0}), end="")
    name: x
    scan:
      structure.A: [Li, No]
    seed: 0
    """
    return "".join(f"{text}\n" for text in _block(resolved, ""))


def _block(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        head = f"{indent}{_scalar(key)}:"
        if isinstance(value, Mapping) and value:
            yield head
            yield from _block(value, f"{indent}  ")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            yield head
            yield from (f"{indent}  - {_flow(item)}" for item in value)
        else:
            yield f"{head} {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_scalar(k)}: {_flow(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return (
            value if _PLAIN.fullmatch(value) and isinstance(scalar(value), str) else _quoted(value)
        )
    return json.dumps(value)


def _quoted(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    # YAML folds these as line breaks, JSON does not escape them
    for character in "\x85\u2028\u2029\ufeff":
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return escaped
