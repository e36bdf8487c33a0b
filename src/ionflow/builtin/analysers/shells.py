"""Distances between atoms, counted by pair of species, and the shells they form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.brownian import IntArray
from ionflow.builtin.analysers.labels import members
from ionflow.errors import DataError
from ionflow.kinds import FloatArray

#: frames are gathered in at most so many blocks, whose spread gives the error of g
BLOCKS = 5
#: frames read together, so that a chunk of the trajectory is read once
FRAMES_PER_READ = 64
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

    def noise(self, pair: int) -> FloatArray:
        """Counting error of g in each bin where it is 1, (bin,)."""
        shell = 4 / 3 * np.pi * np.diff(self.edges**3)
        expected = self.frames * self.atoms[pair].prod() * shell / self.volume
        noise: FloatArray = 1 / np.sqrt(expected)
        return noise


def pair_histogram(trajectory: xr.Dataset, frames: IntArray, r_max: float, bins: int) -> Histogram:
    """Count the distances of all pairs of atoms, images included, in some frames.

    Parameters
    ----------
    trajectory : with positions, cell and element
    frames : (frame,) indices
    r_max : longest distance, Å
    bins : number of bins
    """
    species = members(trajectory)
    kind = np.empty(trajectory.sizes["atom"], dtype=np.int64)
    for index, atoms in enumerate(species.values()):
        kind[atoms] = index
    size, blocks = len(species), min(BLOCKS, len(frames))
    block_of = np.arange(len(frames)) * blocks // len(frames)
    counts, weighted = np.zeros((2, blocks, size, size, bins))
    volumes = 0.0
    for block, positions, cell in zip(block_of, *_read(trajectory, frames), strict=True):
        found = _count(positions, cell, kind, size, r_max, bins)
        volume = abs(float(np.linalg.det(cell)))
        counts[block] += found
        weighted[block] += volume * found
        volumes += volume
    number = np.bincount(kind, minlength=size)
    flat = (blocks, size * size, bins)
    return Histogram(
        tuple((a, b) for a in species for b in species),
        np.linspace(0.0, r_max, bins + 1),
        counts.reshape(flat),
        weighted.reshape(flat),
        np.bincount(block_of, minlength=blocks),
        np.array([(a, b) for a in number for b in number]),
        volumes / len(frames),
    )


def _read(
    trajectory: xr.Dataset, frames: IntArray
) -> tuple[Iterator[FloatArray], Iterator[FloatArray]]:
    cells = trajectory["cell"].isel(time=frames).transpose("time", "vector", "xyz").values
    if not (np.abs(np.linalg.det(cells)) > 0).all():
        raise DataError("the trajectory has frames whose cell has no volume")
    return _positions(trajectory, frames), iter(cells.astype(np.float64))


def _positions(trajectory: xr.Dataset, frames: IntArray) -> Iterator[FloatArray]:
    positions = trajectory["positions"].transpose("time", "atom", "xyz")
    for start in range(0, len(frames), FRAMES_PER_READ):
        part = positions.isel(time=frames[start : start + FRAMES_PER_READ]).values
        if not np.isfinite(part).all():
            raise DataError("the trajectory has positions that are not finite numbers")
        yield from part.astype(np.float64)


def _count(
    positions: FloatArray, cell: FloatArray, kind: IntArray, size: int, r_max: float, bins: int
) -> FloatArray:
    """Ordered pairs of one frame, (species, species, bin)."""
    from vesin import NeighborList

    neighbours = NeighborList(cutoff=r_max, full_list=False, n_threads=1)
    i, j, distance = neighbours.compute(
        points=positions, box=cell, periodic=True, quantities="ijd", copy=False
    )
    place = np.minimum((distance * (bins / r_max)).astype(np.int64), bins - 1)
    key = (kind[i.astype(np.int64)] * size + kind[j.astype(np.int64)]) * bins + place
    half = np.bincount(key, minlength=size * size * bins).reshape(size, size, bins)
    # each pair was found once, from either of its ends
    return (half + half.transpose(1, 0, 2)).astype(np.float64)


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
