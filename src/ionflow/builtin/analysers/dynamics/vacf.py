"""Velocity autocorrelation functions and vibrational densities of states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.dynamics.spectra import (
    MAX_EDGE_WEIGHT,
    MIN_STEP_RATIO,
    Window,
    edge_weight,
    frequencies,
    level_of,
    running_integral,
    spectrum,
    step_ratio,
)
from ionflow.builtin.analysers.dynamics.velocities import BLOCKS, OneStep, VelocityCorrelation
from ionflow.builtin.analysers.dynamics.vibrations import Seen, variables_of
from ionflow.builtin.analysers.inframe import Referred
from ionflow.builtin.analysers.jackknife import Jackknife, told_by
from ionflow.builtin.analysers.labels import (
    bound_coord,
    labelled,
    lag_coord,
    result,
    species_coord,
)
from ionflow.errors import DataError
from ionflow.passes import AnyMeasure, Subject

#: fewest frames with velocities
MIN_FRAMES = 16


class Vacf(Referred):
    """Velocity autocorrelation of each species, its vibrational spectrum, and D from its integral.

    C_s(t) = ⟨v_i(0)·v_i(t)⟩ over the atoms i of species s and all time origins, by FFT;
    g_s(ν) = 4 ∫ w(t) C_s(t)/C_s(0) cos(2πνt) dt, which integrates to 1, and
    g(ν) = Σ_s 3 N_s g_s(ν), which integrates to 3N (Dickey and Paskin,
    doi:10.1103/PhysRev.188.1407); D_s = (1/3) ∫ C_s dt (Green-Kubo, doi:10.1063/1.1740082), a check
    of that from the mean squared displacement, which is better known where ions hop rarely. It
    needs velocities that were recorded often enough to resolve the fastest vibration.
    """

    use: ClassVar[str] = "vacf"

    max_lag_ps: float = Field(5.0, gt=0)
    """Longest lag; at most half of the trajectory. The spectrum resolves about its inverse."""

    window: Window = "hann"
    """What the correlation is multiplied with before the cosine transform: the falling half of a
    Hann or Blackman window, or 1 up to the longest lag (none), which leaves ripples."""

    cage_A2: float = Field(3.0, ge=0)
    """An ion whose mean squared displacement at the longest lag, from the integral, is below this
    still rattles in its cage: it has no D."""

    def lags(self, subject: Subject) -> int:
        """Number of lags, from 0 on, one frame apart.

        Raises
        ------
        DataError
            If there are no velocities, or too few frames.
        """
        hint = "set velocities: true in the recorded stage, and its frame_ps to a few fs"
        if "velocities" not in subject.data:
            raise DataError("the trajectory has no velocities", hint=hint)
        if subject.frames < MIN_FRAMES:
            raise DataError(f"{subject.frames} frames are too few; {MIN_FRAMES} are needed")
        wanted = max(4, round(self.max_lag_ps / subject.interval_ps))
        return min(wanted, (subject.frames - 1) // 2) + 1

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Velocities correlated, and steps from frame to frame if positions are there."""
        found: dict[str, AnyMeasure] = {
            "velocities": VelocityCorrelation(self.lags(subject), self.reference)
        }
        if "positions" in subject.data:
            found["step"] = OneStep(reference=self.reference)
        return found

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Correlation by lag, spectrum by frequency, D from the integral.

        Returns
        -------
        Dataset with `vacf` (species, lag) Å²/ps², `vacf_normalised`, `running_diffusion` (cm²/s);
        `vdos` (species, frequency) 1/THz, normalised to 1, `vdos_total` (frequency), to 3N; over
        species `diffusion_coefficient` (cm²/s; `ci68`, `ci95` by bound) with its `verdict`,
        `kinetic_temperature` (K), `sampling` (resolved or aliased), `edge_weight`, `step_ratio`;
        each with its `_stderr`. Spectra and D that are aliased are NaN.
        """
        steps = found.get("step", {})
        seen = [self._seen(subject, s, found, steps.get(s, np.nan)) for s in subject.species]
        count = self.lags(subject)
        grid = np.round(frequencies(count, subject.interval_ps), 9)
        coords = {
            "species": species_coord(subject.species),
            "lag": lag_coord(np.arange(count), subject.interval_ps),
            "frequency": labelled(("frequency",), grid, "THz", "frequency"),
            "bound": bound_coord(),
        }
        return result(variables_of(seen), coords, subject.data, self._attrs(subject, count))

    def _seen(self, subject: Subject, species: str, found: Mapping[str, Any], step: float) -> Seen:
        atoms = subject.atoms[species]
        curve: Jackknife = found["velocities"][species]
        told = bool(told_by(BLOCKS, subject.frames, self.lags(subject) - 1))
        interval_ps = subject.interval_ps
        g = curve.map(lambda c: spectrum(c, interval_ps, self.window))
        ratio = step_ratio(step, curve.whole, interval_ps)
        edge = float(edge_weight(g.whole))
        aliased = edge > MAX_EDGE_WEIGHT or ratio < MIN_STEP_RATIO
        running = curve.map(lambda c: running_integral(c, interval_ps))
        caged = 6 * np.trapezoid(running.whole, dx=interval_ps) < self.cage_A2
        level = level_of(running, told, "aliased" if aliased else "caged" * bool(caged))
        mass = float(subject.mass[atoms].mean())
        return Seen(len(atoms), mass, told, curve, g, running, level, edge, ratio, aliased)

    def _attrs(self, subject: Subject, lags: int) -> dict[str, Any]:
        return {
            "method": "all time origins by FFT; cosine transform by trapezoids",
            "definition": (
                "vdos: 4 times the cosine transform of the windowed vacf/vacf(0), integral 1; "
                "vdos_total: sum over species of 3 N vdos, integral 3N; diffusion_coefficient: "
                "mean of the running integral over the second half of the lags"
            ),
            "doi": "10.1103/PhysRev.188.1407, 10.1063/1.1740082",
            "window": f"{self.window}, falling to the longest lag",
            "max_lag_ps": round((lags - 1) * subject.interval_ps, 9),
            "nyquist_THz": round(0.5 / subject.interval_ps, 9),
            "error": (
                f"jackknife over {BLOCKS} blocks of origins and over groups of atoms, the larger; "
                "over groups alone where the longest lag is longer than a block"
            ),
            "frames": subject.frames,
            **self.frame_attrs(),
        }
