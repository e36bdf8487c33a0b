"""Correlations of velocities and what they tell as labelled variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ionflow.builtin.analysers.dynamics.spectra import MAX_EDGE_WEIGHT, MIN_STEP_RATIO, Level
from ionflow.builtin.analysers.jackknife import Jackknife
from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS, interval
from ionflow.units import AMU_KG, BOLTZMANN_EV_PER_K, CM2_S_PER_A2_PS, ELEMENTARY_CHARGE_C

#: eV in one amu Å²/ps²
EV_PER_AMU_A2_PS2 = AMU_KG * 1e4 / ELEMENTARY_CHARGE_C


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


def variables_of(seen: list[Seen]) -> dict[str, Labelled]:
    """The labelled variables of a result, species by species."""
    return {
        **_correlations(seen),
        **_spectra(seen),
        **_diffusion(seen),
        **_temperatures(seen),
        **_sampling(seen),
    }


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
    running = [
        CM2_S_PER_A2_PS * np.stack([s.sound(x[k]) for k, s in enumerate(seen)])
        for x in (value, stderr)
    ]
    levels = [s.level for s in seen]
    meaning = (
        "converged: the running integral is level over the second half of the lags; not converged: "
        "it is not; undecided: its error is as large as half of it; caged: atoms have not left "
        "their cages at the longest lag; aliased: see sampling"
    )
    name = "diffusion coefficient from the velocity autocorrelation function"
    found = np.array([x.value for x in levels]) * CM2_S_PER_A2_PS
    error = np.array([x.stderr for x in levels]) * CM2_S_PER_A2_PS
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
        ends = [interval(x.value, x.stderr, level, x.dof) for x in levels]
        found[f"ci{suffix}"] = labelled(
            ("species", "bound"),
            CM2_S_PER_A2_PS * np.array(ends),
            "cm^2/s",
            f"{suffix} % interval of the {name}",
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
