"""The density of visits, smoothed, and the free energy that it is worth."""

from __future__ import annotations

from dataclasses import dataclass

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
    shape = np.array(mask.shape)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    scaled = index / shape
    # right up to half of the least height of the cell, as far as anyone would smooth
    apart = np.linalg.norm((scaled - np.round(scaled)) @ cell, axis=-1)
    near = np.fft.rfftn(apart <= reach) * np.fft.rfftn(mask)
    found = np.fft.irfftn(near, mask.shape, axes=(0, 1, 2)) > 0.5
    inside: BoolArray = found | mask
    return inside


def smoothed(values: FloatArray, cell: FloatArray, width: float) -> FloatArray:
    """Convolved with a periodic Gaussian, by its Fourier coefficients exp(−w²G²/2).

    Right in any cell; the sum is kept.
    """
    if not width > 0:
        return values
    waves = [np.fft.fftfreq(n, 1 / n) for n in values.shape[:2]]
    waves.append(np.fft.rfftfreq(values.shape[2], 1 / values.shape[2]))
    h = np.stack(np.meshgrid(*waves, indexing="ij"), axis=-1)
    squared = ((2 * np.pi * h @ np.linalg.inv(cell).T) ** 2).sum(axis=-1)
    spectrum = np.fft.rfftn(values) * np.exp(-0.5 * width**2 * squared)
    # ripples of a Gaussian narrower than a voxel, and rounding, can be negative
    return np.maximum(np.fft.irfftn(spectrum, values.shape, axes=(0, 1, 2)), 0.0)
