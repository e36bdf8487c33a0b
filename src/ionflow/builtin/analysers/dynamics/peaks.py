"""When a curve over a logarithmic axis of time is largest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ionflow.kinds import FloatArray

#: resamplings of atoms, and the seed of the random stream that draws them
RESAMPLINGS = 200
SEED = 20
#: points on either side of the largest that the parabola is fitted to
AROUND = 2


@dataclass(frozen=True)
class Peak:
    """A maximum and what is known of it; NaN where there is none."""

    verdict: str
    time: float = np.nan
    time_stderr: float = np.nan
    height: float = np.nan
    height_stderr: float = np.nan


def peak_of(
    each: FloatArray,
    times: FloatArray,
    curve: Callable[[FloatArray], FloatArray],
    stderr: FloatArray,
) -> Peak:
    """The maximum of a curve made from means over atoms.

    Its time is the vertex of a parabola in ln t through the points around the largest, and the
    error of that time its spread when atoms are drawn with replacement.

    Parameters
    ----------
    each : (atom, time, ...) what is averaged
    times : (time,)
    curve : from means (..., time, ...) to the curve (..., time)
    stderr : (time,) standard errors of the curve
    """
    values = curve(each.mean(axis=0))
    if not np.isfinite(values).any():
        return Peak("no peak")
    place = int(np.nanargmax(values))
    clear = values[place] > 2 * stderr[place]
    if not clear or place == 0:
        return Peak("no peak")
    if place == len(times) - 1:
        return Peak("still rising")
    spread = np.std([_vertex(times, sample) for sample in _resampled(each, curve)])
    time_stderr = float(spread) if len(each) > 1 else np.nan
    return Peak(
        "peak", _vertex(times, values), time_stderr, float(values[place]), float(stderr[place])
    )


def _resampled(each: FloatArray, curve: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """The curve of atoms drawn with replacement, (sample, time)."""
    count = len(each)
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), RESAMPLINGS)
    return curve(np.tensordot(draws / count, each, 1))


def _vertex(times: FloatArray, values: FloatArray) -> float:
    place = int(np.nanargmax(values))
    near = slice(max(0, place - AROUND), place + AROUND + 1)
    x = np.log(times[near] / times[place])
    square, slope, _ = np.polyfit(x, values[near], 2) if len(x) > 2 else (0.0, 0.0, 0.0)
    if not square < 0:
        return float(times[place])
    # a vertex outside of its points would be an extrapolation
    return float(times[place] * np.exp(np.clip(-slope / (2 * square), x[0], x[-1])))
