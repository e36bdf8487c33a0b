"""The graph of centres linked through shared anions, frame by frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.network.bonding import Bonds, mask
from ionflow.builtin.analysers.network.contacts import Contacts
from ionflow.builtin.analysers.network.fragments import Fragments
from ionflow.builtin.analysers.network.ratios import Row, stacked, unit_error
from ionflow.builtin.analysers.roles import Roles
from ionflow.builtin.analysers.thinned import Thinned
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Pairs, Subject

Mask = npt.NDArray[np.bool_]

#: through which anions centres are linked
THROUGH: Final = ("bridging", "any")
#: numbers of linked centres, and of centres that an anion holds; the last stands for more as well
MOST_NEIGHBOURS: Final = 6
MOST_HELD: Final = 4
#: a centre with so many neighbours is a branch
BRANCH: Final = 3
SHARING: Final = ("corner", "edge", "face")

#: sums over fragments, and by which sum each is divided for a mean
RATIOS: Final[Mapping[str, str]] = {
    "number_average_length": "fragments",
    "weight_average_length": "centres",
    "links": "centres",
    "cycle_rank": "centres",
    "rings": "centres",
    "bonds": "centres",
    "branches": "centres",
    "linear": "centres",
    "percolating": "centres",
    "neighbours": "centres",
    "contacts": "centres",
    "held": "anions",
    "held_by_role": "role_anions",
}

Composition = tuple[tuple[int, ...], float]
"""Atoms of each species, and charge (e; NaN if unknown)"""


@dataclass
class GraphSums:
    """What was seen so far."""

    frames: list[tuple[int, Row]] = field(default_factory=list)
    """number and sums of each frame, in order of time"""
    fragments: Counter[Composition] = field(default_factory=Counter)


@dataclass(frozen=True)
class GraphFound:
    """Sums over fragments in each frame.

    By name `<through>/<sum>`, (frame, ...), and the error of each of RATIOS from the finite number
    of fragments, `<through>/<sum>/error`; and `<through>/lengths` (frame, n), fragments of n
    centres, and `<through>/dimension` (frame,). Sums over anions are those of `any` alone.
    """

    frames: IntArray
    by_frame: Row
    fragments: Counter[Composition]


@dataclass(frozen=True)
class ChainGraph(Thinned[GraphSums]):
    """Fragments of centres linked through shared anions, in evenly spaced frames: GraphFound."""

    bonds: Bonds
    roles: Roles
    max_frames: int

    def cutoff(self, subject: Subject) -> float:
        return self.bonds.longest

    def start(self, subject: Subject) -> GraphSums:
        return GraphSums()

    def add(self, state: GraphSums, frame: Frame) -> None:
        subject, bonded = frame.subject, self.bonds.pairs(frame)
        centre = mask(subject, self.roles.centre)
        bridging = bonded.between(centre, mask(subject, self.roles.bridging))
        row: Row = {}
        for through, bonds in zip(THROUGH, (bridging, bonded), strict=True):
            held = Fragments.of(bonds, frame)
            each = _chains(bonds, held, centre, frame)
            if through == "any":
                each |= self._anions(bonds, held, subject)
            sums = _sums(each) | _lengths(held, centre)
            row |= {f"{through}/{name}": value for name, value in sums.items()}
        state.frames.append((frame.number, row))
        # the last of them holds all anions
        state.fragments.update(self._compositions(held, subject))

    def merge(self, first: GraphSums, second: GraphSums) -> GraphSums:
        return GraphSums(first.frames + second.frames, first.fragments + second.fragments)

    def finish(self, state: GraphSums, subject: Subject) -> GraphFound:
        numbers = np.array([number for number, _ in state.frames])
        return GraphFound(numbers, stacked([row for _, row in state.frames]), state.fragments)

    def _anions(self, bonded: Pairs, held: Fragments, subject: Subject) -> Row:
        """How many centres hold the anions of each fragment, by species and by role."""
        count = len(subject.labels)
        number = np.bincount(bonded.i, minlength=count) + np.bincount(bonded.j, minlength=count)
        classes = np.eye(MOST_HELD + 1)[np.minimum(number, MOST_HELD)]

        def by(groups: list[tuple[str, ...]]) -> FloatArray:
            each = [_totals(held, classes * mask(subject, g)[:, None]) for g in groups]
            return np.stack(each, axis=1)

        species = by([(name,) for name in self.roles.anions])
        role = by([self.roles.terminal, self.roles.bridging])
        return {
            "held": species,
            "anions": species.sum(axis=-1, keepdims=True),
            "held_by_role": role,
            "role_anions": role.sum(axis=-1, keepdims=True),
        }

    def _compositions(self, held: Fragments, subject: Subject) -> Counter[Composition]:
        """Fragments of centres and anions, free anions among them."""
        network = held.total(mask(subject, (*self.roles.centre, *self.roles.anions))) > 0
        charges = held.total(charges_of(subject)[0])[network]
        counts = held.composition(subject)[network]
        return Counter(
            (tuple(atoms), round(charge, 6))
            for atoms, charge in zip(counts.tolist(), charges.tolist(), strict=True)
        )


def charges_of(subject: Subject) -> tuple[FloatArray, str]:
    """(atom,) formal charges, e, NaN if there are none that can be used; and why."""
    try:
        return subject.charge, ""
    except DataError as error:
        return np.full(len(subject.labels), np.nan), str(error)


def _sums(each: Row) -> Row:
    """Sums over the fragments of a frame, and the errors of their ratios."""
    row = {name: value.sum(axis=0) for name, value in each.items()}
    for bottom in dict.fromkeys(RATIOS.values()):
        tops = [name for name in each if RATIOS.get(name) == bottom]
        if tops:
            # all that are divided by the same at once
            values = np.concatenate([each[name] for name in tops], axis=-1)
            edges = np.cumsum([each[name].shape[-1] for name in tops])[:-1]
            errors = np.split(unit_error(values, each[bottom]), edges, axis=-1)
            row |= {f"{name}/error": error for name, error in zip(tops, errors, strict=True)}
    return row


def _lengths(held: Fragments, centre: Mask) -> Row:
    """Number of fragments by length, and in how many directions one percolates at most."""
    size = held.total(centre)
    lengths = np.bincount(size.astype(np.int64), minlength=int(centre.sum()) + 1)
    return {
        "lengths": np.r_[0, lengths[1:]].astype(np.float64),
        "dimension": np.asarray(held.dimension[size > 0].max(initial=0), np.float64),
    }


def _totals(held: Fragments, values: FloatArray) -> FloatArray:
    """(fragment, column) sums of (atom, column)"""
    return np.stack([held.total(column) for column in values.T], axis=-1)


def _chains(bonded: Pairs, held: Fragments, centre: Mask, frame: Frame) -> Row:
    """Length, links, rings, branches and neighbours of each fragment, (fragment, column)."""
    atoms = len(centre)
    size = held.total(centre)
    contacts = Contacts.of(bonded, centre, frame)
    near = contacts.neighbours(atoms)
    bonds = np.bincount(held.label[bonded.i], minlength=held.count)
    # edges - vertices + 1 of each connected part of the graph of centres and anions
    rank = bonds - np.bincount(held.label, minlength=held.count) + 1
    rings = np.maximum(rank - held.dimension, 0)
    anchored = np.bincount(bonded.i, minlength=atoms) + np.bincount(bonded.j, minlength=atoms)
    forks = held.total(np.where(centre, near, anchored) >= BRANCH)
    linear = (forks == 0) & (rings == 0)
    kinds = np.eye(MOST_NEIGHBOURS + 1)[np.minimum(near, MOST_NEIGHBOURS)] * centre[:, None]
    columns = {
        "fragments": size > 0,
        "centres": size,
        "number_average_length": size,
        "weight_average_length": size**2,
        "links": np.where(size > 0, rank + size - 1, 0),
        "cycle_rank": rank,
        "rings": rings,
        "bonds": bonds,
        "branches": held.total(centre & (near >= BRANCH)),
        "linear": size * linear,
        "percolating": size * (held.dimension > 0),
    }
    return {
        **{name: np.asarray(value, np.float64)[:, None] for name, value in columns.items()},
        "neighbours": _totals(held, kinds),
        "contacts": _by_sharing(contacts, held),
    }


def _by_sharing(contacts: Contacts, held: Fragments) -> FloatArray:
    """Contacts of each fragment at corners, edges and faces, (fragment, sharing)."""
    size = len(SHARING)
    shared = np.minimum(contacts.shared, size) - 1
    key = held.label[contacts.first] * size + shared
    return np.bincount(key, minlength=held.count * size).reshape(-1, size).astype(np.float64)
