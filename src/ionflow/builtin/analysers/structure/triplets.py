"""Angles between bonds that meet at an atom, counted by triplet of species."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ionflow.builtin.analysers.network.bonding import Bonds
from ionflow.builtin.analysers.thinned import Thinned
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Pairs, Subject

#: centres are dealt out to so many groups, whose spread gives the error of a distribution
GROUPS: Final = 10

Triplet = tuple[str, str, str]


def triplets_of(bonds: Bonds, species: Sequence[str]) -> tuple[Triplet, ...]:
    """Triplets (end, centre, end) that bonds can form, by centre, ends in order of species."""
    partners: dict[str, set[str]] = {name: set() for name in species}
    for (a, b), _ in bonds.table:
        partners[a].add(b)
        partners[b].add(a)
    around = {c: [s for s in species if s in partners[c]] for c in species}
    return tuple(
        (a, centre, b)
        for centre, ends in around.items()
        for k, a in enumerate(ends)
        for b in ends[k:]
    )


@dataclass
class Angles:
    """Sums so far, or of all frames."""

    by_block: FloatArray
    """(block, triplet, bin) numbers of angles"""
    by_group: FloatArray
    """(group, triplet, bin) the same, by group of centres"""
    moments_by_block: FloatArray
    """(block, triplet, 3) sums of 1, θ and θ² over angles θ in degrees"""
    moments_by_atom: FloatArray
    """(atom, triplet, 3) the same, by the atom at the centre"""


@dataclass(frozen=True)
class BondAngles(Thinned[Angles]):
    """Angles between all bonds of an atom, in evenly spaced frames: Angles."""

    bonds: Bonds
    bins: int
    max_frames: int

    def cutoff(self, subject: Subject) -> float:
        return self.bonds.longest

    def start(self, subject: Subject) -> Angles:
        count, blocks = len(triplets_of(self.bonds, subject.species)), self.blocks(subject)
        return Angles(
            np.zeros((blocks, count, self.bins)),
            np.zeros((GROUPS, count, self.bins)),
            np.zeros((blocks, count, 3)),
            np.zeros((len(subject.labels), count, 3)),
        )

    def add(self, state: Angles, frame: Frame) -> None:
        centre, ends, degrees = angles_between(self.bonds.pairs(frame))
        kind, block = frame.subject.kind, self.block_of(frame)
        triplet = self._index(frame.subject)[kind[centre], kind[ends[0]], kind[ends[1]]]
        place = np.minimum((degrees * (self.bins / 180)).astype(np.int64), self.bins - 1)
        group = self._group(frame.subject)[centre]
        state.by_block[block] += _counted((triplet, place), state.by_block.shape[1:])
        state.by_group += _counted((group, triplet, place), state.by_group.shape)
        shape = state.moments_by_atom.shape[:2]
        powers = (None, degrees, degrees**2)
        moments = np.stack([_counted((centre, triplet), shape, power) for power in powers], -1)
        state.moments_by_atom += moments
        state.moments_by_block[block] += moments.sum(axis=0)

    def merge(self, first: Angles, second: Angles) -> Angles:
        return Angles(
            first.by_block + second.by_block,
            first.by_group + second.by_group,
            first.moments_by_block + second.moments_by_block,
            first.moments_by_atom + second.moments_by_atom,
        )

    def _index(self, subject: Subject) -> IntArray:
        """The place of a triplet by kinds of its centre and its ends, (kind, kind, kind)."""
        return subject.once((self.bonds, "triplets"), lambda: _places(self.bonds, subject.species))

    def _group(self, subject: Subject) -> IntArray:
        """(atom,) groups, each with about as many atoms of every species."""
        return subject.once((GROUPS, "groups of centres"), lambda: _dealt(subject))


def angles_between(bonded: Pairs) -> tuple[IntArray, tuple[IntArray, IntArray], FloatArray]:
    """All angles between two bonds of an atom, each once.

    Parameters
    ----------
    bonded : bonds, each once in either order

    Returns
    -------
    The atom at the centre (angle,), the two others, and the angle in degrees (angle,).
    """
    around = bonded.both_ways()
    order = np.argsort(around.i, kind="stable")
    centre, end, vector = around.i[order], around.j[order], around.vector[order]
    most = int(np.bincount(centre).max(initial=0))
    # bonds of an atom lie side by side: each meets those 1, 2, ... places on
    meetings = [_meeting(centre, step) for step in range(1, most)]
    first = np.concatenate([np.arange(0), *(first for first, _ in meetings)])
    second = np.concatenate([np.arange(0), *(second for _, second in meetings)])
    return centre[first], (end[first], end[second]), _degrees(vector[first], vector[second])


def _meeting(centre: IntArray, step: int) -> tuple[IntArray, IntArray]:
    first = np.flatnonzero(centre[:-step] == centre[step:])
    return first, first + step


def _degrees(first: FloatArray, second: FloatArray) -> FloatArray:
    """Angles between vectors, exact near 0 and 180 degrees as well."""
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    along = (first * second).sum(axis=-1)
    degrees: FloatArray = np.degrees(np.arctan2(across, along))
    return degrees


def _places(bonds: Bonds, species: Sequence[str]) -> IntArray:
    number = {name: place for place, name in enumerate(species)}
    index = np.zeros((len(species),) * 3, dtype=np.int64)
    for place, (a, centre, b) in enumerate(triplets_of(bonds, species)):
        index[number[centre], number[a], number[b]] = place
        index[number[centre], number[b], number[a]] = place
    return index


def _dealt(subject: Subject) -> IntArray:
    group = np.zeros(len(subject.labels), dtype=np.int64)
    for atoms in subject.atoms.values():
        group[atoms] = np.arange(len(atoms)) % GROUPS
    return group


def _counted(
    where: tuple[IntArray, ...], shape: tuple[int, ...], weights: FloatArray | None = None
) -> FloatArray:
    flat = np.ravel_multi_index(where, shape)
    counts = np.bincount(flat, weights, minlength=int(np.prod(shape)))
    return counts.reshape(shape).astype(np.float64)
