"""Slopes of mean squared displacements as labelled quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.builtin.analysers.transport.regime import DiffusiveFit, Observed, Slope, slope_of
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray, Subject
from ionflow.statistics import LEVELS


def species_slope(
    fit: DiffusiveFit, subject: Subject, species: str, found: Mapping[str, Any]
) -> tuple[Slope, float, FloatArray]:
    """Slope of a species' MSD, number of independent walkers, and the MSD (lag,) Å².

    Parameters
    ----------
    fit : criteria
    subject : the trajectory
    species : one of its species
    found : what `DiffusiveFit.motions` asks for
    """
    count, each = found["independent"][species], found["motion"][species].each
    curve = found["motion"][species].mean
    lags = fit.lag_frames(subject)

    def source(wanted: IntArray, parts: int) -> FloatArray:
        curves: FloatArray = curve[None] if parts == 1 else found["parts"][species, parts]
        return curves[:, np.searchsorted(lags, wanted)]

    def take() -> Slope:
        observed = Observed(source, lags, subject.frames, count, each)
        return slope_of(observed, fit, lambda msd: msd >= fit.cage_A2)

    return subject.once(("slope", species, fit.criteria), take), count, curve


def value_variables(
    slopes: Sequence[Slope], dim: str, name: str, units: str, long_name: str, factor: float
) -> dict[str, Labelled]:
    """A quantity proportional to slopes of MSDs, with its errors, intervals and upper bound.

    Parameters
    ----------
    slopes : (item,)
    dim : the dimension of the items
    name, units, long_name : of the quantity
    factor : from Å²/frame to its unit
    """
    texts = {
        name: ("value", f"{long_name}; NaN where not diffusive"),
        f"{name}_stderr": ("stderr", "larger of the two standard errors"),
        f"{name}_stderr_gls": ("stderr_gls", "standard error of the fit"),
        f"{name}_stderr_blocks": (
            "stderr_blocks",
            "standard error that the spread over blocks shows",
        ),
        "upper_bound": ("upper_bound", f"upper 95 % bound on the {long_name} where it has none"),
    }
    variables = {
        key: labelled((dim,), _each(slopes, attribute) * factor, units, text)
        for key, (attribute, text) in texts.items()
    }
    for suffix, level in LEVELS.items():
        ends = np.array([slope.interval(level) for slope in slopes]) * factor
        text = f"{suffix} % interval of the {long_name}"
        variables[f"ci{suffix}"] = labelled((dim, "bound"), ends, units, text)
    return variables


def regime_variables(slopes: Sequence[Slope], dim: str, interval_ps: float) -> dict[str, Labelled]:
    """Verdict, log-log slope and fitted window.

    Parameters
    ----------
    slopes : (item,)
    dim : the dimension of the items
    interval_ps : time between frames
    """
    verdicts = [slope.verdict for slope in slopes]
    meaning = (
        "diffusive; caged: the MSD stays below the cage criterion; anomalous: the log-log slope "
        "is not 1; undecided: too few independent displacements to tell, or an error as large as "
        "the value"
    )
    start, end = (_each(slopes, name) * interval_ps for name in ("fit_start", "fit_end"))
    exponent, stderr = (_each(slopes, name) for name in ("exponent", "exponent_stderr"))
    blocks = [slope.blocks for slope in slopes]
    return {
        "diffusive": labelled(
            (dim,), [v == "diffusive" for v in verdicts], "1", "whether the motion is diffusive"
        ),
        "verdict": labelled((dim,), verdicts, "1", "kind of motion", meaning=meaning),
        "exponent": labelled((dim,), exponent, "1", "log-log slope of the MSD"),
        "exponent_stderr": labelled((dim,), stderr, "1", "standard error of the log-log slope"),
        "fit_start": labelled((dim,), np.round(start, 9), "ps", "start of the fitted window"),
        "fit_end": labelled((dim,), np.round(end, 9), "ps", "end of the fitted window"),
        "n_blocks": labelled((dim,), blocks, "1", "blocks that the spread was taken from"),
    }


def _each(slopes: Sequence[Slope], attribute: str) -> FloatArray:
    return np.array([getattr(slope, attribute) for slope in slopes], dtype=np.float64)
