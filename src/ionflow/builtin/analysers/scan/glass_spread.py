"""Glass-to-glass spread against the errors of single trajectories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow import Analyser
from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled
from ionflow.builtin.analysers.roles import ALKALI
from ionflow.builtin.analysers.scan.rates import (
    CONDUCTIVITY,
    DIFFUSION,
    REPLICA,
    TEMPERATURE,
    prepared,
)
from ionflow.builtin.analysers.scan.variance import Between, between, ln_moments
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS

MEANING = (
    "indistinguishable: the claimed errors alone explain the spread over replicas, see sd_ci95 for "
    "what they leave room for; glass-to-glass spread: the 95 % interval of sd excludes 0; "
    "dominates: it does, and is most of the variance of a replica, so longer trajectories help "
    "little; errors overstated: replicas agree better than their errors allow"
)
#: one-sided, so that both ends make 95 %
_SIGNIFICANT = 0.025


class GlassSpread(Analyser):
    """Spread of D and σ between independent quenches, beyond the error of each trajectory.

    Replicas r of a material at a temperature are y_r = ln D_r = μ + g_r + e_r, with g of variance
    τ² between glasses and e of the variance that the trajectory claims. τ² is Paule and Mandel's
    (doi:10.6028/jres.087.022), its interval that of the Q-profile (doi:10.1002/sim.2514);
    `share` is I² = τ²/(τ² + s²) with s² the claimed variance of a typical replica
    (doi:10.1002/sim.1186). Pooled numbers take one τ² for many materials and temperatures, each
    with its own mean. Where they pool temperatures, glasses count once, not once for each
    temperature, in the degrees of freedom of the interval: replicas at different temperatures may
    share a quench, and then what is peculiar to that glass.
    """

    use: ClassVar[str] = "glass_spread"
    needs: ClassVar[tuple[str, ...]] = ("diffusion", "conductivity")

    target_error: float = Field(0.2, gt=0, le=1)
    """Relative standard error of the mean over replicas that `replicas_needed` is for."""

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """Variance between and within glasses.

        Parameters
        ----------
        data : results of `diffusion` and `conductivity`, joined, with the dim replica

        Returns
        -------
        Dataset over `quantity` (D of each species, σ of each definition) and the axes of the scan,
        all of the natural logarithm of the quantity: `sd` between glasses (with `_ci68`, `_ci95`,
        and `_dersimonian_laird` for another estimate), `error_sd` claimed by a typical replica,
        `share` of the variance that is between glasses, `Q`, `Q_probability`, `n_replicas`,
        `replicas_needed` for the target error, `replicas_needed_endless` were trajectories without
        end, and `verdict`; the same as `temperature_sd` and so on, pooled over materials at each
        temperature, and as `pooled_sd` and so on over the whole scan. D(alkali) is that of
        whichever alkali a material has. What cannot be known is NaN.

        Raises
        ------
        DataError
            If the scan has no replicas.
        """
        values, variances = _logarithms(*data)
        scan = _Scan(values, variances, self.target_error)
        variables = {**scan.places(), **scan.pooled("pooled", ())}
        if TEMPERATURE in values.dims:
            variables |= scan.pooled("temperature", (TEMPERATURE,))
        coords = {str(n): coord for n, coord in values.coords.items() if REPLICA not in coord.dims}
        names = labelled(("quantity",), values["quantity"].values.astype(str), "1", "what spreads")
        return xr.Dataset(
            variables, {**coords, "quantity": names, "bound": bound_coord()}, self._attrs()
        )

    def _attrs(self) -> dict[str, str | float]:
        return {
            "method": "random effects over replicas, of ln D and ln sigma",
            "definition": "sd: Paule-Mandel; share: I squared of Higgins and Thompson",
            "error": "Q-profile; over several temperatures each glass counts once",
            "doi": "10.6028/jres.087.022, 10.1002/sim.2514, 10.1002/sim.1186",
            "target_error": self.target_error,
        }


def _logarithms(
    diffusion: xr.Dataset, conductivity: xr.Dataset
) -> tuple[xr.DataArray, xr.DataArray]:
    """ln of every quantity and its claimed variance, over quantity and the axes of the scan."""
    parts = []
    for data, quantity, dim in (
        (diffusion, DIFFUSION, "species"),
        (conductivity, CONDUCTIVITY, "definition"),
    ):
        if REPLICA not in data.dims:
            raise DataError(
                f"the results of {quantity.source} have no replicas",
                hint="set replicas: 3 or more in the recipe",
            )
        taken = prepared(data, quantity)[["value", "stderr"]]
        symbol = quantity.symbol
        names = [f"{symbol}({name})" for name in taken[dim].values]
        parts.append(taken.rename({dim: "quantity"}).assign_coords(quantity=names))
    joined = xr.concat(parts, "quantity", join="outer", coords="minimal", compat="override")
    joined = _with_alkali(joined.transpose("quantity", ..., REPLICA))
    known = (joined["value"] > 0) & (joined["stderr"] > 0)
    value, stderr = (joined[name].where(known) for name in ("value", "stderr"))
    y, variance = ln_moments(value.values, stderr.values)
    return value.copy(data=y), value.copy(data=variance)


def _with_alkali(joined: xr.Dataset) -> xr.Dataset:
    """With D(alkali), the D of whichever alkali a material has; NaN where it has several."""
    wanted = [f"D({element})" for element in ALKALI]
    alkali = joined.isel(quantity=joined["quantity"].isin(wanted).values)
    if not alkali.sizes["quantity"]:
        return joined
    single = alkali["value"].notnull().sum("quantity") == 1
    one = alkali.max("quantity").where(single).expand_dims(quantity=["D(alkali)"])
    return xr.concat([joined, one], "quantity", coords="minimal", compat="override")


@dataclass(frozen=True)
class _Scan:
    """Logarithms and their variances over quantity, axes of the scan and, last, replica."""

    values: xr.DataArray
    variances: xr.DataArray
    target: float

    def places(self) -> dict[str, Labelled]:
        """Each quantity at each point of the scan."""
        shape = self.values.shape[:-1]
        found = [between([group]) for group in _groups(self.values, self.variances)]
        dims = tuple(str(dim) for dim in self.values.dims[:-1])
        return self._variables("", dims, found, shape)

    def pooled(self, prefix: str, kept: tuple[str, ...]) -> dict[str, Labelled]:
        """Each quantity over the scan but for the dims that are kept."""
        dims = ("quantity", *kept)
        sizes = tuple(self.values.sizes[dim] for dim in dims)
        places = (dict(zip(dims, place, strict=True)) for place in np.ndindex(sizes))
        found = [self._over(place) for place in places]
        return self._variables(f"{prefix}_", dims, found, sizes)

    def _over(self, place: dict[str, Any]) -> Between:
        values, variances = self.values.isel(place), self.variances.isel(place)
        return between(list(_groups(values, variances)), _repeated(values))

    def _variables(
        self, prefix: str, dims: tuple[str, ...], found: Sequence[Between], shape: tuple[int, ...]
    ) -> dict[str, Labelled]:
        def each(pick: Callable[[Between], Any]) -> Any:
            return np.array([pick(one) for one in found]).reshape(*shape)

        tau2, within = each(attrgetter("tau2")), each(attrgetter("typical"))
        known = each(attrgetter("dof")) > 0
        needed = {
            "replicas_needed": (within, "replicas that give the mean the target error"),
            "replicas_needed_endless": (0.0, "replicas needed were trajectories without end"),
        }
        numbers = {
            "sd": (np.sqrt(tau2), "standard deviation of the logarithm between glasses"),
            "sd_dersimonian_laird": (np.sqrt(each(attrgetter("tau2_moments"))), "the same by DL"),
            "error_sd": (np.sqrt(within), "error of the logarithm that a typical replica claims"),
            "share": (each(attrgetter("share")), "share of the variance that is between glasses"),
            "Q": (each(attrgetter("q")), "Cochran's Q"),
            "Q_probability": (each(attrgetter("probability")), "of a larger Q by errors alone"),
            "n_replicas": (each(attrgetter("items")), "trajectories with a number"),
            **{n: (self._needed(tau2 + more, known), text) for n, (more, text) in needed.items()},
        }
        variables = {
            f"{prefix}{name}": labelled(dims, values, "1", text)
            for name, (values, text) in numbers.items()
        }
        for place, suffix in enumerate(LEVELS):
            ends = np.sqrt([one.bounds[place] for one in found]).reshape(*shape, 2)
            text = f"{suffix} % interval of the standard deviation between glasses"
            variables[f"{prefix}sd_ci{suffix}"] = labelled((*dims, "bound"), ends, "1", text)
        verdicts = each(_verdict).astype(str)
        text = "whether glasses differ by more than the errors of trajectories"
        variables[f"{prefix}verdict"] = labelled(dims, verdicts, "1", text, meaning=MEANING)
        return variables

    def _needed(self, variance: FloatArray, known: Any) -> FloatArray:
        count = np.maximum(1.0, np.ceil(variance / self.target**2 - 1e-9))
        return np.where(known, count, np.nan)


def _groups(
    values: xr.DataArray, variances: xr.DataArray
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Replicas with a number at each point of the scan."""
    replicas = values.sizes[REPLICA]
    y, v = (array.values.reshape(-1, replicas) for array in (values, variances))
    for row, errors in zip(y, v, strict=True):
        known = np.isfinite(row) & np.isfinite(errors)
        yield row[known], errors[known]


def _repeated(values: xr.DataArray) -> float:
    """At how many temperatures a glass counts, on average."""
    if TEMPERATURE not in values.dims:
        return 1.0
    beyond = (values.notnull().sum(REPLICA) - 1).clip(min=0)
    once = float(beyond.max(TEMPERATURE).sum())
    return float(beyond.sum()) / once if once else 1.0


def _verdict(found: Between) -> str:
    if found.dof == 0:
        return "too few replicas"
    if found.bounds[-1][0] > 0:
        most = found.share > 0.5
        advice = " dominates: add replicas, not length" if most else ""
        return f"glass-to-glass spread{advice}"
    return "errors overstated" if found.below < _SIGNIFICANT else "indistinguishable"
