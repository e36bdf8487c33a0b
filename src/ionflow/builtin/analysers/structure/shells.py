"""Distances between atoms, counted by pair of species, and the shells they form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.thinned import Thinned
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Pairs, Subject

#: a peak or a minimum stands out by this much, and by so many times the counting noise
MIN_PROMINENCE = 0.15
NOISE_FACTOR = 5.0


@dataclass(frozen=True)
class Histogram:
    """Pair distances by ordered pair of species, in blocks of frames."""

    pairs: tuple[tuple[str, str], ...]
    edges: FloatArray
    """(bin + 1,) Å"""
    counts: FloatArray
    """(block, pair, bin) ordered pairs, summed over the frames of a block"""
    weighted: FloatArray
    """(block, pair, bin) the same, with the volume (Å³) of each frame as weight"""
    frames_per_block: IntArray
    atoms: IntArray
    """(pair, 2) numbers of atoms of the two species"""
    volume: float
    """mean volume, Å³"""

    @property
    def frames(self) -> int:
        """Number of frames counted."""
        return int(self.frames_per_block.sum())

    @property
    def width(self) -> float:
        """Width of a bin, Å."""
        return float(self.edges[1] - self.edges[0])

    @property
    def centres(self) -> FloatArray:
        """(bin,) Å"""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    def distribution(self) -> tuple[FloatArray, FloatArray]:
        """g and its standard error, (pair, bin); NaN with a single block."""
        shell = 4 / 3 * np.pi * np.diff(self.edges**3)
        ideal = self.atoms.prod(axis=1)[:, None] * shell
        mean = self.weighted.sum(axis=0) / (self.frames * ideal)
        blocks = self.weighted / (self.frames_per_block[:, None, None] * ideal)
        count = len(blocks)
        if count < 2:
            return mean, np.full_like(mean, np.nan)
        return mean, blocks.std(axis=0, ddof=1) / np.sqrt(count)

    def running_coordination(self) -> FloatArray:
        """Mean number of the second species within the outer edge of each bin, (pair, bin)."""
        around = self.counts.sum(axis=0).cumsum(axis=1)
        running: FloatArray = around / (self.frames * self.atoms[:, :1])
        return running

    def running_error(self) -> FloatArray:
        """Standard error of the running coordination from the blocks, (pair, bin); NaN with one."""
        frames = self.frames_per_block[:, None, None]
        blocks = self.counts.cumsum(axis=-1) / (frames * self.atoms[:, :1])
        if len(blocks) < 2:
            return np.full(blocks.shape[1:], np.nan)
        error: FloatArray = blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks))
        return error

    def noise(self, pair: int) -> FloatArray:
        """Counting error of g in each bin where it is 1, (bin,)."""
        shell = 4 / 3 * np.pi * np.diff(self.edges**3)
        expected = self.frames * self.atoms[pair].prod() * shell / self.volume
        noise: FloatArray = 1 / np.sqrt(expected)
        return noise


@dataclass
class Counted:
    """Pairs counted so far, by block of frames, pair of kinds and bin."""

    counts: FloatArray
    """(block, kind, kind, bin), each pair once"""
    weighted: FloatArray
    """the same, with the volume (Å³) of each frame as weight"""


@dataclass(frozen=True)
class PairDistances(Thinned[Counted]):
    """Distances of all pairs of atoms, images included, in evenly spaced frames: a Histogram."""

    r_max: float
    """Å"""
    bins: int
    max_frames: int

    def cutoff(self, subject: Subject) -> float:
        return self.r_max

    def start(self, subject: Subject) -> Counted:
        size = len(subject.species)
        shape = (self.blocks(subject), size, size, self.bins)
        return Counted(np.zeros(shape), np.zeros(shape))

    def add(self, state: Counted, frame: Frame) -> None:
        found = _count(frame.pairs(self.r_max), frame.subject, self.r_max, self.bins)
        block = self.block_of(frame)
        state.counts[block] += found
        state.weighted[block] += frame.volume * found

    def merge(self, first: Counted, second: Counted) -> Counted:
        return Counted(first.counts + second.counts, first.weighted + second.weighted)

    def finish(self, state: Counted, subject: Subject) -> Histogram:
        names, number = subject.species, [len(atoms) for atoms in subject.atoms.values()]
        flat = (self.blocks(subject), len(names) ** 2, self.bins)
        # each pair was found once, from either of its ends
        counts, weighted = (x + x.transpose(0, 2, 1, 3) for x in (state.counts, state.weighted))
        return Histogram(
            tuple((a, b) for a in names for b in names),
            np.linspace(0.0, self.r_max, self.bins + 1),
            counts.reshape(flat),
            weighted.reshape(flat),
            self.frames_per_block(subject),
            np.array([(a, b) for a in number for b in number]),
            float(subject.volumes[self.frames(subject)].mean()),
        )


def _count(pairs: Pairs, subject: Subject, r_max: float, bins: int) -> FloatArray:
    """Pairs of one frame, (kind, kind, bin)."""
    size, kind = len(subject.species), subject.kind
    place = np.minimum((pairs.distance * (bins / r_max)).astype(np.int64), bins - 1)
    key = (kind[pairs.i] * size + kind[pairs.j]) * bins + place
    counts = np.bincount(key, minlength=size * size * bins)
    return counts.reshape(size, size, bins).astype(np.float64)


def first_shell(g: FloatArray, noise: FloatArray, width: float) -> tuple[int, int] | None:
    """Bins of the first peak of g and of the first minimum behind it; None if there is none.

    Parameters
    ----------
    g, noise : (bin,) distribution, and its counting error
    width : of the Gaussian that smooths g first, in bins
    """
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(g, width) if width > 0 else g
    least = MIN_PROMINENCE + NOISE_FACTOR * noise / np.sqrt(max(1.0, 2 * np.sqrt(np.pi) * width))
    peaks = _prominent(smooth, least)
    if not peaks.size:
        return None
    minima = _prominent(-smooth, least)
    behind = minima[minima > peaks[0]]
    return (int(peaks[0]), int(behind[0])) if behind.size else None


def _prominent(curve: FloatArray, least: FloatArray) -> IntArray:
    """Maxima that stand out by at least so much, (maximum,)."""
    from scipy.signal import find_peaks

    places, found = find_peaks(curve, prominence=0.0)
    prominent: IntArray = places[found["prominences"] >= least[places]]
    return prominent
