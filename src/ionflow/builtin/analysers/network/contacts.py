"""Centres that share anions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.network.fragments import image_shift
from ionflow.passes import Frame, IntArray, Pairs


@dataclass(frozen=True)
class Contacts:
    """Pairs of centres, images included, that share one or more anions; each pair once."""

    first: IntArray
    """(contact,) atoms"""
    second: IntArray
    """(contact,)"""
    shared: IntArray
    """(contact,) number of shared anions: 1 for corners, 2 for edges, 3 for faces"""

    @classmethod
    def of(cls, bonded: Pairs, centre: npt.NDArray[np.bool_], frame: Frame) -> Contacts:
        """Contacts through these bonds.

        Parameters
        ----------
        bonded : bonds between centres and anions, each once in either order
        centre : (atom,) mask of centres
        """
        of = bonded.between(~centre, centre)
        order = np.argsort(of.i, kind="stable")
        anion, end = of.i[order], of.j[order]
        shift = image_shift(of, frame)[order]
        pairs = [_apart(anion, k) for k in range(1, _most(anion))]
        one = np.concatenate([np.arange(0), *(pair[0] for pair in pairs)])
        other = np.concatenate([np.arange(0), *(pair[1] for pair in pairs)])
        return cls._distinct(end[one], end[other], shift[other] - shift[one], len(centre))

    @classmethod
    def _distinct(cls, first: IntArray, second: IntArray, shift: IntArray, atoms: int) -> Contacts:
        """Shared anions counted by pair of centres and image."""
        cells = 2 * int(np.abs(shift).max(initial=0)) + 1
        image = shift @ np.array([cells**2, cells, 1])
        # a pair seen from its other end is the same pair
        turned = (first > second) | ((first == second) & (image < 0))
        low, high = np.where(turned, second, first), np.where(turned, first, second)
        key = (low * atoms + high) * cells**3 + np.where(turned, -image, image) + cells**3 // 2
        known, shared = np.unique(key, return_counts=True)
        ends = known // cells**3
        return cls(ends // atoms, ends % atoms, shared)

    def neighbours(self, atoms: int) -> IntArray:
        """How many others each atom shares anions with, (atom,); its own images count."""
        first, second = (np.bincount(x, minlength=atoms) for x in (self.first, self.second))
        return first + second


def _most(anion: IntArray) -> int:
    return int(np.bincount(anion).max()) if len(anion) else 0


def _apart(anion: IntArray, k: int) -> tuple[IntArray, IntArray]:
    """Bonds of the same anion that are k places apart in its list."""
    one = np.flatnonzero(anion[k:] == anion[:-k])
    return one, one + k
