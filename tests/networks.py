"""Networks whose environments, chains and rings can be counted by hand."""

from __future__ import annotations

import numpy as np

STEP = 3.5
"""From centre to centre along a chain, Å"""
CUTOFFS = {"Al-O": 2.0, "Al-Cl": 2.4}
CHARGES = {"Li": 1.0, "Al": 3.0, "O": -2.0, "Cl": -1.0}
CORNERS = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
"""Of a regular tetrahedron, from its centre"""

Places = dict[str, np.ndarray]
"""(atom, xyz) Å by element"""


def chain(centres: int) -> Places:
    """A straight chain [MnO(n-1)X(2n+2)] along x: O between centres, X beside and at the ends."""
    along = np.arange(centres) * STEP
    beside = [[0, 2.1, 0], [0, 0, 2.1]]
    zero = np.zeros(centres)
    M = np.stack([along, zero, zero], axis=1)
    ends = np.array([[-2.1, 0, 0], [along[-1] + 2.1, 0, 0]])
    return {
        "Al": M,
        "O": M[:-1] + np.array([STEP / 2, 0, 0]),
        "Cl": np.concatenate([(M[:, None] + beside).reshape(-1, 3), ends]),
    }


def edge_dimer() -> Places:
    """Al2Cl6: two tetrahedra that share an edge."""
    return {
        "Al": np.array([[-1.6, 0, 0], [1.6, 0, 0]]),
        "Cl": np.array(
            [
                [0, 0, 1.6],
                [0, 0, -1.6],
                *([s * 2.7, t * 1.8, 0] for s in (-1, 1) for t in (-1, 1)),
            ]
        ),
    }


def ring(centres: int) -> Places:
    """A ring of centres with O between neighbours and two X on each."""
    angle = 2 * np.pi * np.arange(centres) / centres
    above = np.array([0, 0, 2.1])
    radius = STEP / 2 / np.sin(np.pi / centres)
    M = radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    return {
        "Al": M,
        "O": (M + np.roll(M, -1, axis=0)) / 2,
        "Cl": np.concatenate([M + above, M - above]),
    }


def star(branches: int = 3) -> Places:
    """A centre linked to three others by O: a branch; no X."""
    out = CORNERS[:branches]
    return {"Al": np.concatenate([[np.zeros(3)], out * STEP]), "O": out * STEP / 2}


def lattice(dimensions: int) -> Places:
    """One centre whose O link it to its own images in some directions, cell STEP in those."""
    return {"Al": np.zeros((1, 3)), "O": np.eye(3)[:dimensions] * STEP / 2}


def beside(*parts: Places, apart: float = 40.0) -> Places:
    """Several networks side by side along y."""
    elements = [e for e in CHARGES if any(e in part for part in parts)]
    return {
        e: np.concatenate(
            [part[e] + [0, k * apart, 0] for k, part in enumerate(parts) if e in part]
        )
        for e in elements
    }


def atoms_of(places: Places) -> tuple[list[str], np.ndarray, list[float]]:
    """Symbols, (atom, xyz) Å, formal charges."""
    symbols = [e for e, x in places.items() for _ in x]
    return symbols, np.concatenate(list(places.values())), [CHARGES[s] for s in symbols]


def neutral(places: Places, at: float = 20.0) -> Places:
    """The network with alkali far away, so many that there is no charge."""
    count = -int(sum(CHARGES[e] * len(x) for e, x in places.items()))
    far = np.array([[4.0 * k, 0, at] for k in range(count)]).reshape(-1, 3)
    return {"Li": far, **places} if count else dict(places)
