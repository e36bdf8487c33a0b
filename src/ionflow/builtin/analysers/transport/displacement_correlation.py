"""Correlations between the displacements of distinct ions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.dynamics.correlation import cross_displacement
from ionflow.builtin.analysers.dynamics.motion import SelfMotion
from ionflow.builtin.analysers.inframe import InFrame
from ionflow.builtin.analysers.labels import Labelled, labelled, lag_coord, result, species_coord
from ionflow.builtin.analysers.network.bonding import bonds_between
from ionflow.builtin.analysers.roles import WithRoles
from ionflow.builtin.analysers.transport.brownian import Curve
from ionflow.builtin.analysers.transport.carriers import check_cutoffs, cutoffs_of
from ionflow.builtin.analysers.transport.collective import SpeciesSums
from ionflow.builtin.analysers.transport.pairs_moving import PARTS, PairProducts, Products
from ionflow.errors import DataError
from ionflow.kinds import FloatArray, Table
from ionflow.passes import AnyMeasure, Subject
from ionflow.passes.running import Centre

PAIR = ("species", "species_other")


class DisplacementCorrelation(InFrame, WithRoles):
    """How distinct ions move along with one another, by pair of species, within fragments or not.

    C_ij(t) = ⟨Δr_a(t) · Δr_b(t)⟩ over pairs of distinct atoms, a of species i and b of species j,
    and all origins: positive for ions that move together. It is the displacement of all atoms of
    two species less the part of single ones (doi:10.1002/aic.17091), divided by the number of
    pairs. The same from a thin set of origins is split into pairs that are in one fragment at the
    origin and pairs that are not: fragments are held together by bonds between network centres and
    anions, up to the first minimum of g(r), and keep their members for the whole lag. The
    correlation coefficient is C_ij/√(MSD_i MSD_j). In the barycentric frame momentum conservation
    makes C of independent ions slightly negative.
    """

    use: ClassVar[str] = "displacement_correlation"

    max_frames: int = Field(400, ge=8, le=2000)
    """Origins of the part within fragments, evenly spaced; their spacing is its shortest lag."""

    part_lags: int = Field(12, ge=2, le=64)
    """Number of lags of the part within fragments, evenly spaced on a log axis."""

    cutoffs: Table = ()
    """Bond lengths in Å by pair, such as {Al-O: 2.3}; the first minimum of g(r) where not given."""

    bound_alkali: bool = False
    """Whether each alkali counts as a member of the fragment that it has most bonds with."""

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms, of species, and of pairs."""
        lags = tuple(self.lag_frames(subject).tolist())
        products = self._products(subject)
        return {
            "motion": SelfMotion(lags, reference=self.reference),
            "sums": SpeciesSums(charged=False),
            "centre": Centre(self.reference),
            **({} if isinstance(products, str) else {"pairs": products}),
        }

    def _products(self, subject: Subject) -> PairProducts | str:
        """The measure of pairs by fragment, or why there are no fragments."""
        roles, given = self.roles(subject), dict(self.cutoffs)
        if not (roles.centre and roles.anions):
            return "there are no network centres with anions"
        check_cutoffs(given, (*roles.centre, *roles.alkali), roles.anions)
        inner, outer = (cutoffs_of(given, of) for of in (roles.centre, roles.alkali))
        try:
            bonds = bonds_between(subject, roles.centre, roles.anions, inner)
            guests = roles.alkali if self.bound_alkali else ()
            reach = bonds_between(subject, guests, roles.anions, outer) if guests else None
        except DataError as error:  # a gas has no fragments; the rest is sound
            return str(error)
        return PairProducts(
            bonds,
            self.reference,
            guests,
            reach,
            self.max_frames,
            self.part_lags,
            self.max_lag_fraction,
        )

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Correlations by pair of species.

        Returns
        -------
        Dataset over `species` and `species_other` with `displacement_correlation` (lag, Å²), its
        `_stderr`, `correlation_coefficient` (lag); `msd` (species, lag); and, over `part` (within,
        between, all) and `lag_origin`, `displacement_correlation_part` (Å², NaN where there is no
        pair), its `_stderr`, `displacement_sum` (Å², summed over pairs: within and between add up
        to all) and `n_pairs`. Without fragments the latter are NaN and the attribute `fragments`
        says why.
        """
        lags = self.lag_frames(subject)
        products = self._products(subject)
        split = found.get("pairs") or _nothing(len(subject.species))
        coords = {
            "species": species_coord(subject.species),
            PAIR[1]: labelled((PAIR[1],), np.array(subject.species), "1", "chemical species"),
            "lag": lag_coord(lags, subject.interval_ps),
            "part": labelled(("part",), np.array(PARTS), "1", "pairs in one fragment or in two"),
            "lag_origin": labelled(
                ("lag_origin",),
                np.round(split.steps * subject.interval_ps, 9),
                "ps",
                "lag time from origins with fragments",
            ),
        }
        fragments = (
            f"none: {products}"
            if isinstance(products, str)
            else f"centres and anions within {products.bonds}"
            + (f"; alkali bound within {products.guest_bonds}" if products.guest_bonds else "")
        )
        attrs = {
            "method": "all origins by FFT, collective less self; parts from a thin set of origins",
            "definition": "mean over pairs of distinct atoms; fragments frozen at the origin",
            "error": "of Gaussian walkers; of parts from the spread over blocks of origins",
            "doi": "10.1002/aic.17091",
            "fragments": fragments,
            **self.frame_attrs(),
        }
        variables = {**self._whole(subject, found), **_part_variables(split)}
        return result(variables, coords, subject.data, attrs)

    def _whole(self, subject: Subject, found: Mapping[str, Any]) -> dict[str, Labelled]:
        """All distinct pairs, at all origins."""
        lags = self.lag_frames(subject)
        number = np.array([len(subject.atoms[s]) for s in subject.species], dtype=np.float64)
        msd = np.stack([found["motion"][s].mean for s in subject.species])
        paths = found["sums"] - number[:, None, None] * found["centre"]
        collective = cross_displacement(paths, lags)
        pairs = np.outer(number, number) - np.diag(number)
        own = np.eye(len(number))[..., None] * (msd * number[:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (collective - own) / pairs[..., None]
            stderr = _stderr(
                collective, Curve.of(lags, lags.astype(np.float64), subject.frames, 1.0)
            )
            stderr = stderr / pairs[..., None]
            scale = np.sqrt(msd[:, None] * msd[None])
            coefficient = mean / scale
        dims = (*PAIR, "lag")
        name, text = "displacement_correlation", "product of the displacements of distinct ions"
        mean = np.where(pairs[..., None] > 0, mean, np.nan)
        return {
            name: labelled(dims, mean, "angstrom^2", f"{text}, mean over pairs"),
            f"{name}_stderr": labelled(dims, stderr, "angstrom^2", f"standard error of the {text}"),
            "correlation_coefficient": labelled(
                dims, coefficient, "1", f"{text} over the root of the product of their MSDs"
            ),
            "msd": labelled(("species", "lag"), msd, "angstrom^2", "mean squared displacement"),
        }


def _stderr(collective: FloatArray, curve: Curve) -> FloatArray:
    """Of the collective products, those of Gaussian walkers, (species, species, lag) Å².

    Var C_ij = (C_ii C_jj + C_ij²)/ν, with 2/ν the relative variance of a single walker's MSD.
    """
    own = np.einsum("iil->il", collective)
    squared = (own[:, None] * own[None] + collective**2) / 2
    stderr: FloatArray = np.sqrt(squared) * curve.relative_stderr()
    return stderr


def _nothing(count: int) -> Products:
    shape = (1, len(PARTS), count, count, 1)
    return Products(np.array([1]), np.full(shape, np.nan), np.full(shape, np.nan))


def _part_variables(products: Products) -> dict[str, Labelled]:
    dims = ("part", *PAIR, "lag_origin")
    total, mean, stderr = products.mean()
    name, text = "displacement_correlation_part", "product of the displacements of distinct ions"
    return {
        name: labelled(dims, mean, "angstrom^2", f"{text}, mean over pairs of a part"),
        f"{name}_stderr": labelled(
            dims, stderr, "angstrom^2", f"standard error of the {text}, from blocks of origins"
        ),
        "displacement_sum": labelled(dims, total, "angstrom^2", f"{text}, summed over pairs"),
        "n_pairs": labelled(dims, products.pairs.mean(axis=0), "1", "mean number of ordered pairs"),
    }
