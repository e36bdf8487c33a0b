"""Products of displacements of pairs of atoms, within and between fragments."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ionflow.builtin.analysers.network.bonding import Bonds, mask
from ionflow.builtin.analysers.network.fragments import Fragments
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, PerFrame, Reference, Subject

#: origins are gathered in at most so many blocks, whose spread gives the error
BLOCKS = 5
PARTS = ("within", "between", "all")


@dataclass
class Held:
    """Positions and fragments of some frames."""

    positions: dict[int, FloatArray] = field(default_factory=dict)
    """by frame: (atom, xyz) Å, less the centre"""
    label: dict[int, IntArray] = field(default_factory=dict)
    """by frame: (atom,) fragment"""


@dataclass(frozen=True)
class Products:
    """Sums over distinct pairs of atoms of the products of their displacements."""

    steps: IntArray
    """(lag,) frames"""
    sums: FloatArray
    """(block, part, species, species, lag) Å², mean over the origins of a block"""
    pairs: FloatArray
    """(block, part, species, species, lag) mean number of ordered pairs"""

    def mean(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Sum over pairs, mean over pairs and its stderr, (part, species, species, lag)."""
        total, number = self.sums.mean(axis=0), self.pairs.mean(axis=0)
        some = self.pairs > 0
        mean = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
        each = np.divide(self.sums, self.pairs, out=np.full_like(self.sums, np.nan), where=some)
        count = len(self.sums)
        spread = each.std(axis=0, ddof=1) if count > 1 else np.full_like(mean, np.nan)
        return total, mean, spread / np.sqrt(count)


@dataclass(frozen=True)
class PairProducts(PerFrame[Held]):
    """Σ Δr_a·Δr_b over pairs of distinct atoms in one fragment at the origin, and in two.

    A thin set of frames is held in single precision: every one of them is an origin, and lags are
    whole numbers of their spacing.
    """

    bonds: Bonds
    """that make fragments"""
    reference: Reference
    guests: tuple[str, ...] = ()
    """species of which each atom joins the fragment that it has most bonds with"""
    guest_bonds: Bonds | None = None
    max_frames: int = 400
    lags: int = 12
    fraction: float = 0.5
    """longest lag as a fraction of the trajectory"""

    def frames(self, subject: Subject) -> IntArray:
        return subject.spread(self.max_frames)

    def cutoff(self, subject: Subject) -> float:
        own = self.bonds.longest
        return max(own, self.guest_bonds.longest) if self.guest_bonds else own

    def start(self, subject: Subject) -> Held:
        return Held()

    def add(self, state: Held, frame: Frame) -> None:
        subject = frame.subject
        found = Fragments.of(self.bonds.pairs(frame), frame)
        if self.guest_bonds is not None:
            found = found.joined(self.guest_bonds.pairs(frame), mask(subject, self.guests))
        centre = self.reference.weights(subject)[0] @ frame.positions
        state.positions[frame.number] = (frame.positions - centre).astype(np.float32)
        state.label[frame.number] = found.label

    def merge(self, first: Held, second: Held) -> Held:
        return Held({**first.positions, **second.positions}, {**first.label, **second.label})

    def finish(self, state: Held, subject: Subject) -> Products:
        frames = np.array(sorted(state.positions))
        steps = self._steps(len(frames))
        most = len(frames) - int(steps[-1])
        blocks = np.array_split(np.arange(most), min(BLOCKS, most))
        found = [[self._at(state, subject, frames, block, n) for n in steps] for block in blocks]
        sums, pairs = (np.array([[at[k] for at in row] for row in found]) for k in (0, 1))
        stride = int(frames[1] - frames[0]) if len(frames) > 1 else 1
        return Products(steps * stride, np.moveaxis(sums, 1, -1), np.moveaxis(pairs, 1, -1))

    def _steps(self, count: int) -> IntArray:
        """(lag,) in frames that are held; the longest leaves origins for all."""
        last = max(1, int(self.fraction * (count - 1)))
        return np.unique(np.geomspace(1, last, self.lags).round().astype(np.int64))

    def _at(
        self, state: Held, subject: Subject, frames: IntArray, origins: IntArray, step: int
    ) -> tuple[FloatArray, FloatArray]:
        """Means over some origins of (part, species, species) sums and numbers of pairs."""
        found = [
            _products(
                state.positions[frames[o + step]].astype(np.float64) - state.positions[frames[o]],
                state.label[frames[o]],
                subject,
            )
            for o in origins
        ]
        sums, pairs = (np.mean([at[k] for at in found], axis=0) for k in (0, 1))
        return sums, pairs


def _products(
    moved: FloatArray, label: IntArray, subject: Subject
) -> tuple[FloatArray, FloatArray]:
    """(part, species, species) sums over ordered pairs of distinct atoms, and their number."""
    species = len(subject.species)
    key = label * species + subject.kind
    size = (int(label.max()) + 1) * species
    by_fragment = np.stack(
        [np.bincount(key, moved[:, k], size).reshape(-1, species) for k in range(3)]
    )
    members = np.bincount(key, minlength=size).reshape(-1, species).astype(np.float64)
    own = np.bincount(subject.kind, (moved**2).sum(axis=1), species)
    whole = by_fragment.sum(axis=1)
    within = np.einsum("kfa,kfb->ab", by_fragment, by_fragment) - np.diag(own)
    total = whole.T @ whole - np.diag(own)
    number = members.sum(axis=0)
    pairs_within = members.T @ members - np.diag(number)
    pairs = np.outer(number, number) - np.diag(number)
    return (
        np.stack([within, total - within, total]),
        np.stack([pairs_within, pairs - pairs_within, pairs]),
    )
