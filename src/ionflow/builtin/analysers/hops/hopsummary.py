"""The hops of one species, summed up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from ionflow.builtin.analysers.hops.cages import FLOOR_A2, Hops
from ionflow.builtin.analysers.hops.hopping import (
    Estimate,
    Tally,
    cosines,
    dwell_survival,
    returns,
    returns_within,
)
from ionflow.builtin.analysers.transport.regime import Slope
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

Verdict = Literal["hops", "blurred", "fast", "none_seen", "no_cage"]

#: thresholds at which hops are counted too, in units of the one used
FACTORS: Final = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0)

#: with a larger log-log slope everywhere, the mean squared displacement shows no cage
MAX_EXPONENT = 0.8
#: a part of all hops larger than this is hidden by the next one
MAX_HIDDEN = 0.2
#: with a larger sensitivity to the threshold, hops are not told from the rest of the motion
MAX_SENSITIVITY = 0.5
#: so much of a window after a hop another is not told from it; measured with a walker on a lattice
DEAD = 0.7
#: of an event that is not seen, so many may have been expected: 95 %
NONE_SEEN = 3.0


@dataclass(frozen=True)
class Cage:
    """The cage that a mean squared displacement shows."""

    debye_waller: float
    """Å², MSD of the motion within it"""
    lag: float
    """frames"""
    exponent: float
    """the least log-log slope"""

    @classmethod
    def of(cls, lags: IntArray, msd: FloatArray, window: int) -> Cage:
        """From an MSD (lag,), Å², near the lag τ at which its log-log slope is least.

        That slope is taken over a factor of two in time, at lags up to two windows. What hops add
        to the MSD meanwhile is taken off as if they were independent: 2 MSD(τ) − MSD(2τ).
        Larini, Ottochian, De Michele and Leporini, doi:10.1038/nphys788, leave it in.
        """
        if not (msd > 0).all():
            return cls(0.0, np.nan, 0.0)
        start = lags[(2 * lags <= lags[-1]) & (lags <= 2 * window)]
        one, two = (np.exp(np.interp(np.log(k * start), np.log(lags), np.log(msd))) for k in (1, 2))
        slopes = np.log2(two / one)
        at = int(np.argmin(slopes))
        within = max(0.0, float(2 * one[at] - two[at]))
        return cls(within, float(start[at]), float(slopes[at]))

    @property
    def is_one(self) -> bool:
        """Whether motion within it can be told from motion out of it."""
        return self.exponent <= MAX_EXPONENT

    def threshold(self, factor: float) -> float:
        """Å²"""
        return max(factor * self.debye_waller, FLOOR_A2)


@dataclass(frozen=True)
class SpeciesHops:
    """The hops of one species and what is known of them; times in frames, lengths in Å."""

    hops: Hops
    blocks: int
    cage: Cage
    threshold: float
    """Å²"""
    radius: float
    """Å, of a return"""
    return_time: int
    slope: Slope
    """of the MSD"""
    counts: tuple[int, ...]
    """hops at FACTORS times the threshold"""
    separable: bool
    """whether hops were sought at all"""

    @property
    def number(self) -> int:
        """Number of hops."""
        return len(self.hops.ion)

    @property
    def exposure(self) -> int:
        """Frames, summed over ions, in which a hop would have been seen."""
        return len(self.hops.ions) * self.hops.observed

    @property
    def hidden(self) -> float:
        """Expected part of all hops that are not told from the one before."""
        return self.number / self.exposure * DEAD * self.hops.window

    @property
    def verdict(self) -> Verdict:
        """What the rate is worth."""
        if not self.separable:
            return "no_cage"
        if not self.number:
            return "none_seen"
        if self.hidden > MAX_HIDDEN:
            return "fast"
        return "blurred" if self.sensitivity > MAX_SENSITIVITY else "hops"

    @property
    def sensitivity(self) -> float:
        """−d ln n/d ln threshold, from 0.7 to 1.4 times the threshold; NaN without hops."""
        low, high = (self.counts[FACTORS.index(factor)] for factor in (0.7, 1.4))
        if not low:
            return np.nan
        return float(-np.log(high / low) / np.log(1.4 / 0.7)) if high else np.inf

    @cached_property
    def tally(self) -> Tally:
        """Sums by ion and by block."""
        return Tally(self.hops, self.blocks)

    @cached_property
    def squares(self) -> FloatArray:
        """(hop,) Å²"""
        squares: FloatArray = (self.hops.vector**2).sum(axis=-1)
        return squares

    @cached_property
    def seen(self) -> Estimate:
        """Hops seen per ion and frame; NaN where none was."""
        if not self.number:
            return Estimate(np.nan, np.nan, np.nan)
        return self.tally.rate(np.ones(self.number))

    @cached_property
    def rate(self) -> Estimate:
        """Hops per ion and frame, with those that others hide."""
        return self.seen.without_dead_time(DEAD * self.hops.window)

    @property
    def upper_bound(self) -> float:
        """95 % bound on the rate where none was seen, per ion and frame."""
        return NONE_SEEN / self.exposure if self.verdict == "none_seen" else np.nan

    @cached_property
    def random_walk(self) -> Estimate:
        """Γ⟨l²⟩/6, Å² per frame."""
        if not self.number:
            return Estimate(np.nan, np.nan, np.nan)
        return self.tally.rate(self.squares / 6)

    @property
    def length(self) -> Estimate:
        """Mean length of a hop, Å."""
        return self.tally.mean(np.sqrt(self.squares), np.arange(self.number))

    @property
    def returned(self) -> Estimate:
        """Part of the hops followed by another that this one takes back."""
        first, back, _ = returns(self.hops, self.radius)
        return self.tally.mean(back, first)

    @property
    def returned_soon(self) -> Estimate:
        """Part of all hops that are taken back within `return_time`."""
        watched, back = returns_within(self.hops, self.radius, self.return_time)
        return self.tally.mean(back, watched)

    @property
    def cosine(self) -> Estimate:
        """⟨l_k · l_k+1⟩ / ⟨l²⟩"""
        first, products, squares = cosines(self.hops)
        return self.tally.mean(products, first, squares)

    @cached_property
    def survival(self) -> FloatArray:
        """(frame,) probability to be still in a cage."""
        if not self.number:
            return np.full(self.hops.frames + 1, np.nan)
        return dwell_survival(self.hops)

    @property
    def median_dwell(self) -> float:
        """Frames after which half of the cages have been left; NaN if not seen."""
        left = np.flatnonzero(self.survival <= 0.5)
        return float(left[0]) if left.size else np.nan

    @property
    def factor(self) -> Estimate:
        """D / (Γ⟨l²⟩/6), as if the errors of the two were independent."""
        walk = self.random_walk
        value = self.slope.value / walk.value if self.number else np.nan
        relative = np.hypot(self.slope.stderr / self.slope.value, walk.stderr / walk.value)
        return Estimate(value, np.nan, np.nan, float(value * relative))
