"""Lines in 1/T through pooled rates, as labelled results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled
from ionflow.builtin.analysers.scan.activation import Activation, Estimate, fit_activation
from ionflow.builtin.analysers.scan.rates import REPLICA, TEMPERATURE, Quantity
from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS

MEANING = (
    "straight: a line describes the points; curved: a parabola does, a line does not; scattered: "
    "neither, or three points only; two temperatures: nothing tests the line"
)


@dataclass(frozen=True)
class Line:
    """What is fitted, and what is asked of the fit."""

    quantity: Quantity
    target: float
    """temperature to extrapolate to, K"""
    implausible: float
    """a χ² of a smaller probability says that a line does not describe the points"""

    def fits(self, together: xr.Dataset) -> xr.DataArray:
        """A fit for each combination of the axes other than temperature, as objects.

        Parameters
        ----------
        together : Dataset with `mean`, `stderr` and `dof`
        """
        temperatures = together[TEMPERATURE].values.astype(np.float64)

        def fit(value: FloatArray, stderr: FloatArray, dof: FloatArray) -> Activation:
            with np.errstate(divide="ignore", invalid="ignore"):  # what is not positive is left out
                rate = self.quantity.rate_of(value, temperatures)
                error = rate * stderr / value
            return fit_activation(temperatures, rate, error, dof, self.target)

        fits: xr.DataArray = xr.apply_ufunc(
            fit,
            *(together[name] for name in ("mean", "stderr", "dof")),
            input_core_dims=[[TEMPERATURE]] * 3,
            vectorize=True,
            output_dtypes=[object],
        )
        return fits

    @property
    def extrapolated(self) -> str:
        """Name of the extrapolated value."""
        return f"{self.quantity.symbol}_{self.target:g}K"


def fit_result(line: Line, together: xr.Dataset, taken: xr.Dataset) -> xr.Dataset:
    """Fits as labelled variables.

    Parameters
    ----------
    together, taken : as `rates.pooled` and `rates.prepared` give them
    """
    fits = line.fits(together)
    quantity, dims = line.quantity, tuple(str(dim) for dim in fits.dims)
    prefactor = {"definition": f"of {quantity.rate} in {quantity.rate_units}"}
    variables = {
        **_estimates(fits, "activation_energy", "eV", lambda fit: fit.energy),
        **_estimates(fits, "ln_prefactor", "1", lambda fit: fit.ln_prefactor, **prefactor),
        **_extrapolation(fits, line),
        **_glasses(line, taken, dims),
        "covariance": labelled(
            (*dims, "parameter", "parameter_other"),
            _matrices(fits),
            "eV to the power of the number of energies",
            "covariance of (ln_prefactor, activation_energy)",
        ),
        **_quality(fits, line),
    }
    names = np.array(["ln_prefactor", "activation_energy"])
    parameters = {
        dim: labelled((dim,), names, "1", "parameter of the fit")
        for dim in ("parameter", "parameter_other")
    }
    coords = {str(name): coord for name, coord in fits.coords.items()}
    return xr.Dataset(variables, {**coords, "bound": bound_coord(), **parameters})


def _each(fits: xr.DataArray, pick: Callable[[Activation], Any]) -> Any:
    return np.array([pick(fit) for fit in fits.values.ravel()]).reshape(fits.shape)


def _matrices(fits: xr.DataArray) -> FloatArray:
    every: Sequence[Activation] = fits.values.ravel().tolist()
    nothing = np.full((2, 2), np.nan)
    found = [nothing if fit.covariance is None else fit.covariance for fit in every]
    return np.array(found).reshape(*fits.shape, 2, 2)


def _quality(fits: xr.DataArray, line: Line) -> dict[str, Labelled]:
    """How well lines describe the points."""
    dims = tuple(str(dim) for dim in fits.dims)
    texts = {
        "chi2": "weighted squares left by the fit; 0 by construction for two temperatures",
        "dof": "degrees of freedom of the fit",
        "points": "temperatures with a number",
        "probability": "probability of a larger chi2 if the line is right",
    }
    names = {"points": "n_temperatures", "probability": "chi2_probability"}
    values = {name: _each(fits, attrgetter(name)) for name in texts}
    bend = "activation energy at the coldest minus that at the hottest temperature, of a parabola"
    return {
        **{names.get(n, n): labelled(dims, values[n], "1", text) for n, text in texts.items()},
        "bend": labelled(dims, _each(fits, lambda fit: fit.bend.value), "eV", bend),
        "bend_stderr": labelled(
            dims, _each(fits, lambda fit: fit.bend.stderr), "eV", "standard error of the bend"
        ),
        "verdict": labelled(
            dims,
            _each(fits, lambda fit: fit.verdict(line.implausible)).astype(str),
            "1",
            "whether a line describes the points",
            meaning=MEANING,
        ),
    }


def _numbers(fits: xr.DataArray, pick: Callable[[Activation], Estimate]) -> FloatArray:
    """(..., number): value, standard error, half widths at 68 and 95 %."""
    rows = [(e.value, e.stderr, *e.halfwidths) for e in map(pick, fits.values.ravel())]
    return np.array(rows, dtype=np.float64).reshape(*fits.shape, 2 + len(LEVELS))


def _estimates(
    fits: xr.DataArray, name: str, unit: str, pick: Callable[[Activation], Estimate], **attrs: str
) -> dict[str, Labelled]:
    dims = tuple(str(dim) for dim in fits.dims)
    numbers = _numbers(fits, pick)
    text = name.replace("_", " ")
    variables = {
        name: labelled(dims, numbers[..., 0], unit, text, **attrs),
        f"{name}_stderr": labelled(dims, numbers[..., 1], unit, f"standard error of {text}"),
    }
    for place, suffix in enumerate(LEVELS, start=2):
        ends = numbers[..., :1] + numbers[..., place : place + 1] * np.array([-1.0, 1.0])
        variables[f"{name}_ci{suffix}"] = labelled(
            (*dims, "bound"), ends, unit, f"{suffix} % interval of {text}"
        )
    return variables


def _extrapolation(fits: xr.DataArray, line: Line) -> dict[str, Labelled]:
    """The quantity at another temperature; its intervals are symmetric in its logarithm."""
    name, quantity = line.extrapolated, line.quantity
    rates = _estimates(fits, f"ln_{name}", "1", lambda fit: fit.ln_extrapolated)
    text = f"{quantity.long_name} extrapolated"
    variables = {f"ln_{name}_stderr": rates[f"ln_{name}_stderr"]}
    for suffix in ("", *(f"_ci{level}" for level in LEVELS)):
        dims, ln_rates, _ = rates[f"ln_{name}{suffix}"]
        with np.errstate(over="ignore"):  # an interval may well be without end
            values = np.exp(quantity.ln_value(ln_rates, line.target))
        if suffix:
            values = np.sort(values, axis=-1)  # that of 1/k has its ends swapped
        long_name = f"{suffix[3:]} % interval of the {text}" if suffix else text
        variables[f"{name}{suffix}"] = labelled(dims, values, quantity.units, long_name)
    return variables


def _glasses(line: Line, taken: xr.Dataset, dims: tuple[str, ...]) -> dict[str, Labelled]:
    """Standard errors from the spread of lines through each replica alone.

    Temperatures that share a quench share what is peculiar to that glass, which a fit to each
    glass keeps together.
    """
    known = taken.rename(value="mean").assign(dof=xr.full_like(taken["value"], np.inf))
    lines = line.fits(known).transpose(REPLICA, *dims)
    texts = {
        "activation_energy": ("eV", lambda fit: fit.energy),
        "ln_prefactor": ("1", lambda fit: fit.ln_prefactor),
        f"ln_{line.extrapolated}": ("1", lambda fit: fit.ln_extrapolated),
    }
    counts = _each(lines, lambda fit: fit.points > 1).sum(axis=0)
    variables = {
        "n_glasses": labelled(dims, counts, "1", "replicas with two or more temperatures"),
    }
    for name, (unit, pick) in texts.items():
        values = _numbers(lines, pick)[..., 0]
        spread = _spread(values, counts)
        text = f"standard error of {name.replace('_', ' ')} from the spread of fits to each replica"
        variables[f"{name}_stderr_glasses"] = labelled(dims, spread, unit, text)
    return variables


def _spread(values: FloatArray, counts: Any) -> FloatArray:
    """Standard error of the mean over the first axis; NaN with fewer than two numbers."""
    mean = np.nansum(values, axis=0) / np.maximum(counts, 1)
    squares = np.nansum((values - mean) ** 2, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(squares / (counts - 1) / counts)
    return np.where(counts > 1, error, np.nan)
