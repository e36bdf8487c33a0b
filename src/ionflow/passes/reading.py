"""Positions read in blocks of frames or of atoms, never all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ionflow.errors import DataError
from ionflow.passes.subject import IntArray, Subject
from ionflow.schema import require

Span = tuple[int, int]
Values = npt.NDArray[np.floating[Any]]
"""In the trajectory's own precision, single where a store made it"""

#: a trajectory whose arrays take less is read once and kept
MEMORY_BYTES = 1 << 28
#: what a block of frames takes at most
FRAMES_BYTES = 1 << 26
#: what the paths of a block of atoms take at most, in single precision
PATHS_BYTES = 640 << 20
#: atoms that lie together in a sealed trajectory: blocks are multiples of this where they can be
TOGETHER = 512


def held(data: xr.Dataset) -> xr.Dataset:
    """The trajectory in memory if it is small, as it is otherwise."""
    return data.compute(scheduler="synchronous") if data.nbytes <= MEMORY_BYTES else data


def frame_spans(subject: Subject, frames: int | None = None) -> list[Span]:
    """Blocks of frames, along the trajectory's own chunks where it has any."""
    atoms = max(1, len(subject.labels))
    wanted = frames or max(1, FRAMES_BYTES // (12 * atoms))
    own = subject.data.chunksizes.get("time") if frames is None else None
    if not own:
        return _spans(subject.frames, wanted)
    edges = np.concatenate([[0], np.cumsum(own)])
    return [
        (int(start) + low, int(start) + high)
        for start, size in zip(edges, own, strict=False)
        for low, high in _spans(int(size), wanted)
    ]


def atom_spans(subject: Subject, count: int, atoms: int | None = None) -> list[Span]:
    """Blocks of `count` atoms whose paths fit into memory."""
    fit = max(1, PATHS_BYTES // (12 * subject.frames))
    return _spans(count, atoms or (fit // TOGETHER * TOGETHER or fit))


def _spans(total: int, size: int) -> list[Span]:
    return [(start, min(start + size, total)) for start in range(0, total, size)]


def positions_at(subject: Subject, frames: IntArray) -> Values:
    """Positions of some frames, (frame, atom, xyz) Å.

    Raises
    ------
    DataError
        If there are none, or they are not finite.
    """
    require(subject.data, "positions")
    return _checked(_values(subject.data["positions"], "time", frames))


def paths_of(subject: Subject, variable: str, atoms: IntArray) -> Values:
    """Paths of some atoms in the box, (atom, xyz, time), read along the trajectory's chunks.

    Raises
    ------
    DataError
        If the variable is absent or not finite.
    """
    require(subject.data, variable)
    source = subject.data[variable]
    paths = np.empty((len(atoms), 3, subject.frames), np.result_type(source.dtype, np.float32))
    for start, stop in frame_spans(subject):
        part = source.isel(time=slice(start, stop))
        paths[..., start:stop] = _values(part, "atom", atoms).transpose(1, 2, 0)
    return _checked(paths)


def _values(source: xr.DataArray, dim: str, where: IntArray) -> Values:
    """(time, atom, xyz), by a slice if `where` is one: then only what is asked for is decoded."""
    index = _as_slice(where)
    part = source.isel({dim: index}).transpose("time", "atom", "xyz")
    # not the ambient scheduler: on a worker that is the cluster itself
    values: Values = part.compute(scheduler="synchronous").values
    return values


def _as_slice(where: IntArray) -> slice | IntArray:
    if not len(where):
        return slice(0, 0)
    steps = np.diff(where)
    step = int(steps[0]) if len(steps) else 1
    even = step > 0 and bool((steps == step).all())
    return slice(int(where[0]), int(where[-1]) + 1, step) if even else where


def _checked(values: Values) -> Values:
    # a sum is finite if all its terms are, and needs no second array
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise DataError("the trajectory has positions that are not finite numbers")
    return values


def species_blocks(subject: Subject, atoms: IntArray, size: int) -> Iterator[tuple[str, IntArray]]:
    """Places in `atoms` (ascending) of atoms of one species each, at most `size` together."""
    kinds = subject.kind[atoms]
    for kind, species in enumerate(subject.species):
        places = np.flatnonzero(kinds == kind)
        for start in range(0, len(places), size):
            yield species, places[start : start + size]
