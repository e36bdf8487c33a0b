"""Functions of one variable as piecewise polynomials, to float32's precision.

Whatever in CHGNet depends on a bond's length alone, or on an angle alone, is a linear combination
of its basis functions; the kernel reads it from a table instead of evaluating sines. In each
interval the polynomial of degree 5 through the Chebyshev nodes is off by at most
2 (h f / 4)⁶ / 6! relative to a sine of frequency f, h being the interval's length
(https://dlmf.nist.gov/3.11.ii).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.model import bessel, fourier
from ionflow.builtin.potentials.chgnet.weights import Weights

TERMS = 6

#: h f at most; the truncation is then about 1e-8, under float32's rounding of 6e-8
PHASE_PER_INTERVAL = 0.5


@dataclass(frozen=True)
class Grid:
    """Equal intervals from 0 to `end`, and the basis functions on them."""

    end: float
    intervals: int
    basis: Callable[[Tensor], Tensor]

    @property
    def per_unit(self) -> float:
        """Intervals per unit of the variable."""
        return self.intervals / self.end


def _grid(end: float, fastest: Tensor, basis: Callable[[Tensor], Tensor]) -> Grid:
    phase = end * float(fastest.abs().max())
    return Grid(end, max(64, math.ceil(phase / PHASE_PER_INTERVAL)), basis)


def grids(weights: Weights) -> tuple[Grid, Grid, Grid]:
    """Of all bonds' lengths, of short bonds' lengths (their own basis), of angles."""
    w = weights

    def long(lengths: Tensor) -> Tensor:
        return bessel(lengths, w.frequencies, w.cutoff, w.exponent)

    def short(lengths: Tensor) -> Tensor:
        return bessel(lengths, w.short_frequencies, w.short_cutoff, w.exponent)

    def angle(angles: Tensor) -> Tensor:
        return fourier(angles, w.angle_frequencies)

    return (
        _grid(w.cutoff, w.frequencies, long),
        _grid(w.short_cutoff, w.short_frequencies, short),
        _grid(math.pi, w.angle_frequencies, angle),
    )


def short_radial_grid(weights: Weights) -> Grid:
    """The grid of short bonds' lengths with the basis of all bonds."""
    long, short, _ = grids(weights)
    return Grid(short.end, short.intervals, long.basis)


def table(grid: Grid, matrix: Tensor) -> Tensor:
    """(interval, TERMS, column) coefficients in t = -1..1 of basis @ matrix, constant first.

    Parameters
    ----------
    matrix : (basis, column) float64
    """
    nodes = np.cos(np.pi * (np.arange(TERMS) + 0.5) / TERMS)
    solve = torch.from_numpy(np.linalg.inv(np.vander(nodes, increasing=True)))
    starts = torch.arange(grid.intervals, dtype=torch.float64)[:, None]
    points = (starts + torch.from_numpy(nodes + 1) / 2) / grid.per_unit
    values = grid.basis(points.reshape(-1)) @ matrix
    return torch.einsum("kn,inc->ikc", solve, values.reshape(grid.intervals, TERMS, -1))
