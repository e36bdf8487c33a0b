"""What a perfect network of the same composition would be, and how far a glass is from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

#: how far from the ideal a good glass may be (choices of ionflow, not published limits); the number
#: average is allowed half of its ideal
TOLERANCES: Final[Mapping[str, float]] = {
    "coordination_number": 0.25,
    "bridging_per_centre": 0.25,
    "links_per_centre": 0.15,
    "number_average_length": np.nan,
    "rings_per_centre": 0.1,
    "bridging_fraction": 0.2,
    "terminal_fraction": 0.2,
    "free_anion_fraction": 0.05,
}
LENGTH_TOLERANCE: Final = 0.5
INVARIANTS: Final = tuple(TOLERANCES)


@dataclass(frozen=True)
class Verdict:
    """An invariant of the structure against its ideal."""

    name: str
    value: float
    stderr: float
    ideal: float
    tolerance: float

    @property
    def word(self) -> str:
        """met, missed, undecided (the error straddles the tolerance) or not defined."""
        if not np.isfinite([self.value, self.ideal]).all():
            return "not defined"
        off, error = abs(self.value - self.ideal), np.nan_to_num(self.stderr)
        if off - error > self.tolerance:
            return "missed"
        return "met" if off + error <= self.tolerance else "undecided"

    def __str__(self) -> str:
        name = self.name.replace("_", " ")
        error = f" ± {self.stderr:.2g}" if self.stderr > 0 else ""
        return (
            f"{name} {self.value:.3g}{error} (ideal {self.ideal:.3g}, "
            f"tolerance {self.tolerance:.2g})"
        )


def ideals(centres: int, bridging: int, terminal: int) -> dict[str, float]:
    """Invariants of a network in which X ends, O bridges two centres and there are no rings.

    With x = N_X/N_M and y = N_O/N_M: CN(M) = x + 2y, O per centre 2y, links per centre y, fragments
    N_M − N_O and so a number-average length of 1/(1 − y); for y ≥ 1 there must be rings, and
    length and rings have no ideal. For AMX2.5O0.75: 4, 1.5, 0.75 and 4, the unit A4[M4O3X10].

    Parameters
    ----------
    centres, bridging, terminal : numbers of atoms M, O, X

    >>> ideals(16, 12, 40)["number_average_length"]
    4.0
    """
    x, y = terminal / centres, bridging / centres
    ends = y < 1
    return {
        "coordination_number": x + 2 * y,
        "bridging_per_centre": 2 * y,
        "links_per_centre": y,
        "number_average_length": 1 / (1 - y) if ends else np.nan,
        "rings_per_centre": 0.0 if ends else np.nan,
        "bridging_fraction": 1.0 if bridging else np.nan,
        "terminal_fraction": 1.0 if terminal else np.nan,
        "free_anion_fraction": 0.0,
    }


def verdicts(
    values: Mapping[str, tuple[float, float]],
    ideal: Mapping[str, float],
    given: Mapping[str, float],
) -> list[Verdict]:
    """Every invariant with its ideal and tolerance.

    Parameters
    ----------
    values : value and standard error by INVARIANTS
    given : tolerances that replace TOLERANCES
    """
    tolerance = dict(TOLERANCES) | {
        "number_average_length": LENGTH_TOLERANCE * ideal["number_average_length"]
    }
    tolerance |= given
    return [Verdict(name, *values[name], ideal[name], tolerance[name]) for name in INVARIANTS]


def quality(found: list[Verdict]) -> str:
    """One verdict: good glass, poor glass and why, or undecided and between what."""
    by = {word: [v for v in found if v.word == word] for word in ("missed", "undecided")}
    if by["missed"]:
        return "poor glass: " + "; ".join(map(str, by["missed"]))
    if by["undecided"]:
        return "undecided: " + "; ".join(map(str, by["undecided"]))
    return "good glass"
