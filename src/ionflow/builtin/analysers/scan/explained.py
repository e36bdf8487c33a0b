"""Decompositions of numbers over the materials of a scan, as labelled results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.builtin.analysers.scan.effects import (
    ALL,
    REST,
    Classical,
    Decomposition,
    Effect,
    Sample,
)
from ionflow.kinds import FloatArray
from ionflow.statistics import LEVELS

MEANING = (
    "resolved: the 95 % interval of the SD excludes 0; resolved, one glass each: it does, but the "
    "errors are those of single glasses, so the difference may be one between glasses; below the "
    "error: measurement error alone could bring it about, see the upper end of the interval; one "
    "level: no other has a number; confounded: another axis changes with it; too few materials"
)


@dataclass(frozen=True)
class Response:
    """What is explained, by material: its values, standard errors and their degrees of freedom."""

    prefix: str
    """names the variables"""
    symbol: str
    units: str
    numbers: xr.Dataset
    """`mean`, `stderr`, `dof`, `count` over the axes of materials and any others"""
    logarithmic: bool = True
    """whether the values are logarithms"""


@dataclass(frozen=True)
class _Cell:
    """One decomposition, and what its materials are."""

    parts: Decomposition
    axes: tuple[str, ...]

    @property
    def terms(self) -> list[Effect]:
        """The effects in the order of the dim `term`."""
        return [self.parts.effects[name] for name in (*self.axes, REST, ALL)]

    @property
    def classical(self) -> list[Classical]:
        """Their textbook sizes, which "rest" and "all" do not have."""
        found = self.parts.classical
        return [*(found[name] for name in self.axes), Classical(), Classical()]


def explained(response: Response, axes: tuple[str, ...]) -> dict[str, Labelled]:
    """All variables of one response.

    Parameters
    ----------
    response : what is explained
    axes : the dims that tell materials apart
    """
    flat = _flat(response.numbers, axes)
    own = tuple(str(dim) for dim in flat["mean"].dims[:-1])
    cells = np.empty(flat["mean"].shape[:-1], dtype=object)
    for place in np.ndindex(cells.shape):
        cells[place] = _Cell(_decomposed(flat.isel(dict(zip(own, place, strict=True))), axes), axes)
    grid = _Grid(response, cells, own)
    return {
        **grid.spread(),
        **grid.span(),
        **grid.classical(),
        **grid.counts(),
    }


def _flat(numbers: xr.Dataset, axes: tuple[str, ...]) -> xr.Dataset:
    """With all axes of materials as the last dim, `material`."""
    if not axes:
        return numbers.expand_dims("material", -1)
    return numbers.stack(material=axes).transpose(..., "material")


def _decomposed(numbers: xr.Dataset, axes: tuple[str, ...]) -> Decomposition:
    values, stderr = numbers["mean"].values, numbers["stderr"].values
    known = np.isfinite(values) & np.isfinite(stderr) & (stderr > 0)
    sample = Sample(
        values[known],
        stderr[known],
        numbers["dof"].values[known],
        {axis: numbers[axis].values[known] for axis in axes},
    )
    return Decomposition(sample, bool((numbers["count"].values[known] < 2).any()))


@dataclass(frozen=True)
class _Grid:
    """Decompositions over the dims that a response has besides materials."""

    response: Response
    cells: Any
    own: tuple[str, ...]

    @property
    def dims(self) -> tuple[str, ...]:
        """Of a number by term."""
        return (*self.own, "term")

    def of_effects(self, pick: Callable[[Effect], Any]) -> Any:
        """By term."""
        return self._each(lambda cell: [pick(effect) for effect in cell.terms])

    def _each(self, pick: Callable[[_Cell], Sequence[Any]]) -> Any:
        rows = np.array([pick(cell) for cell in self.cells.ravel()])
        return rows.reshape(*self.cells.shape, *rows.shape[1:])

    def spread(self) -> dict[str, Labelled]:
        """Standard deviations and their share, with the factor that two of them are."""
        p, symbol = self.response.prefix, self.response.symbol
        deviation = np.sqrt(self.of_effects(lambda e: e.variance))
        text = f"standard deviation of {symbol} between materials without measurement error"
        variables = self._with_ends(f"{p}_sd", deviation, self._deviations(), text)
        if self.response.logarithmic:
            text = f"factor that is two standard deviations of {symbol} between materials"
            ends = [np.exp(2 * end) for end in self._deviations()]
            factor = self._with_ends(
                f"{p}_spread_factor", np.exp(2 * deviation), ends, text, units="1"
            )
            variables |= factor
        whole = deviation[..., -1:] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(whole > 0, deviation**2 / whole, np.nan)
        text = f"share of the variance of {symbol} between materials"
        return {**variables, f"{p}_share": labelled(self.dims, share, "1", text)}

    def _deviations(self) -> list[FloatArray]:
        return [np.sqrt(ends) for ends in self._ends("bounds")]

    def _ends(self, attribute: str) -> list[FloatArray]:
        """(..., term, bound) for each level."""
        bounds = self.of_effects(attrgetter(attribute))
        return [bounds[..., place, :] for place in range(len(LEVELS))]

    def span(self) -> dict[str, Labelled]:
        """Largest against smallest level mean, and the slope over a numeric axis."""
        p, symbol, ratio = self.response.prefix, self.response.symbol, self.response.logarithmic
        name = f"{p}_ratio" if ratio else f"{p}_range"
        convert: Callable[[Any], Any] = np.exp if ratio else np.asarray
        text = "largest level mean over the smallest" if ratio else "largest minus smallest mean"
        ends = [convert(end) for end in self._ends("span_bounds")]
        units = "1" if ratio else self.response.units
        per = f"{self.response.units} per unit of the axis"
        variables = self._with_ends(
            name, convert(self.of_effects(lambda e: e.span)), ends, text, units
        )
        for key, words in (
            ("slope", f"change of {symbol} with the axis"),
            ("slope_stderr", "standard error of the slope"),
        ):
            values = self.of_effects(attrgetter(key))
            variables[f"{p}_{key}"] = labelled(self.dims, values, per, words)
        for key in ("highest", "lowest"):
            values = self.of_effects(attrgetter(key)).astype(str)
            text = f"level with the {key} mean"
            variables[f"{p}_{key}"] = labelled(self.dims, values, "1", text)
        return variables

    def classical(self) -> dict[str, Labelled]:
        """Textbook effect sizes."""
        p = self.response.prefix
        texts = {
            "F": ("f", "mean square over that of what main effects leave"),
            "F_probability": ("probability", "probability of a larger F without an effect"),
            "eta_squared": ("eta", "eta squared, share of the sum of squares"),
            "epsilon_squared": ("epsilon", "epsilon squared, adjusted for degrees of freedom"),
            "omega_squared": ("omega", "omega squared, adjusted share of the variance"),
        }
        variables = {
            f"{p}_{name}": labelled(self.dims, self._classical(attribute), "1", text)
            for name, (attribute, text) in texts.items()
        }
        bounds = self._classical("partial_bounds")
        ends = [bounds[..., place, :] for place in range(len(LEVELS))]
        text = "partial eta squared, share of what the other factors leave"
        name = f"{p}_eta_squared_partial"
        return variables | self._with_ends(name, self._classical("partial"), ends, text, "1")

    def _classical(self, attribute: str) -> Any:
        return self._each(lambda cell: [getattr(one, attribute) for one in cell.classical])

    def counts(self) -> dict[str, Labelled]:
        """What stands behind the numbers, and the verdict."""
        p, symbol = self.response.prefix, self.response.symbol
        sizes = self._each(lambda cell: [cell.parts.sample.count])[..., 0]
        error = self._each(lambda cell: [_root_mean_square(cell.parts.sample.stderr)])[..., 0]
        verdict = self.of_effects(lambda e: e.verdict).astype(str)
        return {
            f"{p}_dof": labelled(
                self.dims, self.of_effects(lambda e: e.dof), "1", "degrees of freedom of the term"
            ),
            f"{p}_levels": labelled(
                self.dims, self.of_effects(lambda e: e.levels), "1", "levels with a number"
            ),
            f"{p}_n_materials": labelled(self.own, sizes, "1", "materials with a number"),
            f"{p}_error_sd": labelled(
                self.own, error, self.response.units, f"root mean square of the errors of {symbol}"
            ),
            f"{p}_verdict": labelled(
                self.dims, verdict, "1", "whether the term is told from error", meaning=MEANING
            ),
        }

    def _with_ends(
        self, name: str, values: Any, ends: Sequence[Any], text: str, units: str = ""
    ) -> dict[str, Labelled]:
        units = units or self.response.units
        intervals = {
            f"{name}_ci{suffix}": labelled(
                (*self.dims, "bound"), end, units, f"{suffix} % interval of the {text}"
            )
            for suffix, end in zip(LEVELS, ends, strict=True)
        }
        return {name: labelled(self.dims, values, units, text), **intervals}


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean())) if len(values) else np.nan
