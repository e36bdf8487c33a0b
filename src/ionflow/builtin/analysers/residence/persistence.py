"""Whether pairs that are together are together later, whatever happens between: ⟨h(0)h(t)⟩/⟨h⟩."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.residence.bitseries import BitSeries, Words, advanced, packed
from ionflow.builtin.analysers.residence.groups import Groups
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray


@dataclass
class Returns:
    """Origins that could be followed, and those whose pair was together again, by group and lag."""

    together: FloatArray
    """(group, lag)"""
    origins: FloatArray
    """(group, lag)"""

    @classmethod
    def empty(cls, groups: int, lags: int) -> Returns:
        """Of no origins yet."""
        return cls(np.zeros((groups, lags)), np.zeros((groups, lags)))

    def without(self, whole: slice) -> Returns:
        """Those of all groups, and those without each of them, (1 + group, lag).

        Parameters
        ----------
        whole : groups that hold every origin once
        """
        each = []
        for table in (self.together, self.origins):
            total = table[whole].sum(axis=0)
            each.append(np.concatenate([total[None], total - table]))
        return Returns(*each)

    def persistence(self) -> FloatArray:
        """(group, lag), NaN where there is no origin."""
        with np.errstate(invalid="ignore"):
            share: FloatArray = self.together / self.origins
        return share


@dataclass(frozen=True)
class Kept:
    """Where, and under which label, an origin may be followed how far."""

    label: tuple[Words, ...]
    """(owner, word) by label: where the owner has it"""
    same: tuple[Words, ...]
    """(owner, word) by lag: where the label does not change up to then, nor the trajectory end"""
    there: tuple[Words, ...]
    """(1, word) by lag: where the trajectory does not end"""


def kept(labels: npt.NDArray[np.uint8], count: int, lags: IntArray) -> Kept:
    """Bits of labels and of how long they last.

    Parameters
    ----------
    labels : (frame, owner)
    count : how many labels there are
    lags : (lag,) frames, ascending from 0
    """
    unchanged = np.zeros((labels.shape[1], len(labels)), dtype=np.bool_)
    unchanged[:, :-1] = np.diff(labels, axis=0).T == 0
    every = np.ones((1, len(labels)), dtype=np.bool_)
    every[:, -1] = False
    bits = tuple(packed((labels == k).T) for k in range(count))
    return Kept(bits, _lasting(packed(unchanged), lags), _lasting(packed(every), lags))


def _lasting(step: Words, lags: IntArray) -> tuple[Words, ...]:
    """Where a bit is set for so many frames on end, for each lag."""
    found = []
    held, reach = np.full_like(step, ~np.uint64(0)), 0
    for lag in lags.tolist():
        while reach < lag:
            # where it holds from here on, and from later on, it holds for longer
            more = min(reach, lag - reach) or 1
            held = held & advanced(held, more) if reach else step
            reach += more
        found.append(held)
    return tuple(found)


def count_returns(
    pairs: BitSeries,
    owner: IntArray,
    kept: Kept,
    lags: IntArray,
    groups: Groups,
    tables: Sequence[Returns],
) -> None:
    """Add the origins of some pairs to tables by label, and to one more for any label.

    An origin at which the label changes within a lag, or the trajectory ends, is left out at that
    lag from both counts.

    Parameters
    ----------
    pairs : (word,) series number pairs as `groups` does
    owner : (word,) whose label counts
    kept : of those labels
    lags : (lag,) frames
    groups : of origins
    tables : changed
    """
    chosen = [np.flatnonzero(pairs.bits & bits[owner, pairs.place]) for bits in kept.label]
    chosen.append(np.arange(len(pairs.bits)))
    origins = [pairs.bits[at] & bits[owner[at], pairs.place[at]] for at, bits in
               zip(chosen, kept.label, strict=False)] + [pairs.bits]  # fmt: skip
    counters = [groups.of_words(pairs.series[at], pairs.place[at]) for at in chosen]
    for k, lag in enumerate(lags.tolist()):
        later = pairs.ahead(lag)
        for label, (at, origin) in enumerate(zip(chosen, origins, strict=True)):
            if len(at):
                if label < len(kept.label):
                    seen = origin & kept.same[k][owner[at], pairs.place[at]]
                else:
                    seen = origin & kept.there[k][0, pairs.place]
                tables[label].origins[:, k] += counters[label](seen)
                tables[label].together[:, k] += counters[label](seen & later[at])
