"""Residence counted: pairs taken in parts, by variant and environment, in groups for the errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.residence.bitseries import BitSeries
from ionflow.builtin.analysers.residence.groups import Groups, tabulate
from ionflow.builtin.analysers.residence.occupancy import Occupancy
from ionflow.builtin.analysers.residence.persistence import Kept, Returns, count_returns, kept
from ionflow.builtin.analysers.residence.survival import LifeTable, Pieces, Runs, pieces, uncut
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

#: words of bits handled together
WORDS_TOGETHER = 1 << 18


@dataclass
class Stays:
    """Runs of pairs in a shell: how long they lasted."""

    table: LifeTable
    events: int = 0
    """escapes seen"""
    exposure: int = 0
    """frames in which pairs were watched"""


@dataclass
class Counts:
    """What has been counted of each label, and of all (the last)."""

    returns: list[Returns]
    continuous: dict[int, Stays] = field(default_factory=dict)
    stable: dict[int, Stays] = field(default_factory=dict)


@dataclass(frozen=True)
class Counting:
    """How pairs are counted.

    Parameters
    ----------
    labels : (frame, centre)
    number : how many labels there are; one more stands for all
    lags : (lag,) frames, from 0
    gap : longest excursion, in frames, that ends no continuous stay
    groups : of origins
    """

    labels: npt.NDArray[np.uint8]
    number: int
    lags: IntArray
    gap: int
    groups: Groups

    def count(self, occupancy: Occupancy) -> Counts:
        """All variants of all pairs; shells are (shell, inner, outer)."""
        size = self.groups.number
        counts = Counts([Returns.empty(size, len(self.lags)) for _ in range(self.number + 1)])
        bits = kept(self.labels, self.number, self.lags)
        for shell, inner, outer in _parts(occupancy.shells):
            self._add_returns(counts.returns, shell, bits)
            self._add_continuous(counts.continuous, shell)
            self._add_stable(counts.stable, Runs(*inner.runs()), Runs(*outer.runs()))
        return counts

    def possible(self, ions: int) -> FloatArray:
        """(label, group) how many pairs could have been together, summed over frames."""
        frames, centres = self.labels.shape
        groups = self.groups
        in_ion_group = np.bincount(np.arange(ions) % groups.by_ion)
        block = groups.time(np.arange(frames))
        rows = []
        for label in range(self.number + 1):
            has = self.labels == label if label < self.number else np.ones_like(self.labels)
            row = ions * np.bincount(block, has.sum(axis=1), minlength=groups.number)
            row += ions * np.bincount(
                groups.centre(np.arange(centres)), has.sum(axis=0), minlength=groups.number
            )
            row[groups.kinds["ions"]] = in_ion_group * has.sum()
            rows.append(row)
        return np.array(rows)

    def _add_returns(self, tables: Sequence[Returns], shell: BitSeries, bits: Kept) -> None:
        held = shell.bits != 0
        shell = BitSeries(shell.series[held], shell.place[held], shell.bits[held])
        if len(shell.bits):
            owner = shell.series % self.groups.centres
            count_returns(shell, owner, bits, self.lags, self.groups, tables)

    def _add_continuous(self, stays: dict[int, Stays], shell: BitSeries) -> None:
        # whether an absence is an excursion is known only so many frames later, or earlier
        end = len(self.labels) - self.gap
        runs = Runs(*shell.runs()).filled(self.gap).within(self.gap, end)
        for label, of in self._labelled(runs, end):
            self._add(stays, label, of.runs, np.arange(len(of.runs.start)), of)

    def _add_stable(self, stays: dict[int, Stays], inner: Runs, outer: Runs) -> None:
        """Origins are in the inner shell, escapes from the outer one."""
        end = len(self.labels)
        origins = dict(self._labelled(inner, end))
        for label, of in self._labelled(outer, end):
            if label in origins:
                runs = origins[label].runs
                flat = end + 1
                piece = np.searchsorted(
                    of.runs.series * flat + of.runs.start,
                    runs.series * flat + runs.start,
                    side="right",
                )
                self._add(stays, label, runs, piece - 1, of)

    def _labelled(self, runs: Runs, end: int) -> Iterator[tuple[int, Pieces]]:
        """Pieces under each label that occurs, and whole runs last."""
        if len(runs.start):
            cut = pieces(runs, self.labels, np.arange(self._pairs(runs)) % self.groups.centres, end)
            for label in np.unique(cut.label).tolist():
                yield label, cut.where(cut.label == label)
            yield self.number, uncut(runs, end)

    @staticmethod
    def _pairs(runs: Runs) -> int:
        return int(runs.series.max()) + 1

    def _add(
        self, stays: dict[int, Stays], label: int, origins: Runs, piece: IntArray, of: Pieces
    ) -> None:
        if label not in stays:
            stays[label] = Stays(LifeTable.empty(self.groups.number, int(self.lags.max())))
        tabulate(stays[label].table, origins, piece, of, self.groups)
        entered, first = np.unique(piece, return_index=True)
        stays[label].events += int(of.escaped[entered].sum())
        watched = of.runs.stop[entered] - origins.start[first] - ~of.escaped[entered]
        stays[label].exposure += int(watched.sum())


def _parts(shells: Sequence[BitSeries]) -> Iterator[tuple[BitSeries, ...]]:
    """Whole series of some pairs at a time."""
    series = shells[0].series
    starts = np.flatnonzero(np.diff(series, prepend=-1) != 0)
    edges = [0]
    for start in [*starts[1:].tolist(), len(series)]:
        if start - edges[-1] >= WORDS_TOGETHER or start == len(series):
            edges.append(start)
    for first, last in pairwise(edges):
        part = slice(first, last)
        yield tuple(
            replace(s, series=s.series[part], place=s.place[part], bits=s.bits[part])
            for s in shells
        )


def settled(labels: npt.NDArray[np.uint8], gap: int) -> npt.NDArray[np.uint8]:
    """Labels without excursions of at most `gap` frames that lead back to the same label.

    Parameters
    ----------
    labels : (frame, centre)
    """
    if not gap:
        return labels
    calm = labels.copy()
    for column in calm.T:
        starts = np.flatnonzero(np.diff(column, prepend=column[0] + 1) != 0)
        stops = np.append(starts[1:], len(column))
        values = column[starts]
        for k in np.flatnonzero((values[2:] == values[:-2]) & ((stops - starts)[1:-1] <= gap)) + 1:
            column[starts[k] : stops[k]] = column[starts[k] - 1]
    return calm
