"""What hops tell: rates with honest errors, dwell times, returns, correlation of directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.hops.cages import Hops
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray


@dataclass(frozen=True)
class Estimate:
    """A value with the standard errors that the spread over ions and over time show."""

    value: float
    stderr_ions: float
    stderr_blocks: float
    stderr_counting: float = np.nan
    """that of independent events"""
    systematic: float = 0.0
    """what a correction may be wrong by"""

    @property
    def stderr(self) -> float:
        """The largest standard error, and the systematic one; NaN if there is none."""
        known = [self.stderr_ions, self.stderr_blocks, self.stderr_counting]
        return float(np.hypot(np.fmax.reduce(known), self.systematic))

    def without_dead_time(self, time: float) -> Estimate:
        """A rate seen by a counter that is blind for a time after each event, corrected for it.

        Γ/(1 − Γτ), right if events are independent; half of the correction counts as error.
        """
        passed = 1 - self.value * time
        value = self.value / passed
        return Estimate(
            value,
            self.stderr_ions / passed**2,
            self.stderr_blocks / passed**2,
            self.stderr_counting / passed**2,
            abs(value - self.value) / 2,
        )


@dataclass(frozen=True)
class Tally:
    """Sums over hops, by ion and by block of time.

    Hops of one ion are not independent (an ion in a shallow cage hops often, one that has just
    hopped may return), nor are hops at one time (one makes room for another): each ion, and each
    block of time, counts as one observation.
    """

    hops: Hops
    blocks: int

    @property
    def block(self) -> IntArray:
        """(hop,) the block of time of each hop"""
        hops = self.hops
        return (hops.frame - hops.first) * self.blocks // hops.observed

    def by_ion(self, values: FloatArray, chosen: IntArray) -> FloatArray:
        """Sums of values of some hops, (ion,)."""
        return summed(self.hops.ion[chosen], values, len(self.hops.ions))

    def by_block(self, values: FloatArray, chosen: IntArray) -> FloatArray:
        """Sums of values of some hops, (block,)."""
        return summed(self.block[chosen], values, self.blocks)

    def rate(self, values: FloatArray) -> Estimate:
        """Sum of values of all hops, (hop,), per ion and frame."""
        every = np.arange(len(values))
        ions, time = len(self.hops.ions), self.hops.observed
        by_ion, by_block = self.by_ion(values, every), self.by_block(values, every)
        return Estimate(
            float(values.sum() / (ions * time)),
            clustered(by_ion, np.full(ions, float(time))),
            clustered(by_block, np.full(self.blocks, ions * time / self.blocks)),
            float(np.sqrt((values**2).sum()) / (ions * time)),
        )

    def mean(
        self, values: FloatArray, chosen: IntArray, weights: FloatArray | None = None
    ) -> Estimate:
        """Mean of values over some hops, Σ values / Σ weights (one each unless given)."""
        weights = np.ones(len(values)) if weights is None else weights
        total = float(weights.sum())
        if not total > 0:
            return Estimate(np.nan, np.nan, np.nan)
        value = float(values.sum() / total)
        counting = float(np.sqrt(((values - value * weights) ** 2).sum())) / total
        ions, blocks = (
            clustered(sums(values, chosen), sums(weights, chosen))
            for sums in (self.by_ion, self.by_block)
        )
        return Estimate(value, ions, blocks, counting if len(values) > 1 else np.nan)

    def dispersion(self) -> tuple[float, float]:
        """Variance over mean of the number of hops, of ions and of blocks: 1 if independent."""
        ones, every = np.ones(len(self.hops.ion)), np.arange(len(self.hops.ion))
        return _fano(self.by_ion(ones, every)), _fano(self.by_block(ones, every))


def summed(group: IntArray, values: FloatArray, count: int) -> FloatArray:
    """Sums of values by group, (group,)."""
    return np.bincount(group, values, count).astype(np.float64)


def clustered(top: FloatArray, bottom: FloatArray) -> float:
    """Standard error of Σ top / Σ bottom over groups that are independent, linearised."""
    holding = bottom > 0
    count = int(holding.sum())
    if count < 2:
        return np.nan
    left = (top - bottom * top.sum() / bottom.sum())[holding]
    return float(np.sqrt(count / (count - 1) * (left**2).sum()) / bottom.sum())


def _fano(counts: FloatArray) -> float:
    if len(counts) < 2 or not counts.any():
        return np.nan
    return float(counts.var(ddof=1) / counts.mean())


def followed(hops: Hops) -> IntArray:
    """Hops behind which the same ion is seen to hop again, (hop,)."""
    return np.flatnonzero(np.diff(hops.ion) == 0)


def returns(hops: Hops, radius: float) -> tuple[IntArray, FloatArray, IntArray]:
    """Hops that are followed by another; whether that returns; frames between the two.

    A hop returns that ends within `radius` (Å) of where the one before it began.
    """
    first = followed(hops)
    cage = hops.cage[first]
    away = ((hops.site[cage + 1] - hops.site[cage - 1]) ** 2).sum(axis=-1)
    return first, (away < radius**2).astype(np.float64), hops.frame[first + 1] - hops.frame[first]


def returns_within(hops: Hops, radius: float, time: int) -> tuple[IntArray, FloatArray]:
    """Hops that are observed for `time` frames more; whether the next returns by then."""
    first, back, wait = returns(hops, radius)
    soon = np.zeros(len(hops.ion))
    soon[first] = back * (wait <= time)
    watched = np.flatnonzero(hops.frame + time < hops.first + hops.observed)
    return watched, soon[watched]


def cosines(hops: Hops) -> tuple[IntArray, FloatArray, FloatArray]:
    """Hops followed by another, l_k · l_k+1, and the mean of the two l², whose ratio is ⟨cos⟩."""
    first = followed(hops)
    one, other = hops.vector[first], hops.vector[first + 1]
    squares = 0.5 * ((one**2).sum(axis=-1) + (other**2).sum(axis=-1))
    return first, (one * other).sum(axis=-1), squares


def walk_factors(hops: Hops, most: int) -> FloatArray:
    """f_n = ⟨|l_1 + … + l_n|²⟩ / (n ⟨l²⟩) over runs of n hops of an ion, (n,) from n = 1.

    Its limit is the correlation factor of the walk. NaN where no ion hops so often.
    """
    factors = np.full(most, np.nan)
    squared = (hops.vector**2).sum(axis=-1)
    for n in range(1, most + 1):
        runs = np.flatnonzero(hops.cage_ion[n:] == hops.cage_ion[:-n])
        if runs.size:
            over = ((hops.site[runs + n] - hops.site[runs]) ** 2).sum(axis=-1)
            factors[n - 1] = over.mean() / (n * squared.mean())
    return factors


def dwell_survival(hops: Hops) -> FloatArray:
    """Probability that an ion is still in a cage so many frames after it came, (frame,).

    Kaplan and Meier's estimate (doi:10.1080/01621459.1958.10501452): a cage that is not seen to
    end counts for as long as it is seen. Cages that were not seen to begin do not count. NaN
    behind the longest.
    """
    first = followed(hops)
    complete = hops.frame[first + 1] - hops.frame[first]
    last = np.setdiff1d(np.arange(len(hops.frame)), first)
    censored = hops.first + hops.observed - hops.frame[last]
    size = hops.frames + 1
    ended, lost = (np.bincount(times, minlength=size) for times in (complete, censored))
    left = (ended + lost)[::-1].cumsum()[::-1]
    survival = np.cumprod(1 - ended / np.maximum(left, 1))
    survival[left == 0] = np.nan
    return survival
