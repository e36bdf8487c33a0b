"""Evidence for and against a claim, from many numbers with errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray

VERDICTS: Final = ("supported", "not supported", "not enough statistics")
#: how many standard errors speak for a claim, and how many against it: to contradict takes more
FOR, AGAINST = 1.0, 2.0
#: share of cases that chance alone puts beyond AGAINST
BY_CHANCE = 0.05

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """What the cases of a scan say to a claim; cases without a number are left out."""

    value: FloatArray
    """(case,)"""
    support: BoolArray
    """(case,) whether it bears the claim out"""
    against: BoolArray
    """(case,) whether it contradicts the claim"""

    @property
    def cases(self) -> int:
        """Cases with a number."""
        return len(self.value)

    @property
    def undecided(self) -> int:
        """Cases whose error is too large to tell."""
        return int((~self.support & ~self.against).sum())

    @property
    def verdict(self) -> str:
        """Supported if half of the cases bear it out and no more contradict it than by chance."""
        from scipy.stats import binom

        if not self.cases:
            return "not enough statistics"
        if self.against.sum() > binom.ppf(0.95, self.cases, BY_CHANCE):
            return "not supported"
        enough = 2 * self.support.sum() >= self.cases
        return "supported" if enough else "not enough statistics"


NOTHING = Evidence(np.empty(0), np.empty(0, np.bool_), np.empty(0, np.bool_))


def inside(value: FloatArray, stderr: FloatArray, low: float, high: float) -> Evidence:
    """Evidence that values lie between two bounds.

    Parameters
    ----------
    value, stderr : (case,) or any shape; NaN where unknown
    low, high : bounds
    """
    value, stderr = _known(value, stderr)
    within = (value - FOR * stderr >= low) & (value + FOR * stderr <= high)
    beyond = (value - AGAINST * stderr > high) | (value + AGAINST * stderr < low)
    return Evidence(value, within, beyond)


def positive(value: FloatArray, stderr: FloatArray) -> Evidence:
    """Evidence that values, differences as a rule, are above zero."""
    return inside(value, stderr, 0.0, np.inf)


def told(verdicts: FloatArray, good: str, bad: str) -> Evidence:
    """Evidence from verdicts in words, (case,) of any shape."""
    words = np.ravel(verdicts)
    words = words[(words == good) | (words == bad) | (words == "undecided")]
    return Evidence((words == good).astype(np.float64), words == good, words == bad)


def together(parts: Sequence[Evidence]) -> Evidence:
    """All cases of several pieces of evidence."""
    if not parts:
        return NOTHING
    return Evidence(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.support for part in parts]),
        np.concatenate([part.against for part in parts]),
    )


def _known(value: FloatArray, stderr: FloatArray) -> tuple[FloatArray, FloatArray]:
    value, stderr = (np.ravel(np.asarray(x, dtype=np.float64)) for x in (value, stderr))
    known = np.isfinite(value) & np.isfinite(stderr)
    return value[known], stderr[known]
