"""The density of visits, smoothed, and the free energy that it is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

#: a voxel counts as visited with at least the density that one visit makes so many widths away
REACH_WIDTHS = 2.0


@dataclass(frozen=True)
class Landscape:
    """Density and free energy on a grid that is even in fractions of a periodic cell."""

    density: FloatArray
    """(a, b, c) 1/Å³"""
    free_energy: FloatArray
    """(a, b, c) kT above its minimum; NaN where never visited"""
    highest: float
    """kT, the free energy of the least density that counts as visited"""

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.density.size


def landscape_of(counts: IntArray, frames: int, cell: FloatArray, width: float) -> Landscape:
    """F = −kT ln(ρ/max ρ) from visits, smoothed by a periodic Gaussian.

    Parameters
    ----------
    counts : (a, b, c) visits
    frames : that they were counted in
    cell : (vector, xyz) Å
    width : standard deviation of the Gaussian, Å; 0 leaves the visits as they are
    """
    voxel = abs(float(np.linalg.det(cell))) / counts.size
    density = smoothed(counts / (frames * voxel), cell, width)
    peak = max(voxel, (2 * np.pi * width**2) ** 1.5)
    least = np.exp(-(REACH_WIDTHS**2) / 2) / (frames * peak)
    ratio = density / density.max()
    floor = least / density.max()
    with np.errstate(divide="ignore"):
        free = np.where(ratio >= floor, -np.log(ratio), np.nan)
    return Landscape(density, free, float(-np.log(floor)))


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
