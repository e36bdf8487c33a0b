"""Activation energies of diffusion, conduction and escape."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow import Analyser
from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.builtin.analysers.scan.activated import Line, fit_result
from ionflow.builtin.analysers.scan.alkali import of_alkali
from ionflow.builtin.analysers.scan.rates import (
    CONDUCTIVITY,
    DIFFUSION,
    RESIDENCE,
    Quantity,
    pooled,
    pooled_result,
    prepared,
    require_temperature,
)
from ionflow.statistics import LEVELS

__all__ = ["Arrhenius", "ArrheniusConductivity", "ArrheniusResidence"]


class ActivatedRate(Analyser):
    """A line in 1/T through the logarithm of a rate that is pooled over replicas."""

    quantity: ClassVar[Quantity]

    extrapolate_K: float = Field(300.0, gt=0)
    """Temperature to extrapolate to; names the variable, as in D_300K."""

    implausible: float = Field(0.01, gt=0, lt=1)
    """Where chance alone would bring about so large a χ² less often than this, the verdict is that
    a line does not describe the points."""

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """Activation for each combination of the axes of the scan other than temperature.

        ln k(T) = ln k0 − Ea/(kB T), with k the rate: D, σT or 1/τ.

        Parameters
        ----------
        data : results, joined; dims temperature_K and any others; `replica` may be absent

        Returns
        -------
        Dataset with, over temperature_K, the pooled quantity, its `_stderr`, `ci68`, `ci95`,
        `n_replicas` and the number of those without a value (`n_not_diffusive`, `n_not_known`);
        and, without it, `activation_energy` (eV), `ln_prefactor` (ln k0), the extrapolated
        `D_300K` (cm²/s), `sigma_300K` (S/cm) or `tau_300K` (ps), each with `_stderr` (that of the
        extrapolated value is of its logarithm, `ln_D_300K_stderr`), `_ci68`, `_ci95` and
        `_stderr_glasses`, from the spread of fits to each replica alone, of which there are
        `n_glasses`; `covariance` (parameter, parameter_other), `chi2`, `dof`, `chi2_probability`,
        `n_temperatures`, `bend` and `bend_stderr` (eV), and `verdict`. What cannot be known is
        NaN.

        Raises
        ------
        DataError
            If there is no temperature_K.
        """
        require_temperature(data[0], self.quantity.source)
        taken = prepared(data[0], self.quantity)
        together = pooled(taken)
        fits = fit_result(self.line(), together, taken)
        return xr.merge([pooled_result(together, self.quantity), fits]).assign_attrs(self._attrs())

    def line(self) -> Line:
        """What is fitted."""
        return Line(self.quantity, self.extrapolate_K, self.implausible)

    def _attrs(self) -> dict[str, str | float]:
        rate = self.quantity.rate
        return {
            "method": f"weighted least squares of ln({rate}) against 1/T, replicas pooled",
            "definition": f"ln({rate}) = ln_prefactor - activation_energy/(kB T)",
            "error": (
                "errors of the points propagated, times sqrt(chi2/dof) where that exceeds 1; "
                "points count as independent, which temperatures that share a quench are not: "
                "compare activation_energy_stderr_glasses"
            ),
            "doi": "10.1103/PhysRev.40.207, 10.2307/3002019, 10.1093/biomet/67.1.85",
            "extrapolate_K": self.extrapolate_K,
        }


class Arrhenius(ActivatedRate):
    """Activation energy of diffusion by species, and D extrapolated to room temperature.

    ln D(T) = ln D0 − Ea/(kB T): the diffusion coefficients are pooled over replicas, weighted by
    their errors and fitted with the full covariance of (ln D0, Ea). Only diffusive points count; a
    temperature where fewer than half of the replicas are diffusive is left out, since the mean of
    those that are would be too large. Replicas count as independent at each temperature; glasses
    that share a quench over temperatures make errors of Ea too large rather than too small.
    """

    use: ClassVar[str] = "arrhenius"
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("diffusion",)
    quantity: ClassVar[Quantity] = DIFFUSION


class ArrheniusConductivity(ActivatedRate):
    """Activation energy of conduction by definition, and σ extrapolated to room temperature.

    ln(σT) = ln A − Ea/(kB T): the product σT is what is activated, since by Nernst and Einstein
    σ = n q² D/(kB T). A fit of ln σ would give an Ea smaller by about kB T. The extrapolated
    σ is that of σT divided by the temperature. Pooling and errors are those of `arrhenius`.
    """

    use: ClassVar[str] = "arrhenius_conductivity"
    needs: ClassVar[tuple[str, ...]] = ("conductivity",)
    quantity: ClassVar[Quantity] = CONDUCTIVITY


class ArrheniusResidence(ActivatedRate):
    """Activation energy of escape by environment, next to that of diffusion.

    ln(1/τ) = ln ν − ε_a/(kB T) with τ the residence time by variant and environment; ν is an
    attempt frequency. `energy_difference` is ε_a minus the Ea of the alkali's diffusion, which is
    0 where an escape is what diffusion waits for. Pooling and errors are those of `arrhenius`.
    """

    use: ClassVar[str] = "arrhenius_residence"
    needs: ClassVar[tuple[str, ...]] = ("residence", "diffusion")
    quantity: ClassVar[Quantity] = RESIDENCE

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """Activation by variant and environment, with the difference to that of diffusion.

        Parameters
        ----------
        data : results of `residence` and of `diffusion`, joined

        Returns
        -------
        Dataset as of `arrhenius`, with `diffusion_activation_energy` (eV) of the alkali and
        `energy_difference` (eV), each with `_stderr`, the latter with `_ci68` and `_ci95`.

        Raises
        ------
        DataError
            If there is no temperature_K, or a material has several alkalis.
        """
        escape = super().analyse(data[0])
        line = Line(DIFFUSION, self.extrapolate_K, self.implausible)
        require_temperature(data[1], DIFFUSION.source)
        taken = of_alkali(prepared(data[1], DIFFUSION))
        diffusion = fit_result(line, pooled(taken), taken)
        return escape.assign(_difference(escape, diffusion))


def _difference(escape: xr.Dataset, diffusion: xr.Dataset) -> dict[str, Labelled]:
    """ε_a − Ea; both errors count as independent."""
    name = "activation_energy"
    ours, theirs = escape[name], diffusion[name]
    difference = (ours - theirs).transpose(..., *ours.dims)
    dims = tuple(str(dim) for dim in difference.dims)
    own = tuple(str(dim) for dim in theirs.dims)
    text = "activation energy of escape minus that of diffusion"
    independent = "errors count as independent, though both come from the same trajectories"
    stderr = _together(escape[f"{name}_stderr"], diffusion[f"{name}_stderr"], dims)
    variables = {
        f"diffusion_{name}": labelled(own, theirs, "eV", "activation energy of diffusion"),
        f"diffusion_{name}_stderr": labelled(
            own, diffusion[f"{name}_stderr"], "eV", "standard error of that of diffusion"
        ),
        "energy_difference": labelled(dims, difference, "eV", text, error=independent),
        "energy_difference_stderr": labelled(dims, stderr, "eV", f"standard error of {text}"),
    }
    for suffix in LEVELS:
        width = _together(_halfwidth(escape, suffix), _halfwidth(diffusion, suffix), dims)
        ends = np.stack([difference - width, difference + width], axis=-1)
        variables[f"energy_difference_ci{suffix}"] = labelled(
            (*dims, "bound"), ends, "eV", f"{suffix} % interval of {text}"
        )
    return variables


def _together(one: xr.DataArray, other: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    """Two independent errors, added in quadrature."""
    total: xr.DataArray = (one**2 + other**2) ** 0.5
    return total.transpose(*dims)


def _halfwidth(fitted: xr.Dataset, suffix: str) -> xr.DataArray:
    """Half the width of the interval of an activation energy."""
    ends = fitted[f"activation_energy_ci{suffix}"]
    width: xr.DataArray = ends.diff("bound").isel(bound=0, drop=True) / 2
    return width
