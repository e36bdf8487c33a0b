"""Results of a run, each joined over the scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xarray as xr

from ionflow.errors import DataError
from ionflow.flags import Flags, marked
from ionflow.join import join
from ionflow.store import Store
from ionflow.view.row import Row


class AbsentError(DataError, KeyError):
    """A result or trajectory that a run does not have, or not yet."""


class Results(Mapping[str, xr.Dataset]):
    """Results of a run by the name of the analysis, each joined over the scan when first used."""

    def __init__(
        self, store: Store, rows: Sequence[Row], axes: Mapping[str, Sequence[Any]], flags: Flags
    ) -> None:
        self._store, self._rows, self._axes, self._flags = store, rows, axes, flags
        self._joined: dict[str, tuple[int, xr.Dataset]] = {}

    def _ready(self, name: str) -> list[Row]:
        return [row for row in self._rows if row.name == name and self._store.has_result(row.key)]

    def __getitem__(self, name: str) -> xr.Dataset:
        rows = self._ready(name)
        if not rows:
            raise self._absent(name)
        if self._joined.get(name, (0, None))[0] != len(rows):
            self._joined[name] = (len(rows), self._join(rows))
        # flags may come later than results
        return marked(self._joined[name][1], self._flags.all(), self._axes)

    def _join(self, rows: Sequence[Row]) -> xr.Dataset:
        if not rows[-1].coords:
            return self._store.read_result(rows[-1].key).assign_attrs(key=rows[-1].key)
        latest = {row.case: row for row in rows}
        parts = [
            self._store.read_result(row.key).assign_coords(dict(row.coords))
            for row in latest.values()
        ]
        return join(parts, self._axes)

    def keys_of(self, name: str) -> xr.DataArray:
        """The keys of an analysis's results over the scan's axes, for `Run.explain`.

        Raises
        ------
        DataError
            If there is no result of that name.
        """
        rows = self._ready(name)
        if not rows:
            raise self._absent(name)
        latest = {row.case: row for row in rows}
        parts = [xr.Dataset({"key": row.key}, dict(row.coords)) for row in latest.values()]
        return join(parts, self._axes)["key"]

    def _absent(self, name: str) -> AbsentError:
        planned = any(row.name == name for row in self._rows)
        what = f"no result of {name!r} is there yet" if planned else f"no analysis named {name!r}"
        there = ", ".join(self) or "none"
        return AbsentError(what, where=str(self._store.root), hint=f"Results there: {there}")

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys(row.name for row in self._rows)
        return (name for name in names if self._ready(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def progress(self) -> dict[str, tuple[int, int]]:
        """For each analysis: how many of its results are there, and how many are asked for."""
        names = dict.fromkeys(row.name for row in self._rows)
        return {n: (len(self._ready(n)), sum(r.name == n for r in self._rows)) for n in names}

    def __repr__(self) -> str:
        lines = [f"  {name:<14} {_sizes(self[name])}" for name in self]
        return "\n".join(["Results", *(lines or ["  (none yet)"])])


def _sizes(dataset: xr.Dataset) -> str:
    dims = ", ".join(f"{dim}: {size}" for dim, size in dataset.sizes.items())
    return f"({dims})"
