"""Which part of a mean squared displacement is a straight line of slope 1 on log axes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.transport.brownian import Curve, Line
from ionflow.passes import IntArray

BoolArray = npt.NDArray[np.bool_]

#: a window spans at least this factor in time, or its log-log slope says little
MIN_SPAN = 2.0
MIN_POINTS = 4
#: and one this long is long
LONG_SPAN = 4.0
#: with a larger error, a log-log slope of 1 cannot be told from that of a cage (0) or of free
#: flight (2), given that two standard errors are allowed for
MAX_EXPONENT_STDERR = 0.4
#: two windows whose slopes differ by more standard errors than this are not one straight line
MAX_BEND = 1.5


def first_of(true: BoolArray) -> int | None:
    """Index of the first that is true, if any is."""
    places = np.flatnonzero(true)
    return int(places[0]) if places.size else None


def last_decade(lags: IntArray) -> int:
    """Index from which the last decade of lags starts."""
    early = int(np.searchsorted(lags, lags[-1] / 10))
    return min(early, len(lags) - MIN_POINTS)


def diffusive_start(curve: Curve, first: int, tolerance: float) -> int | None:
    """Index of the earliest straight window that looks diffusive.

    If none is straight, the latest that looks diffusive and is long: what bends it has had most
    time to relax.
    """
    last = int(np.searchsorted(curve.lags, curve.lags[-1] / MIN_SPAN, side="right"))
    bent = None
    for start in range(first, min(last, len(curve.lags) - MIN_POINTS + 1)):
        window = curve.between(start)
        if _is_diffusive(window, tolerance):
            if _is_straight(window):
                return start
            bent = start if bent is None or window.lags[-1] >= LONG_SPAN * window.lags[0] else bent
    return bent


def steady_start(curve: Curve, first: int) -> int:
    """Index of the earliest window, from `first` on, whose later part has the same slope.

    `first` if there is none that is long.
    """
    last = int(np.searchsorted(curve.lags, curve.lags[-1] / LONG_SPAN, side="right"))
    starts = range(first, min(last, len(curve.lags) - MIN_POINTS + 1))
    windows = ((start, curve.between(start)) for start in starts)
    return next((start for start, window in windows if _is_steady(window, window.line())), first)


def _is_diffusive(window: Curve, tolerance: float) -> bool:
    exponent, stderr = window.exponent()
    near = abs(exponent - 1) <= tolerance + 2 * stderr
    return near and stderr <= MAX_EXPONENT_STDERR and window.line().slope > 0


def settled(curve: Curve, start: int, times: float) -> int:
    """The window that starts so many times later, if it is long enough."""
    later = int(np.searchsorted(curve.lags, times * curve.lags[start]))
    enough = len(curve.lags) - later >= MIN_POINTS and spans(curve.between(later))
    return later if enough else start


def spans(window: Curve) -> bool:
    """Whether the window is long enough in time for a slope."""
    return bool(window.lags[-1] >= MIN_SPAN * window.lags[0])


def _is_straight(window: Curve) -> bool:
    """Whether χ² of the line is not one that chance brings about in less than one of 100."""
    from scipy.stats import chi2

    line = window.line()
    return bool(chi2.sf(line.chi2, line.dof) > 0.01) and _is_steady(window, line)


def _is_steady(window: Curve, line: Line) -> bool:
    """Whether the part of a window from twice its start has the slope of the whole.

    The later part's slope is an estimate by itself, of variance larger by that of the difference
    of the two (Hausman, doi:10.2307/1913827). It tells relaxation that χ² of many points cannot.
    """
    later = int(np.searchsorted(window.lags, 2 * window.lags[0]))
    part = window.between(later)
    if len(part.lags) < MIN_POINTS or not spans(part):
        return True
    rest = part.line_as(line)
    variance = rest.covariance[0, 0] - line.covariance[0, 0]
    return bool((rest.slope - line.slope) ** 2 <= MAX_BEND**2 * max(variance, 0.0))
