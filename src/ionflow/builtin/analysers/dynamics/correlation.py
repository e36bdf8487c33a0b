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
    squares, power = _squares_and_power(paths, lags)
    by_walker = _from_sums(squares.sum(axis=1), power.sum(axis=1), lags)
    by_direction = _from_sums(squares.sum(axis=0), power.sum(axis=0), lags)
    return by_walker, by_direction / len(paths)


def summed_displacement(paths: FloatArray, lags: IntArray) -> FloatArray:
    """MSD over all time origins, summed over walkers and directions: one inverse transform.

    Parameters
    ----------
    paths : (walker, direction, ..., time) Å; what is between stays apart
    lags : (lag,) frames, below the number of frames

    Returns
    -------
    (..., lag) Å²
    """
    squares, power = _squares_and_power(paths, lags)
    return _from_sums(squares.sum(axis=(0, 1)), power.sum(axis=(0, 1)), lags)


def _squares_and_power(paths: FloatArray, lags: IntArray) -> tuple[FloatArray, FloatArray]:
    """Squares (..., time), and those of the real and imaginary parts of the transform, in turn."""
    # distances from the mean keep the difference of the two sums far above rounding
    paths = paths - paths.mean(axis=-1, keepdims=True)
    parts = rfft(paths, _padded(paths.shape[-1], lags), axis=-1).view(np.float64)
    return np.square(paths, out=paths), np.square(parts, out=parts)


def _padded(frames: int, lags: IntArray) -> int:
    """A length for the transform at which no lag wraps around."""
    size: int = next_fast_len(frames + int(lags.max()), real=True)
    return size


def cross_displacement(paths: FloatArray, lags: IntArray) -> FloatArray:
    """⟨Δa·Δb⟩ over all time origins of every pair of paths, summed over directions.

    Σ_t Δa·Δb is split, as for an MSD, into running sums of a·b and the two cross-correlations.

    Parameters
    ----------
    paths : (path, direction, time) Å
    lags : (lag,) frames, below the number of frames

    Returns
    -------
    (path, path, lag) Å², symmetric; its diagonal is the MSD of each path.
    """
    count, _, frames = paths.shape
    paths = paths - paths.mean(axis=-1, keepdims=True)
    size = next_fast_len(frames + int(lags.max()), real=True)
    spectrum = rfft(paths, size, axis=-1)
    found = np.empty((count, count, len(lags)))
    for a in range(count):
        for b in range(a, count):
            both = irfft((spectrum[a] * spectrum[b].conj()).real.sum(axis=0), size)[lags]
            running = np.concatenate([[0.0], np.cumsum((paths[a] * paths[b]).sum(axis=0))])
            ends = running[-1] - running[lags] + running[frames - lags]
            found[a, b] = found[b, a] = (ends - 2 * both) / (frames - lags)
    return found


def _from_sums(squares: FloatArray, parts: FloatArray, lags: IntArray) -> FloatArray:
    frames = squares.shape[-1]
    power = parts[..., ::2] + parts[..., 1::2]
    correlation = irfft(power, _padded(frames, lags), axis=-1)[..., lags]
    running = np.zeros((*squares.shape[:-1], frames + 1))
    np.cumsum(squares, axis=-1, out=running[..., 1:])
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
