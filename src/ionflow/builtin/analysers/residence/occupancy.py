"""Which ions are in the shell of which centres, and what surrounds each centre, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.network.bonding import Bonds, environments, mask
from ionflow.builtin.analysers.residence.bitseries import WORD, BitSeries, Words
from ionflow.builtin.analysers.roles import Roles
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Pairs, PerFrame, Subject

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Occupancy:
    """Pairs of an ion and a centre that are within some shells; pair = ion × centres + centre."""

    frames: IntArray
    """(frame,) which of the trajectory"""
    ions: int
    centres: int
    shells: tuple[BitSeries, ...]
    """by shell, over the same words"""
    labels: Labels
    """(frame, centre) index into ENVIRONMENTS"""


@dataclass
class Seen:
    """What has been seen so far."""

    address: list[IntArray] = field(default_factory=list)
    """of words, pair × words of a series + word"""
    bits: list[Words] = field(default_factory=list)
    """(shell, word) of each"""
    order: list[int] = field(default_factory=list)
    """frames, as counted among those wanted"""
    labels: list[Labels] = field(default_factory=list)
    """(centre,) of each frame"""
    open_word: int = -1
    waiting: list[tuple[int, IntArray, IntArray]] = field(default_factory=list)
    """frames of the open word: bit, (found,) address, (found,) which shells as bits"""


@dataclass(frozen=True)
class ShellOccupancy(PerFrame[Seen]):
    """Occupancy of shells around centres.

    A pair is within a shell if any image of the ion is. It is kept as one bit a frame, and nothing
    is kept of 64 frames in which a pair does not meet.
    """

    shells: tuple[Bonds, ...]
    """of ions around centres"""
    bonds: Bonds
    """of centres and anions"""
    roles: Roles
    max_frames: int

    def frames(self, subject: Subject) -> IntArray:
        return subject.spread(self.max_frames)

    def cutoff(self, subject: Subject) -> float:
        return max(bonds.longest for bonds in (*self.shells, self.bonds))

    def start(self, subject: Subject) -> Seen:
        return Seen()

    def add(self, state: Seen, frame: Frame) -> None:
        subject = frame.subject
        order = int(np.searchsorted(self.frames(subject), frame.number))
        word, bit = divmod(order, WORD)
        if word != state.open_word:
            _close(state, len(self.shells))
            state.open_word = word
        pair, within = self._met(frame)
        state.waiting.append((bit, pair * self._words(subject) + word, within))
        codes = environments(self.bonds.pairs(frame), subject, self.roles)
        state.order.append(order)
        state.labels.append(codes.astype(np.uint8))

    def merge(self, first: Seen, second: Seen) -> Seen:
        for part in (first, second):
            _close(part, len(self.shells))
        return Seen(
            first.address + second.address,
            first.bits + second.bits,
            first.order + second.order,
            first.labels + second.labels,
        )

    def finish(self, state: Seen, subject: Subject) -> Occupancy:
        _close(state, len(self.shells))
        address, bits = _ordered(state.address, state.bits, len(self.shells))
        pair, place = np.divmod(address, self._words(subject))
        labels = np.array(state.labels)[np.argsort(state.order)]
        ions, centres = (mask(subject, s).sum() for s in (self.roles.alkali, self.roles.centre))
        series = tuple(BitSeries(pair, place, row) for row in bits)
        return Occupancy(self.frames(subject), int(ions), int(centres), series, labels)

    def _words(self, subject: Subject) -> int:
        return -(-len(self.frames(subject)) // WORD)

    def _met(self, frame: Frame) -> tuple[IntArray, IntArray]:
        """Pairs within any shell, and within which, as bits; more than once for several images."""
        subject = frame.subject
        found = frame.pairs(self.cutoff(subject))
        limits = [_limits(shell, subject) for shell in self.shells]
        kind = subject.kind
        near = found.distance < np.max(limits, axis=0)[kind[found.i], kind[found.j]]
        close = found.where(near)
        kinds = kind[close.i], kind[close.j]
        within = np.zeros(len(close.i), dtype=np.int64)
        for k, limit in enumerate(limits):
            within |= (close.distance < limit[kinds]).astype(np.int64) << k
        return self._pair(close, subject), within

    def _pair(self, close: Pairs, subject: Subject) -> IntArray:
        ion, centre = (mask(subject, species) for species in (self.roles.alkali, self.roles.centre))
        first = ion[close.i]
        i, j = np.where(first, close.i, close.j), np.where(first, close.j, close.i)
        return (np.cumsum(ion) - 1)[i] * int(centre.sum()) + (np.cumsum(centre) - 1)[j]


def _limits(shell: Bonds, subject: Subject) -> FloatArray:
    """(kind, kind) Å; 0 for pairs of species that have no such shell"""
    limits = np.zeros((len(subject.species),) * 2)
    place = {name: k for k, name in enumerate(subject.species)}
    for (a, b), radius in shell.table:
        limits[place[a], place[b]] = limits[place[b], place[a]] = radius
    return limits


def _close(state: Seen, shells: int) -> None:
    """Make words of the frames that wait."""
    if not state.waiting:
        return
    address = np.concatenate([met for _, met, _ in state.waiting])
    within = np.concatenate([shell for _, _, shell in state.waiting])
    bit = np.repeat([b for b, _, _ in state.waiting], [len(met) for _, met, _ in state.waiting])
    one = np.uint64(1) << bit.astype(np.uint64)
    rows = [np.where(within >> k & 1, one, np.uint64(0)) for k in range(shells)]
    address, bits = _ordered([address], [np.array(rows)], shells)
    state.address.append(address)
    state.bits.append(bits)
    state.waiting = []
    state.open_word = -1


def _ordered(
    address: Sequence[IntArray], bits: Sequence[Words], shells: int
) -> tuple[IntArray, Words]:
    """Words by ascending address, those of one address made one."""
    if not sum(map(len, address)):
        return np.zeros(0, dtype=np.int64), np.zeros((shells, 0), dtype=np.uint64)
    every = np.concatenate(address)
    order = np.argsort(every, kind="stable")
    every = every[order]
    starts = np.flatnonzero(np.diff(every, prepend=-1) != 0)
    return every[starts], np.bitwise_or.reduceat(
        np.concatenate(bits, axis=1)[:, order], starts, axis=1
    )
