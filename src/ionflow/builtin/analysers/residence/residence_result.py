"""Residence times from counts, and their result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled, lag_coord, result
from ionflow.builtin.analysers.network.bonding import ENVIRONMENTS
from ionflow.builtin.analysers.residence.groups import Groups
from ionflow.builtin.analysers.residence.lifetimes import (
    Decay,
    Estimate,
    Lifetime,
    lifetime,
    lower_bound,
    whole_words,
)
from ionflow.builtin.analysers.residence.occupancy import Occupancy
from ionflow.builtin.analysers.residence.persistence import Returns
from ionflow.builtin.analysers.residence.residence_counts import Counting, Counts, Stays, settled
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray
from ionflow.statistics import LEVELS

VARIANTS: Final = ("intermittent", "continuous", "stable_states")
LABELS: Final = (*ENVIRONMENTS, "all")


@dataclass(frozen=True)
class Row:
    """One variant in one environment."""

    curve: FloatArray
    """(lag,)"""
    stderr: FloatArray
    """(lag,)"""
    lifetime: Lifetime
    events: int
    lower_bound: float


@dataclass(frozen=True)
class Found:
    """All rows, by variant and label."""

    lags: IntArray
    interval_ps: float
    rows: Sequence[Sequence[Row]]
    coordination: FloatArray
    """(label,)"""
    share: FloatArray
    """(label,)"""

    def each(self, pick: Callable[[Row], Any]) -> Any:
        """(variant, label, ...)"""
        return np.array([[pick(row) for row in rows] for rows in self.rows])


@dataclass(frozen=True)
class Residences:
    """What times of residence are found from.

    Parameters
    ----------
    occupancy : of (shell, inner, outer)
    lags : (lag,) frames
    interval_ps : between frames
    gap : frames of the longest excursion that is no escape
    label_gap : frames of the longest excursion of a label that is no change
    """

    occupancy: Occupancy
    lags: IntArray
    interval_ps: float
    gap: int
    label_gap: int

    @property
    def lag_frames(self) -> IntArray:
        """(lag,) from 0, in frames"""
        return whole_words(self.lags)

    def found(self, blocks: int, min_events: int, max_tail: float) -> Found:
        """All of them.

        Parameters
        ----------
        blocks : of time
        min_events, max_tail : as `lifetime` takes them
        """
        seen = self.occupancy
        groups = Groups.of(seen.ions, seen.centres, len(seen.frames), blocks)
        labels = settled(seen.labels, self.label_gap)
        lags = self.lag_frames
        counting = Counting(labels, len(ENVIRONMENTS), lags, self.gap, groups)
        counts, possible = counting.count(seen), counting.possible(seen.ions)
        rows = [
            [self._row(variant, k, counts, possible[k], counting, (min_events, max_tail))
             for k in range(len(LABELS))]
            for variant in VARIANTS
        ]  # fmt: skip
        frames = possible[:, groups.kinds["centres"]].sum(axis=1) / seen.ions
        met = [t.origins[groups.kinds["centres"], 0].sum() for t in counts.returns]
        with np.errstate(invalid="ignore"):
            return Found(lags, self.interval_ps, rows, met / frames, frames / frames[-1])

    def _row(
        self,
        variant: str,
        label: int,
        counts: Counts,
        possible: FloatArray,
        counting: Counting,
        criteria: tuple[int, float],
    ) -> Row:
        stays = (counts.stable if variant == "stable_states" else counts.continuous).get(label)
        lags, groups = counting.lags, counting.groups
        if variant == "intermittent":
            curve, decay = self._intermittent(counts.returns[label], possible, lags, groups)
        else:
            curve = decay = self._survival(stays, lags, groups)
        events, exposure = (stays.events, stays.exposure) if stays else (0, 0)
        found = lifetime(decay, events, *criteria)
        bound = lower_bound(exposure * self.interval_ps, events)
        return Row(curve.whole, curve.errors(), found, events, bound)

    def _survival(self, stays: Stays | None, lags: IntArray, groups: Groups) -> Decay:
        if stays is None:
            return self._decay(np.full((1 + groups.number, len(lags)), np.nan),
                               np.zeros(groups.number), lags, groups)  # fmt: skip
        rows = stays.table.without(groups.kinds["centres"]).survival(lags)
        return self._decay(rows, stays.table.origins, lags, groups)

    def _intermittent(
        self, returns: Returns, possible: FloatArray, lags: IntArray, groups: Groups
    ) -> tuple[Decay, Decay]:
        """P, and what is left of it when the mean occupation is taken off."""
        centres = groups.kinds["centres"]
        every = returns.without(centres)
        total = possible[centres].sum()
        rows, weight = every.persistence(), returns.origins[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = every.origins[:, :1] / np.concatenate([[total], total - possible])[:, None]
            excess = (rows - mean) / (1 - mean)
        return (
            self._decay(rows, weight, lags, groups),
            self._decay(excess, weight, lags, groups),
        )

    def _decay(self, rows: FloatArray, weight: Any, lags: IntArray, groups: Groups) -> Decay:
        # a group without origins is in none of the rows
        held = np.where((weight > 0)[:, None], rows[1:], rows[:1])
        times: FloatArray = lags * np.float64(self.interval_ps)
        return Decay(times, rows[0], held, weight.astype(np.float64), groups.kinds)


def without_continuous(result: xr.Dataset) -> xr.Dataset:
    """The result of a trajectory too short for its excursions: that variant has no numbers."""
    other = result["variant"] != "continuous"
    numbers = [n for n, v in result.items() if "variant" in v.dims and v.dtype.kind == "f"]
    masked = {name: result[name].where(other).assign_attrs(result[name].attrs) for name in numbers}
    verdict = result["verdict"].where(other, "too short")
    return result.assign(masked).assign(verdict=verdict.assign_attrs(result["verdict"].attrs))


def residence_result(
    measured: Found, trajectory: xr.Dataset, attrs: Mapping[str, Any]
) -> xr.Dataset:
    """The result, over variant, environment and lag."""
    dims = ("variant", "environment")
    variables = {
        "residence": labelled(
            (*dims, "lag"), measured.each(lambda r: r.curve), "1", "probability to reside, P(t)"
        ),
        "residence_stderr": labelled(
            (*dims, "lag"), measured.each(lambda r: r.stderr), "1", "standard error of P(t)"
        ),
        **_times(measured),
        "n_events": labelled(
            dims,
            measured.each(lambda r: r.events),
            "1",
            "escapes seen; of the intermittent variant those of the continuous one",
        ),
        "verdict": labelled(
            dims,
            measured.each(lambda r: r.lifetime.verdict).astype(str),
            "1",
            "whether residence_time is known, or why it is not",
        ),
        "mean_coordination": labelled(
            ("environment",), measured.coordination, "1", "mean number of alkali ions in the shell"
        ),
        "share": labelled(
            ("environment",), measured.share, "1", "share of centres, averaged over time"
        ),
    }
    coords = {
        "variant": labelled(("variant",), np.array(VARIANTS), "1", "definition of residence"),
        "environment": labelled(
            ("environment",), np.array(LABELS), "1", "anions around the centre at the origin"
        ),
        "lag": lag_coord(measured.lags, measured.interval_ps),
        "bound": bound_coord(),
    }
    return result(variables, coords, trajectory, attrs)


def _times(measured: Found) -> dict[str, Labelled]:
    dims = ("variant", "environment")
    time = "residence time, integral of P(t)"
    kinds = {"centres": "centres", "ions": "ions", "time": "blocks of time"}
    parts = {
        f"residence_time_stderr_{kind}": labelled(
            dims,
            measured.each(partial(_part, kind)),
            "ps",
            f"standard error of {time}: jackknife over {text}",
        )
        for kind, text in kinds.items()
    }
    return {
        **_estimates(measured, "residence_time", "ps", time, lambda r: r.lifetime.time),
        **parts,
        "residence_time_lower_bound": labelled(
            dims,
            measured.each(lambda r: r.lower_bound),
            "ps",
            "lower bound of the residence time at 95 % if escapes come at a constant rate",
        ),
        "tail_fraction": labelled(
            dims,
            measured.each(lambda r: r.lifetime.tail_fraction),
            "1",
            "share of the integral beyond the lags used",
        ),
        **_estimates(
            measured,
            "residence_time_kww",
            "ps",
            "residence time, tau/beta Gamma(1/beta) of the stretched exponential",
            lambda r: r.lifetime.stretched[2],
        ),
        **_estimates(
            measured,
            "relaxation_time_kww",
            "ps",
            "tau of the stretched exponential",
            lambda r: r.lifetime.stretched[0],
        ),
        **_estimates(
            measured,
            "stretching_exponent",
            "1",
            "beta of the stretched exponential",
            lambda r: r.lifetime.stretched[1],
        ),
    }


def _part(kind: str, row: Row) -> float:
    return (row.lifetime.time.parts or {}).get(kind, np.nan)


def _interval(pick: Callable[[Row], Estimate], level: str, row: Row) -> FloatArray:
    return pick(row).interval(level)


def _estimates(
    measured: Found, name: str, unit: str, text: str, pick: Callable[[Row], Estimate]
) -> dict[str, Labelled]:
    dims = ("variant", "environment")
    variables = {
        name: labelled(dims, measured.each(lambda r: pick(r).value), unit, text),
        f"{name}_stderr": labelled(
            dims, measured.each(lambda r: pick(r).stderr), unit, f"standard error of {text}"
        ),
    }
    for level in LEVELS:
        variables[f"{name}_ci{level}"] = labelled(
            (*dims, "bound"),
            measured.each(partial(_interval, pick, level)),
            unit,
            f"{level} % interval of {text}",
        )
    return variables
