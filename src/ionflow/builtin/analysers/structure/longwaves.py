"""Fluctuations of the longest wavelengths: have phases separated, is there a void?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ionflow.builtin.analysers.thinned import Thinned
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Subject

#: 1/Å; a cell shorter than 9 Å has no wave that is long against what neighbours arrange
LONGEST_Q = 0.7
#: wave vectors up to this multiple of the shortest one
REACH = 1.5
#: what a mixed melt or glass of ions scatters at most, on average over its longest waves, in units
#: of independent atoms: 1.9 was seen, of oxygen in 84 to 1344 atoms (docs/analyses/structure.md)
MIXED = 2.0
#: chance that a mixed one is taken for separated, nominally
FALSE_ALARM = 1e-3
#: a share of the amplitude that no less than a third of the cell emptied of a species has
LEAST_SHARE = 0.45
ALL = "all atoms"


@dataclass(frozen=True)
class Waves:
    """Scattering of each component at the longest waves of the cell.

    Attributes
    ----------
    components : species, and all atoms together
    counts : (component,) atoms
    intensity : (component,) ⟨|ρ_q|²⟩/N of the brightest q; NaN if the cell is too short
    bound : of `intensity`, by the number of waves and components and the false alarm allowed
    q : shortest wave vector, 1/Å
    """

    components: tuple[str, ...]
    counts: IntArray
    intensity: FloatArray
    bound: float
    q: float

    @property
    def share(self) -> FloatArray:
        """(component,) |ρ_q|/N; 0.64 for a sharp slab that fills half of the cell."""
        return np.sqrt(self.intensity / self.counts)

    @property
    def detectable(self) -> FloatArray:
        """(component,) the share that exceeds the bound."""
        return np.sqrt(self.bound / self.counts)

    @property
    def separated(self) -> tuple[str, ...]:
        """Components that are too unevenly spread for chance."""
        beyond = self.intensity > self.bound
        return tuple(name for name, is_so in zip(self.components, beyond, strict=True) if is_so)

    @property
    def verdict(self) -> str:
        """In words."""
        if not np.isfinite(self.intensity).all():
            return f"cannot tell: the cell is shorter than {2 * np.pi / LONGEST_Q:.0f} Å"
        if self.separated:
            told = [self._told(name) for name in self.separated]
            return f"phase separated: {'; '.join(told)} (bound {self.bound:.3g})"
        clear = self.detectable < LEAST_SHARE
        names = [n for n, is_so in zip(self.components, clear, strict=True) if is_so]
        few = [n for n in self.components if n not in names]
        if not names:
            return "cannot tell: too few atoms"
        left = f"; too few atoms to tell of {', '.join(few)}" if few else ""
        return f"no: {', '.join(names)} spread evenly{left}"

    def _told(self, name: str) -> str:
        k = self.components.index(name)
        return f"{name} scatter {self.intensity[k]:.3g} times as much as independent atoms"


@dataclass(frozen=True)
class LongWaves(Thinned[FloatArray]):
    """Squared amplitudes of species and of all atoms at the longest waves of the cell: Waves."""

    max_frames: int

    def cutoff(self, subject: Subject) -> float:
        return 0.0

    def start(self, subject: Subject) -> FloatArray:
        return np.zeros((len(subject.species) + 1, len(_vectors(subject)[0])))

    def add(self, state: FloatArray, frame: Frame) -> None:
        index, _ = _vectors(frame.subject)
        scaled = frame.positions @ np.linalg.inv(frame.cell)
        wave = np.exp(-2j * np.pi * (scaled @ index.T))
        amplitudes = [wave[atoms].sum(axis=0) for atoms in frame.subject.atoms.values()]
        state += np.abs([*amplitudes, wave.sum(axis=0)]) ** 2

    def merge(self, first: FloatArray, second: FloatArray) -> FloatArray:
        return first + second

    def finish(self, state: FloatArray, subject: Subject) -> Waves:
        counts = np.array([*(len(a) for a in subject.atoms.values()), len(subject.labels)])
        _, q = _vectors(subject)
        frames = int(self.frames_per_block(subject).sum())
        found = state / frames / counts[:, None]
        return Waves(
            components=(*subject.species, ALL),
            counts=counts,
            intensity=found.max(axis=1) if len(q) else np.full(len(counts), np.nan),
            bound=float(MIXED * np.log(max(1, found.size) / FALSE_ALARM)),
            q=float(q.min()) if len(q) else np.nan,
        )


def _vectors(subject: Subject) -> tuple[IntArray, FloatArray]:
    """Integers of the longest waves, (wave, 3), of q and −q one, and |q|."""
    index = np.array(list(product((-1, 0, 1), repeat=3)))[14:]
    cell = subject.cells.mean(axis=0)
    q = 2 * np.pi * np.linalg.norm(index @ np.linalg.inv(cell).T, axis=1)
    kept = (q < REACH * q.min()) & (q < LONGEST_Q)
    return index[kept], q[kept]
