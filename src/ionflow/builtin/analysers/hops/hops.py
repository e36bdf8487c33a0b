"""Hops of ions from cage to cage, found without known sites."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.hops.cages import CageSteps, Hops, hops_of
from ionflow.builtin.analysers.hops.concert import (
    Concert,
    Vicinity,
    combined,
    concert,
    least_height,
)
from ionflow.builtin.analysers.hops.hopstable import HopSettings, hops_result
from ionflow.builtin.analysers.hops.hopsummary import FACTORS, Cage, SpeciesHops
from ionflow.builtin.analysers.roles import WithRoles
from ionflow.builtin.analysers.transport.regime import DiffusiveFit
from ionflow.builtin.analysers.transport.slopes import species_slope
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject

#: bins of the curve of correlated hops, Å
DISTANCES = np.linspace(0.0, 10.0, 21)


class HopAnalysis(DiffusiveFit, WithRoles):
    """Hops of mobile ions from cage to cage: rates, lengths, returns, concert, and what they carry.

    A hop is a maximum, above a threshold, of h(t) = √(⟨|r − ⟨r⟩_B|²⟩_A ⟨|r − ⟨r⟩_A|²⟩_B), with A
    and B the times just before and after t (Candelier, Dauchot and Biroli,
    doi:10.1103/PhysRevLett.102.088001; Smessaert and Rottler, doi:10.1103/PhysRevE.88.022314),
    that leads to another mean position. No sites need be known. The rate counts hops per ion and
    time, corrected for those so soon after another that they are not told apart, as if hops were
    independent; half of the correction is taken for an error. The statistical error is the largest
    of that of independent hops, of the spread over ions and of the spread over blocks of time,
    since hops that return and hops in concert are not independent. Γ⟨l²⟩/6 of the hops seen is the
    diffusion coefficient of a random walk of such hops; D from the mean squared displacement
    divided by it is the correlation factor f.
    """

    use: ClassVar[str] = "hops"

    species: tuple[str, ...] = ()
    """Species whose hops are sought; the alkali if empty."""

    window_ps: float = Field(1.0, gt=0)
    """Length of A and of B. Longer than a few vibrations, shorter than the stay in a cage: an ion
    that hops twice within about half of it is seen to hop once, or, if it returns, not at all."""

    threshold_A2: float | None = Field(None, gt=0)
    """Least h of a hop; if null, `threshold_factor` times the Debye-Waller mean squared
    displacement. If given, hops are sought whether or not there are cages."""

    threshold_factor: float = Field(3.0, ge=1, le=20)
    """Threshold in units of the Debye-Waller mean squared displacement of motion in a cage:
    where its log-log slope is least (doi:10.1038/nphys788), less what hops add by then."""

    return_angstrom: float | None = Field(None, gt=0)
    """A hop returns that ends this near to where the hop before it began; if null, the radius of a
    cage, which is the root of threshold over threshold_factor. Cages nearer than that radius are
    one."""

    return_ps: float = Field(10.0, gt=0)
    """Time within which a return counts in `back_jump_fraction_within`."""

    pair_angstrom: float = Field(5.0, gt=0, le=20)
    """Ions whose cages are this near to the start of a hop are its neighbours; at most half of the
    least height of the cell."""

    pair_ps: float = Field(1.0, gt=0)
    """A neighbour that hops no more than this earlier or later hops along."""

    shuffles: int = Field(20, ge=2, le=1000)
    """Number of random shifts of the times of hops that tell what chance would bring."""

    max_length_angstrom: float = Field(8.0, gt=0, le=50)
    """Longest hop in the distribution of lengths."""

    max_events: int = Field(1000, ge=0, le=1_000_000)
    """Hops that are listed one by one, the earliest first."""

    seed: int = Field(0, ge=0)
    """Seed of the random shifts."""

    def mobile(self, subject: Subject) -> tuple[str, ...]:
        """Species whose hops are sought.

        Raises
        ------
        DataError
            If one that is named is not in the trajectory, or there is no alkali.
        """
        subject.require_species(self.species)
        return self.species or self.needed(subject, "alkali").alkali

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms, and candidates for hops."""
        species, window = self.mobile(subject), self._frames(subject, self.window_ps, least=2)
        return {
            **self.motions(subject),
            "steps": CageSteps(species, window, reference=self.reference),
        }

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Hops by species.

        Returns
        -------
        Dataset over `species` with `rate` (1/ps per ion), its errors and intervals, `verdict`,
        `residence_time`, `hop_length`, `back_jump_fraction`, `correlation_factor`, the statistics
        of `pair_...` and how they were found; curves `hop_length_density` (length),
        `dwell_survival` (dwell), `correlation_factor_n` (count), `pair_hop_ratio_r` (distance),
        `rate_at` (factor); and a table of hops over `event`.
        """
        species = self.mobile(subject)
        each = [self._species(subject, name, found) for name in species]
        near = self._vicinity(subject)
        together = self._concerts(subject, [one.hops for one in each], near)
        settings = HopSettings(
            species,
            subject.interval_ps,
            self.lag_frames(subject),
            self.max_length_angstrom,
            self.max_events,
            near,
            least_height(subject.cells) / 2,
        )
        return hops_result(settings, each, together, subject.data, self._attrs())

    def _species(self, subject: Subject, species: str, found: Mapping[str, Any]) -> SpeciesHops:
        slope, _, curve = species_slope(self, subject, species, found)
        window = self._frames(subject, self.window_ps, least=2)
        cage = Cage.of(self.lag_frames(subject), curve, window)
        threshold = self.threshold_A2 or cage.threshold(self.threshold_factor)
        radius = float(np.sqrt(threshold / self.threshold_factor))
        cut = partial(hops_of, found["steps"][species], subject.frames, window, radius=radius)
        # where there are no cages, nothing counts as a hop
        separable = cage.is_one or self.threshold_A2 is not None
        hops = cut(threshold if separable else np.inf)
        other = [cut(threshold * k if separable else np.inf) for k in FACTORS]
        return SpeciesHops(
            hops,
            self.blocks,
            cage,
            threshold,
            self.return_angstrom or radius,
            self._frames(subject, self.return_ps),
            slope,
            tuple(len(one.ion) for one in other),
            separable,
        )

    def _frames(self, subject: Subject, time_ps: float, least: int = 1) -> int:
        return max(least, round(time_ps / subject.interval_ps))

    def _vicinity(self, subject: Subject) -> Vicinity:
        reach = min(self.pair_angstrom, least_height(subject.cells) / 2)
        time = self._frames(subject, self.pair_ps)
        return Vicinity(reach, DISTANCES, time, self.shuffles, self.seed)

    def _concerts(self, subject: Subject, each: list[Hops], near: Vicinity) -> list[Concert]:
        everyone = combined(each)
        ends = np.cumsum([0, *(len(hops.ions) for hops in each)])
        cells: FloatArray = subject.cells
        return [
            concert(everyone, np.arange(start, stop), cells, near) for start, stop in pairwise(ends)
        ]

    def _attrs(self) -> dict[str, str]:
        threshold = (
            f"{self.threshold_A2:g} angstrom^2"
            if self.threshold_A2
            else f"{self.threshold_factor:g} times the Debye-Waller mean squared displacement"
        )
        return {
            "method": (
                "maxima of the hop functional h over two windows of "
                f"{self.window_ps:g} ps above {threshold}, between cages whose mean positions "
                "differ by more than a cage radius"
            ),
            "definition": "h = sqrt(<|r - <r>_B|^2>_A <|r - <r>_A|^2>_B)",
            "doi": (
                "10.1103/PhysRevLett.102.088001, 10.1103/PhysRevE.88.022314, 10.1038/nphys788, "
                "10.1080/01621459.1958.10501452"
            ),
            "error": (
                "the largest of that of independent hops, of the spread over ions and of the "
                f"spread over {self.blocks} blocks of time"
            ),
            "chance": (
                f"mean of {self.shuffles} shuffles that shift the times of each ion's hops by a "
                "random time of its own"
            ),
            **self.frame_attrs(),
        }
