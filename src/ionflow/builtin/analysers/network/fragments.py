"""Fragments: atoms held together by bonds, what they are made of and whether they percolate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.network.bonding import fragments
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Pairs, Subject


@dataclass(frozen=True)
class Fragments:
    """The connected fragments of one frame; an atom without bonds is one of its own."""

    label: IntArray
    """(atom,) the fragment of each atom, counted from 0"""
    dimension: IntArray
    """(fragment,) in how many directions it is bonded to its own periodic image; 0 if finite"""

    @classmethod
    def of(cls, bonded: Pairs, frame: Frame) -> Fragments:
        """What these bonds hold together.

        Parameters
        ----------
        bonded : bonds of the frame, each once in either order
        """
        label = fragments(bonded, len(frame.positions))
        return cls(label, _dimension(bonded, image_shift(bonded, frame), label))

    @property
    def count(self) -> int:
        """Number of fragments."""
        return len(self.dimension)

    def total(self, weights: npt.ArrayLike) -> FloatArray:
        """Sums over the atoms of each fragment, (fragment,), of (atom,) charges, masks, masses."""
        values = np.asarray(weights, dtype=np.float64)
        return np.bincount(self.label, values, self.count).astype(np.float64)

    def composition(self, subject: Subject) -> IntArray:
        """Atoms of each species, (fragment, species)."""
        size = len(subject.species)
        key = self.label * size + subject.kind
        return np.bincount(key, minlength=self.count * size).reshape(self.count, size)

    def joined(self, bonded: Pairs, guests: npt.NDArray[np.bool_]) -> Fragments:
        """The fragments with guests, such as alkali, that do not link one with another.

        Each guest joins the fragment that it has most bonds with, of several such the nearest; one
        without bonds stays alone. So a fragment percolates as it did without guests.

        Parameters
        ----------
        bonded : bonds between guests and other atoms
        guests : (atom,) mask; each guest must be a fragment of its own
        """
        of = bonded.between(guests, ~guests)
        key = of.i * self.count + self.label[of.j]
        kinds, place, number = np.unique(key, return_inverse=True, return_counts=True)
        nearest = np.full(len(kinds), np.inf)
        np.minimum.at(nearest, place, of.distance)
        guest, host = kinds // self.count, kinds % self.count
        order = np.lexsort((nearest, -number, guest))
        first = order[np.unique(guest[order], return_index=True)[1]]
        label = self.label.copy()
        label[guest[first]] = host[first]
        kept, label = np.unique(label, return_inverse=True)
        return Fragments(label, self.dimension[kept])


def formula(counts: Sequence[int], charge: float, names: Sequence[str]) -> str:
    """A fragment in writing; NaN stands for a charge that is not known.

    >>> formula([4, 3, 10], -4, ["Al", "O", "Cl"])
    'Al4O3Cl10 4-'
    >>> formula([0, 0, 1], float("nan"), ["Al", "O", "Cl"])
    'Cl'
    """
    pairs = zip(names, counts, strict=True)
    atoms = "".join(f"{name}{count if count > 1 else ''}" for name, count in pairs if count)
    known = np.isfinite(charge) and abs(charge) > 1e-6
    return f"{atoms} {abs(charge):.6g}{'+' if charge > 0 else '-'}" if known else atoms


def image_shift(bonded: Pairs, frame: Frame) -> IntArray:
    """Which periodic image of j each bond of i leads to, (bond, vector), in cell vectors.

    Both atoms are counted from their places in the cell, however far they have moved.
    """
    inverse = np.linalg.inv(frame.cell)
    inside = (frame.positions @ inverse) % 1.0
    whole: IntArray = np.rint(
        bonded.vector @ inverse - (inside[bonded.j] - inside[bonded.i])
    ).astype(np.int64)
    return whole


def _dimension(bonded: Pairs, shift: IntArray, label: IntArray) -> IntArray:
    """Rank of the lattice vectors by which each fragment is bonded to itself, (fragment,)."""
    dimension = np.zeros(int(label.max()) + 1, dtype=np.int64)
    home = _home(bonded, shift, label)
    # around a closed ring of bonds the shifts add up to nothing, unless it winds around the cell
    closing = home[bonded.i] + shift - home[bonded.j]
    wound = np.flatnonzero(closing.any(axis=1))
    of = label[bonded.i[wound]]
    for fragment in np.unique(of):
        dimension[fragment] = np.linalg.matrix_rank(closing[wound[of == fragment]])
    return dimension


def _home(bonded: Pairs, shift: IntArray, label: IntArray) -> IntArray:
    """The cell of each atom, so that the bonds of a spanning tree cross none, (atom, vector)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    count = root = len(label)
    size = count + 1
    start, end = np.r_[bonded.i, bonded.j], np.r_[bonded.j, bonded.i]
    step = np.concatenate([shift, -shift])
    # one tree over all fragments: from a root that is no atom to the first atom of each
    firsts = np.unique(label, return_index=True)[1]
    row, column = np.r_[start, np.full(len(firsts), root)], np.r_[end, firsts]
    graph = coo_array((np.ones(len(row)), (row, column)), shape=(size, size)).tocsr()
    parent = breadth_first_order(graph, root, return_predecessors=True)[1].astype(np.int64)
    parent[root] = root
    home = np.zeros((size, 3), dtype=np.int64)
    child = np.flatnonzero(parent != root)
    key = start * size + end
    order = np.argsort(key, kind="stable")
    bond = order[np.searchsorted(key[order], parent[child] * size + child)]
    home[child] = step[bond]
    # every atom adds the steps of its parent and moves on to its parent's parent
    while (parent != root).any():
        home += home[parent]
        parent = parent[parent]
    return home[:count]
