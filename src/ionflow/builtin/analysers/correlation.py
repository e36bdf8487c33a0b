"""Mean squared displacements over all time origins by fast Fourier transform."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray


def mean_squared_displacement(paths: FloatArray, lags: IntArray) -> tuple[FloatArray, FloatArray]:
    """MSD over all time origins, of each walker and along each direction.

    MSD(n) = Σ_t |r(t+n) − r(t)|² / (T − n) is split into sums of squares, which a running sum
    gives, and an autocorrelation, which the FFT gives in O(T log T); Kneller et al.,
    Comput. Phys. Commun. 91, 191 (1995), doi:10.1016/0010-4655(95)00048-K.

    Parameters
    ----------
    paths : (walker, direction, time) Å
    lags : (lag,) frames, below the number of frames

    Returns
    -------
    (walker, lag) Å² summed over directions, and (direction, lag) Å² averaged over walkers.
    """
    frames = paths.shape[-1]
    # distances from the mean keep the difference of the two sums far above rounding
    paths = paths - paths.mean(axis=-1, keepdims=True)
    spectrum = rfft(paths, next_fast_len(frames + int(lags.max()), real=True), axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    squares = paths**2
    by_walker = _from_sums(squares.sum(axis=1), power.sum(axis=1), lags)
    by_direction = _from_sums(squares.sum(axis=0), power.sum(axis=0), lags)
    return by_walker, by_direction / len(paths)


def summed_displacement(paths: FloatArray, lags: IntArray) -> FloatArray:
    """MSD over all time origins, summed over walkers and directions: one inverse transform.

    Parameters
    ----------
    paths : (walker, direction, time) Å
    lags : (lag,) frames, below the number of frames

    Returns
    -------
    (lag,) Å²
    """
    frames = paths.shape[-1]
    paths = paths - paths.mean(axis=-1, keepdims=True)
    spectrum = rfft(paths, next_fast_len(frames + int(lags.max()), real=True), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=(0, 1))
    return _from_sums((paths**2).sum(axis=(0, 1)), power, lags)


def _from_sums(squares: FloatArray, power: FloatArray, lags: IntArray) -> FloatArray:
    frames = squares.shape[-1]
    size = next_fast_len(frames + int(lags.max()), real=True)
    correlation = irfft(power, size, axis=-1)[..., lags]
    running = np.concatenate(
        [np.zeros((*squares.shape[:-1], 1)), np.cumsum(squares, axis=-1)], axis=-1
    )
    ends = running[..., -1:] - running[..., lags] + running[..., frames - lags]
    msd: FloatArray = np.maximum((ends - 2 * correlation) / (frames - lags), 0.0)
    return msd


def spaced_lags(frames: int, fraction: float, count: int) -> IntArray:
    """At most `count` lags, evenly spaced on a log axis, from 1 to a fraction of the frames.

    >>> spaced_lags(100, 0.5, 8)
    array([ 1,  2,  3,  5,  9, 16, 28, 49])
    """
    last = max(1, int(fraction * (frames - 1) + 1e-9))
    if count >= last:
        return np.arange(1, last + 1)
    return np.unique(np.geomspace(1, last, count).round().astype(np.int64))
