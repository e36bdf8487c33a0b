"""A run folder, read lazily."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow.errors import StoreError
from ionflow.flags import Flag, Flags
from ionflow.store import Store
from ionflow.view.results import AbsentError, Results
from ionflow.view.row import Row

if TYPE_CHECKING:
    from ase import Atoms

    from ionflow.explain import Explanation


class Run:
    """A run folder, read lazily.

    Attributes
    ----------
    path : the folder
    rows : its tasks
    results : name of an analysis → Dataset over the scan's axes, `replica` and the result's dims,
        with the coordinate `flag` that says what is wrong with the trajectory behind it
    provenance : what ran where with which versions (`run.json` without its tasks)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.store = _store(self.path)
        document = self.store.read_json("run.json")
        self.rows = tuple(Row.of(entry) for entry in document.get("tasks", ()))
        self.provenance = {name: v for name, v in document.items() if name != "tasks"}
        self.axes = {axis["name"]: list(axis["values"]) for axis in document.get("axes", ())}
        analyses = [row for row in self.rows if row.kind == "analysis"]
        replicas = list(range(int(document.get("replicas") or 1)))
        self._flags = Flags(self.store, self.rows)
        axes = {**self.axes, "replica": replicas}
        self.results = Results(self.store, analyses, axes, self._flags)

    @property
    def name(self) -> str:
        """Name of the recipe."""
        return str(self.provenance.get("name", self.path.name))

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe that this run followed, as plain data."""
        from ruamel.yaml import YAML

        text = self.store.read_text("recipe.yaml")
        return dict(YAML(typ="safe", pure=True).load(text) or {})

    @property
    def failures(self) -> dict[str, Any]:
        """Records of failed tasks by key, as they are on disk now."""
        return dict(self.store.failures())

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What is wrong with finished trajectories, as it is on disk now.

        Crystallised, phase separated or drifting by the analysis `soundness`; extrapolating by the
        potential's own word. Results keep all trajectories, and say so in their coordinate `flag`.
        """
        return self._flags.all()

    @property
    def stages(self) -> list[Row]:
        """Tasks of molecular dynamics."""
        return [row for row in self.rows if row.kind == "stage"]

    @cached_property
    def trajectories(self) -> xr.DataTree:
        """Every trajectory that has begun: one node `stage/case` each, lazy."""
        begun = [row for row in self.stages if self.store.progress(row.key) > 0]
        nodes = {f"{row.name}/{row.case}": self._open(row) for row in begun}
        return xr.DataTree.from_dict(nodes, name=self.name)

    def trajectory(self, stage: str | None = None, **coords: Any) -> xr.Dataset:
        """The one trajectory of a stage at the given coordinates, lazy.

        Parameters
        ----------
        stage : name of the stage; the last one of the protocol if None
        coords : values along the scan's axes and `replica`; those that select one may be left out

        Raises
        ------
        DataError
            If none or several match; the message lists what is there.
        """
        rows = self.select(stage, **coords)
        if len(rows) != 1:
            raise self._not_one(rows, coords)
        return self._open(rows[0])

    def select(self, stage: str | None = None, **coords: Any) -> list[Row]:
        """Tasks of a stage (the last one if None) that lie at the given coordinates."""
        stages = list(dict.fromkeys(row.name for row in self.stages))
        if not stages:
            raise AbsentError("the run has no stage of molecular dynamics", where=str(self.path))
        stage = stages[-1] if stage is None else stage
        if stage not in stages:
            hint = f"Stages: {', '.join(stages)}"
            raise AbsentError(f"no stage named {stage!r}", where=str(self.path), hint=hint)
        rows = [row for row in self.stages if row.name == stage]
        return [row for row in rows if _matches(row.coords, coords)]

    def analyses(self, **coords: Any) -> list[Row]:
        """Tasks of analysis whose result is there, at the given coordinates."""
        rows = [row for row in self.rows if row.kind == "analysis"]
        return [r for r in rows if _matches(r.coords, coords) and self.store.has_result(r.key)]

    def structure(self, key: str) -> Atoms:
        """A starting structure by its key."""
        return self.store.read_structure(key)

    def explain(self, key: str | xr.DataArray) -> Explanation:
        """What made something, where and with what, and what it was made from.

        Parameters
        ----------
        key : a key or at least 6 digits of its start, such as `attrs["key"]` of a trajectory or
            one of `results.keys_of(name)`

        Raises
        ------
        DataError
            If no key is meant, or more than one.
        """
        from ionflow.explain import explain_in

        return explain_in(self.store, str(key.item() if isinstance(key, xr.DataArray) else key))

    def _open(self, row: Row) -> xr.Dataset:
        trajectory = self.store.trajectory(row.key).assign_coords(dict(row.coords))
        return trajectory.assign_attrs(key=row.key)

    def _not_one(self, rows: Sequence[Row], coords: Mapping[str, Any]) -> AbsentError:
        asked = ", ".join(f"{axis}={value!r}" for axis, value in coords.items()) or "nothing more"
        there = ", ".join(row.case for row in (rows or self.stages)[:8])
        what = f"{len(rows) or 'no'} trajectories match {asked}"
        return AbsentError(what, where=str(self.path), hint=f"Choose one of {there}, …")

    def _summary(self) -> list[tuple[str, str]]:
        axes = ", ".join(f"{axis} ({len(values)})" for axis, values in self.axes.items())
        done = [f"{name} {n}/{total}" for name, (n, total) in self.results.progress().items()]
        state = "finished" if self.provenance.get("finished") else "not finished"
        items = [
            ("path", str(self.path)),
            ("scale", str(self.provenance.get("scale", ""))),
            ("scan", axes or "one material"),
            ("replicas", str(self.provenance.get("replicas", 1))),
            ("state", state),
            ("results", ", ".join(done) or "none asked for"),
        ]
        items += [("failed", f"{failed} tasks")] if (failed := len(self.failures)) else []
        return items + ([("flagged", _flagged(self.flags))] if self.flags else [])

    def __repr__(self) -> str:
        lines = [f"  {name:<9} {text}" for name, text in self._summary()]
        return "\n".join([f"<ionflow.Run {self.name!r}>", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in self._summary()
        )
        return f"<b>ionflow run {escape(self.name)}</b><table>{rows}</table>"


def _flagged(flags: Sequence[Flag]) -> str:
    kinds = Counter(flag.flag for flag in flags)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    number = len({flag.key for flag in flags})
    return f"{number} {'trajectory' if number == 1 else 'trajectories'} ({told}); see flags"


def _matches(have: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    # an axis that a shared stage does not depend on does not exclude it
    return all(axis not in have or _same(have[axis], value) for axis, value in asked.items())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, rtol=1e-9, atol=0))
    return bool(one == other)


def _store(path: Path) -> Store:
    if not (path / "run.json").is_file():
        hint = "A run folder holds run.json; `ionflow run RECIPE` makes one"
        raise StoreError("no ionflow run in this folder", where=str(path), hint=hint)
    return Store.open(path)
