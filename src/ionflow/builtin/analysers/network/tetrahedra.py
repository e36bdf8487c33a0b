"""Environments of the centres of tetrahedra, their coordination, bonds and distortion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled, result
from ionflow.builtin.analysers.network.bonding import ENVIRONMENTS, Bonds, WithBonds
from ionflow.builtin.analysers.network.ligands import LIGANDS, MOST, Ligands, LigandsFound
from ionflow.builtin.analysers.network.ratios import (
    Ratio,
    block_edges,
    interval_variables,
    ratio,
    ratio_variables,
    unit_error,
)
from ionflow.builtin.analysers.roles import Roles
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject
from ionflow.statistics import LEVELS

FOUR = len(ENVIRONMENTS) - 1


class Tetrahedra(WithBonds):
    """Environments of the network's centres M: X4, X3O1, X2O2, X1O3, O4 or other.

    A centre and an anion are bonded up to the first minimum of their g(r). An environment counts
    the terminal anions X and the bridging anions O that a centre is bonded to; `other` has not
    four. For the four-coordinated, the tetrahedral order q = 1 − (3/8) Σ_{j<k} (cos ψ_jk + 1/3)²
    (Errington and Debenedetti, doi:10.1038/35053024, over the four bonded anions instead of the
    four nearest atoms) and the variance of angles σ² = Σ (θ − 109.47°)²/5 (Robinson, Gibbs and
    Ribbe, doi:10.1126/science.172.3983.567). Each mean has two errors: from the spread over blocks
    of frames (jackknife), and from the spread of the time averages of single centres, of which a
    glass that never changes has only so many; the larger is reported.
    """

    use: ClassVar[str] = "tetrahedra"
    version: ClassVar[int] = 1

    max_frames: int = Field(1000, ge=1)
    """Most frames used; evenly spaced over the trajectory if it has more."""

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Anions around centres."""
        roles = self.network(subject)
        return {"ligands": Ligands(self.bonds(subject, roles), roles, self.max_frames)}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Fractions of environments, coordination numbers, distortion and bond lengths.

        Returns
        -------
        Dataset over `environment` with `fraction`, its `_stderr`, `_stderr_blocks`,
        `_stderr_centres`, `_ci68` and `_ci95` (bound), `fraction_in_time` (block; at `block_time`,
        ps); over `ligands` (terminal, bridging, all) `coordination_number` and, over `number`
        (the last stands for more as well), `coordination_fraction`; `order_parameter`,
        `angle_variance` (degree²) and both `_by_environment`; over `bond` ("Al-Cl") `bond_length`
        (Å) and `bond_length_spread`, the standard deviation of single bonds; errors as those of
        `fraction`. NaN where no centre is four-coordinated, or no bond exists.
        """
        ligands: LigandsFound = found["ligands"]
        roles = self.network(subject)
        bonds = self.bonds(subject, roles)
        variables = {
            **_fractions(ligands),
            **_coordination(ligands),
            **_distortion(ligands),
            **_lengths(ligands),
        }
        attrs = network_attrs(self, subject, roles, bonds) | {
            "method": "anions up to the first minimum of g(r); means over centres and frames",
            "doi": "10.1038/35053024, 10.1126/science.172.3983.567",
            "frames": len(ligands.frames),
        }
        return result(variables, _coords(subject, ligands, bonds), subject.data, attrs)


def network_attrs(
    analyser: WithBonds, subject: Subject, roles: Roles, bonds: Bonds
) -> dict[str, Any]:
    """What results on a network say of its bonds."""
    how = "as given" if len(analyser.cutoffs) == len(bonds.table) else "first minimum of g(r)"
    return {
        "cutoffs": str(bonds),
        "cutoffs_from": how + (", or as given" if analyser.cutoffs and "first" in how else ""),
        "centre": ", ".join(roles.centre),
        "terminal": ", ".join(roles.terminal),
        "bridging": ", ".join(roles.bridging),
        "frames_of": subject.frames,
    }


def _ratio(
    found: LigandsFound, top: str, bottom: FloatArray | None = None, units: Any = None
) -> Ratio:
    """Sums by name over the number of centres (or other sums, by frame and by centre)."""
    numerator, each = found.by_frame[top], found.by_centre[top]
    if bottom is None:
        bottom, units = (
            x["one"].reshape(-1, *[1] * (y.ndim - 1))
            for x, y in ((found.by_frame, numerator), (found.by_centre, each))
        )
    return ratio(numerator, np.broadcast_to(bottom, numerator.shape), unit_error(each, units))


def _fractions(found: LigandsFound) -> dict[str, Labelled]:
    share = _ratio(found, "environment")
    dims, centres = ("environment",), len(found.by_centre["one"])
    bounds = {k: share.bounds_of_fraction(level, centres) for k, level in LEVELS.items()}
    edges = block_edges(len(found.frames))
    sums = [np.add.reduceat(found.by_frame[name], edges) for name in ("environment", "one")]
    return {
        **ratio_variables("fraction", share, dims, "1", "fraction of centres", "centres"),
        **interval_variables("fraction", bounds, dims, "1"),
        "fraction_in_time": labelled(
            ("environment", "block"), (sums[0] / sums[1]).T, "1", "fraction of centres in a block"
        ),
    }


def _coordination(found: LigandsFound) -> dict[str, Labelled]:
    mean, share = _ratio(found, "coordination"), _ratio(found, "number")
    bounds = {k: mean.bounds(level) for k, level in LEVELS.items()}
    name, both = "coordination_number", ("ligands", "number")
    return {
        **ratio_variables(name, mean, ("ligands",), "1", "mean coordination number", "centres"),
        **interval_variables(name, bounds, ("ligands",), "1"),
        **ratio_variables(
            "coordination_fraction",
            share,
            both,
            "1",
            "fraction of centres with so many ligands",
            "centres",
        ),
    }


def _distortion(found: LigandsFound) -> dict[str, Labelled]:
    variables: dict[str, Labelled] = {}
    for sums, name, units, long_name in (
        ("order", "order_parameter", "1", "tetrahedral order parameter q"),
        ("angle", "angle_variance", "degree^2", "variance of the angles of a tetrahedron"),
    ):
        four = [x["environment"][:, :FOUR] for x in (found.by_frame, found.by_centre)]
        each = _ratio(found, sums, *four)
        whole = _whole(found, sums, four)
        bounds = {k: whole.bounds(level) for k, level in LEVELS.items()}
        variables |= {
            **_scalars(ratio_variables(name, whole, (), units, long_name, "centres")),
            **_scalars(interval_variables(name, bounds, (), units)),
            **ratio_variables(
                f"{name}_by_environment", each, ("environment",), units, long_name, "centres"
            ),
        }
    return {k: _with_other(v) if "by_environment" in k else v for k, v in variables.items()}


def _whole(found: LigandsFound, sums: str, four: list[FloatArray]) -> Ratio:
    """Of all four-coordinated centres together, (1,)."""
    tops = [x[sums].sum(axis=1, keepdims=True) for x in (found.by_frame, found.by_centre)]
    bottoms = [x.sum(axis=1, keepdims=True) for x in four]
    return ratio(tops[0], bottoms[0], unit_error(tops[1], bottoms[1]))


def _scalars(variables: Mapping[str, Labelled]) -> dict[str, Labelled]:
    """Variables of one column without the axis of columns."""
    return {name: (dims, values[0], attrs) for name, (dims, values, attrs) in variables.items()}


def _with_other(variable: Labelled) -> Labelled:
    """NaN for the environment that has not four anions."""
    dims, values, attrs = variable
    return dims, np.append(values, np.nan), attrs


def _lengths(found: LigandsFound) -> dict[str, Labelled]:
    counts = [x["bond"][..., 0] for x in (found.by_frame, found.by_centre)]
    sums = [x["bond"][..., 1] for x in (found.by_frame, found.by_centre)]
    mean = ratio(sums[0], counts[0], unit_error(sums[1], counts[1]))
    square = ratio(found.by_frame["bond"][..., 2], counts[0], mean.units).value
    name = "length of centre-anion bonds"
    return {
        **ratio_variables("bond_length", mean, ("bond",), "angstrom", name, "centres"),
        "bond_length_spread": labelled(
            ("bond",),
            np.sqrt(np.maximum(square - mean.value**2, 0)),
            "angstrom",
            "standard deviation of the lengths of single bonds",
        ),
    }


def _coords(subject: Subject, found: LigandsFound, bonds: Bonds) -> dict[str, Labelled]:
    edges = block_edges(len(found.frames))
    times = np.asarray(subject.data["time"].values, dtype=np.float64)[found.frames]
    middle = [part.mean() for part in np.split(times, edges[1:])]
    return {
        "environment": labelled(("environment",), list(ENVIRONMENTS), "1", "anions of a centre"),
        "ligands": labelled(("ligands",), list(LIGANDS), "1", "which anions are counted"),
        "number": labelled(
            ("number",), np.arange(MOST + 1), "1", f"number of ligands; {MOST} stands for more too"
        ),
        "bond": labelled(("bond",), ["-".join(p) for p, _ in bonds.table], "1", "centre-anion"),
        "cutoff": labelled(
            ("bond",), [r for _, r in bonds.table], "angstrom", "longest bond that counts"
        ),
        "block_time": labelled(("block",), np.round(middle, 6), "ps", "middle of a block"),
        "bound": bound_coord(),
    }
