"""Which atoms bond and which bonds form angles: a neighbour list with skin, filtered exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from vesin import NeighborList

from ionflow.errors import PhysicsError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Graph:
    """Bonds and angles of one system, or of several behind one another.

    Each bond stands once, short ones (which form angles) first. A directed short bond has the
    number 2b when seen from `first[b]` and 2b + 1 when seen from `second[b]`.
    """

    atoms: int
    first: Integers
    """(bond,) atom"""
    second: Integers
    """(bond,) atom"""
    vectors: Floats
    """(bond, 3) Å from first to second"""
    short: int
    """Number of short bonds"""
    left: Integers
    """(pair,) directed short bond; each unordered pair with a common centre stands once"""
    right: Integers
    """(pair,) directed short bond"""

    def centres(self) -> Integers:
        """(pair,) atom at which the two bonds meet."""
        bond = self.left // 2
        return np.where(self.left % 2 == 0, self.first[bond], self.second[bond])

    def signs(self) -> Floats:
        """(pair,) what takes vectors[left] · vectors[right] to the product seen from the centre."""
        return np.where((self.left + self.right) % 2 == 0, 1.0, -1.0)


def joined(graphs: Sequence[Graph]) -> Graph:
    """Several systems as one graph, atoms behind one another, short bonds of all systems first."""
    atoms = np.cumsum([0, *(graph.atoms for graph in graphs)])
    shorts = np.cumsum([0, *(graph.short for graph in graphs)])

    def bonds(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        near = [part[: graph.short] for part, graph in zip(parts, graphs, strict=True)]
        far = [part[graph.short :] for part, graph in zip(parts, graphs, strict=True)]
        return np.concatenate([*near, *far])

    offsets = list(zip(graphs, atoms, shorts, strict=False))
    return Graph(
        atoms=int(atoms[-1]),
        first=bonds([graph.first + start for graph, start, _ in offsets]),
        second=bonds([graph.second + start for graph, start, _ in offsets]),
        vectors=bonds([graph.vectors for graph in graphs]),
        short=int(shorts[-1]),
        left=np.concatenate([graph.left + 2 * start for graph, _, start in offsets]),
        right=np.concatenate([graph.right + 2 * start for graph, _, start in offsets]),
    )


class NeighbourList:
    """Bonds of one system up to a cutoff plus a skin, rebuilt only when an atom may have crossed.

    Let F = C₀⁻¹ C be the deformation of the cell since the list was built, u the displacement of an
    atom beyond it, and σ the smallest singular value of F. A bond now of length r was no longer
    than (r + 2 max|u|) / σ, so the list is complete while 2 max|u| ≤ σ (cutoff + skin) - cutoff: a
    barostat that scales the cell spends the skin on the change of length, not on every step.

    Parameters
    ----------
    cutoff, skin : Å
    """

    def __init__(self, cutoff: float, skin: float) -> None:
        self.cutoff, self.skin = cutoff, skin
        self.builds = 0
        self.positions: Floats | None = None

    def update(self, positions: Floats, cell: Floats) -> bool:
        """Rebuild if needed; whether it was. positions: (atom, 3) Å, cell: (3, 3) Å."""
        if self.holds(positions, cell):
            return False
        self._build(positions, cell)
        return True

    def holds(self, positions: Floats, cell: Floats) -> bool:
        """Whether every bond within the cutoff is in the list."""
        if self.positions is None or self.positions.shape != positions.shape:
            return False
        if np.array_equal(cell, self.cell):
            moved, smallest = positions - self.positions, 1.0
        else:
            deformation = self.inverse @ cell
            moved = positions - self.positions @ deformation
            smallest = float(np.linalg.svd(deformation, compute_uv=False)[-1])
        moved = moved - moved.mean(0)  # a common shift changes no bond
        reach = smallest * (self.cutoff + self.skin) - self.cutoff
        largest = np.einsum("ij,ij->i", moved, moved).max(initial=0.0)
        return bool(reach > 0 and 4 * largest <= reach**2)

    def _build(self, positions: Floats, cell: Floats) -> None:
        # vesin reads what it is given: a list for the atoms moved into the cell has shifts that
        # count from there, so the whole cells in between are added back
        inverse = _inverse(cell)
        whole = np.floor(positions @ inverse)
        search = NeighborList(cutoff=self.cutoff + self.skin, full_list=False, sorted=True)
        first, second, shifts = search.compute(
            points=positions - whole @ cell, box=cell, periodic=True, quantities="ijS"
        )
        self.first, self.second = first.astype(np.int64), second.astype(np.int64)
        self.shifts = shifts + whole[self.first] - whole[self.second]
        self.positions, self.cell, self.inverse = positions.copy(), cell.copy(), inverse
        self.builds += 1


def _inverse(cell: Floats) -> Floats:
    volume = abs(float(np.linalg.det(cell)))
    if not volume > 1e-3:
        raise PhysicsError(
            f"CHGNet needs a periodic cell; the volume of this one is {volume:.3g} Å³",
            hint="atoms.center(vacuum=10) gives a molecule one",
        )
    return np.asarray(np.linalg.inv(cell), np.float64)


def vectors(lists: NeighbourList, positions: Floats, cell: Floats) -> Floats:
    """(bond, 3) Å of every bond of the list, now."""
    span: Floats = positions.take(lists.second, axis=0)
    span -= positions.take(lists.first, axis=0)
    span += lists.shifts @ cell
    return span


def graph(
    first: Integers, second: Integers, spans: Floats, atoms: int, cutoff: float, short: float
) -> Graph:
    """Keep the bonds within `cutoff`, those within `short` first, and pair these to angles.

    Parameters
    ----------
    first, second : (bond,) atoms
    spans : (bond, 3) Å
    cutoff, short : Å

    Raises
    ------
    PhysicsError
        If an atom has no bond at all: CHGNet was not made for isolated atoms.
    """
    squares = np.einsum("ij,ij->i", spans, spans)
    near = np.flatnonzero(squares < short * short)
    far = np.flatnonzero((squares >= short * short) & (squares < cutoff * cutoff))
    kept = np.concatenate([near, far])
    first, second = first.take(kept), second.take(kept)
    refuse_isolated(first, second, atoms, cutoff)
    left, right = _pairs(first[: len(near)], second[: len(near)])
    return Graph(atoms, first, second, spans.take(kept, axis=0), len(near), left, right)


def _pairs(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    """Every unordered pair of directed short bonds with a common centre."""
    centres = np.stack([first, second], axis=1).ravel()
    order = np.argsort(centres, kind="stable")
    ends = np.searchsorted(centres[order], centres[order], side="right")
    later = ends - np.arange(len(order)) - 1  # partners behind each bond at the same centre
    left = np.repeat(np.arange(len(order)), later)
    start = np.repeat(np.cumsum(later) - later, later)
    right = left + 1 + np.arange(len(left)) - start
    return order[left], order[right]


def refuse_isolated(first: Integers, second: Integers, atoms: int, cutoff: float) -> None:
    """Raise PhysicsError if an atom has no bond, naming the first such."""
    bonds = np.bincount(first, minlength=atoms) + np.bincount(second, minlength=atoms)
    alone = np.flatnonzero(bonds == 0)
    if len(alone):
        raise PhysicsError(
            f"{len(alone)} isolated atom(s), the first with index {alone[0]}: "
            f"no neighbour within {cutoff:g} Å, where CHGNet means nothing",
            hint="raise the density, or lower the temperature",
        )
