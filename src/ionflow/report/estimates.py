"""Quantities pooled over replicas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ionflow.report.gather import Case, Data, Material, species_by_mobility
from ionflow.statistics import interval, pool

#: A relative standard error above this leaves hardly more than the order of magnitude.
COARSE = 0.5


@dataclass(frozen=True)
class Estimate:
    """A quantity of a case pooled over its replicas."""

    mean: float = np.nan
    stderr: float = np.nan
    count: int = 0
    asked: int = 0
    """Replicas that have a result, with a number or without."""
    low: float = np.nan
    high: float = np.nan
    """Ends of the 95 % interval."""
    bound: float = np.nan
    """Upper bound where there is no number."""
    verdict: str = "no number"
    """Why there is no number."""

    @property
    def known(self) -> bool:
        """Whether at least one replica gives a number."""
        return bool(np.isfinite(self.mean))

    @property
    def carried(self) -> bool:
        """Whether at least half of the replicas do, so that their mean is not of the fast alone."""
        return self.known and 2 * self.count >= self.asked


def estimate(
    result: xr.Dataset | None, name: str, *, verdict: str = "verdict", signed: bool = False,
    **at: str | int | float,
) -> Estimate:  # fmt: skip
    """A variable `name` with its `name_stderr` at labels of its dims, pooled over replicas.

    Parameters
    ----------
    result : results of a case, by replica
    name : the variable
    verdict : the variable that says why there is no number
    signed : whether the quantity may be negative, and its interval is symmetric
    at : labels of the dims other than `replica`
    """
    if result is None or name not in result:
        return Estimate()
    if any(dim not in result.dims or label not in result[dim] for dim, label in at.items()):
        return Estimate()
    result = result.sel(at)
    value, stderr = result[name], result.get(f"{name}_stderr", result[name] * np.nan)
    if not value.notnull().any():
        return Estimate(asked=value.size, bound=_bound(result), verdict=_verdict(result, verdict))
    if not (value.notnull() & stderr.notnull()).any():
        return Estimate(float(value.mean()), np.nan, int(value.count()), value.size)
    pooled = pool(value, stderr)
    mean, error, dof = (float(pooled[part]) for part in ("mean", "stderr", "dof"))
    if signed:
        low, high = (mean + sign * float(pooled["halfwidth95"]) for sign in (-1, 1))
    else:
        low, high = (float(end) for end in interval(mean, error, 0.95, dof))
    return Estimate(mean, error, int(pooled["count"]), value.size, low, high)


def _bound(result: xr.Dataset) -> float:
    """Mean of the replicas' upper bounds; none where a replica has none."""
    return float(result["upper_bound"].mean(skipna=False)) if "upper_bound" in result else np.nan


def _verdict(result: xr.Dataset, name: str) -> str:
    """The reason that most replicas give."""
    if name not in result:
        return "no number"
    verdicts = [str(v) for v in np.ravel(result[name].values) if v and v != "diffusive"]
    return max(sorted(set(verdicts)), key=verdicts.count) if verdicts else "no number"


def diffusivity(data: Data, case: Case, species: str) -> Estimate:
    """D of a species in cm²/s."""
    at = ("diffusion", case.material, case.temperature, species)
    if at not in data.pooled:
        result = data.result("diffusion", case)
        data.pooled[at] = estimate(result, "diffusion_coefficient", species=species)
    value: Estimate = data.pooled[at]
    return value


def mobile(data: Data, material: Material) -> list[str]:
    """Species of a material, the most mobile first, judged at its highest temperature."""
    for case in reversed(data.of(material)):
        species = species_by_mobility(data, case)
        if species:
            return species
    return []
