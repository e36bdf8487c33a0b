"""The density of visits, smoothed, and the free energy that it is worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

BoolArray = npt.NDArray[np.bool_]

#: a voxel counts as visited if an ion was seen within so many widths of the Gaussian
REACH_WIDTHS = 1.5


@dataclass(frozen=True)
class Landscape:
    """Density and free energy on a grid that is even in fractions of a periodic cell."""

    density: FloatArray
    """(a, b, c) 1/Å³"""
    free_energy: FloatArray
    """(a, b, c) kT above its minimum; NaN where never visited"""
    visits: float
    """visits that the density at the minimum of the free energy rests on"""

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.density.size

    @property
    def highest(self) -> float:
        """The highest free energy that is known, kT."""
        return float(np.nanmax(self.free_energy))


def landscape_of(counts: IntArray, frames: int, cell: FloatArray, width: float) -> Landscape:
    """F = −kT ln(ρ/max ρ) from visits, smoothed by a periodic Gaussian.

    The variance of a density smoothed by a Gaussian is ρ/(frames (4πw²)^{3/2}) for visits that
    are independent, as if it had been counted in that volume.

    Parameters
    ----------
    counts : (a, b, c) visits
    frames : that they were counted in
    cell : (vector, xyz) Å
    width : standard deviation w of the Gaussian, Å; 0 leaves the visits as they are
    """
    voxel = abs(float(np.linalg.det(cell))) / counts.size
    density = smoothed(counts / (frames * voxel), cell, width)
    near = around(counts > 0, cell, REACH_WIDTHS * width) & (density > 0)
    ratio = np.where(near, density / density.max(), 1.0)
    free = np.where(near, -np.log(ratio), np.nan)
    volume = max(voxel, (4 * np.pi * width**2) ** 1.5)
    return Landscape(density, free - np.nanmin(free), float(density.max()) * frames * volume)


def around(mask: BoolArray, cell: FloatArray, reach: float) -> BoolArray:
    """Voxels whose centre lies within `reach` (Å) of that of one in the mask, or in the mask."""
    if not reach > 0:
        return mask
    ball = np.zeros(mask.shape, dtype=np.bool_)
    for squared in _squared_distances(mask.shape, cell, reach):
        ball |= squared <= reach**2
    found: BoolArray = (_convolved(mask, ball) > 0.5) | mask
    return found


def smoothed(values: FloatArray, cell: FloatArray, width: float) -> FloatArray:
    """Convolved with a periodic Gaussian, in any cell; the sum is kept.

    The Gaussian is taken at the places of voxels: one much narrower than a voxel does nothing,
    and none makes ripples, as its Fourier coefficients would.
    """
    if not width > 0:
        return values
    kernel = np.zeros(values.shape)
    for squared in _squared_distances(values.shape, cell, 5 * width):
        kernel += np.exp(-squared / (2 * width**2))
    return np.maximum(_convolved(values, kernel / kernel.sum()), 0.0)


def _convolved(values: Any, kernel: Any) -> FloatArray:
    spectrum = np.fft.rfftn(values) * np.fft.rfftn(kernel)
    convolved: FloatArray = np.fft.irfftn(spectrum, values.shape, axes=(0, 1, 2))
    return convolved


def _squared_distances(
    shape: tuple[int, ...], cell: FloatArray, reach: float
) -> Iterator[FloatArray]:
    """Squared distances (Å²) of voxels from images of the first of the grid, all within reach."""
    scaled = np.stack(np.meshgrid(*[np.arange(n) / n for n in shape], indexing="ij"), axis=-1)
    nearest = (scaled - np.round(scaled)) @ cell
    # within half of the least height of the cell there is one image
    single = reach < 0.5 / np.linalg.norm(np.linalg.inv(cell), axis=0).max()
    for image in [(0, 0, 0)] if single else product((-1, 0, 1), repeat=3):
        yield ((nearest + np.array(image) @ cell) ** 2).sum(axis=-1)
