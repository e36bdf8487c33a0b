"""The non-Gaussian parameter of displacements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.dynamics.displacements import (
    BLOCKS,
    DisplacementMoments,
    SpeciesMoments,
)
from ionflow.builtin.analysers.dynamics.peaks import Peak, peak_of
from ionflow.builtin.analysers.inframe import InFrame
from ionflow.builtin.analysers.jackknife import Jackknife, ends, told_by, without_each
from ionflow.builtin.analysers.labels import (
    bound_coord,
    labelled,
    lag_coord,
    result,
    species_coord,
)
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject
from ionflow.statistics import LEVELS


class NonGaussian(InFrame):
    """How far the displacements of each species are from Gaussian, and when they are farthest.

    α₂(t) = 3⟨Δr⁴⟩ / (5⟨Δr²⟩²) − 1, averages over the atoms of a species and over time origins
    (Rahman, doi:10.1103/PhysRev.136.A405, for three dimensions). It is 0 for Gaussian
    displacements, such as those of harmonic vibration and of diffusion; ions that hop while their
    neighbours rattle make it positive, with a maximum at about the time after which most have
    left their cage.
    """

    use: ClassVar[str] = "non_gaussian"

    max_origins: int = Field(4096, ge=16)
    """Most time origins for each lag, evenly spaced."""

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Moments of displacements."""
        lags = tuple(self.lag_frames(subject).tolist())
        return {"moments": DisplacementMoments(lags, self.max_origins, reference=self.reference)}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """α₂ by species and lag.

        Returns
        -------
        Dataset with `alpha2` (species, lag), its `_stderr` (the larger of `_stderr_atoms` and
        `_stderr_blocks`), `ci68`, `ci95` (bound), `msd` (Å²) and `fourth_moment` (Å⁴) of the same
        displacements; over species `peak_time` (ps), `peak_alpha2`, their `_stderr`, and
        `verdict`: peak, no peak (none that is clear of the errors), or still rising.
        """
        moments: list[SpeciesMoments] = [found["moments"][s] for s in subject.species]
        lags = self.lag_frames(subject)
        told = told_by(BLOCKS, subject.frames, lags)
        each = [jackknife(m) for m in moments]
        stderr: FloatArray = np.stack([j.stderr(told) for j in each])
        times = np.asarray(lags * subject.interval_ps, dtype=np.float64)
        peaks = [peak_of(m.each, times, alpha2, stderr[k]) for k, m in enumerate(moments)]
        variables = {
            **_curves(each, told, stderr),
            **_moments(moments),
            **_peaks(peaks),
            "n_atoms": labelled(("species",), [len(m.atoms) for m in moments], "1", "atoms"),
        }
        coords = {
            "species": species_coord(subject.species),
            "lag": lag_coord(lags, subject.interval_ps),
            "bound": bound_coord(),
        }
        return result(variables, coords, subject.data, self._attrs(subject))

    def _attrs(self, subject: Subject) -> dict[str, Any]:
        return {
            "method": f"displacements from at most {self.max_origins} origins for each lag",
            "definition": "3 <dr^4> / (5 <dr^2>^2) - 1",
            "doi": "10.1103/PhysRev.136.A405",
            "error": (
                f"jackknife over atoms and over {BLOCKS} blocks of origins, the larger; over "
                "atoms alone at lags longer than a block"
            ),
            "frames": subject.frames,
            **self.frame_attrs(),
        }


def alpha2(moments: FloatArray) -> FloatArray:
    """3⟨Δr⁴⟩/(5⟨Δr²⟩²) − 1 of (..., moment); NaN where nothing moves."""
    second, fourth = moments[..., 0], moments[..., 1]
    value: FloatArray = 0.6 * fourth / np.where(second > 0, second, np.nan) ** 2 - 1
    return value


def jackknife(moments: SpeciesMoments) -> Jackknife:
    """α₂ (lag,), with single atoms as groups."""
    means = Jackknife(
        moments.each.mean(axis=0),
        without_each(moments.blocks, np.ones_like(moments.blocks)),
        without_each(moments.each, np.ones_like(moments.each)),
    )
    return means.map(alpha2)


def _curves(each: list[Jackknife], told: Any, stderr: FloatArray) -> dict[str, Any]:
    both = ("species", "lag")
    value = np.stack([j.whole for j in each])
    dof = np.stack([j.dof(told) for j in each])
    atoms = np.stack([j.stderr_groups for j in each])
    blocks = np.stack([np.where(told, j.stderr_blocks, np.nan) for j in each])
    curves = {
        "alpha2": labelled(both, value, "1", "non-Gaussian parameter"),
        "alpha2_stderr": labelled(both, stderr, "1", "larger of the two standard errors"),
        "alpha2_stderr_atoms": labelled(both, atoms, "1", "standard error, jackknife over atoms"),
        "alpha2_stderr_blocks": labelled(
            both, blocks, "1", "standard error, jackknife over blocks of origins"
        ),
    }
    for suffix, level in LEVELS.items():
        text = f"{suffix} % interval of the non-Gaussian parameter"
        interval = ends(value, stderr, level, dof)
        curves[f"ci{suffix}"] = labelled((*both, "bound"), interval, "1", text)
    return curves


def _moments(moments: list[SpeciesMoments]) -> dict[str, Any]:
    mean = np.stack([m.each.mean(axis=0) for m in moments])
    both = ("species", "lag")
    return {
        "msd": labelled(both, mean[..., 0], "angstrom^2", "mean squared displacement"),
        "fourth_moment": labelled(
            both, mean[..., 1], "angstrom^4", "mean fourth power of the displacement"
        ),
    }


def _peaks(peaks: list[Peak]) -> dict[str, Any]:
    meaning = (
        "peak: a maximum between the first and the last lag, more than two standard errors above "
        "zero; still rising: the maximum is at the longest lag; no peak: anything else"
    )
    return {
        "peak_time": labelled(
            ("species",), [p.time for p in peaks], "ps", "lag at which it is largest"
        ),
        "peak_time_stderr": labelled(
            ("species",),
            [p.time_stderr for p in peaks],
            "ps",
            "standard error of the lag at which it is largest, by bootstrap over atoms",
        ),
        "peak_alpha2": labelled(
            ("species",), [p.height for p in peaks], "1", "largest non-Gaussian parameter"
        ),
        "peak_alpha2_stderr": labelled(
            ("species",), [p.height_stderr for p in peaks], "1", "its standard error"
        ),
        "verdict": labelled(
            ("species",), [p.verdict for p in peaks], "1", "kind of curve", meaning=meaning
        ),
    }
