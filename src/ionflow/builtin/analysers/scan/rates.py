"""Quantities that follow a rate over temperature, pooled over replicas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import bound_coord, labelled
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS, interval, pool

TEMPERATURE = "temperature_K"
REPLICA = "replica"
_ERRORS = ("mean", "stderr", "stderr_propagated", "stderr_spread")


@dataclass(frozen=True)
class Quantity:
    """A variable x of a result whose rate k = x^power T^temperature_power is activated."""

    name: str
    """of the variable; its standard error is `<name>_stderr`"""
    units: str
    long_name: str
    source: str
    """the analyser that gives it"""
    symbol: str
    """names the extrapolated value, as in D_300K"""
    rate: str
    """how the rate is written"""
    rate_units: str
    power: int = 1
    temperature_power: int = 0
    known: str = "diffusive"
    """what a replica with a number is; without one it is not that"""

    def rate_of(self, value: FloatArray, temperature: FloatArray) -> FloatArray:
        """The rate k; a relative error is the same for x and k."""
        ln_value, ln_kelvin = np.log(value), np.log(temperature)
        rate: FloatArray = np.exp(self.power * ln_value + self.temperature_power * ln_kelvin)
        return rate

    def ln_value(self, ln_rate: FloatArray, temperature: float) -> FloatArray:
        """ln x from ln k."""
        ln_value: FloatArray = ln_rate - self.temperature_power * np.log(temperature)
        return ln_value / self.power

    @property
    def missing(self) -> str:
        """Name of the variable that counts replicas without a number."""
        return f"n_not_{self.known}"


DIFFUSION = Quantity(
    "diffusion_coefficient",
    "cm^2/s",
    "tracer diffusion coefficient",
    source="diffusion",
    symbol="D",
    rate="D",
    rate_units="cm^2/s",
)
CONDUCTIVITY = Quantity(
    "conductivity",
    "S/cm",
    "ionic conductivity",
    source="conductivity",
    symbol="sigma",
    rate="sigma T",
    rate_units="S K/cm",
    temperature_power=1,
)
RESIDENCE = Quantity(
    "residence_time",
    "ps",
    "residence time",
    source="residence",
    symbol="tau",
    rate="1/tau",
    rate_units="1/ps",
    power=-1,
    known="known",
)


def prepared(data: xr.Dataset, quantity: Quantity) -> xr.Dataset:
    """What is needed of joined results, in memory, with replica and any temperature as dims.

    Returns
    -------
    Dataset with `value`, `stderr` and `analysed`: whether there is a result at all, which may
    well be that there is no number.

    Raises
    ------
    DataError
        If a variable is missing.
    """
    names = [quantity.name, f"{quantity.name}_stderr"]
    absent = [name for name in names if name not in data]
    if absent:
        raise DataError(f"the results of {quantity.source} have no {', '.join(absent)}")
    value, stderr = (data[name].compute() for name in names)
    taken = xr.Dataset({"value": value, "stderr": stderr, "analysed": _analysed(data, value)})
    for dim in (TEMPERATURE, REPLICA):
        if dim not in taken.dims and (dim in taken.coords or dim == REPLICA):
            taken = taken.expand_dims(dim)
    return taken.drop_attrs()


def require_temperature(data: xr.Dataset, source: str) -> None:
    """Check that joined results know their temperature.

    Raises
    ------
    DataError
        If they do not.
    """
    if TEMPERATURE not in data.coords:
        raise DataError(
            f"the results of {source} have no coordinate temperature_K",
            hint="scan protocol.<stage>.temperature_K over two or more temperatures",
        )


def _analysed(data: xr.Dataset, value: xr.DataArray) -> xr.DataArray:
    """Where there is a verdict, or else an exponent, or at least a number."""
    told: xr.DataArray = value.notnull()
    for name in ("verdict", "exponent"):
        if name in data and set(data[name].dims) == set(value.dims):
            known = data[name].compute()
            said = ~known.isin(["", "absent"]) if name == "verdict" else known.notnull()
            return said | told
    return told


def pooled(taken: xr.Dataset) -> xr.Dataset:
    """Replicas pooled, where at least half of those analysed have a number.

    Those that have none are slow, so the mean of a minority that has would be too large.

    Parameters
    ----------
    taken : as `prepared` gives it

    Returns
    -------
    Dataset as `ionflow.statistics.pool` gives it, with `missing`, the number of replicas that were
    analysed but have no number.
    """
    together = pool(taken["value"], taken["stderr"], REPLICA)
    missing = (taken["analysed"] & taken["value"].isnull()).sum(REPLICA)
    enough = together["count"] >= missing
    kept = {name: together[name].where(enough) for name in _ERRORS}
    return together.assign(kept).assign(missing=missing)


def pooled_result(together: xr.Dataset, quantity: Quantity) -> xr.Dataset:
    """Pooled values as labelled variables."""
    dims = tuple(str(dim) for dim in together["mean"].dims)
    name, unit = quantity.name, quantity.units
    texts = {
        name: ("mean", unit, f"{quantity.long_name} over replicas"),
        f"{name}_stderr": ("stderr", unit, "larger of two standard errors"),
        f"{name}_stderr_propagated": (
            "stderr_propagated",
            unit,
            "standard error propagated from replicas",
        ),
        f"{name}_stderr_spread": (
            "stderr_spread",
            unit,
            "standard error from the spread over replicas",
        ),
        "n_replicas": ("count", "1", f"replicas that are {quantity.known}"),
        quantity.missing: ("missing", "1", f"replicas that are not {quantity.known}"),
    }
    variables = {key: labelled(dims, together[of], u, text) for key, (of, u, text) in texts.items()}
    for suffix, level in LEVELS.items():
        ends = interval(together["mean"], together["stderr"], level, together["dof"])
        text = f"{suffix} % interval of the pooled {quantity.long_name}"
        variables[f"ci{suffix}"] = labelled((*dims, "bound"), np.stack(ends, axis=-1), unit, text)
    coords = {str(key): coord for key, coord in together.coords.items()}
    return xr.Dataset(variables, {**coords, "bound": bound_coord()})
