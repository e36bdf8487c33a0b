"""Density, volume, temperature and pressure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled, result
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Measured, Subject
from ionflow.schema import require
from ionflow.statistics import LEVELS, BlockedMean, blocked
from ionflow.units import BOLTZMANN_EV_PER_K, G_CM3_PER_AMU_A3, GPA_PER_EV_A3

#: units and names of what is averaged
QUANTITIES: Mapping[str, tuple[str, str]] = {
    "mass_density": ("g/cm^3", "mass density"),
    "number_density": ("1/angstrom^3", "number of atoms by volume"),
    "volume": ("angstrom^3", "volume of the cell"),
    "temperature": ("K", "kinetic temperature"),
    "pressure": ("GPa", "pressure, positive under compression, kinetic part included"),
}


class Density(Measured):
    """Mass density, number density and volume; temperature and pressure where recorded.

    ρ = Σ_i m_i/V and n = N/V, averaged over all frames; P = 2 E_kin/(3 V) − tr(σ)/3, with σ the
    recorded stress, which is positive under tension and has no kinetic part, so that P is positive
    under compression (Allen and Tildesley, Computer Simulation of Liquids,
    doi:10.1093/oso/9780198803195.001.0001). Errors are those of means of correlated series, by
    blocking (Flyvbjerg and Petersen, doi:10.1063/1.457480); a cell that never changes has none.
    """

    use: ClassVar[str] = "density"
    version: ClassVar[int] = 1

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Nothing that needs positions."""
        return {}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Means over time.

        Returns
        -------
        Dataset with `mass_density` (g/cm³), `number_density` (1/Å³), `volume` (Å³), `temperature`
        (K) and `pressure` (GPa), and for each `_stderr`, `_ci68`, `_ci95` (bound), `_inefficiency`
        (frames for each independent one) and `_verdict`: "settled", "constant", "not recorded"
        (the mean is NaN), or "too short: ..." (the error is NaN).

        Raises
        ------
        DataError
            If there are no cells or masses.
        """
        require(subject.data, "cell")
        series = _series(subject)
        variables: dict[str, Labelled] = {}
        for name, (units, long_name) in QUANTITIES.items():
            variables |= _variables(name, units, long_name, series.get(name))
        attrs = {
            "method": "means over all frames; errors by blocking",
            "definition": "pressure: 2 E_kin/(3 V) - tr(stress)/3, positive under compression",
            "doi": "10.1063/1.457480, 10.1103/PhysRevE.83.066706",
            "frames": subject.frames,
            "cell": "constant" if np.ptp(subject.cells, axis=0).max() == 0 else "changes",
        }
        return result(variables, {"bound": bound_coord()}, subject.data, attrs)


def _series(subject: Subject) -> dict[str, FloatArray]:
    """What is averaged, (time,) by name, of what the trajectory has."""
    data, volume = subject.data, subject.volumes
    series = {
        "mass_density": subject.mass.sum() / volume * G_CM3_PER_AMU_A3,
        "number_density": len(subject.labels) / volume,
        "volume": volume,
    }
    if "temperature" in data:
        series["temperature"] = _values(data["temperature"])
    kinetic = _kinetic_eV(subject)
    if "stress" in data and kinetic is not None:
        stress = data["stress"].transpose("time", "voigt")
        third = _values(stress)[:, :3].mean(axis=1)
        series["pressure"] = (2 * kinetic / (3 * volume) - third) * GPA_PER_EV_A3
    return series


def _kinetic_eV(subject: Subject) -> FloatArray | None:
    """Kinetic energy, (time,); by way of the temperature of 3 N degrees of freedom if need be."""
    data = subject.data
    if "kinetic_energy" in data:
        return _values(data["kinetic_energy"])
    if "temperature" in data:
        return 1.5 * len(subject.labels) * BOLTZMANN_EV_PER_K * _values(data["temperature"])
    return None


def _values(source: xr.DataArray) -> FloatArray:
    values: FloatArray = source.values.astype(np.float64)
    return values


def _variables(
    name: str, units: str, long_name: str, series: FloatArray | None
) -> dict[str, Labelled]:
    known = series is not None and bool(np.isfinite(series).all())
    mean = blocked(series) if known else BlockedMean(np.nan, np.nan, 0, np.nan, np.nan)  # type: ignore[arg-type]
    return {
        name: labelled((), mean.mean, units, f"mean {long_name}"),
        f"{name}_stderr": labelled((), mean.stderr, units, f"standard error of the {long_name}"),
        **{
            f"{name}_ci{label}": labelled(
                ("bound",), mean.bounds(level), units, f"{label} % interval of the {long_name}"
            )
            for label, level in LEVELS.items()
        },
        f"{name}_inefficiency": labelled(
            (), mean.inefficiency, "1", f"frames for each independent value of the {long_name}"
        ),
        f"{name}_verdict": labelled(
            (), _verdict(mean, units), "1", f"what is known of the error of the {long_name}"
        ),
    }


def _verdict(mean: BlockedMean, units: str) -> str:
    if not np.isfinite(mean.mean):
        return "not recorded"
    if mean.settled:
        return "constant: the mean is exact" if mean.stderr == 0 else "settled"
    if not np.isfinite(mean.least):
        return "too short: fewer than 4 frames"
    return f"too short: correlated all along; the error is at least {mean.least:.2g} {units}"
