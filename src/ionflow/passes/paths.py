"""Whole paths of some atoms of one species."""

from __future__ import annotations

from dataclasses import dataclass

from ionflow.kinds import FloatArray
from ionflow.passes.subject import IntArray


@dataclass(frozen=True)
class Paths:
    """Whole paths of some atoms of one species, in a frame of reference."""

    species: str
    atoms: IntArray
    """(atom,) indices in the trajectory"""
    values: FloatArray
    """(atom, xyz, time) Å (Å/fs for velocities), float64"""
