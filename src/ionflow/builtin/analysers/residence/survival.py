"""How long pairs stay together: runs of boolean series, and their survival by life tables.

Every frame in which a pair is together is a time origin. Runs that go on at the end of the
trajectory, or whose label changes, are censored there and count as long as they are seen; Kaplan
and Meier, J. Am. Stat. Assoc. 53, 457 (1958), doi:10.1080/01621459.1958.10501452. Runs that had
begun before the trajectory (left truncated) need no correction: an origin asks how long a pair
stays from then on, not how long it has been there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Runs:
    """Spans of frames in which a series is true, ascending by series and frame."""

    series: IntArray
    """(run,)"""
    start: IntArray
    """(run,) first frame"""
    stop: IntArray
    """(run,) the frame behind the last"""

    def where(self, chosen: BoolArray) -> Runs:
        """Some of the runs."""
        return Runs(self.series[chosen], self.start[chosen], self.stop[chosen])

    def filled(self, gap: int) -> Runs:
        """Runs joined where at most `gap` frames are between them."""
        if not gap or not len(self.start):
            return self
        same = self.series[1:] == self.series[:-1]
        apart = ~(same & (self.start[1:] - self.stop[:-1] <= gap))
        first, last = np.append(True, apart), np.append(apart, True)
        return Runs(self.series[first], self.start[first], self.stop[last])

    def within(self, first: int, last: int) -> Runs:
        """What of the runs is in the frames from `first` to before `last`."""
        start, stop = np.maximum(self.start, first), np.minimum(self.stop, last)
        return Runs(self.series, start, stop).where(start < stop)


@dataclass(frozen=True)
class Pieces:
    """Runs cut where the label of their series changes."""

    runs: Runs
    label: IntArray
    """(piece,) frozen from its first frame on"""
    escaped: BoolArray
    """(piece,) whether the run ends with it, in sight and under the same label"""

    def where(self, chosen: BoolArray) -> Pieces:
        """Some of the pieces."""
        return Pieces(self.runs.where(chosen), self.label[chosen], self.escaped[chosen])


def pieces(runs: Runs, labels: npt.NDArray[np.uint8], owner: IntArray, end: int) -> Pieces:
    """Runs cut at changes of label.

    A run that ends in the very frame in which the label changes is censored, as those that stay
    are: whether it would have ended under the old label cannot be told.

    Parameters
    ----------
    runs : within the frames before `end`
    labels : (frame, owner)
    owner : (series,) whose label counts for a series
    end : frames from which on nothing is known
    """
    frames = len(labels)
    changed = np.zeros((labels.shape[1], frames), dtype=np.bool_)
    changed[:, 1:] = np.diff(labels, axis=0).T != 0
    offset = owner[runs.series] * frames
    parent, start, stop = split(runs.start + offset, runs.stop + offset, np.flatnonzero(changed))
    shift = offset[parent]
    cut = Runs(runs.series[parent], start - shift, stop - shift)
    last = stop - shift == runs.stop[parent]
    seen = last & (cut.stop < end)
    escaped = seen.copy()
    escaped[seen] = ~changed.ravel()[stop[seen]]
    return Pieces(cut, labels[cut.start, owner[cut.series]].astype(np.int64), escaped)


def uncut(runs: Runs, end: int) -> Pieces:
    """Runs whatever the label."""
    return Pieces(runs, np.zeros(len(runs.start), dtype=np.int64), runs.stop < end)


def split(start: IntArray, stop: IntArray, points: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Spans cut at ascending points: which span each part is of, its start and its stop."""
    first = np.searchsorted(points, start, side="right")
    count = np.searchsorted(points, stop - 1, side="right") - first + 1
    parent = np.repeat(np.arange(len(start)), count)
    number = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count)
    edges = np.append(points, np.iinfo(np.int64).max)
    behind = first[parent] + number
    begin = np.where(number == 0, start[parent], edges[behind - 1])
    return parent, begin, np.minimum(edges[behind], stop[parent])


@dataclass
class LifeTable:
    """How long origins were seen to stay, by group of origins."""

    escapes: npt.NDArray[np.int64]
    """(group, lag) origins whose pair has left that many frames later, and not before; in the last
    column, those that left later still"""
    losses: npt.NDArray[np.int64]
    """(group, lag) origins whose pair was last seen, together, that many frames later; likewise"""

    @classmethod
    def empty(cls, groups: int, longest: int) -> LifeTable:
        """Of no origins yet, for lags up to `longest` frames."""
        shape = (groups, longest + 2)
        return cls(np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64))

    def add(self, origins: Runs, group: IntArray, piece: IntArray, of: Pieces) -> None:
        """Take in every frame of some runs as an origin.

        Parameters
        ----------
        origins : each within one piece
        group : (run,) which group its origins belong to
        piece : (run,) which piece it is in
        of : the pieces
        """
        stop, escaped = of.runs.stop[piece], of.escaped[piece]
        # one who stays to the last frame of a piece is last seen there, or gone in the next
        most = stop - origins.start - ~escaped
        least = stop - origins.stop + escaped
        for table, chosen in ((self.escapes, escaped), (self.losses, ~escaped)):
            _count(table, group[chosen], least[chosen], most[chosen])

    @property
    def origins(self) -> IntArray:
        """(group,)"""
        number: IntArray = (self.escapes + self.losses).sum(axis=1, dtype=np.int64)
        return number

    def without(self, whole: slice) -> LifeTable:
        """That of all groups, and those without each of them: (1 + group, lag).

        Parameters
        ----------
        whole : groups that hold every origin once
        """
        each = []
        for table in (self.escapes, self.losses):
            total = table[whole].sum(axis=0, dtype=np.int64)
            each.append(np.concatenate([total[None], total - table]))
        return LifeTable(*each)

    def survival(self, lags: IntArray) -> FloatArray:
        """Product limit estimate, (group, lag); NaN where nobody is left to be seen.

        P(n) = Π_{k ≤ n} (1 − d_k / r_k), with d_k the escapes at lag k, and r_k the origins seen
        to stay up to lag k − 1 and still in sight at lag k.
        """
        last = int(lags.max())
        beyond = self.escapes + self.losses
        risk = np.flip(np.flip(beyond, axis=1).cumsum(axis=1), axis=1)[:, 1 : last + 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            stay = 1 - self.escapes[:, 1 : last + 1] / risk
        first = np.where(beyond.any(axis=1), 1.0, np.nan)
        curve = np.concatenate([first[:, None], np.cumprod(stay, axis=1)], axis=1)
        chosen: FloatArray = curve[:, lags]
        return np.where(lags == 0, first[:, None], chosen)


def _count(table: npt.NDArray[np.int64], group: IntArray, least: IntArray, most: IntArray) -> None:
    """Add one in every column from `least` to `most` of a group; the last takes those beyond."""
    rows, last = len(table), table.shape[1] - 1
    beyond = np.maximum(most - np.maximum(least, last) + 1, 0)
    table[:, last] += np.bincount(group, beyond, minlength=rows).astype(np.int64)
    width = last + 1
    steps = np.bincount(group * width + np.minimum(least, last), minlength=rows * width)
    steps -= np.bincount(group * width + np.minimum(most + 1, last), minlength=rows * width)
    table[:, :last] += np.cumsum(steps.reshape(rows, width), axis=1, dtype=np.int64)[:, :last]
