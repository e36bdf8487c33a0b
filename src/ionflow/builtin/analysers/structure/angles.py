"""Distributions of the angles between bonds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled, result
from ionflow.builtin.analysers.network.bonding import Bonds, Pair, WithBonds, bonds_between
from ionflow.builtin.analysers.network.ratios import (
    Ratio,
    interval_variables,
    ratio,
    ratio_variables,
    unit_error,
)
from ionflow.builtin.analysers.structure.triplets import Angles, BondAngles, Triplet, triplets_of
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject
from ionflow.statistics import LEVELS


class AngleDistributions(WithBonds):
    """Distributions of the angles between two bonds of an atom, by triplet of species.

    p_abc(θ) = ⟨n_abc(θ)⟩ / (Σ_θ ⟨n_abc(θ)⟩ Δθ), with n_abc the number of angles a–b–c at atoms b in
    a bin of width Δθ: a probability per degree that is *not* divided by sin θ, so that its mean
    and standard deviation are those of the angles. `isotropic_ratio` is p over that of directions
    at random, sin(θ)/2 per radian, integrated over the bin: the distribution "divided by sin".
    Two atoms are bonded up to the first minimum of their g(r). Each mean has two errors: from the
    spread over blocks of frames (jackknife), and from the finite number of centres
    (doi:10.1063/1.457480 on why blocks); the larger is reported.
    """

    use: ClassVar[str] = "angles"
    version: ClassVar[int] = 1

    bonded: tuple[str, ...] = ()
    """Pairs of species that are bonded, as in Al-O; every centre with every anion if empty."""

    bins: int = Field(180, ge=18, le=1800)
    """Number of equal bins from 0 to 180 degrees."""

    max_frames: int = Field(500, ge=1)
    """Most frames used; evenly spaced over the trajectory if it has more."""

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Angles between bonds."""
        return {"angles": BondAngles(self._bonds(subject), self.bins, self.max_frames)}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Distributions for every triplet that the bonds can form.

        Returns
        -------
        Dataset over `triplet` ("Cl-Al-O"; coords `first`, `centre`, `last`) and `angle` (degree,
        bin centres) with `density` (1/degree), `isotropic_ratio`, and their `_stderr`; over
        `triplet` `mean` (degree), its `_stderr`, `_stderr_blocks`, `_stderr_centres`, `_ci68`,
        `_ci95` (bound), `standard_deviation` (degree), its `_stderr`, and `count`, the mean number
        of angles in a frame; over `bond` `bond_cutoff` (Å) and `bond_clear`. NaN where a triplet
        does not occur.

        Raises
        ------
        DataError
            If a pair in `bonded` is none of species of the trajectory, or has no first shell.
        """
        bonds, angles = self._bonds(subject), found["angles"]
        names = triplets_of(bonds, subject.species)
        frames = len(subject.spread(self.max_frames))
        variables = {
            **_densities(angles),
            **_moments(angles),
            "count": labelled(
                ("triplet",),
                angles.moments_by_block[..., 0].sum(axis=0) / frames,
                "1",
                "mean number of angles in a frame",
            ),
            **_bond_variables(bonds),
        }
        attrs = {
            "method": "angles between bonds up to the first minimum of g(r), or as given",
            "definition": "density per degree, not divided by sin; isotropic_ratio divides by it",
            "doi": "10.1063/1.457480",
            "cutoffs": str(bonds),
            "frames": frames,
            "frames_of": subject.frames,
        }
        return result(variables, _coords(names, bonds, self.bins), subject.data, attrs)

    def _bonds(self, subject: Subject) -> Bonds:
        if not self.bonded:
            return self.bonds(subject, self.network(subject))
        given = dict(self.cutoffs)
        pairs = [_pair(subject, name) for name in self.bonded]
        known = {f"{x}-{y}" for a, b in pairs for x, y in ((a, b), (b, a))}
        strange = sorted(set(given) - known)
        if strange:
            raise DataError(
                f"cutoffs are given for {', '.join(strange)}, which are not bonded",
                hint=f"bonded names {', '.join(self.bonded)}",
            )
        each = [
            bonds_between(
                subject,
                (a,),
                (b,),
                {n: r for n, r in given.items() if n in (f"{a}-{b}", f"{b}-{a}")},
            )
            for a, b in pairs
        ]
        return Bonds(
            tuple(entry for bonds in each for entry in bonds.table),
            tuple(pair for bonds in each for pair in bonds.weak),
        )


def _pair(subject: Subject, name: str) -> Pair:
    known = {f"{a}-{b}": (a, b) for a in subject.species for b in subject.species}
    if name not in known:
        raise DataError(
            f"bonded names {name}, which is no pair of species of the trajectory",
            hint=f"it holds {', '.join(subject.species)}",
        )
    return known[name]


def _densities(angles: Angles) -> dict[str, Labelled]:
    edges = np.linspace(0.0, 180.0, angles.by_block.shape[-1] + 1)
    isotropic = -np.diff(np.cos(np.radians(edges))) / 2
    of = {}
    for name, counts in (("time", angles.by_block), ("centres", angles.by_group)):
        of[name] = counts, np.broadcast_to(counts.sum(-1, keepdims=True), counts.shape)
    share = ratio(*of["time"], unit_error(*of["centres"]))
    dims = ("triplet", "angle")
    width = edges[1]
    error = "standard error, from blocks of frames or groups of centres, the larger, of the"
    return {
        "density": labelled(
            dims, share.value / width, "1/degree", "distribution of angles, not divided by sin"
        ),
        "density_stderr": labelled(dims, share.stderr / width, "1/degree", f"{error} density"),
        "isotropic_ratio": labelled(
            dims, share.value / isotropic, "1", "distribution over that of random directions"
        ),
        "isotropic_ratio_stderr": labelled(
            dims, share.stderr / isotropic, "1", f"{error} isotropic ratio"
        ),
    }


def _moments(angles: Angles) -> dict[str, Labelled]:
    dims = ("triplet",)
    blocks, centres = angles.moments_by_block, angles.moments_by_atom
    mean = ratio(blocks[..., 1], blocks[..., 0], unit_error(centres[..., 1], centres[..., 0]))
    around = [_about(sums, mean.value) for sums in (blocks, centres)]
    variance = ratio(around[0], blocks[..., 0], unit_error(around[1], centres[..., 0]))
    sd = np.sqrt(variance.value)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd_stderr = np.where(sd > 0, variance.stderr / (2 * sd), variance.stderr)
    return {
        **ratio_variables("mean", mean, dims, "degree", "mean angle", "centres"),
        **interval_variables("mean", _bounds(mean), dims, "degree"),
        "standard_deviation": labelled(dims, sd, "degree", "standard deviation of single angles"),
        "standard_deviation_stderr": labelled(
            dims, sd_stderr, "degree", "standard error of the standard deviation"
        ),
    }


def _bounds(mean: Ratio) -> dict[str, FloatArray]:
    return {name: mean.bounds(level) for name, level in LEVELS.items()}


def _about(sums: FloatArray, mean: FloatArray) -> FloatArray:
    """Sums of (θ − mean)² from sums of 1, θ and θ²."""
    count, first, second = np.moveaxis(sums, -1, 0)
    about: FloatArray = np.maximum(second - 2 * mean * first + mean**2 * count, 0.0)
    return about


def _bond_variables(bonds: Bonds) -> dict[str, Labelled]:
    cutoffs = [cutoff for _, cutoff in bonds.table]
    clear = [pair not in bonds.weak for pair, _ in bonds.table]
    return {
        "bond_cutoff": labelled(("bond",), cutoffs, "angstrom", "two atoms nearer are bonded"),
        "bond_clear": labelled(("bond",), clear, "1", "given, or a clear first minimum of g(r)"),
    }


def _coords(names: tuple[Triplet, ...], bonds: Bonds, bins: int) -> dict[str, Labelled]:
    first, centre, last = (np.array(column, dtype=str) for column in zip(*names, strict=True))
    edges = np.linspace(0.0, 180.0, bins + 1)
    return {
        "triplet": labelled(
            ("triplet",), ["-".join(name) for name in names], "1", "end-centre-end"
        ),
        "first": labelled(("triplet",), first, "1", "species at one end"),
        "centre": labelled(("triplet",), centre, "1", "species at the centre"),
        "last": labelled(("triplet",), last, "1", "species at the other end"),
        "angle": labelled(
            ("angle",), 0.5 * (edges[1:] + edges[:-1]), "degree", "angle, centre of the bin"
        ),
        "bond": labelled(
            ("bond",), [f"{a}-{b}" for (a, b), _ in bonds.table], "1", "bonded species"
        ),
        "bound": bound_coord(),
    }
