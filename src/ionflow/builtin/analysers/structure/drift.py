"""Whether the potential energy still drifts: ageing, crystallising, not yet relaxed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes import Subject
from ionflow.units import BOLTZMANN_EV_PER_K

#: standard errors; of noise with a memory fewer than 1 in 1000 trajectories go beyond
SIGNIFICANT = 5.0
#: share of the kinetic energy, 3/2 k_B T: less is of no consequence
LEAST_SHARE = 0.02
#: relative change of the temperature above which energies cannot be compared
SAME_TEMPERATURE = 0.04
MIN_FRAMES = 16
#: independent energies below which a correlation in time is easily taken for a trend
INDEPENDENT = 25


@dataclass(frozen=True)
class Drift:
    """Change of the potential energy over the trajectory along a straight line, eV per atom."""

    change: float = np.nan
    stderr: float = np.nan
    temperature: float = np.nan
    why: str = ""
    """Why nothing can be said, if so."""

    @property
    def is_drifting(self) -> bool:
        """Whether the change is beyond its error and of consequence."""
        least = LEAST_SHARE * 1.5 * BOLTZMANN_EV_PER_K * self.temperature
        return not self.why and abs(self.change) > max(SIGNIFICANT * self.stderr, least)

    @property
    def verdict(self) -> str:
        """In words."""
        if self.why:
            return f"cannot tell: {self.why}"
        told = f"{1000 * self.change:+.2g} ± {1000 * self.stderr:.1g} meV per atom"
        if self.is_drifting:
            return f"drifting: the potential energy changes by {told} from start to end"
        return f"no: {told} from start to end"


def drift(subject: Subject) -> Drift:
    """The change of the potential energy over a trajectory, if its temperature stays.

    A straight line through n values with residuals of variance v and statistical inefficiency g
    changes from end to end by b ± (12 v g/n)^½.
    """
    data = subject.data
    if not {"potential_energy", "temperature"} <= set(data.variables):
        return Drift(why="energies or temperatures are not recorded")
    kelvin, energy = (data[n].values.astype(float) for n in ("temperature", "potential_energy"))
    if subject.frames < MIN_FRAMES or not (np.isfinite(energy) & np.isfinite(kelvin)).all():
        return Drift(why="too few frames, or energies that are no numbers")
    change, stderr, independent = _line(energy / len(subject.labels))
    heated, noise, _ = _line(kelvin)
    mean = float(kelvin.mean())
    if abs(heated) > max(SAME_TEMPERATURE * mean, 3 * noise):
        return Drift(change, stderr, mean, f"the temperature changes by {heated:+.0f} K")
    if independent < INDEPENDENT:
        return Drift(change, stderr, mean, "too short for an error")
    return Drift(change, stderr, mean)


def _inefficiency(series: FloatArray) -> float:
    """1 + 2 Σ of the autocorrelation up to where it first is no longer positive."""
    count = len(series)
    power = np.abs(np.fft.rfft(series, 2 * count)) ** 2
    correlation = np.fft.irfft(power)[:count]
    if correlation[0] <= 0:
        return 1.0
    end = int(np.argmax(correlation <= 0)) or count
    return float(2 * correlation[:end].sum() / correlation[0] - 1)


def _line(values: FloatArray) -> tuple[float, float, float]:
    """What a straight line changes by from first to last, its error, and independent values."""
    where = np.linspace(-0.5, 0.5, len(values))
    slope, mean = np.polyfit(where, values, 1)
    rest = values - mean - slope * where
    independent = len(rest) / _inefficiency(rest)
    return float(slope), float(np.sqrt(12 * rest.var() / independent)), independent
