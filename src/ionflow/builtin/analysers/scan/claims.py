"""The checklist of the oxyhalide study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow import Analyser
from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.builtin.analysers.roles import ALKALI
from ionflow.builtin.analysers.scan.evidence import Evidence, inside, positive, together, told
from ionflow.kinds import FloatArray
from ionflow.statistics import pool

#: the variant of residence that the claims are judged by
VARIANT = "continuous"
OXYGEN_ORDER = ("X4", "X3O1", "X2O2", "X1O3")
INVARIANTS = (
    "coordination_number",
    "bridging_per_centre",
    "links_per_centre",
    "number_average_length",
)


@dataclass(frozen=True)
class Claim:
    """A statement, and where its evidence comes from."""

    name: str
    statement: str
    unit: str
    quantity: str
    """what `value` is"""
    evidence: Callable[[Claims, dict[str, xr.Dataset]], Evidence]


class Claims(Analyser):
    """Whether a scan bears out what was published of amorphous oxyhalides, claim by claim.

    Binci, Jun, Deng and Ceder, arXiv:2601.06384, report eight things of AMX2.5O0.75: activation
    energies of 0.2 to 0.4 eV; escape from tetrahedra activated as diffusion is; escape from X4
    fastest, and slower with each O; σ(Einstein) between Nernst-Einstein and its cluster form;
    transference numbers that Nernst-Einstein puts too low, its cluster form less so; alkali
    Haven ratios near 1; little dependence on A, M and X; and, as tetrahedra and chains require, the
    invariants of the glass. Each case of the scan (material, temperature, replicas pooled) speaks
    for a claim where one standard error lies inside it, against it where two lie outside. A claim
    is supported if half of the cases bear it out and no more contradict it than chance would.
    """

    use: ClassVar[str] = "claims"

    needs: ClassVar[tuple[str, ...]] = (
        "arrhenius",
        "arrhenius_residence",
        "residence",
        "conductivity",
        "transference",
        "haven",
        "chemistry",
        "chains",
    )

    energy_eV: tuple[float, float] = (0.2, 0.4)
    """Bounds of the activation energy of diffusion."""

    energy_difference_eV: float = Field(0.05, gt=0)
    """How far activation of escape and of diffusion may differ."""

    haven_tolerance: float = Field(0.3, gt=0)
    """How far from 1 the Haven ratio of the alkali may be."""

    weak_factor: float = Field(3.0, gt=1)
    """By which factor D and σ may spread over materials, exp(2 SD), and depend weakly on them."""

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """The verdict on each claim.

        Parameters
        ----------
        data : results of the analysers in `needs`, joined

        Returns
        -------
        Dataset over `claim` with `statement`, `verdict` (supported, not supported, not enough
        statistics), `n_cases`, `n_support`, `n_against`, `n_undecided`, and of the
        quantity behind it (`quantity`, `unit`) `median`, `lowest` and `highest` over the cases.
        """
        named = dict(zip(self.needs, (part.compute() for part in data), strict=True))
        found = [claim.evidence(self, named) for claim in CLAIMS]
        variables = {
            "statement": labelled(("claim",), self._statements(), "1", "the claim"),
            "verdict": labelled(("claim",), [e.verdict for e in found], "1", "verdict"),
            "quantity": labelled(("claim",), [c.quantity for c in CLAIMS], "1", "what is judged"),
            "unit": labelled(("claim",), [c.unit for c in CLAIMS], "1", "unit of the quantity"),
            **_counts(found),
            **_spread(found),
        }
        names = labelled(("claim",), [c.name for c in CLAIMS], "1", "claim")
        return xr.Dataset(variables, {"claim": names}, self._attrs())

    def _statements(self) -> list[str]:
        low, high = self.energy_eV
        return [c.statement.format(low=low, high=high, factor=self.weak_factor) for c in CLAIMS]

    def _attrs(self) -> dict[str, str]:
        return {
            "method": (
                "for: one standard error inside the claim; against: two outside; supported: half "
                "of the cases for, and no more against than chance allows at 95 %"
            ),
            "residence": f"variant {VARIANT}",
            "doi": "arXiv:2601.06384",
        }


def _counts(found: list[Evidence]) -> dict[str, Labelled]:
    texts = {
        "n_cases": ("cases with a number", [e.cases for e in found]),
        "n_support": ("cases that bear the claim out", [int(e.support.sum()) for e in found]),
        "n_against": ("cases that contradict the claim", [int(e.against.sum()) for e in found]),
        "n_undecided": ("cases whose error is too large to tell", [e.undecided for e in found]),
    }
    return {n: labelled(("claim",), values, "1", text) for n, (text, values) in texts.items()}


def _spread(found: list[Evidence]) -> dict[str, Labelled]:
    of: Mapping[str, Callable[[FloatArray], np.floating[Any]]] = {
        "median": np.median,
        "lowest": np.min,
        "highest": np.max,
    }
    return {
        name: labelled(
            ("claim",),
            [float(take(e.value)) if e.cases else np.nan for e in found],
            "unit",
            f"{name} of the quantity over the cases",
        )
        for name, take in of.items()
    }


# -- where the evidence comes from ------------------------------------------------------------


def _pooled(value: xr.DataArray, stderr: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    if "replica" not in value.dims:
        return value, stderr
    pooled = pool(value, stderr)
    return pooled["mean"], pooled["stderr"]


def _of(data: xr.Dataset, name: str, **at: str) -> tuple[xr.DataArray, xr.DataArray]:
    """A variable and its standard error at some labels, pooled over replicas."""
    part = data[[name, f"{name}_stderr"]].sel(at)
    return _pooled(part[name], part[f"{name}_stderr"])


def _alkali(data: xr.Dataset) -> xr.Dataset:
    return data.sel(species=[s for s in data["species"].values.tolist() if str(s) in ALKALI])


def _energy(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    fit = _alkali(data["arrhenius"])
    return inside(
        fit["activation_energy"].values, fit["activation_energy_stderr"].values, *claims.energy_eV
    )


def _escape(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    fit = data["arrhenius_residence"].sel(variant=VARIANT, environment="all")
    most = claims.energy_difference_eV
    difference, stderr = fit["energy_difference"], fit["energy_difference_stderr"]
    return inside(difference.values, stderr.values, -most, most)


def _oxygen(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    """ln τ of each environment less that of the one with an oxygen fewer."""
    tau, stderr = _of(data["residence"], "residence_time", variant=VARIANT)
    ln_tau, relative = xr.ufuncs.log(tau), stderr / tau
    steps = []
    for fewer, more in pairwise(OXYGEN_ORDER):
        rise = ln_tau.sel(environment=more) - ln_tau.sel(environment=fewer)
        error = xr.ufuncs.hypot(relative.sel(environment=more), relative.sel(environment=fewer))
        steps.append(positive(rise.values, error.values))
    return together(steps)


def _between(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    """(σ_E − σ_cNE)/(σ_NE − σ_cNE): between 0 and 1 if σ_E lies between the two."""
    (ne, d_ne), (cne, d_cne), (e, d_e) = (
        _of(data["conductivity"], "conductivity", definition=name)
        for name in ("nernst_einstein", "cluster_nernst_einstein", "einstein")
    )
    gap = ne - cne
    place = (e - cne) / gap
    parts = (d_e / gap, (1 - place) * d_cne / gap, place * d_ne / gap)
    error = sum(part**2 for part in parts) ** 0.5
    return inside(place.values, error.values, 0.0, 1.0)


def _transference(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    """t_E − t_NE, and how much nearer t_cNE comes to t_E than t_NE does."""
    (ne, d_ne), (cne, d_cne), (e, d_e) = (
        _of(_alkali(data["transference"]), "transference_number", definition=name)
        for name in ("nernst_einstein", "cluster_nernst_einstein", "einstein")
    )
    lacking = positive((e - ne).values, xr.ufuncs.hypot(d_e, d_ne).values)
    nearer = abs(ne - e) - abs(cne - e)
    # where both lie on one side of t_E its error cancels, else it counts twice
    same = (ne - e) * (cne - e) > 0
    error = (d_ne**2 + d_cne**2 + xr.where(same, 0.0, 4 * d_e**2)) ** 0.5
    return together([lacking, positive(nearer.values, error.values)])


def _haven(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    ratio, stderr = _of(data["haven"], "haven_ratio", kind="alkali")
    most = claims.haven_tolerance
    return inside(ratio.values, stderr.values, 1 - most, 1 + most)


def _chemistry(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    """The factor by which D and σ(NE) spread over materials, at each temperature."""
    found = data["chemistry"].sel(term="all")
    parts = []
    for name in ("diffusion", "conductivity"):
        whole = found.sel(definition="nernst_einstein") if name == "conductivity" else found
        factor, ci68, ci95 = (
            whole[f"{name}_spread_factor{suffix}"] for suffix in ("", "_ci68", "_ci95")
        )
        known = np.ravel(factor.notnull().values)
        below = np.ravel((ci68.sel(bound="upper") <= claims.weak_factor).values)
        above = np.ravel((ci95.sel(bound="lower") > claims.weak_factor).values)
        parts.append(Evidence(np.ravel(factor.values)[known], below[known], above[known]))
    return together(parts)


def _invariants(claims: Claims, data: dict[str, xr.Dataset]) -> Evidence:
    verdicts = data["chains"]["invariant_verdict"].sel(invariant=list(INVARIANTS))
    return told(verdicts.values.astype(str), "met", "missed")


CLAIMS = (
    Claim("activation_energy", "Ea of diffusion is {low:g} to {high:g} eV", "eV", "Ea", _energy),
    Claim(
        "escape_energy",
        "escape from tetrahedra is activated as diffusion is",
        "eV",
        "ε_a − Ea",
        _escape,
    ),
    Claim(
        "oxygen_slows_escape",
        "residence at X4 is shortest, and longer with each O",
        "1",
        "rise of ln τ with one more O",
        _oxygen,
    ),
    Claim(
        "einstein_between",
        "σ(Einstein) lies between Nernst-Einstein (1) and cluster-Nernst-Einstein (0)",
        "1",
        "place of σ(E) between them",
        _between,
    ),
    Claim(
        "transference",
        "t(NE) is too low, and t(cNE) is nearer to t(Einstein)",
        "1",
        "t(E) − t(NE), and gain of t(cNE)",
        _transference,
    ),
    Claim("haven_ratio", "the Haven ratio of the alkali is near 1", "1", "H", _haven),
    Claim(
        "weak_chemistry",
        "D and σ depend weakly on A, M and X: by a factor of less than {factor:g}",
        "1",
        "spread factor exp(2 SD)",
        _chemistry,
    ),
    Claim(
        "invariants",
        "tetrahedra and chains have the numbers that the formula implies",
        "1",
        "invariant met (1) or not (0)",
        _invariants,
    ),
)
