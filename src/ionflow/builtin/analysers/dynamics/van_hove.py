"""Van Hove correlation functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field, field_validator

from ionflow.builtin.analysers.dynamics.displacements import (
    BLOCKS,
    DisplacementHistogram,
    fractions,
)
from ionflow.builtin.analysers.dynamics.distinct import DistinctDistances
from ionflow.builtin.analysers.inframe import InFrame
from ionflow.builtin.analysers.jackknife import told_by
from ionflow.builtin.analysers.labels import labelled, lag_coord, result, species_coord
from ionflow.builtin.analysers.structure.shells import Histogram
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, IntArray, Subject

#: of the longest lag that may be given, as a fraction of the trajectory
LONGEST = 0.9


class VanHove(InFrame):
    """How far atoms have moved, and where the others have got to, after some time.

    Self part of species s: G_s(r, t) = ⟨δ(r − |r_i(t) − r_i(0)|)⟩ / 4πr², over the atoms i of s
    and time origins, with ∫ 4πr² G_s dr = 1. Distinct part of species a and b:
    G_ab(r, t) = ⟨n_ab(r, t)⟩ / (N_a ρ_b v(r)), where n_ab counts atoms of b whose distance at t
    from where an atom of a was at 0 falls into a bin of volume v, other than that atom; it is
    g_ab(r) at t = 0 and goes to 1 for long times and distances (van Hove,
    doi:10.1103/PhysRev.95.249). A peak of the distinct part of a species with itself that grows at
    r = 0 tells of ions that follow each other into the same site.
    """

    use: ClassVar[str] = "van_hove"

    lags: int = Field(6, ge=1, le=50)
    """Number of lags beside 0, evenly spaced on a log axis; not used where `lag_ps` is given."""

    lag_ps: tuple[float, ...] = ()
    """Lags, each rounded to whole frames; at most 0.9 of the trajectory."""

    r_max_angstrom: float = Field(8.0, gt=0, le=50)
    """Longest distance."""

    bins: int = Field(160, ge=10, le=5000)
    """Number of equal bins from 0 to the longest distance."""

    max_origins: int = Field(4096, ge=16)
    """Most time origins of the self part for each lag, evenly spaced."""

    distinct_origins: int = Field(50, ge=1, le=500)
    """Most time origins of the distinct part, evenly spaced, the same ones for all lags."""

    @field_validator("lag_ps")
    @classmethod
    def _lags_are_positive(cls, lags: tuple[float, ...]) -> tuple[float, ...]:
        if any(not lag > 0 for lag in lags):
            raise ValueError("lags are positive; lag 0 is always there")
        return lags

    def lag_frames(self, subject: Subject) -> IntArray:
        """Lags in frames, (lag,), 0 first.

        Raises
        ------
        DataError
            If a lag that is given does not fit into the trajectory.
        """
        lags = self._given(subject) if self.lag_ps else super().lag_frames(subject)
        return np.concatenate([[0], lags])

    def _given(self, subject: Subject) -> IntArray:
        subject.require_dynamics()
        lags = np.rint(np.array(self.lag_ps) / subject.interval_ps).astype(np.int64)
        wrong = (lags < 1) | (lags > LONGEST * (subject.frames - 1))
        if wrong.any():
            interval, last = subject.interval_ps, LONGEST * (subject.frames - 1)
            raise DataError(
                f"lag_ps {', '.join(f'{x:g}' for x in np.array(self.lag_ps)[wrong])} do not fit",
                hint=f"lags are from {interval:g} ps, a frame, to {last * interval:g} ps",
            )
        return np.unique(lags)

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms, and distances to others at later times."""
        lags, r_max = tuple(self.lag_frames(subject).tolist()), self.r_max_angstrom
        return {
            "self": DisplacementHistogram(
                lags, r_max, self.bins, self.max_origins, reference=self.reference
            ),
            "distinct": DistinctDistances(
                lags, r_max, self.bins, self.distinct_origins, self.reference
            ),
        }

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Self part by species, distinct part by ordered pair of species, at each lag.

        Returns
        -------
        Dataset over `lag` (ps, 0 first) and `r` (Å, centres of bins) with `g_self` (species, lag,
        r) Å⁻³, `p_self` = 4πr² G_s in Å⁻¹, `beyond` (species, lag), the fraction of displacements
        that are longer than the longest distance, and `g_distinct` (pair, lag, r; coords `first`
        at the origin, `second` later); each with its `_stderr`.
        """
        histograms: list[Histogram] = found["distinct"]
        lags = self.lag_frames(subject)
        variables = {
            **self._self_part(subject, found["self"], lags),
            **_distinct_part(histograms),
        }
        pairs = histograms[0].pairs
        coords = {
            "species": species_coord(subject.species),
            "pair": labelled(("pair",), [f"{a}-{b}" for a, b in pairs], "1", "first-second"),
            "first": labelled(("pair",), [a for a, _ in pairs], "1", "species at the origin"),
            "second": labelled(("pair",), [b for _, b in pairs], "1", "species a lag later"),
            "lag": lag_coord(lags, subject.interval_ps),
            "r": labelled(("r",), histograms[0].centres, "angstrom", "distance, centre of the bin"),
        }
        return result(variables, coords, subject.data, self._attrs(subject, histograms[0]))

    def _self_part(
        self, subject: Subject, counts: Mapping[str, FloatArray], lags: IntArray
    ) -> dict[str, Any]:
        each = [
            [_fractions(counts[s][..., k, :], subject.frames, lag) for k, lag in enumerate(lags)]
            for s in subject.species
        ]
        value, stderr = np.moveaxis(np.array(each), 2, 0)
        edges = np.linspace(0.0, self.r_max_angstrom, self.bins + 1)
        shell, width = 4 / 3 * np.pi * np.diff(edges**3), edges[1]
        dims, error = ("species", "lag", "r"), "standard error of "
        density = "probability density of displacements of this length, 4 pi r^2 G_s"
        self_part = "self part of the van Hove function"
        beyond = "fraction of displacements longer than r_max"
        inside, outside = (value[..., :-1], stderr[..., :-1]), (value[..., -1], stderr[..., -1])
        return {
            "g_self": labelled(dims, inside[0] / shell, "angstrom^-3", self_part),
            "g_self_stderr": labelled(dims, inside[1] / shell, "angstrom^-3", error + self_part),
            "p_self": labelled(dims, inside[0] / width, "angstrom^-1", density),
            "p_self_stderr": labelled(dims, inside[1] / width, "angstrom^-1", error + density),
            "beyond": labelled(dims[:2], outside[0], "1", beyond),
            "beyond_stderr": labelled(dims[:2], outside[1], "1", error + beyond),
        }

    def _attrs(self, subject: Subject, distinct: Histogram) -> dict[str, Any]:
        return {
            "method": "histograms of displacements and of distances, exact shell volumes",
            "definition": (
                "self: integral of 4 pi r^2 g_self dr plus beyond is 1; distinct: per ideal number "
                "N_b v(r)/V, so that it is g(r) at lag 0 and goes to 1"
            ),
            "doi": "10.1103/PhysRev.95.249",
            "error": (
                f"self: jackknife over {BLOCKS} blocks of origins and over groups of atoms, the "
                "larger, over groups alone at lags longer than a block; distinct: spread over "
                f"{BLOCKS} blocks of origins"
            ),
            "r_max": self.r_max_angstrom,
            "origins_distinct": distinct.frames,
            "frames": subject.frames,
            **self.frame_attrs(),
        }


def _fractions(counts: FloatArray, frames: int, lag: int) -> tuple[FloatArray, FloatArray]:
    """Fraction in each bin and its standard error, of counts (block, group, bin + 1)."""
    found = fractions(counts[counts.any(axis=(1, 2))])
    return found.whole, found.stderr(told_by(BLOCKS, frames, lag))


def _distinct_part(histograms: list[Histogram]) -> dict[str, Any]:
    """Over (pair, lag, r)."""
    each = [histogram.distribution() for histogram in histograms]
    value, stderr = (np.stack([part[k] for part in each], axis=1) for k in range(2))
    dims, name = ("pair", "lag", "r"), "distinct part of the van Hove function"
    return {
        "g_distinct": labelled(dims, value, "1", name),
        "g_distinct_stderr": labelled(dims, stderr, "1", f"standard error of the {name}"),
    }
