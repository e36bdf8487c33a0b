"""Whether the potential energy still drifts: ageing, crystallising, not yet relaxed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.passes import Subject
from ionflow.statistics import blocked
from ionflow.units import BOLTZMANN_EV_PER_K

#: standard errors, of a difference whose errors come from few blocks
SIGNIFICANT = 5.0
#: share of the kinetic energy, 3/2 k_B T: less is of no consequence
LEAST_SHARE = 0.02
#: relative difference of the halves' temperatures above which energies cannot be compared
SAME_TEMPERATURE = 0.02


@dataclass(frozen=True)
class Drift:
    """Mean potential energy of the second half less that of the first, eV per atom."""

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
            return f"drifting: the potential energy changes by {told} from half to half"
        return f"no: {told} from half to half"


def drift(subject: Subject) -> Drift:
    """The change of the potential energy from the first half of a trajectory to the second."""
    data = subject.data
    if not {"potential_energy", "temperature"} <= set(data.variables):
        return Drift(why="energies or temperatures are not recorded")
    half = subject.frames // 2
    energy, heat = (
        [data[name].values[:half], data[name].values[half:]]
        for name in ("potential_energy", "temperature")
    )
    means = [blocked(part / len(subject.labels)) for part in energy] if half else []
    if not means or not all(mean.settled for mean in means):
        return Drift(why="the halves are too short for an error")
    kelvin = [float(part.mean()) for part in heat]
    change = means[1].mean - means[0].mean
    stderr = float(np.hypot(means[0].stderr, means[1].stderr))
    if abs(kelvin[1] / kelvin[0] - 1) > SAME_TEMPERATURE:
        why = f"the temperature changes from {kelvin[0]:.0f} to {kelvin[1]:.0f} K"
        return Drift(change, stderr, float(np.mean(kelvin)), why)
    return Drift(change, stderr, float(np.mean(kelvin)))
