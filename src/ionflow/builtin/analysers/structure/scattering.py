"""Products of density amplitudes of species at wave vectors that the cell allows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ionflow.builtin.analysers.thinned import Thinned
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Subject

#: atoms times vectors handled together: what stays in a cache
BLOCK_PHASES = 20_000
#: candidate vectors beyond which the sum is refused
MOST_CANDIDATES = 20_000_000


@dataclass(frozen=True)
class Vectors:
    """Wave vectors q = 2π h·b of a cell with reciprocal vectors b, in order of bin."""

    index: IntArray
    """(vector, 3) integers h; of q and −q, which scatter alike, one"""
    q: FloatArray
    """(vector,) |q| in the mean cell, 1/Å"""
    bin: IntArray
    """(vector,)"""

    def __len__(self) -> int:
        return len(self.q)


@dataclass(frozen=True)
class Amplitudes:
    """⟨Re ρ_a ρ_b*⟩/N of unordered pairs of species, ρ_a(q) = Σ_{i∈a} exp(−i q·r_i)."""

    pairs: tuple[tuple[str, str], ...]
    vectors: Vectors
    blocks: FloatArray
    """(block, pair, vector)"""
    frames_per_block: IntArray
    """(block,)"""


@dataclass(frozen=True)
class PairAmplitudes(Thinned[FloatArray]):
    """Products of amplitudes in evenly spaced frames: Amplitudes.

    The integers h are chosen in the mean cell; each frame has the wave vectors of its own cell.
    """

    q_max: float
    """1/Å"""
    bins: int
    vectors_per_bin: int
    """at most, drawn at random; all if 0"""
    seed: int
    max_frames: int

    def cutoff(self, subject: Subject) -> float:
        return 0.0

    def start(self, subject: Subject) -> FloatArray:
        species = len(subject.species)
        count = len(self._vectors(subject))
        return np.zeros((self.blocks(subject), species * (species + 1) // 2, count))

    def add(self, state: FloatArray, frame: Frame) -> None:
        subject = frame.subject
        scaled = frame.positions @ np.linalg.inv(frame.cell)
        atoms = list(subject.atoms.values())
        rho = _amplitudes(scaled, atoms, self._vectors(subject).index)
        a, b = np.triu_indices(len(atoms))
        products = rho.real[a] * rho.real[b] + rho.imag[a] * rho.imag[b]
        state[self.block_of(frame)] += products / len(scaled)

    def merge(self, first: FloatArray, second: FloatArray) -> FloatArray:
        return first + second

    def finish(self, state: FloatArray, subject: Subject) -> Amplitudes:
        frames = self.frames_per_block(subject)
        return Amplitudes(
            tuple(combinations_with_replacement(subject.species, 2)),
            self._vectors(subject),
            state / frames[:, None, None],
            frames,
        )

    def _vectors(self, subject: Subject) -> Vectors:
        key = (self.q_max, self.bins, self.vectors_per_bin, self.seed, "wave vectors")
        return subject.once(key, lambda: self._drawn(subject.cells.mean(axis=0)))

    def _drawn(self, cell: FloatArray) -> Vectors:
        index, q = _allowed(cell, self.q_max)
        place = np.minimum((q * (self.bins / self.q_max)).astype(np.int64), self.bins - 1)
        lot = np.random.default_rng(self.seed).random(len(q))
        order = np.lexsort((lot, place))
        if self.vectors_per_bin:
            counts = np.bincount(place, minlength=self.bins)
            rank = np.arange(len(q)) - np.repeat(np.cumsum(counts) - counts, counts)
            order = order[rank < self.vectors_per_bin]
        return Vectors(index[order], q[order], place[order])


def _allowed(cell: FloatArray, q_max: float) -> tuple[IntArray, FloatArray]:
    """All h with |q| < q_max, one of each pair ±h, and |q|.

    Raises
    ------
    DataError
        If there are none, or too many.
    """
    # |h_k| = |q·a_k|/2π ≤ q_max |a_k|/2π
    most = np.floor(q_max * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    if np.prod(2.0 * most + 1) > MOST_CANDIDATES:
        raise DataError(
            f"the cell has too many wave vectors up to {q_max:g} 1/Å",
            hint="lower q_max_per_angstrom",
        )
    axes = [np.arange(-n, n + 1) for n in most[:2]] + [np.arange(0, most[2] + 1)]
    h = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    half = (h[:, 2] > 0) | ((h[:, 2] == 0) & ((h[:, 1] > 0) | ((h[:, 1] == 0) & (h[:, 0] > 0))))
    h = h[half]
    q = 2 * np.pi * np.linalg.norm(h @ np.linalg.inv(cell).T, axis=1)
    if not (q < q_max).any():
        raise DataError(
            f"the cell allows no wave vector below {q_max:g} 1/Å",
            hint="raise q_max_per_angstrom",
        )
    return h[q < q_max], q[q < q_max]


def _amplitudes(scaled: FloatArray, atoms: list[IntArray], index: IntArray) -> np.ndarray:
    """ρ of each species, (species, vector) complex, from powers of exp(−2πi s)."""
    order = np.concatenate(atoms)
    edges = np.cumsum([0, *(len(one) for one in atoms)])
    powers, shift = _powers(scaled[order], index)
    rho = np.empty((len(atoms), len(index)), dtype=np.complex128)
    rows = max(1, BLOCK_PHASES // len(order))
    for start in range(0, len(index), rows):
        chosen = slice(start, start + rows)
        x, y, z = (power[h] for power, h in zip(powers, (index[chosen] + shift).T, strict=True))
        x *= y
        x *= z
        rho[:, chosen] = np.add.reduceat(x, edges[:-1], axis=1).T
    return rho


def _powers(scaled: FloatArray, index: IntArray) -> tuple[list[np.ndarray], IntArray]:
    """exp(−2πi h s) along each axis, (h, atom), and what makes h an index of it."""
    low, high = index.min(axis=0), index.max(axis=0)
    within = scaled - np.floor(scaled)
    tables = [
        np.exp(-2j * np.pi * np.arange(a, b + 1)[:, None] * s)
        for a, b, s in zip(low, high, within.T, strict=True)
    ]
    return tables, -low
