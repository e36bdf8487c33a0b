"""Displacements themselves, at some lags and from many origins: their moments and histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.dynamics.gathered import Gathered, GatheredBySpecies
from ionflow.builtin.analysers.jackknife import Jackknife
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray, Paths, PerAtom, Subject

#: consecutive blocks of time origins, and groups of atoms, whose spread gives errors
BLOCKS = 5


def origins(frames: int, lag: int, most: int) -> IntArray:
    """At most so many time origins for a lag, evenly spaced from the first frame.

    >>> origins(10, 3, 4)
    array([0, 2, 4, 6])
    """
    return np.arange(0, frames - lag, -(-(frames - lag) // most))


def block_starts(count: int) -> IntArray:
    """Where each block of `count` origins begins, (block,); fewer blocks than usual if few."""
    blocks = min(BLOCKS, count)
    return np.arange(blocks) * count // blocks


def squared_displacements(paths: FloatArray, lag: int, most: int) -> FloatArray:
    """|r(t + lag) − r(t)|², (atom, origin) Å², of paths (atom, xyz, time)."""
    where = origins(paths.shape[-1], lag, most)
    step = int(where[1] - where[0]) if len(where) > 1 else 1
    moved = paths[..., lag::step][..., : len(where)] - paths[..., ::step][..., : len(where)]
    squared: FloatArray = np.square(moved, out=moved).sum(axis=1)
    return squared


@dataclass(frozen=True)
class SpeciesMoments:
    """Second and fourth moment of the displacements of a species."""

    atoms: IntArray
    each: FloatArray
    """(atom, lag, moment) Å², Å⁴: means over origins"""
    blocks: FloatArray
    """(block, lag, moment): means over the atoms and over the origins of a block"""


@dataclass(frozen=True)
class DisplacementMoments(GatheredBySpecies):
    """⟨|Δr|²⟩ and ⟨|Δr|⁴⟩ of every atom and in blocks of origins: {species: SpeciesMoments}.

    Displacements are taken from evenly spaced origins. By FFT over all origins the fourth moment
    would be a small difference of large sums, without being better known: neighbouring origins of
    a long lag tell the same.
    """

    lags: tuple[int, ...]
    """frames"""
    max_origins: int

    def add(self, state: dict[str, Gathered], paths: Paths) -> None:
        found = [self._at(paths.values, lag) for lag in self.lags]
        each = np.stack([means for means, _ in found], axis=1)
        blocks = np.stack([sums for _, sums in found], axis=1)
        self.gather(state, paths, each, blocks)

    def _at(self, paths: FloatArray, lag: int) -> tuple[FloatArray, FloatArray]:
        """Means over origins (atom, moment); in blocks, summed over atoms (block, moment)."""
        squares = squared_displacements(paths, lag, self.max_origins)
        starts = block_starts(squares.shape[1])
        lengths = np.diff([*starts, squares.shape[1]])
        means, in_blocks = np.empty((len(squares), 2)), np.full((BLOCKS, 2), np.nan)
        for moment in range(2):
            means[:, moment] = squares.mean(axis=1)
            sums = np.add.reduceat(squares.sum(axis=0), starts)
            in_blocks[: len(starts), moment] = sums / lengths
            np.square(squares, out=squares)
        return means, in_blocks

    def finish(self, state: dict[str, Gathered], subject: Subject) -> dict[str, SpeciesMoments]:
        return {species: SpeciesMoments(*state[species].whole()) for species in subject.species}


@dataclass
class DisplacementCounts:
    """Displacements counted so far."""

    group: IntArray
    """(atom,) the group of atoms of its species that each atom belongs to"""
    counts: dict[str, FloatArray]
    """(block, group, lag, bin + 1) by species; the last bin is all that is longer"""


@dataclass(frozen=True)
class DisplacementHistogram(PerAtom[DisplacementCounts]):
    """Lengths of displacements counted by bin, {species: (block, group, lag, bin + 1)}."""

    lags: tuple[int, ...]
    """frames"""
    r_max: float
    """Å"""
    bins: int
    max_origins: int

    def start(self, subject: Subject) -> DisplacementCounts:
        group = np.zeros(len(subject.labels), dtype=np.int64)
        counts = {}
        for species, atoms in subject.atoms.items():
            groups = min(BLOCKS, len(atoms))
            group[atoms] = np.arange(len(atoms)) * groups // len(atoms)
            counts[species] = np.zeros((BLOCKS, groups, len(self.lags), self.bins + 1))
        return DisplacementCounts(group, counts)

    def add(self, state: DisplacementCounts, paths: Paths) -> None:
        counts, group = state.counts[paths.species], state.group[paths.atoms]
        for place, lag in enumerate(self.lags):
            squares = squared_displacements(paths.values, lag, self.max_origins)
            bins = np.minimum(np.sqrt(squares) * (self.bins / self.r_max), self.bins)
            for block, part in _blocks(bins.astype(np.int64)):
                counts[block, :, place] += _counted(part, group, counts.shape[1], self.bins + 1)

    def merge(self, first: DisplacementCounts, second: DisplacementCounts) -> DisplacementCounts:
        total = {s: first.counts[s] + second.counts[s] for s in first.counts}
        return DisplacementCounts(first.group, total)

    def finish(self, state: DisplacementCounts, subject: Subject) -> Mapping[str, FloatArray]:
        return state.counts


def _blocks(of_origins: IntArray) -> Iterator[tuple[int, IntArray]]:
    starts = block_starts(of_origins.shape[1])
    yield from enumerate(np.split(of_origins, starts[1:], axis=1))


def _counted(bins: IntArray, group: IntArray, groups: int, size: int) -> FloatArray:
    """(group, bin) from bins (atom, origin)."""
    flat = np.bincount((group[:, None] * size + bins).ravel(), minlength=groups * size)
    return flat.reshape(groups, size).astype(np.float64)


def fractions(counts: FloatArray) -> Jackknife:
    """The fraction of displacements in each bin, of counts (block, group, bin + 1)."""
    return Jackknife.of(counts, counts.sum(axis=-1, keepdims=True))
