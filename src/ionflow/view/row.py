"""One task of a run, as `run.json` lists it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One task of a run, as `run.json` lists it."""

    key: str
    kind: str
    """structure, stage or analysis"""
    name: str
    """Name of the generator, the stage or the analyser."""
    label: str = ""
    coords: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    steps: int = 0
    timestep_fs: float = 0.0
    atoms: int = 0
    formula: str = ""
    stage: Mapping[str, Any] = field(default_factory=dict)
    record: bool = False

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Row:
        """A row from its JSON form; entries that this version does not know are left out."""
        known = {name: entry[name] for name in cls.__dataclass_fields__ if name in entry}
        known["inputs"] = tuple(item["key"] for item in entry.get("inputs") or ())
        return cls(**{name: value for name, value in known.items() if value is not None})

    @property
    def case(self) -> str:
        """The row's place in the scan as one word: `Li-Al-Cl-900K-r0`."""
        words = [_word(axis, value) for axis, value in self.coords.items()]
        return "-".join(word.replace("/", "_") for word in words) or "all"

    @property
    def file(self) -> str:
        """Name and case as the name of a file, without its ending.

        What cannot stand in a name is replaced, and the key told, so that no two are alike.
        """
        told = f"{self.name}-{self.case}"
        plain = re.sub(r"[^\w+=,.-]", "_", told).lstrip(".")[:200]
        return plain if plain == told else f"{plain}-{self.key[:12]}"


def _word(axis: str, value: Any) -> str:
    if axis == "replica":
        return f"r{value}"
    if isinstance(value, str):
        return value
    if axis.endswith("_K") and isinstance(value, int | float):
        return f"{value:g}K"
    return f"{axis}={value:g}" if isinstance(value, float) else f"{axis}={value}"
