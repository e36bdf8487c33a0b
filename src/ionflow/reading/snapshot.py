"""One frame as a file gives it, before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from ionflow.kinds import FloatArray

Column = npt.NDArray[Any]

#: what is told of a trajectory in its attributes
Notes = dict[str, str]


@dataclass(frozen=True)
class Snapshot:
    """One frame as a file gives it."""

    where: str
    """The frame for messages, such as `frame 12 (line 3400)`."""
    cell: FloatArray
    """(3, 3) Å, rows are lattice vectors"""
    positions: FloatArray
    """(atom, 3) Å, from the origin of the cell"""
    columns: Mapping[str, Column]
    """Properties of atoms, (atom,) each: `symbol`, `type`, `charge`, `mass`, others."""
    unwrapped: bool = False
    """Whether the positions run on beyond the cell."""
    step: int | None = None
    time_ps: float | None = None
    velocities: FloatArray | None = None
    """(atom, 3) Å/fs"""
    energies: Mapping[str, Any] = field(default_factory=dict)
    """potential_energy (eV), stress ((6,) eV/Å³), where known"""


def label(value: Any) -> str:
    """A property as a name: 1 and 1.0 are both `1`.

    >>> label(1), label(2.0), label("Li")
    ('1', '2', 'Li')
    """
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def labels(column: Column) -> tuple[str, ...]:
    """The names that a property of atoms gives them."""
    return tuple(label(value) for value in column.tolist())
