"""How much composition explains of transport."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import xarray as xr

from ionflow import Analyser
from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled
from ionflow.builtin.analysers.scan.alkali import of_alkali
from ionflow.builtin.analysers.scan.effects import ALL, REST
from ionflow.builtin.analysers.scan.explained import Response, explained
from ionflow.builtin.analysers.scan.rates import (
    CONDUCTIVITY,
    DIFFUSION,
    REPLICA,
    TEMPERATURE,
    pooled,
    prepared,
)
from ionflow.errors import DataError

#: dims that do not tell materials apart
_NO_MATERIAL = (TEMPERATURE, REPLICA, "species", "definition")


class Chemistry(Analyser):
    """How much each axis of the scan, such as A, M, X and oxygen, explains of D, σ and Ea.

    The logarithm of each material's pooled D (of the alkali) and σ, at each temperature, and its
    Ea, are decomposed as y = μ + Σ_f α_f + rest + error, with the main effects α of all axes f
    that tell materials apart, each adjusted for the others, and errors known from the replicas.
    A term with projection P has the variance (yᵀPy − Σ_i P_ii s_i²)/(n − 1) between the n
    materials, s_i their standard errors: what measurement error adds on average is taken off. Its
    interval is that of a noncentral χ² variable (Satterthwaite, doi:10.2307/3002019). `_sd` of the
    term `all` says how much transport differs between materials, and `_spread_factor`, e^(2 SD),
    over which range; small upper ends of their intervals are what insensitivity means.
    Materials count equally, whatever their errors. η², ε² and ω² are the textbook ones
    (Olejnik and Algina, doi:10.1037/1082-989X.8.4.434) and take what main effects leave, their
    interplay and the error, for the error.
    """

    use: ClassVar[str] = "chemistry"
    needs: ClassVar[tuple[str, ...]] = ("diffusion", "conductivity", "arrhenius")

    species: tuple[str, ...] = ()
    """Species whose D and Ea are explained; the alkali of each material if empty."""

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """Effect sizes of the axes of the scan.

        Parameters
        ----------
        data : results of `diffusion`, `conductivity` and `arrhenius`, joined

        Returns
        -------
        Dataset over `term`: each axis that tells materials apart, `rest` (what their main effects
        leave) and `all` (between all materials). For each of `diffusion` (temperature_K),
        `conductivity` (definition, temperature_K) and `activation_energy`, named
        `diffusion_sd` and so on: `_sd` of ln D, ln σ (1) or Ea (eV) without measurement error,
        `_spread_factor` (not of Ea), each with `_ci68` and `_ci95`; `_share`; `_ratio` of the
        largest to the smallest level mean (`_range` in eV of Ea) with `_ci68`, `_ci95`, `_highest`
        and `_lowest`; `_slope` and `_slope_stderr` over a numeric axis; `_eta_squared`,
        `_epsilon_squared`, `_omega_squared`, `_eta_squared_partial` with `_ci68`, `_ci95`, `_F`,
        `_F_probability`; `_dof`, `_levels`, `_n_materials`, `_error_sd` and `_verdict`. What
        cannot be known is NaN.

        Raises
        ------
        DataError
            If a material has several alkalis, or two results have other axes.
        """
        responses = self._responses(*data)
        axes = _axes(responses)
        variables: dict[str, Labelled] = {}
        for response in responses:
            variables |= explained(response, axes)
        own = {
            str(name): coord
            for response in responses
            for name, coord in response.numbers.coords.items()
            if name in (TEMPERATURE, "definition")
        }
        terms = np.array([*axes, REST, ALL], dtype=str)
        coords = {**own, "term": labelled(("term",), terms, "1", "what explains")}
        return xr.Dataset(variables, {**coords, "bound": bound_coord()}, _attrs())

    def _responses(
        self, diffusion: xr.Dataset, conductivity: xr.Dataset, arrhenius: xr.Dataset
    ) -> list[Response]:
        mobile = of_alkali(prepared(diffusion, DIFFUSION), self.species)
        current = prepared(conductivity, CONDUCTIVITY)
        energy = _energy(arrhenius, self.species)
        return [
            Response("diffusion", "ln D", "1", _logarithm(pooled(mobile))),
            Response("conductivity", "ln sigma", "1", _logarithm(pooled(current))),
            Response("activation_energy", "Ea", "eV", energy, logarithmic=False),
        ]


def _logarithm(together: xr.Dataset) -> xr.Dataset:
    """Pooled values by their logarithm."""
    mean = together["mean"].where(together["mean"] > 0)
    logarithm = together[["dof", "count"]].assign(
        mean=np.log(mean), stderr=together["stderr"] / mean
    )
    own = [dim for dim in ("definition", TEMPERATURE) if dim in logarithm.dims]
    return logarithm.transpose(*own, ...)


def _energy(arrhenius: xr.Dataset, species: tuple[str, ...]) -> xr.Dataset:
    """Activation energy of the alkali, with the replicas of its poorest temperature."""
    value, stderr = (
        arrhenius[name].compute() for name in ("activation_energy", "activation_energy_stderr")
    )
    counts = arrhenius["n_replicas"].compute()
    count = counts.where(counts > 0).min(TEMPERATURE)
    taken = xr.Dataset({"value": value, "stderr": stderr, "analysed": value.notnull()})
    energy = of_alkali(taken.drop_attrs(), species)
    numbers = energy.rename(value="mean")[["mean", "stderr"]]
    least = count.min("species")
    return numbers.assign(dof=xr.full_like(numbers["mean"], np.inf), count=least)


def _axes(responses: list[Response]) -> tuple[str, ...]:
    """The axes that tell materials apart."""
    found = [
        tuple(str(dim) for dim in response.numbers["mean"].dims if dim not in _NO_MATERIAL)
        for response in responses
    ]
    if len({frozenset(axes) for axes in found}) > 1:
        raise DataError(
            f"results of diffusion, conductivity and arrhenius have the axes {found}",
            hint="join them over the same axes",
        )
    return found[0]


def _attrs() -> dict[str, str]:
    return {
        "method": (
            "main effects of all axes, each adjusted for the others (sums of squares of type II), "
            "materials counted equally, what measurement error adds on average taken off"
        ),
        "definition": "sd: root of (sum of squares without error)/(n - 1) over n materials",
        "error": (
            "noncentral chi-squared with errors from the replicas; the upper end never excludes "
            "what could not have been seen; intervals of the ratio hold for all pairs at once"
        ),
        "doi": (
            "10.2307/3002019, 10.1088/0954-3899/28/10/313, 10.1037/1082-989X.8.4.434, "
            "10.1037/1082-989X.9.2.164"
        ),
    }
