"""Groups of origins whose spread gives errors: by centre, by ion, and by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.residence.bitseries import WORD, Words
from ionflow.builtin.analysers.residence.survival import LifeTable, Pieces, Runs, split
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

#: most groups of centres, and of ions
MOST = 24


@dataclass(frozen=True)
class Groups:
    """Groups by centre, then by ion, then by time, numbered on end.

    Every origin belongs to one of each kind. Blocks of time begin at whole words.
    """

    centres: int
    """number of centres"""
    by_centre: int
    by_ion: int
    edges: IntArray
    """(block + 1,) frames"""

    @classmethod
    def of(cls, ions: int, centres: int, frames: int, blocks: int) -> Groups:
        """As many groups as there are ions or centres, at most 24, and blocks of time."""
        words = -(-frames // WORD)
        count = min(blocks, words)
        edges = np.append(np.arange(count) * words // count * WORD, frames)
        return cls(centres, min(MOST, centres), min(MOST, ions), edges)

    @property
    def number(self) -> int:
        """How many there are."""
        return self.by_centre + self.by_ion + len(self.edges) - 1

    @property
    def kinds(self) -> dict[str, slice]:
        """The groups of each kind."""
        first, second = self.by_centre, self.by_centre + self.by_ion
        return {
            "centres": slice(0, first),
            "ions": slice(first, second),
            "time": slice(second, self.number),
        }

    def centre(self, pair: IntArray) -> IntArray:
        """The group by centre of pairs."""
        return pair % self.centres % self.by_centre

    def ion(self, pair: IntArray) -> IntArray:
        """The group by ion of pairs."""
        return self.by_centre + pair // self.centres % self.by_ion

    def time(self, frame: IntArray) -> IntArray:
        """The group by time of frames."""
        found = np.searchsorted(self.edges, frame, side="right") - 1
        return self.by_centre + self.by_ion + found

    def of_words(self, pair: IntArray, place: IntArray) -> Callable[[Words], FloatArray]:
        """What counts the set bits of words in each group."""
        if not len(pair):
            return lambda _: np.zeros(self.number)
        starts = np.flatnonzero(np.diff(pair, prepend=-1) != 0)
        by_pair = self.centre(pair[starts]), self.ion(pair[starts])
        by_word = self.time(np.arange(int(place.max()) + 1) * WORD)

        def count(bits: Words) -> FloatArray:
            ones = np.bitwise_count(bits)
            totals = np.add.reduceat(ones, starts, dtype=np.int64)
            found = np.zeros(self.number)
            for group in by_pair:
                found += np.bincount(group, totals, minlength=self.number)
            in_word = np.bincount(place, ones)
            found += np.bincount(by_word, in_word, minlength=self.number)
            return found

        return count


def tabulate(table: LifeTable, origins: Runs, piece: IntArray, of: Pieces, groups: Groups) -> None:
    """Add origins to a life table, in all groups.

    Parameters
    ----------
    table : changed
    origins : runs of frames, each within one piece
    piece : (run,) which piece
    of : the pieces
    groups : of origins
    """
    table.add(origins, groups.centre(origins.series), piece, of)
    table.add(origins, groups.ion(origins.series), piece, of)
    parent, start, stop = split(origins.start, origins.stop, groups.edges[1:-1])
    cut = Runs(origins.series[parent], start, stop)
    table.add(cut, groups.time(start), piece[parent], of)
