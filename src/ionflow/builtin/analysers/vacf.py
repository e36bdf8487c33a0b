"""Velocity autocorrelation functions and vibrational densities of states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.inframe import Referred
from ionflow.builtin.analysers.jackknife import Jackknife, told_by
from ionflow.builtin.analysers.labels import (
    Labelled,
    bound_coord,
    labelled,
    lag_coord,
    result,
    species_coord,
)
from ionflow.builtin.analysers.spectra import (
    MAX_EDGE_WEIGHT,
    MIN_STEP_RATIO,
    Level,
    Window,
    edge_weight,
    frequencies,
    level_of,
    running_integral,
    spectrum,
    step_ratio,
)
from ionflow.builtin.analysers.velocities import BLOCKS, OneStep, VelocityCorrelation
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject
from ionflow.statistics import LEVELS, interval
from ionflow.units import AMU_KG, BOLTZMANN_EV_PER_K, CM2_S_PER_A2_PS, ELEMENTARY_CHARGE_C

#: fewest frames with velocities
MIN_FRAMES = 16
#: eV in one amu Å²/ps²
EV_PER_AMU_A2_PS2 = AMU_KG * 1e4 / ELEMENTARY_CHARGE_C


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
        variables = {
            **_correlations(seen),
            **_spectra(seen),
            **_diffusion(seen),
            **_temperatures(seen),
            **_sampling(seen),
        }
        grid = np.round(frequencies(count, subject.interval_ps), 9)
        coords = {
            "species": species_coord(subject.species),
            "lag": lag_coord(np.arange(count), subject.interval_ps),
            "frequency": labelled(("frequency",), grid, "THz", "frequency"),
            "bound": bound_coord(),
        }
        return result(variables, coords, subject.data, self._attrs(subject, count))

    def _seen(self, subject: Subject, species: str, found: Mapping[str, Any], step: float) -> Seen:
        atoms = subject.atoms[species]
        curve: Jackknife = found["velocities"][species]
        told = bool(told_by(BLOCKS, subject.frames, self.lags(subject) - 1))
        interval_ps = subject.interval_ps
        g = curve.map(lambda c: spectrum(c, interval_ps, self.window))
        ratio = step_ratio(step, curve.whole, interval_ps)
        edge = float(edge_weight(g.whole))
        aliased = edge > MAX_EDGE_WEIGHT or ratio < MIN_STEP_RATIO
        running = curve.map(lambda c: running_integral(c, interval_ps) * CM2_S_PER_A2_PS)
        level = level_of(running, told, aliased)
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


@dataclass(frozen=True)
class Seen:
    """What was found of a species."""

    atoms: int
    mass: float
    told: bool
    """whether blocks of origins are longer than the longest lag"""
    curve: Jackknife
    spectrum: Jackknife
    running: Jackknife
    level: Level
    edge: float
    ratio: float
    aliased: bool

    def sound(self, values: FloatArray) -> FloatArray:
        """What may be read from velocities only if they are sampled often enough."""
        return np.full_like(values, np.nan) if self.aliased else values


def _with_stderr(
    dims: tuple[str, ...], name: str, both: tuple[Any, Any], units: str, text: str
) -> dict[str, Labelled]:
    value, stderr = both
    return {
        name: labelled(dims, value, units, text),
        f"{name}_stderr": labelled(dims, stderr, units, f"standard error of the {text}"),
    }


def _correlations(seen: list[Seen]) -> dict[str, Labelled]:
    normal = [s.curve.map(lambda c: c / np.where(c[..., :1] > 0, c[..., :1], np.nan)) for s in seen]
    plain = [s.curve for s in seen]
    dims, name = ("species", "lag"), "velocity autocorrelation function"
    return {
        **_with_stderr(dims, "vacf", _both(plain, seen), "angstrom^2/ps^2", name),
        **_with_stderr(dims, "vacf_normalised", _both(normal, seen), "1", f"normalised {name}"),
    }


def _both(curves: list[Jackknife], seen: list[Seen]) -> tuple[FloatArray, FloatArray]:
    stderr = [curve.stderr(s.told) for curve, s in zip(curves, seen, strict=True)]
    return np.stack([curve.whole for curve in curves]), np.stack(stderr)


def _spectra(seen: list[Seen]) -> dict[str, Labelled]:
    value, stderr = _both([s.spectrum for s in seen], seen)
    each = [np.stack([s.sound(x[k]) for k, s in enumerate(seen)]) for x in (value, stderr)]
    name = "vibrational density of states"
    return {
        **_with_stderr(
            ("species", "frequency"), "vdos", (each[0], each[1]), "1/THz", f"{name} of a species"
        ),
        **_with_stderr(("frequency",), "vdos_total", _total(seen, each[0]), "1/THz", name),
    }


def _total(seen: list[Seen], vdos: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Σ 3N g and its standard error: blocks are those of all species, groups are independent."""
    degrees = 3.0 * np.array([s.atoms for s in seen])
    groups = np.sqrt(
        sum((n * s.spectrum.stderr_groups) ** 2 for n, s in zip(degrees, seen, strict=True))
    )
    blocks = sum(n * s.spectrum.blocks for n, s in zip(degrees, seen, strict=True))
    whole = degrees @ vdos
    total = Jackknife(whole, np.asarray(blocks), np.empty((0, *whole.shape)))
    by_blocks = np.where(seen[0].told, total.stderr_blocks, np.nan)
    return whole, np.where(np.isfinite(whole), np.fmax(by_blocks, groups), np.nan)


def _diffusion(seen: list[Seen]) -> dict[str, Labelled]:
    value, stderr = _both([s.running for s in seen], seen)
    running = tuple(np.stack([s.sound(x[k]) for k, s in enumerate(seen)]) for x in (value, stderr))
    levels = [s.level for s in seen]
    meaning = (
        "converged: the running integral is level over the second half of the lags; not converged: "
        "it is not; undecided: its error is as large as half of it; aliased: see sampling"
    )
    name = "diffusion coefficient from the velocity autocorrelation function"
    found, error = (np.array([getattr(x, part) for x in levels]) for part in ("value", "stderr"))
    return {
        **_with_stderr(
            ("species", "lag"),
            "running_diffusion",
            (running[0], running[1]),
            "cm^2/s",
            "third of the integral of the velocity autocorrelation function up to the lag",
        ),
        **_with_stderr(("species",), "diffusion_coefficient", (found, error), "cm^2/s", name),
        "verdict": labelled(
            ("species",), [x.verdict for x in levels], "1", "whether D is known", meaning=meaning
        ),
        **_intervals(levels, name),
    }


def _intervals(levels: list[Level], name: str) -> dict[str, Labelled]:
    found = {}
    for suffix, level in LEVELS.items():
        ends = [np.array(interval(x.value, x.stderr, level, x.dof)) for x in levels]
        found[f"ci{suffix}"] = labelled(
            ("species", "bound"), np.stack(ends), "cm^2/s", f"{suffix} % interval of the {name}"
        )
    return found


def _temperatures(seen: list[Seen]) -> dict[str, Labelled]:
    factor = np.array([s.mass * EV_PER_AMU_A2_PS2 / (3 * BOLTZMANN_EV_PER_K) for s in seen])
    squares = _both([s.curve.map(lambda c: c[..., 0]) for s in seen], seen)
    both = (factor * squares[0], factor * squares[1])
    name = "temperature of the species, m <v^2> / 3k"
    return _with_stderr(("species",), "kinetic_temperature", both, "K", name)


def _sampling(seen: list[Seen]) -> dict[str, Labelled]:
    meaning = (
        f"aliased: more than {MAX_EDGE_WEIGHT:g} of the spectrum in the last tenth before the "
        "Nyquist frequency, or frame-to-frame displacements less than "
        f"{MIN_STEP_RATIO:g} of what velocities predict; shorten frame_ps"
    )
    words = ["aliased" if s.aliased else "resolved" for s in seen]
    return {
        "sampling": labelled(
            ("species",), words, "1", "whether frames resolve the motion", meaning=meaning
        ),
        "edge_weight": labelled(
            ("species",),
            [s.edge for s in seen],
            "1",
            "share of the spectrum in the last tenth before the Nyquist frequency",
        ),
        "step_ratio": labelled(
            ("species",),
            [s.ratio for s in seen],
            "1",
            "mean squared displacement from frame to frame over that from velocities",
        ),
    }
