"""What a velocity autocorrelation function tells: spectrum, diffusion, whether it is sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.fft import dct

from ionflow.builtin.analysers.jackknife import Jackknife
from ionflow.kinds import FloatArray

Window = Literal["hann", "blackman", "none"]

#: more of a spectrum than this in the last tenth before the Nyquist frequency runs beyond it
MAX_EDGE_WEIGHT = 0.02
#: below this share of the displacement that velocities predict, atoms turn around between frames
MIN_STEP_RATIO = 0.95
#: a running integral whose late quarters differ by so many standard errors has not levelled off
LEVEL_STDERRS = 3.0


def window_of(name: Window, lags: int) -> FloatArray:
    """The falling half of a window, (lag,), 1 at lag 0."""
    phase = np.pi * np.arange(lags) / (lags - 1)
    if name == "hann":
        return 0.5 + 0.5 * np.cos(phase)
    if name == "blackman":
        return 0.42 + 0.5 * np.cos(phase) + 0.08 * np.cos(2 * phase)
    return np.ones(lags)


def frequencies(lags: int, interval_ps: float) -> FloatArray:
    """Of the spectrum, THz, from 0 to the Nyquist frequency."""
    grid: FloatArray = np.arange(lags) / (2 * (lags - 1) * interval_ps)
    return grid


def spectrum(correlation: FloatArray, interval_ps: float, window: Window) -> FloatArray:
    """g(ν) = 4 ∫_0^∞ w(t) C(t)/C(0) cos(2πνt) dt, (..., frequency) 1/THz.

    Trapezoids, so that those of g over ν from 0 to the Nyquist frequency add up to w(0) = 1.

    Parameters
    ----------
    correlation : (..., lag)
    interval_ps : time between lags
    window : w
    """
    zero = correlation[..., :1]
    normal = correlation / np.where(zero > 0, zero, np.nan)
    found: FloatArray = 2 * interval_ps * dct(normal * window_of(window, normal.shape[-1]), type=1)
    return found


def edge_weight(g: FloatArray) -> FloatArray:
    """The share of a spectrum (..., frequency) in the last tenth before the Nyquist frequency."""
    last = int(np.ceil(0.9 * (g.shape[-1] - 1)))
    share = np.trapezoid(g[..., last:], axis=-1) / np.trapezoid(g, axis=-1)
    return np.asarray(share)


def step_ratio(step_A2: float, correlation: FloatArray, interval_ps: float) -> float:
    """Mean squared displacement from frame to frame over that which velocities predict.

    ⟨Δr²⟩ = 2 ∫_0^Δ (Δ − t) C(t) dt, with C linear between frames. It is between 0.95 and 1.5 where
    frames resolve the motion, and goes to zero where atoms turn around between frames, which the
    spectrum cannot show: it is folded there.
    """
    predicted = interval_ps**2 * (2 * correlation[0] + correlation[1]) / 3
    return float(step_A2 / predicted) if predicted > 0 else np.nan


def running_integral(correlation: FloatArray, interval_ps: float) -> FloatArray:
    """D(t) = (1/3) ∫_0^t C dt, (..., lag) Å²/ps, by trapezoids."""
    from scipy.integrate import cumulative_trapezoid

    integral: FloatArray = cumulative_trapezoid(correlation, dx=interval_ps, initial=0) / 3
    return integral


@dataclass(frozen=True)
class Level:
    """Where a running integral levels off; Å²/ps."""

    verdict: str
    value: float
    stderr: float
    dof: float


def level_of(running: Jackknife, told: bool, obstacle: str) -> Level:
    """The mean of the second half of a running integral, if it is level there.

    Parameters
    ----------
    running : (lag,)
    told : whether blocks of origins are longer than the longest lag
    obstacle : the verdict, if it is known already that there is no D; else ""
    """
    half, late = (int(f * (running.whole.shape[-1] - 1)) for f in (0.5, 0.75))
    mean = running.map(lambda curve: curve[..., half:].mean(axis=-1))
    rise = running.map(lambda curve: curve[..., late:].mean(-1) - curve[..., half:late].mean(-1))
    value, stderr, dof = (float(x) for x in (mean.whole, mean.stderr(told), mean.dof(told)))
    bent = abs(rise.whole) > LEVEL_STDERRS * rise.stderr(told)
    unclear = "" if value > 2 * stderr else "undecided"
    verdict = obstacle or ("not converged" if bent else unclear)
    if verdict:
        return Level(verdict, np.nan, np.nan, np.nan)
    return Level("converged", value, stderr, dof)
