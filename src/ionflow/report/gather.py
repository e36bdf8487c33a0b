"""What a run holds, in the order in which a report tells it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ionflow.errors import IonflowError
from ionflow.flags import Flag
from ionflow.join import join
from ionflow.view import Row, Run

#: What reading or drawing damaged or unexpected data may raise: noted on the page, which goes on.
TROUBLE = (IonflowError, LookupError, ValueError, TypeError, ArithmeticError, OSError)

#: What marks the name of a material that has a flagged trajectory.
FLAGGED = "†"


@dataclass(frozen=True)
class Material:
    """One point of the scan but for temperature and replica."""

    label: str
    coords: tuple[tuple[str, Any], ...]
    formula: str
    atoms: int


@dataclass(frozen=True)
class Case:
    """A material at a temperature: its recorded trajectories by replica."""

    material: Material
    temperature: float
    rows: tuple[Row, ...]


@dataclass
class Data:
    """Everything about a run that the sections of a report ask for.

    Results are read when asked for, one case at a time, so that a large scan is never in memory
    as a whole. `troubles` collects what could not be read.
    """

    run: Run
    troubles: list[str] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    """Time series already read, by key of the trajectory."""
    pooled: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    """Estimates already pooled over replicas."""
    _results: dict[tuple[Any, ...], xr.Dataset | None] = field(default_factory=dict)

    @cached_property
    def temperature_axis(self) -> str | None:
        """The axis of the scan that is the temperature of the recorded stage."""
        paths = {axis["name"]: str(axis.get("path", "")) for axis in self._axes}
        ending = [name for name, path in paths.items() if path.endswith("temperature_K")]
        last = [n for n in ending if paths[n] == f"protocol.{self._recorded}.temperature_K"]
        named = [name for name in paths if name.endswith("temperature_K")]
        return next(iter([*last, *ending, *named]), None)

    @property
    def _axes(self) -> Sequence[Mapping[str, Any]]:
        return self.run.provenance.get("axes") or ()

    @cached_property
    def _recorded(self) -> str | None:
        recorded = [row.name for row in self.run.stages if row.record]
        return recorded[-1] if recorded else None

    @cached_property
    def _production(self) -> list[Row]:
        return [row for row in self.run.stages if row.name == self._recorded]

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Materials at temperatures, in the order of the scan."""
        found: dict[tuple[Material, float], list[Row]] = {}
        for row in self._production:
            found.setdefault((self._material(row), self._temperature(row)), []).append(row)
        return tuple(Case(m, t, tuple(rows)) for (m, t), rows in found.items())

    @cached_property
    def materials(self) -> tuple[Material, ...]:
        """Materials in the order of the scan."""
        return tuple(dict.fromkeys(case.material for case in self.cases))

    @cached_property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures of the recorded stage in K, ascending."""
        return tuple(sorted({case.temperature for case in self.cases}))

    @cached_property
    def flags(self) -> tuple[Flag, ...]:
        """What is wrong with finished trajectories."""
        return self.run.flags

    def flagged(self, case: Case) -> str:
        """The flags of a case, with how many of its replicas have them where not all do.

        Such as "crystallised 1/3, extrapolating".
        """
        keys = {row.key for row in case.rows}
        counts = Counter(flag.flag for flag in self.flags if flag.key in keys)
        return ", ".join(
            name if count == len(keys) else f"{name} {count}/{len(keys)}"
            for name, count in counts.items()
        )

    @cached_property
    def analyses(self) -> dict[str, list[Row]]:
        """Tasks of each analysis by its name, in the order of the recipe."""
        found: dict[str, list[Row]] = {}
        for row in self.run.rows:
            if row.kind == "analysis":
                found.setdefault(row.name, []).append(row)
        return found

    def of(self, material: Material) -> list[Case]:
        """The cases of a material by temperature."""
        return sorted(
            (c for c in self.cases if c.material == material), key=lambda c: c.temperature
        )

    def result(self, name: str, case: Case, only: tuple[str, ...] = ()) -> xr.Dataset | None:
        """An analysis of a case with `replica` as a dim, in memory; None if there is none.

        `only` some of its variables, where all of them are large.
        """
        whole = self._results.get((name, case.material, case.temperature, ()))
        if whole is not None and only:
            return whole[[variable for variable in only if variable in whole]]
        at = (name, case.material, case.temperature, only)
        if at not in self._results:
            self._results[at] = self._read(name, case, only)
        return self._results[at]

    def over_temperature(
        self, name: str, material: Material, only: tuple[str, ...] = ()
    ) -> xr.Dataset | None:
        """An analysis of a material with `temperature_K` and `replica` as dims."""
        found = [(case.temperature, self.result(name, case, only)) for case in self.of(material)]
        parts = [part.assign_coords(temperature_K=t) for t, part in found if part is not None]
        return join(parts, ["temperature_K"]) if parts else None

    def ready(self, name: str, case: Case | None = None) -> bool:
        """Whether an analysis has a result, of a case or any; nothing is read."""
        sources = {row.key for row in case.rows} if case else set()
        return any(
            self.run.store.has_result(row.key)
            for row in self.analyses.get(name, ())
            if case is None or (row.inputs and row.inputs[0] in sources)
        )

    def joined(self, name: str) -> xr.Dataset | None:
        """The result of an analysis over the whole scan, in memory; None if there is none."""
        try:
            return self.run.results[name].load() if self.ready(name) else None
        except TROUBLE as error:
            self.troubles.append(f"{name}: {error}")
            return None

    def trajectory(self, row: Row, *names: str) -> xr.Dataset | None:
        """Some variables of a trajectory, lazy; None if it has not begun or cannot be read."""
        try:
            if self.run.store.progress(row.key) <= 0:
                return None
            return self.run.store.trajectory(row.key)[list(names)]
        except TROUBLE as error:
            self.troubles.append(f"trajectory {row.label or row.case}: {error}")
            return None

    def _read(self, name: str, case: Case, only: tuple[str, ...]) -> xr.Dataset | None:
        sources = {row.key: row for row in case.rows}
        parts = []
        for row in self.analyses.get(name, ()):
            source = sources.get(row.inputs[0]) if row.coords and row.inputs else None
            if source is not None and self.run.store.has_result(row.key):
                parts += self._one(name, row, only)
        return join(parts, ["replica"]) if parts else None

    def _one(self, name: str, row: Row, only: tuple[str, ...]) -> list[xr.Dataset]:
        try:
            result = self.run.store.read_result(row.key)
            result = (result[[n for n in only if n in result]] if only else result).load()
        except TROUBLE as error:
            self.troubles.append(f"{name} of {row.label or row.case}: {error}")
            return []
        scalars = [name for name, coord in result.coords.items() if not coord.ndim]
        return [result.drop_vars(scalars).assign_coords(replica=row.coords.get("replica", 0))]

    def _material(self, row: Row) -> Material:
        coords = self._place(row)
        return Material(self._labels[coords], coords, row.formula, row.atoms)

    @cached_property
    def _labels(self) -> dict[tuple[tuple[str, Any], ...], str]:
        """A name for each material: its formula, and what else tells it from the others."""
        formulas = {self._place(row): reduced(row.formula) for row in self._production}
        labels = {}
        for place, formula in formulas.items():
            words = [_word(axis, value) for axis, value in place]
            alone = list(formulas.values()).count(formula) == 1
            labels[place] = formula if alone and formula else " ".join([formula, *words]).strip()
        marked = {flag.key for flag in self.flags}
        places = {self._place(row) for row in self._production if row.key in marked}
        return {
            place: f"{label or 'material'}{f' {FLAGGED}' if place in places else ''}"
            for place, label in labels.items()
        }

    def _place(self, row: Row) -> tuple[tuple[str, Any], ...]:
        left_out = (self.temperature_axis, "replica")
        return tuple((a, value) for a, value in row.coords.items() if a not in left_out)

    def _temperature(self, row: Row) -> float:
        value = row.coords.get(self.temperature_axis or "", row.stage.get("temperature_K", np.nan))
        return float(np.ravel(value)[-1])


def part_of(result: xr.Dataset, material: Material) -> xr.Dataset | None:
    """The part of a result over the scan that belongs to a material."""
    place = {axis: value for axis, value in material.coords if axis in result.dims}
    if any(value not in result[axis] for axis, value in place.items()):
        return None
    return result.sel(place)


def reduced(formula: str) -> str:
    """A formula per atom of its first element, to two decimals.

    >>> reduced("Li24Al24O18Cl60")
    'LiAlO0.75Cl2.5'
    """
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    if not parts or "".join(map("".join, parts)) != formula:
        return formula
    unit = int(parts[0][1] or 1)
    return "".join(f"{element}{_ratio(int(count or 1) / unit)}" for element, count in parts)


def _ratio(value: float) -> str:
    return "" if value == 1 else f"{round(value, 2):g}"


def _word(axis: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{axis}={value:g}" if isinstance(value, int | float) else f"{axis}={value}"


def species_by_mobility(data: Data, case: Case) -> list[str]:
    """Species of a case, the most mobile first: by mean squared displacement, else by D."""
    for name, variable in (("msd", "msd"), ("diffusion", "msd")):
        result = data.result(name, case)
        if result is not None and variable in result and "lag" in result[variable].dims:
            return _ranked(_late(result[variable]))
    result = data.result("diffusion", case)
    if result is not None and "diffusion_coefficient" in result:
        return _ranked(result["diffusion_coefficient"].mean("replica"))
    return []


def _late(msd: xr.DataArray) -> xr.DataArray:
    """MSD at half of the longest lag, where statistics still carry it."""
    mean = msd.mean("replica")
    return mean.isel(lag=mean.sizes["lag"] // 2)


def _ranked(value: xr.DataArray) -> list[str]:
    known = value.fillna(-np.inf)
    order = np.argsort(-known.values, kind="stable")
    return [str(name) for name in known["species"].values[order]]
