"""Clusters of ions that carry their net charge together: how many there are, of which charge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ionflow.builtin.analysers.network.bonding import Bonds, mask
from ionflow.builtin.analysers.network.fragments import Fragments
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, PerFrame, Subject

#: frames are gathered in at most so many blocks, whose spread gives the error of the means
BLOCKS = 5


@dataclass
class Seen:
    """What was seen of clusters so far."""

    currents: dict[int, FloatArray] = field(default_factory=dict)
    """by frame: (species, majority) Σ over clusters of z q_s n_s, where D is that of `majority`"""
    largest: dict[int, float] = field(default_factory=dict)
    """by frame: share of the atoms in question that are in the largest cluster"""
    spanning: dict[int, bool] = field(default_factory=dict)
    """by frame: whether a cluster is bonded to its own periodic image"""
    charges: Counter[float] = field(default_factory=Counter)
    """how many clusters had which charge, e"""


@dataclass(frozen=True)
class Clustered:
    """Mean numbers of clusters, weighted by their charges."""

    currents: FloatArray
    """(species, majority) ⟨Σ z q_s n_s⟩ over the clusters that move as `majority`, e²"""
    currents_stderr: FloatArray
    """(species, majority) from the spread over blocks of frames"""
    factors_stderr: FloatArray
    """(majority,) of the sums over species, ⟨Σ z²⟩"""
    largest: float
    """mean share of the atoms in question that are in the largest cluster"""
    percolating: float
    """share of frames in which a cluster is bonded to its own periodic image"""
    charges: Mapping[float, float]
    """mean number of clusters by charge, e"""

    @property
    def factors(self) -> FloatArray:
        """(majority,) ⟨Σ z²⟩ of the clusters that move as each species, e²"""
        total: FloatArray = self.currents.sum(axis=0)
        return total


@dataclass(frozen=True)
class ClusterCharges(PerFrame[Seen]):
    """Charges of the clusters that bonds form, by the species that most of their ions are of.

    A cluster moves as the most numerous of its species whose charge has the sign of the more
    numerous kind of ion, cations or anions; where several are equally numerous, each stands for
    its share.
    """

    bonds: Bonds
    """within clusters"""
    guests: tuple[str, ...] = ()
    """species of which each atom joins the cluster that it has most bonds with"""
    guest_bonds: Bonds | None = None
    """of guests with members of clusters"""
    max_frames: int = 200

    def frames(self, subject: Subject) -> IntArray:
        return subject.spread(self.max_frames)

    def cutoff(self, subject: Subject) -> float:
        own = self.bonds.longest
        return max(own, self.guest_bonds.longest) if self.guest_bonds else own

    def start(self, subject: Subject) -> Seen:
        return Seen()

    def add(self, state: Seen, frame: Frame) -> None:
        subject = frame.subject
        found = Fragments.of(self.bonds.pairs(frame), frame)
        if self.guest_bonds is not None:
            bonded = self.guest_bonds.pairs(frame)
            found = found.joined(bonded, mask(subject, self.guests))
        charge = np.round(found.total(subject.charge), 6)
        members = found.composition(subject)
        size = members.sum(axis=1)
        state.currents[frame.number] = _currents(members, charge, _charges(subject))
        state.largest[frame.number] = (
            float(size.max() / size[size > 1].sum()) if size.max() > 1 else 0.0
        )
        state.spanning[frame.number] = bool(found.dimension.any())
        state.charges.update(charge.tolist())

    def merge(self, first: Seen, second: Seen) -> Seen:
        return Seen(
            {**first.currents, **second.currents},
            {**first.largest, **second.largest},
            {**first.spanning, **second.spanning},
            first.charges + second.charges,
        )

    def finish(self, state: Seen, subject: Subject) -> Clustered:
        numbers = sorted(state.currents)
        each = np.array([state.currents[n] for n in numbers])
        return Clustered(
            each.mean(axis=0),
            _spread(each),
            _spread(each.sum(axis=1)),
            float(np.mean([state.largest[n] for n in numbers])),
            float(np.mean([state.spanning[n] for n in numbers])),
            {z: count / len(numbers) for z, count in sorted(state.charges.items())},
        )


def _charges(subject: Subject) -> FloatArray:
    """(species,) mean charge, e"""
    total = np.bincount(subject.kind, subject.charge, len(subject.species))
    mean: FloatArray = total / np.bincount(subject.kind, minlength=len(subject.species))
    return mean


def _currents(members: IntArray, charge: FloatArray, q: FloatArray) -> FloatArray:
    """(species, majority) Σ over clusters of z q_s n_s.

    Parameters
    ----------
    members : (cluster, species) atoms
    charge : (cluster,) e
    q : (species,) e
    """
    carried = charge[:, None] * q * members
    return carried.T @ majority(members, q)


def majority(members: IntArray, q: FloatArray) -> FloatArray:
    """Which species' D a cluster has, as shares that add up to 1, (cluster, species)."""
    cations = members[:, q > 0].sum(axis=1)
    anions = members[:, q < 0].sum(axis=1)
    sign = np.sign(q)
    allowed = ((cations >= anions)[:, None] & (sign > 0)) | (
        (anions >= cations)[:, None] & (sign < 0)
    )
    most = np.where(allowed, members, 0)
    top = (most == most.max(axis=1, keepdims=True)) & (most > 0)
    number = np.maximum(top.sum(axis=1, keepdims=True), 1)
    shares: FloatArray = top / number
    return shares


def _spread(each: FloatArray) -> FloatArray:
    """Standard error of the mean over frames, from the spread over blocks of them."""
    count = min(BLOCKS, len(each))
    if count < 2:
        return np.full(each.shape[1:], np.nan)
    means = np.array([block.mean(axis=0) for block in np.array_split(each, count)])
    stderr: FloatArray = means.std(axis=0, ddof=1) / np.sqrt(count)
    return stderr
