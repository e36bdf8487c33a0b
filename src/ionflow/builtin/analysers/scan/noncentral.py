"""Intervals of what is there beyond error, from noncentral distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ionflow.kinds import FloatArray

Interval = tuple[float, float]

#: beyond this, a noncentral χ² is as good as the square of a normal variable
_LARGE = 1e4
#: below this, the probability of an x is that of no x at all
_NOTHING = 1e-12


@dataclass(frozen=True)
class Noise:
    """What measurement error adds to a sum of squares: a scaled χ² variable, as Satterthwaite has
    it.
    """

    mean: float
    dof: float
    own_dof: float
    """of the errors, from which `mean` is computed"""

    @classmethod
    def of(cls, projection: FloatArray, stderr: FloatArray, dof: FloatArray) -> Noise:
        """Of yᵀPy for a projection P (item, item) and y with independent errors.

        Parameters
        ----------
        projection : (item, item)
        stderr : (item,) of y
        dof : (item,) degrees of freedom of the standard errors
        """
        variance = stderr**2
        parts = np.diag(projection) * variance
        mean = float(parts.sum())
        square = float(np.einsum("ij,j,ji,i->", projection, variance, projection, variance))
        lost = float((parts**2 / dof).sum())
        return cls(mean, mean**2 / square, mean**2 / lost if lost > 0 else np.inf)

    def bounds(self, squares: float, level: float) -> Interval:
        """Interval of the sum of squares that would be there without error."""
        unit = self.mean / self.dof * self._widening(level)
        low, high = noncentrality(squares / unit, self.dof, level)
        return low * unit, high * unit

    def _widening(self, level: float) -> float:
        """For errors that are themselves known from few replicas: F instead of χ²."""
        from scipy.stats import chi2, f

        if np.isinf(self.own_dof):
            return 1.0
        p = 0.5 + level / 2
        return float(f.ppf(p, self.dof, self.own_dof) * self.dof / chi2.ppf(p, self.dof))


def noncentrality(x: float, dof: float, level: float) -> Interval:
    """Interval of λ from one value x of a noncentral χ² variable.

    The lower end is where x is as large as only (1 − p)/2 of all values are. The upper end is where
    x is as small as only (1 − p)/2 of those values are that chance without any effect would make
    no larger (Read, doi:10.1088/0954-3899/28/10/313): so an x that is small by luck, or since
    errors are overstated, excludes no effect that could not have been seen.

    Examples
    --------
    >>> [round(end, 2) for end in noncentrality(20.0, 2, 0.95)]
    [5.56, 40.17]
    """
    from scipy.special import chndtr
    from scipy.stats import chi2, norm

    tail = 0.5 - level / 2
    if x > _LARGE:
        z = float(norm.ppf(1 - tail))
        below, above = (float((np.sqrt(x) + sign * z) ** 2 - dof + 1) for sign in (-1, 1))
        return max(0.0, below), above

    def solve(probability: float) -> float:
        return _root(lambda nc: float(chndtr(x, dof, nc)) - probability, x)

    central = float(chi2.cdf(x, dof))
    if central < _NOTHING:
        return 0.0, float(-2 * np.log(tail))  # the limit for x to 0
    return solve(1 - tail) if central > 1 - tail else 0.0, solve(tail * central)


def _root(falling: Any, start: float) -> float:
    from scipy.optimize import brentq

    upper = max(1.0, start)
    while falling(upper) > 0:
        upper *= 2
    return float(brentq(falling, 1e-12, upper, xtol=1e-10))


def partial_eta(ratio: float, dof: int, spare: int, count: int, level: float) -> Interval:
    """Interval of partial η² from the noncentral F distribution (doi:10.1037/1082-989X.9.2.164).

    Parameters
    ----------
    ratio : F
    dof, spare : degrees of freedom of the effect and of the error
    count : number of items
    level : probability
    """
    from scipy.stats import f, ncf

    def end(p: float) -> float:
        if float(f.cdf(ratio, dof, spare)) <= p:
            return 0.0
        found = _root(lambda nc: float(ncf.cdf(ratio, dof, spare, nc)) - p, dof * ratio)
        return found / (found + count)

    return end(0.5 + level / 2), end(0.5 - level / 2)
