"""Errors of what is an average over atoms and over time, from leaving parts of either out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Jackknife:
    """Means over all, over all but each block of time, and over all but each group of atoms.

    The standard error of a function f of means is that of Efron and Stein,
    s² = (n − 1)/n Σ_k (f_k − f̄)², where f_k leaves part k of n out (doi:10.1214/aos/1176345462);
    for a mean it is the spread over parts divided by the root of their number. Atoms that differ
    from each other show in the groups, events that all atoms share show in the blocks: the larger
    counts.
    """

    whole: FloatArray
    """(...)"""
    blocks: FloatArray
    """(block, ...), each without that block"""
    groups: FloatArray
    """(group, ...), each without that group"""

    @classmethod
    def of(cls, sums: FloatArray, counts: FloatArray) -> Jackknife:
        """From sums and the numbers of their terms, (block, group, ...), counts broadcast."""
        counts = np.broadcast_to(counts, sums.shape)
        return cls(
            sums.sum(axis=(0, 1)) / counts.sum(axis=(0, 1)),
            without_each(sums.sum(axis=1), counts.sum(axis=1)),
            without_each(sums.sum(axis=0), counts.sum(axis=0)),
        )

    def map(self, f: Callable[[FloatArray], FloatArray]) -> Jackknife:
        """A function of the means; it is given and gives arrays with an axis of samples first."""
        return Jackknife(f(self.whole[None])[0], f(self.blocks), f(self.groups))

    @property
    def stderr_blocks(self) -> FloatArray:
        """(...), NaN for a single block"""
        return spread(self.blocks)

    @property
    def stderr_groups(self) -> FloatArray:
        """(...), NaN for a single group"""
        return spread(self.groups)

    def stderr(self, told: BoolArray | bool = True) -> FloatArray:
        """The larger standard error, (...); of the groups alone where the blocks tell nothing.

        Parameters
        ----------
        told : whether the blocks are long enough to be independent; broadcasts
        """
        larger: FloatArray = np.fmax(np.where(told, self.stderr_blocks, np.nan), self.stderr_groups)
        return larger

    def dof(self, told: BoolArray | bool = True) -> FloatArray:
        """Degrees of freedom of the larger standard error, (...)."""
        by_blocks = np.where(told, self.stderr_blocks, np.nan)
        larger = np.fmax(by_blocks, self.stderr_groups) == by_blocks
        return np.where(larger, len(self.blocks) - 1.0, len(self.groups) - 1.0)


def without_each(sums: FloatArray, counts: FloatArray) -> FloatArray:
    """Means without each part, (part, ...); NaN where there is but one part."""
    rest = counts.sum(axis=0) - counts
    left: FloatArray = (sums.sum(axis=0) - sums) / np.where(rest > 0, rest, np.nan)
    return left


def spread(samples: FloatArray) -> FloatArray:
    """The jackknife standard error over the first axis; NaN for a single sample."""
    count = len(samples)
    if count < 2:
        return np.full(samples.shape[1:], np.nan)
    stderr: FloatArray = np.sqrt(count - 1) * samples.std(axis=0)
    return stderr


def told_by(blocks: int, frames: int, lag: Any) -> Any:
    """Whether blocks of origins at this lag (frames) are as long as the lag: hardly correlated."""
    return (frames - lag) >= blocks * lag


def ends(value: Any, stderr: Any, level: float, dof: Any) -> FloatArray:
    """Central interval of a quantity of either sign by Student's t, (..., bound)."""
    from scipy.stats import t

    half = stderr * t.ppf(0.5 + level / 2, np.maximum(dof, 1))
    return np.stack([value - half, value + half], axis=-1)
