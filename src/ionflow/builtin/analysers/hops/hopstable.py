"""Hops as labelled quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.hops.concert import Concert, Vicinity, pair_variables
from ionflow.builtin.analysers.hops.hopping import Estimate, walk_factors
from ionflow.builtin.analysers.hops.hopsummary import FACTORS, SpeciesHops
from ionflow.builtin.analysers.labels import (
    Labelled,
    bound_coord,
    labelled,
    result,
    species_coord,
)
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray
from ionflow.statistics import LEVELS, interval
from ionflow.units import CM2_S_PER_A2_PS

#: width of a bin of lengths, Å
LENGTH_BIN: Final = 0.1
#: longest run of hops whose displacement is looked at
MAX_RUN: Final = 16

VERDICTS: Final = (
    "hops; blurred: threshold_sensitivity > 0.5, the rate is a matter of definition; "
    "fast: unresolved_fraction > 0.2; none_seen; "
    "no_cage: the MSD has no plateau that would tell hops from other motion"
)


@dataclass(frozen=True)
class HopSettings:
    """What the labels of a result need."""

    species: tuple[str, ...]
    interval_ps: float
    lags: IntArray
    """(lag,) frames"""
    max_length: float
    """Å"""
    max_events: int
    near: Vicinity
    half_height: float
    """Å, up to which distances to the nearest image are right"""


def hops_result(
    settings: HopSettings,
    each: Sequence[SpeciesHops],
    together: Sequence[Concert],
    source: xr.Dataset,
    attrs: Mapping[str, str],
) -> xr.Dataset:
    """The result of `hops`, from the hops of each species."""
    variables = {
        **_rates(settings, each),
        **_found(settings, each),
        **_walks(settings, each),
        **pair_variables(together, settings.near, settings.interval_ps),
        **_curves(settings, each, together),
        **_events(settings, each),
    }
    return result(variables, _coords(settings), source, attrs)


def _coords(settings: HopSettings) -> dict[str, Labelled]:
    edges, near = _length_edges(settings), settings.near.edges
    dwell = np.round(settings.lags * settings.interval_ps, 9)
    return {
        "species": species_coord(settings.species),
        "bound": bound_coord(),
        "length": labelled(("length",), _centres(edges), "angstrom", "length of a hop"),
        "dwell": labelled(("dwell",), dwell, "ps", "time since an ion came into a cage"),
        "count": labelled(("count",), np.arange(1, MAX_RUN + 1), "1", "hops in a row"),
        "distance": labelled(("distance",), _centres(near), "angstrom", "distance to a neighbour"),
        "factor": labelled(("factor",), FACTORS, "1", "threshold over the one used"),
        "xyz": labelled(("xyz",), ["x", "y", "z"], "1", "Cartesian direction"),
    }


def _centres(edges: FloatArray) -> FloatArray:
    return np.round(0.5 * (edges[1:] + edges[:-1]), 9)


def _length_edges(settings: HopSettings) -> FloatArray:
    return np.linspace(0, settings.max_length, round(settings.max_length / LENGTH_BIN) + 1)


def estimate(
    name: str, values: Sequence[Estimate], factor: float, units: str, long_name: str
) -> dict[str, Labelled]:
    """A quantity over species with its standard error."""
    numbers = [[one.value * factor, one.stderr * factor] for one in values]
    value, stderr = np.array(numbers).T
    return {
        name: labelled(("species",), value, units, long_name),
        f"{name}_stderr": labelled(("species",), stderr, units, f"standard error of {name}"),
    }


def intervals(prefix: str, value: Any, stderr: Any, units: str, name: str) -> dict[str, Labelled]:
    """Intervals of a positive quantity over species."""
    found = {}
    for suffix, level in LEVELS.items():
        ends = np.stack(interval(np.asarray(value), np.asarray(stderr), level), axis=-1)
        text = f"{suffix} % interval of {name}"
        found[f"{prefix}ci{suffix}"] = labelled(("species", "bound"), ends, units, text)
    return found


def _of(
    each: Sequence[SpeciesHops],
    ask: Callable[[SpeciesHops], Any],
    units: str,
    long_name: str,
    **attrs: Any,
) -> Labelled:
    return labelled(("species",), [ask(one) for one in each], units, long_name, **attrs)


def _rates(settings: HopSettings, each: Sequence[SpeciesHops]) -> dict[str, Labelled]:
    per_ps = 1 / settings.interval_ps
    rates = [one.rate for one in each]
    value, stderr = np.array([[r.value * per_ps, r.stderr * per_ps] for r in rates]).T
    stay = [Estimate(1 / v, np.nan, np.nan, s / v**2) for v, s in zip(value, stderr, strict=True)]
    parts = {
        "hidden": ("systematic", "the correction for hidden hops"),
        "poisson": ("stderr_counting", "independent hops"),
        "ions": ("stderr_ions", "the spread over ions"),
        "blocks": ("stderr_blocks", "the spread over blocks of time"),
    }
    return {
        **estimate(
            "rate", rates, per_ps, "1/ps", "hops of an ion per time, corrected for hidden ones"
        ),
        **estimate("rate_seen", [one.seen for one in each], per_ps, "1/ps", "hops seen per time"),
        **{
            f"rate_stderr_{key}": labelled(
                ("species",),
                [getattr(r, name) * per_ps for r in rates],
                "1/ps",
                f"standard error of rate from {text}",
            )
            for key, (name, text) in parts.items()
        },
        **intervals("", value, stderr, "1/ps", "rate"),
        "upper_bound": _of(
            each,
            lambda one: one.upper_bound * per_ps,
            "1/ps",
            "upper 95 % bound on the rate where no hop was seen",
        ),
        **estimate("residence_time", stay, 1.0, "ps", "mean stay of an ion between hops, 1 / rate"),
        **intervals("residence_time_", 1 / value, stderr / value**2, "ps", "residence_time"),
        "residence_time_median": _of(
            each,
            lambda one: one.median_dwell * settings.interval_ps,
            "ps",
            "time after which half of the cages have been left",
        ),
    }


def _found(settings: HopSettings, each: Sequence[SpeciesHops]) -> dict[str, Labelled]:
    """How the hops were found, and what they are worth."""
    dispersion = [one.tally.dispersion() for one in each]
    text = "variance over mean of the number of hops, 1 if independent"
    return {
        "verdict": _of(each, lambda one: one.verdict, "1", "what the rate is worth",
                       meaning=VERDICTS),
        "n_hops": _of(each, lambda one: one.number, "1", "hops seen"),
        "n_ions": _of(each, lambda one: len(one.hops.ions), "1", "ions"),
        "observed_time": _of(each, lambda one: one.hops.observed * settings.interval_ps, "ps",
                             "time in which hops of an ion are seen"),
        "dispersion_ions": labelled(("species",), [d[0] for d in dispersion], "1",
                                    f"{text}; over ions"),
        "dispersion_blocks": labelled(("species",), [d[1] for d in dispersion], "1",
                                      f"{text}; over blocks of time"),
        "unresolved_fraction": _of(each, lambda one: one.hidden, "1",
                                   "expected part of hops that are not told from the one before"),
        "threshold": _of(each, lambda one: one.threshold, "angstrom^2", "least h of a hop"),
        "return_radius": _of(each, lambda one: one.radius, "angstrom", "radius of a return"),
        "debye_waller": _of(each, lambda one: one.cage.debye_waller, "angstrom^2",
                            "Debye-Waller mean squared displacement"),
        "debye_waller_time": _of(each, lambda one: one.cage.lag * settings.interval_ps, "ps",
                                 "lag at which the log-log slope of the MSD is least"),
        "cage_exponent": _of(each, lambda one: one.cage.exponent, "1",
                             "least log-log slope of the MSD"),
        "threshold_sensitivity": _of(each, lambda one: one.sensitivity, "1",
                                     "-d ln rate_seen / d ln threshold, from 0.7 to 1.4 times it"),
    }  # fmt: skip


def _walks(settings: HopSettings, each: Sequence[SpeciesHops]) -> dict[str, Labelled]:
    """Lengths, returns, and how the walk differs from a random one."""
    per_time = CM2_S_PER_A2_PS / settings.interval_ps
    factors = [one.factor for one in each]
    slopes = [Estimate(s.value, np.nan, np.nan, s.stderr) for s in (one.slope for one in each)]
    rms = [np.sqrt(one.squares.mean()) if one.number else np.nan for one in each]
    return {
        **estimate("hop_length", [one.length for one in each], 1.0, "angstrom",
                   "mean length of a hop"),
        "hop_length_rms": labelled(("species",), rms, "angstrom", "root mean square of the length"),
        **estimate("back_jump_fraction", [one.returned for one in each], 1.0, "1",
                   "part of hops followed by another that this other takes back"),
        **estimate("back_jump_fraction_within", [one.returned_soon for one in each], 1.0, "1",
                   "part of hops that the next takes back within return_ps"),
        **estimate("cos_consecutive", [one.cosine for one in each], 1.0, "1",
                   "<l_k . l_k+1> / <l^2> of hops in a row"),
        **estimate("random_walk_D", [one.random_walk for one in each], per_time, "cm^2/s",
                   "rate_seen <l^2> / 6, D of a random walk of these hops"),
        **estimate("diffusion_coefficient", slopes, per_time, "cm^2/s",
                   "tracer diffusion coefficient from the MSD; NaN where not diffusive"),
        "diffusion_verdict": _of(each, lambda one: one.slope.verdict, "1", "kind of motion"),
        **estimate("correlation_factor", factors, 1.0, "1",
                   "D over that of a random walk of these hops"),
        **intervals("correlation_factor_", [f.value for f in factors],
                    [f.stderr for f in factors], "1", "correlation_factor"),
    }  # fmt: skip


def _curves(
    settings: HopSettings, each: Sequence[SpeciesHops], together: Sequence[Concert]
) -> dict[str, Labelled]:
    edges = _length_edges(settings)
    rates = [np.array(one.counts) / one.exposure / settings.interval_ps for one in each]
    return {
        "hop_length_density": labelled(
            ("species", "length"),
            [_density(np.sqrt(one.squares), edges) for one in each],
            "1/angstrom",
            "distribution of the lengths of hops",
        ),
        "dwell_survival": labelled(
            ("species", "dwell"),
            [one.survival[settings.lags] for one in each],
            "1",
            "probability that an ion is still in a cage",
        ),
        "correlation_factor_n": labelled(
            ("species", "count"),
            [walk_factors(one.hops, MAX_RUN) for one in each],
            "1",
            "<|sum of n hops|^2> / (n <l^2>)",
        ),
        "pair_hop_ratio_r": labelled(
            ("species", "distance"),
            [one.ratio(settings.near, settings.half_height) for one in together],
            "1",
            "hops of other ions along with a hop over those by chance, by distance",
        ),
        "rate_at": labelled(
            ("species", "factor"),
            rates,
            "1/ps",
            "hops seen of an ion per time at another threshold",
        ),
    }


def _density(lengths: FloatArray, edges: FloatArray) -> FloatArray:
    if not lengths.size:
        return np.full(len(edges) - 1, np.nan)
    counts = np.histogram(lengths, edges)[0]
    density: FloatArray = counts / (lengths.size * (edges[1] - edges[0]))
    return density


def _events(settings: HopSettings, each: Sequence[SpeciesHops]) -> dict[str, Labelled]:
    """The earliest hops, one by one."""
    frame = np.concatenate([one.hops.frame for one in each])
    order = np.argsort(frame, kind="stable")[: settings.max_events]
    atom = np.concatenate([one.hops.ions[one.hops.ion] for one in each])[order]
    vector = np.concatenate([one.hops.vector for one in each])[order]
    kind = np.repeat(settings.species, [one.number for one in each])[order]
    time = np.round(frame[order] * settings.interval_ps, 9)
    return {
        "event_time": labelled(("event",), time, "ps", "time of a hop from the first frame"),
        "event_atom": labelled(("event",), atom, "1", "index of the atom that hops"),
        "event_species": labelled(("event",), kind, "1", "species of the atom that hops"),
        "event_length": labelled(
            ("event",), np.linalg.norm(vector, axis=-1), "angstrom", "length of a hop"
        ),
        "event_vector": labelled(
            ("event", "xyz"), vector, "angstrom", "from the cage before to the cage behind"
        ),
    }
