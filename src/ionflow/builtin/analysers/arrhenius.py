"""Activation energies of diffusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow import Analyser
from ionflow.builtin.analysers.activation import Activation, Estimate, fit_activation
from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS, interval, pool

TEMPERATURE = "temperature_K"


class Arrhenius(Analyser):
    """Activation energy of diffusion by species, and D extrapolated to room temperature.

    ln D(T) = ln D0 − Ea/(kB T): the diffusion coefficients are pooled over replicas, weighted by
    their errors and fitted with the full covariance of (ln D0, Ea). Only diffusive points count; a
    temperature where fewer than half of the replicas are diffusive is left out, since the mean of
    those that are would be too large. Replicas count as independent at each temperature; glasses
    that share a quench over temperatures make errors of Ea too large rather than too small.
    """

    use: ClassVar[str] = "arrhenius"

    needs: ClassVar[tuple[str, ...]] = ("diffusion",)

    extrapolate_K: float = Field(300.0, gt=0)
    """Temperature that D is extrapolated to; names the variable, D_300K."""

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """Activation by species, for each combination of the other axes of the scan.

        Parameters
        ----------
        data : results of `diffusion`, joined; dims temperature_K, species and any others; `replica`
            may be absent

        Returns
        -------
        Dataset with, over temperature_K, pooled `diffusion_coefficient` (cm²/s), its `_stderr`,
        `ci68`, `ci95`, `n_replicas` and `n_not_diffusive`; and, without it, `activation_energy`
        (eV), `ln_prefactor` (of D0 in cm²/s), `D_300K` (cm²/s), each with `_stderr` (that of D_300K
        is of its logarithm, `ln_D_300K_stderr`), `_ci68`, `_ci95`; `covariance` (parameter,
        parameter_other), `chi2`, `dof` and `n_temperatures`. What cannot be known is NaN.

        Raises
        ------
        DataError
            If there is no temperature_K.
        """
        joined = _prepared(data[0])
        pooled = _pooled(joined)
        fits = _fits(pooled, self.extrapolate_K)
        attrs = {
            "method": "weighted least squares of ln D against 1/T, replicas pooled",
            "error": "errors of the points propagated, times sqrt(chi2/dof) where that exceeds 1",
            "doi": "10.1103/PhysRev.40.207, 10.2307/3002019",
            "extrapolate_K": self.extrapolate_K,
        }
        name = f"D_{self.extrapolate_K:g}K"
        return xr.merge([_pooled_result(pooled), _fit_result(fits, name)]).assign_attrs(attrs)


def _prepared(diffusion: xr.Dataset) -> xr.Dataset:
    """What is needed of the joined results, in memory, with replica and temperature as dims."""
    if TEMPERATURE not in diffusion.coords:
        raise DataError(
            "the diffusion coefficients have no coordinate temperature_K",
            hint="scan protocol.<stage>.temperature_K over two or more temperatures",
        )
    names = ["diffusion_coefficient", "diffusion_coefficient_stderr", "exponent"]
    absent = [name for name in names if name not in diffusion]
    if absent:
        raise DataError(f"the results of diffusion have no {', '.join(absent)}")
    taken = diffusion[names].compute()
    for dim in (TEMPERATURE, "replica"):
        if dim not in taken.dims:
            taken = taken.expand_dims(dim)
    return taken


def _pooled(joined: xr.Dataset) -> xr.Dataset:
    """Replicas pooled, where at least half of those analysed are diffusive."""
    value, stderr = joined["diffusion_coefficient"], joined["diffusion_coefficient_stderr"]
    pooled = pool(value, stderr)
    still = (joined["exponent"].notnull() & value.isnull()).sum("replica")
    enough = pooled["count"] >= still
    errors = ("mean", "stderr", "stderr_propagated", "stderr_spread")
    kept = {name: pooled[name].where(enough) for name in errors}
    return pooled.assign(kept).assign(not_diffusive=still)


def _pooled_result(pooled: xr.Dataset) -> xr.Dataset:
    dims = tuple(str(dim) for dim in pooled["mean"].dims)
    name, unit = "diffusion_coefficient", "cm^2/s"
    spread = "standard error from the spread over replicas"
    variables = {
        name: labelled(dims, pooled["mean"], unit, "tracer diffusion coefficient over replicas"),
        f"{name}_stderr": labelled(dims, pooled["stderr"], unit, "larger of two standard errors"),
        f"{name}_stderr_propagated": labelled(
            dims, pooled["stderr_propagated"], unit, "standard error propagated from replicas"
        ),
        f"{name}_stderr_spread": labelled(dims, pooled["stderr_spread"], unit, spread),
        "n_replicas": labelled(dims, pooled["count"], "1", "replicas that are diffusive"),
        "n_not_diffusive": labelled(
            dims, pooled["not_diffusive"], "1", "replicas that are not diffusive"
        ),
    }
    for suffix, level in LEVELS.items():
        ends = interval(pooled["mean"], pooled["stderr"], level, pooled["dof"])
        text = f"{suffix} % interval of the pooled diffusion coefficient"
        variables[f"ci{suffix}"] = labelled((*dims, "bound"), np.stack(ends, axis=-1), unit, text)
    coords = {str(name): coord for name, coord in pooled.coords.items()}
    return xr.Dataset(variables, {**coords, "bound": bound_coord()})


def _fits(pooled: xr.Dataset, target: float) -> xr.DataArray:
    """A fit for each combination of the axes other than temperature, as objects."""

    def fit(value: FloatArray, stderr: FloatArray, dof: FloatArray) -> Activation:
        return fit_activation(temperatures, value, stderr, dof, target)

    temperatures = pooled[TEMPERATURE].values.astype(np.float64)
    fits: xr.DataArray = xr.apply_ufunc(
        fit,
        *(pooled[name] for name in ("mean", "stderr", "dof")),
        input_core_dims=[[TEMPERATURE]] * 3,
        vectorize=True,
        output_dtypes=[object],
    )
    return fits


def _fit_result(fits: xr.DataArray, extrapolated: str) -> xr.Dataset:
    dims = tuple(str(dim) for dim in fits.dims)
    every: Sequence[Activation] = fits.values.ravel().tolist()
    matrices = np.array([fit.covariance for fit in every]).reshape(*fits.shape, 2, 2)
    counts = {
        "chi2": (
            "weighted squares left by the fit; 0 by construction for two temperatures",
            "chi2",
        ),
        "dof": ("degrees of freedom of the fit", "dof"),
        "n_temperatures": ("temperatures with a diffusion coefficient", "points"),
    }
    variables = {
        **_estimates(fits, "activation_energy", "eV", lambda fit: fit.energy),
        **_estimates(fits, "ln_prefactor", "1", lambda fit: fit.ln_prefactor),
        **_extrapolation(fits, extrapolated),
        "covariance": labelled(
            (*dims, "parameter", "parameter_other"),
            matrices,
            "eV to the power of the number of energies",
            "covariance of (ln_prefactor, activation_energy)",
        ),
    }
    for name, (text, attribute) in counts.items():
        values = np.array([getattr(fit, attribute) for fit in every]).reshape(fits.shape)
        variables[name] = labelled(dims, values, "1", text)
    parameters = np.array(["ln_prefactor", "activation_energy"])
    coords = {str(name): coord for name, coord in fits.coords.items()}
    return xr.Dataset(
        variables,
        {
            **coords,
            "bound": bound_coord(),
            "parameter": labelled(("parameter",), parameters, "1", "parameter of the fit"),
            "parameter_other": labelled(
                ("parameter_other",), parameters, "1", "parameter of the fit"
            ),
        },
    )


def _numbers(fits: xr.DataArray, pick: Callable[[Activation], Estimate]) -> FloatArray:
    """(..., number): value, standard error, half widths at 68 and 95 %."""
    rows = [(e.value, e.stderr, *e.halfwidths) for e in map(pick, fits.values.ravel())]
    return np.array(rows, dtype=np.float64).reshape(*fits.shape, 2 + len(LEVELS))


def _estimates(
    fits: xr.DataArray, name: str, unit: str, pick: Callable[[Activation], Estimate]
) -> dict[str, Labelled]:
    dims = tuple(str(dim) for dim in fits.dims)
    numbers = _numbers(fits, pick)
    text = name.replace("_", " ")
    variables = {
        name: labelled(dims, numbers[..., 0], unit, text),
        f"{name}_stderr": labelled(dims, numbers[..., 1], unit, f"standard error of {text}"),
    }
    for place, suffix in enumerate(LEVELS, start=2):
        ends = numbers[..., :1] + numbers[..., place : place + 1] * np.array([-1.0, 1.0])
        variables[f"{name}_ci{suffix}"] = labelled(
            (*dims, "bound"), ends, unit, f"{suffix} % interval of {text}"
        )
    return variables


def _extrapolation(fits: xr.DataArray, name: str) -> dict[str, Labelled]:
    """D at another temperature; its intervals are symmetric in ln D."""
    logarithmic = _estimates(fits, f"ln_{name}", "1", lambda fit: fit.ln_extrapolated)
    text = "diffusion coefficient extrapolated"
    with np.errstate(over="ignore"):  # an interval may well be without end
        powers = {key: np.exp(values) for key, (_, values, _) in logarithmic.items()}
    variables = {f"ln_{name}_stderr": logarithmic[f"ln_{name}_stderr"]}
    for key in (f"ln_{name}", f"ln_{name}_ci68", f"ln_{name}_ci95"):
        dims, _, attrs = logarithmic[key]
        long_name = f"{attrs['long_name'].split(' interval')[0]} interval" if "ci" in key else text
        variables[key.removeprefix("ln_")] = labelled(dims, powers[key], "cm^2/s", long_name)
    return variables
