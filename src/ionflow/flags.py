"""What is wrong with the trajectories of a run although they were finished.

Two sources: the verdicts of `soundness`, and what a potential said of itself with a segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xarray as xr

from ionflow.errors import StoreError
from ionflow.store import Store

#: The analysis whose verdicts are read.
SOUNDNESS = "soundness"
#: Flags by the verdict that tells why.
_VERDICTS = {
    "crystallised": "crystal_verdict",
    "phase separated": "phase_verdict",
    "drifting": "drift_verdict",
}
EXTRAPOLATING = "extrapolating"
UNKNOWN = "not known"
#: Not "", which `join` takes for a text that is not known and fills from what lies beside it.
NONE = "none"


class Task(Protocol):
    """What is asked of a row of a run."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def case(self) -> str: ...
    @property
    def coords(self) -> Mapping[str, Any]: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def record(self) -> bool: ...


@dataclass(frozen=True)
class Flag:
    """One thing that is wrong with one trajectory."""

    flag: str
    """crystallised, phase separated, drifting, extrapolating; or not known, if unreadable"""
    sentence: str
    stage: str
    case: str
    """Place in the scan as one word."""
    label: str
    key: str
    """Of the trajectory."""
    coords: Mapping[str, Any] = field(hash=False)

    def __str__(self) -> str:
        return f"{self.label or self.case}, {self.stage}: {self.sentence}"


class Flags:
    """Flags of a run's recorded trajectories, as they are on disk now."""

    def __init__(self, store: Store, rows: Sequence[Task]) -> None:
        self._store = store
        self._stages = [row for row in rows if row.kind == "stage" and row.record]
        self._results = [row for row in rows if row.name == SOUNDNESS and row.kind == "analysis"]
        self._read: dict[str, tuple[tuple[str, str], ...]] = {}

    def all(self) -> tuple[Flag, ...]:
        """Every flag, in the order of the scan."""
        return tuple(flag for row in self._stages for flag in self._of(row))

    def _of(self, row: Task) -> Iterator[Flag]:
        told = dict(self._doubted(row.key))
        for result in self._results:
            if row.key in result.inputs and self._store.has_result(result.key):
                told = dict(self._verdicts(result.key)) | told
        for flag, sentence in told.items():
            yield Flag(flag, sentence, row.name, row.case, row.label, row.key, row.coords)

    def _verdicts(self, key: str) -> tuple[tuple[str, str], ...]:
        """Flags of a result with their sentences; results never change, so they are kept."""
        if key not in self._read:
            try:
                result = self._store.read_result(key)
                flags = [f for f in str(result["flags"].values).split("; ") if f]
                self._read[key] = tuple((f, str(result[_VERDICTS[f]].values)) for f in flags)
            except (StoreError, KeyError) as error:
                return ((UNKNOWN, f"its soundness cannot be read: {error}"),)
        return self._read[key]

    def _doubted(self, key: str) -> tuple[tuple[str, str], ...]:
        try:
            segments = self._store.segments(key)
        except StoreError as error:
            return ((UNKNOWN, f"its segments cannot be read: {error}"),)
        doubts = [(s.last_step, str(s.meta["doubt"])) for s in segments if s.meta.get("doubt")]
        if not doubts:
            return ()
        step, doubt = doubts[-1]
        more = f"; {len(doubts)} times in all" if len(doubts) > 1 else ""
        return ((EXTRAPOLATING, f"extrapolating: {doubt}, at step {step}{more}"),)


def marked(dataset: xr.Dataset, flags: Sequence[Flag], axes: Mapping[str, Any]) -> xr.Dataset:
    """A result with the coordinate `flag` over those axes of the scan that it has.

    It holds "none" where nothing is flagged, else such as "crystallised; extrapolating". Where a
    result is made from several trajectories, it has the flags of all.
    """
    dims = [axis for axis in axes if axis in dataset.dims]
    words = np.empty([dataset.sizes[dim] for dim in dims], dtype=object)
    for place in np.ndindex(words.shape):
        at = {dim: dataset[dim].values[i] for dim, i in zip(dims, place, strict=True)}
        here = [f.flag for f in flags if _lies(f, at) and _lies(f, _scalars(dataset, axes))]
        words[place] = "; ".join(dict.fromkeys(here)) or NONE
    name = "what is wrong with the trajectories behind this; see Run.flags"
    return dataset.assign_coords(flag=(dims, words.astype(str), {"units": "1", "long_name": name}))


def _scalars(dataset: xr.Dataset, axes: Mapping[str, Any]) -> dict[str, Any]:
    return {a: dataset[a].values[()] for a in axes if a in dataset.coords and not dataset[a].ndim}


def _lies(flag: Flag, at: Mapping[str, Any]) -> bool:
    return all(axis not in flag.coords or flag.coords[axis] == value for axis, value in at.items())
