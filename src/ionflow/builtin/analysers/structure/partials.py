"""Structure factors as linear forms of products of amplitudes, with errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.structure.scattering import Amplitudes
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

#: limits at q = 0 are extrapolated from so many times the shortest wave vector
REACH = 2.0
#: fewest wave vectors for that
LEAST_VECTORS = 5


@dataclass(frozen=True)
class Curve:
    """A structure factor by bin of q."""

    value: FloatArray
    """(..., q)"""
    stderr: FloatArray
    """(..., q) the larger of two: spread over wave vectors of a bin, and over blocks of frames"""


@dataclass(frozen=True)
class Spectra:
    """Forms Σ_p w_p(q) A_p(q) + c(q) of the amplitudes A of pairs p."""

    found: Amplitudes
    bins: int
    fractions: FloatArray
    """(species,) N_a/N"""

    @property
    def ends(self) -> tuple[IntArray, IntArray]:
        """The two species of each pair, (pair,)."""
        return np.triu_indices(len(self.fractions))

    @property
    def counts(self) -> IntArray:
        """(q,) numbers of wave vectors"""
        return np.bincount(self.found.vectors.bin, minlength=self.bins)

    @property
    def q(self) -> FloatArray:
        """(q,) mean |q| of the wave vectors of a bin, 1/Å; NaN where there are none"""
        return self._means(self.found.vectors.q)

    def faber_ziman(self) -> Curve:
        """a_ab = 1 + (A_ab − c_a δ_ab)/(c_a c_b), (pair, q)."""
        c, (a, b) = self.fractions, self.ends
        return self._curve(1 / (c[a] * c[b]), 1 - (a == b) / c[a])

    def ashcroft_langreth(self) -> Curve:
        """S_ab = A_ab/(c_a c_b)^½, (pair, q)."""
        c, (a, b) = self.fractions, self.ends
        return self._curve(1 / np.sqrt(c[a] * c[b]), np.zeros(len(a)))

    def weights(self, strength: FloatArray) -> FloatArray:
        """(pair, q) weights of Faber-Ziman partials, which add up to 1.

        (2 − δ_ab) c_a c_b f_a f_b/⟨f⟩², with the strength f (species, q) of scattering.
        """
        a, b = self.ends
        mean = (self.fractions[:, None] * strength).sum(axis=0)
        share = self.fractions[:, None] * strength / mean
        weights: FloatArray = (1.0 + (a != b))[:, None] * share[a] * share[b]
        return weights

    def total(self, strength: FloatArray) -> Curve:
        """(⟨|Σ_a f_a ρ_a|²⟩/N − ⟨f²⟩)/⟨f⟩² + 1, (q,), with f (species, q)."""
        c, (a, b) = self.fractions[:, None], self.ends
        mean, square = (c * strength).sum(axis=0), (c * strength**2).sum(axis=0)
        form = (1.0 + (a != b))[:, None] * strength[a] * strength[b] / mean**2
        return self._one(form, 1 - square / mean**2)

    def normalised(self, strength: FloatArray) -> Curve:
        """⟨|Σ_a f_a ρ_a|²⟩/(N ⟨f²⟩), (q,), with f (species, q): for charges, whose mean is 0."""
        form = self._form_of_charge(strength)
        return self._one(form, np.zeros(self.bins))

    def at_zero(self, strength: FloatArray) -> tuple[float, float]:
        """The limit of `normalised` at q = 0, and its standard error.

        S_0 + s q² is fitted to single wave vectors up to twice the shortest; NaN if they are few.
        """
        q = self.found.vectors.q
        near = q <= REACH * q.min() * (1 + 1e-9)
        if near.sum() < LEAST_VECTORS or not np.isfinite(strength).all():
            return np.nan, np.nan
        form = self._form_of_charge(strength)[:, self.found.vectors.bin[near]]
        values = (form * self._mean_amplitude()[:, near]).sum(axis=0)
        return _intercept(q[near] ** 2, values)

    def _form_of_charge(self, strength: FloatArray) -> FloatArray:
        a, b = self.ends
        square = (self.fractions[:, None] * strength**2).sum(axis=0)
        form: FloatArray = (1.0 + (a != b))[:, None] * strength[a] * strength[b] / square
        return form

    def _mean_amplitude(self) -> FloatArray:
        mean: FloatArray = np.average(
            self.found.blocks, axis=0, weights=self.found.frames_per_block
        )
        return mean

    def _curve(self, factor: FloatArray, offset: FloatArray) -> Curve:
        return self._binned(factor[:, None] * self.found.blocks, offset[:, None])

    def _one(self, form: FloatArray, offset: FloatArray) -> Curve:
        of_vectors = form[:, self.found.vectors.bin]
        return self._binned((of_vectors * self.found.blocks).sum(axis=1), offset)

    def _binned(self, blocks: FloatArray, offset: FloatArray) -> Curve:
        """Means over wave vectors of each bin, from (block, ..., vector)."""
        each = np.average(blocks, axis=0, weights=self.found.frames_per_block)
        mean, count = self._means(each), self.counts
        off = each - mean[..., self.found.vectors.bin]
        with np.errstate(divide="ignore", invalid="ignore"):
            over_vectors = np.sqrt(self._means(off**2) / np.where(count > 1, count - 1, np.nan))
        over_blocks = np.full_like(mean, np.nan)
        if len(blocks) > 1:
            over_blocks = self._means(blocks).std(axis=0, ddof=1) / np.sqrt(len(blocks))
        return Curve(mean + offset, np.fmax(over_vectors, over_blocks))

    def _means(self, values: FloatArray) -> FloatArray:
        """Means over the wave vectors of each bin, (..., q); NaN where there are none."""
        count, place = self.counts, self.found.vectors.bin
        filled = np.flatnonzero(count)
        # vectors lie in order of bin
        sums = np.add.reduceat(values, np.searchsorted(place, filled), axis=-1)
        means = np.full((*values.shape[:-1], self.bins), np.nan)
        means[..., filled] = sums / count[filled]
        return means


def _intercept(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Of a straight line by least squares, with its standard error; NaN if x is all the same."""
    if np.ptp(x) < 1e-9 * x.max():
        return np.nan, np.nan
    design = np.stack([np.ones_like(x), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ (design.T @ y)
    scatter = ((y - design @ found) ** 2).sum() / (len(x) - 2)
    return float(found[0]), float(np.sqrt(scatter * inverse[0, 0]))


def named(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names of pairs, such as Li-O."""
    return [f"{a}-{b}" for a, b in pairs]
