"""Velocity correlations over all time origins, relative to a centre of mass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from ionflow.builtin.analysers.jackknife import Jackknife
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray, Paths, PerAtom, Reference, Subject
from ionflow.units import FS_PER_PS

#: consecutive blocks of time origins, and groups of atoms, whose spread gives errors
BLOCKS = 5

Spectra = npt.NDArray[np.complexfloating[Any]]


@dataclass(frozen=True)
class Origins:
    """Time origins in consecutive blocks, each with all lags: correlations over all of them."""

    frames: int
    lags: int
    """0, 1, ..., lags − 1 frames"""

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """First origin of each block, that of the next, and the end of what is correlated."""
        edges = np.linspace(0, self.frames - self.lags + 1, BLOCKS + 1).astype(np.int64).tolist()
        edges[-1] = self.frames
        for start, stop in pairwise(edges):
            yield start, stop, min(stop + self.lags - 1, self.frames)

    @property
    def counts(self) -> FloatArray:
        """Origins of each block that have each lag within the trajectory, (block, lag)."""
        last = self.frames - np.arange(self.lags)
        counts = [
            np.clip(np.minimum(stop, last) - start, 0, None) for start, stop, _ in self.spans()
        ]
        return np.array(counts, dtype=np.float64)

    def spectra(self, first: FloatArray, second: FloatArray) -> Iterator[Spectra]:
        """Cross spectra of paths (..., xyz, time), summed over xyz, block by block."""
        for start, stop, end in self.spans():
            size = self.size(end - start)
            head = rfft(first[..., start:stop], size, axis=-1)
            # origins of the block with what follows it: no origin is lost between blocks
            full = rfft(second[..., start:end], size, axis=-1)
            yield np.einsum("...xf,...xf->...f", head.conj(), full)

    def size(self, length: int) -> int:
        """Of the transform of a block and what follows it, at which no lag wraps around."""
        size: int = next_fast_len(length + self.lags, real=True)
        return size

    def correlations(self, spectra: Iterator[Spectra]) -> FloatArray:
        """Sums over origins Σ_t a(t)·b(t + lag), (..., block, lag), from cross spectra."""
        curves = [
            irfft(spectrum, self.size(end - start), axis=-1)[..., : self.lags]
            for spectrum, (start, _, end) in zip(spectra, self.spans(), strict=True)
        ]
        return np.stack(curves, axis=-2)


@dataclass
class VelocitySums:
    """Velocities correlated so far."""

    group: IntArray
    """(atom,) the group of atoms of its species that each atom belongs to"""
    weight: FloatArray
    """(atom,) in the centre"""
    correlations: dict[str, FloatArray]
    """(group, block, lag) Å²/ps², summed over atoms and origins"""
    sums: dict[str, FloatArray]
    """(xyz, time) Å/ps, over the atoms of a species"""
    centre: FloatArray
    """(xyz, time) Å/ps"""


@dataclass(frozen=True)
class VelocityCorrelation(PerAtom[VelocitySums]):
    """⟨v(0)·v(t)⟩ by species, Å²/ps², over all origins: {species: Jackknife of (lag,)}.

    Velocities are relative to those of a centre of mass V. Since that is known only when all atoms
    are read, Σ_i (v_i − V)(0)·(v_i − V)(t) is taken apart: from the sum over atoms of v_i(0)·v_i(t)
    the correlations of S = Σ_i v_i with V are taken off, and N V(0)·V(t) is added.
    """

    variable: ClassVar[str] = "velocities"

    lags: int
    """number of lags, from 0 on, one frame apart"""
    centre: Reference

    def start(self, subject: Subject) -> VelocitySums:
        group = np.zeros(len(subject.labels), dtype=np.int64)
        correlations = {}
        for species, atoms in subject.atoms.items():
            groups = min(BLOCKS, len(atoms))
            group[atoms] = np.arange(len(atoms)) * groups // len(atoms)
            correlations[species] = np.zeros((groups, BLOCKS, self.lags))
        zero = np.zeros((3, subject.frames))
        sums = {species: zero.copy() for species in subject.species}
        return VelocitySums(group, self.centre.weights(subject)[0], correlations, sums, zero)

    def add(self, state: VelocitySums, paths: Paths) -> None:
        velocities, species = paths.values * FS_PER_PS, paths.species
        origins = Origins(velocities.shape[-1], self.lags)
        known = state.correlations[species]
        member = (state.group[paths.atoms] == np.arange(len(known))[:, None]).astype(np.float64)
        spectra = (member @ spectrum for spectrum in origins.spectra(velocities, velocities))
        known += origins.correlations(spectra)
        state.sums[species] += velocities.sum(axis=0)
        state.centre += np.tensordot(state.weight[paths.atoms], velocities, 1)

    def merge(self, first: VelocitySums, second: VelocitySums) -> VelocitySums:
        both = {s: first.correlations[s] + second.correlations[s] for s in first.correlations}
        sums = {s: first.sums[s] + second.sums[s] for s in first.sums}
        centre = first.centre + second.centre
        return VelocitySums(first.group, first.weight, both, sums, centre)

    def finish(self, state: VelocitySums, subject: Subject) -> dict[str, Jackknife]:
        origins = Origins(subject.frames, self.lags)
        found = {}
        for species, atoms in subject.atoms.items():
            sizes = np.bincount(state.group[atoms]).astype(np.float64)
            shift = _shift(origins, state.sums[species], state.centre, len(atoms))
            # how it is shared among groups matters to the errors alone, and hardly
            moved = state.correlations[species] + shift * (sizes / sizes.sum())[:, None, None]
            counts = sizes[:, None, None] * origins.counts
            found[species] = Jackknife.of(moved.swapaxes(0, 1), counts.swapaxes(0, 1))
        return found


def _shift(origins: Origins, total: FloatArray, centre: FloatArray, atoms: int) -> FloatArray:
    """What subtracting the centre adds to the correlation of the atoms, (block, lag)."""
    if not centre.any():
        return np.zeros((BLOCKS, origins.lags))
    mixed = origins.correlations(origins.spectra(total, centre)) + origins.correlations(
        origins.spectra(centre, total)
    )
    shift: FloatArray = atoms * origins.correlations(origins.spectra(centre, centre)) - mixed
    return shift


@dataclass(frozen=True)
class OneStep(PerAtom[dict[str, FloatArray]]):
    """Mean squared displacement from a frame to the next, {species: Å²}."""

    def start(self, subject: Subject) -> dict[str, FloatArray]:
        return {species: np.zeros(()) for species in subject.species}

    def add(self, state: dict[str, FloatArray], paths: Paths) -> None:
        steps = np.diff(paths.values, axis=-1)
        state[paths.species] = state[paths.species] + (steps**2).sum(axis=1).mean(axis=-1).sum()

    def merge(
        self, first: dict[str, FloatArray], second: dict[str, FloatArray]
    ) -> dict[str, FloatArray]:
        return {species: first[species] + second[species] for species in first}

    def finish(self, state: dict[str, FloatArray], subject: Subject) -> dict[str, float]:
        return {s: float(total) / len(subject.atoms[s]) for s, total in state.items()}
