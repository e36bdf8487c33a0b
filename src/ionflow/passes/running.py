"""All measures of several analysers, taken in two passes: over frames, then over atoms.

Parts are independent tasks whose states merge in a tree, so that with a Dask cluster they go to
its workers; the result does not depend on how the trajectory is cut, beyond rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.base import compute, get_scheduler
from dask.delayed import delayed

from ionflow.kinds import FloatArray
from ionflow.passes.frame import Frame
from ionflow.passes.measures import AnyMeasure, PerAtom, PerFrame, Sums
from ionflow.passes.paths import Paths
from ionflow.passes.reading import (
    Span,
    atom_spans,
    frame_spans,
    paths_of,
    positions_at,
    species_blocks,
)
from ionflow.passes.reference import Reference
from ionflow.passes.subject import IntArray, Subject

#: coordinates handed on together: large enough for speed, small enough for a cache
TRANSFORM_SIZE = 2_000_000
#: states merged by one task
FAN_IN = 8

Part = list[Any]
"""The state of each measure of a pass, or its Failure."""


@dataclass(frozen=True)
class Failure:
    """A measure that raised."""

    error: Exception


@dataclass(frozen=True)
class Blocks:
    """How a trajectory is cut, and where the parts are read."""

    frames: int | None = None
    """frames in a part; what fits into memory if None"""
    atoms: int | None = None
    """atoms in a part; what fits into memory if None"""
    scheduler: Any = None
    """of Dask; if None the ambient one, such as a Client's, or else this thread"""


@dataclass(frozen=True)
class Centre(Sums):
    """The centre that a frame of reference follows."""

    reference: Reference

    def weights(self, subject: Subject) -> FloatArray:
        return self.reference.weights(subject)


def measure_all(
    subject: Subject, measures: Iterable[AnyMeasure], blocks: Blocks | None = None
) -> dict[AnyMeasure, Any]:
    """What each measure finds, or the Failure that kept it from finding anything.

    Parameters
    ----------
    subject : the trajectory
    measures : equal ones are taken once
    blocks : how to cut it
    """
    blocks = blocks or Blocks()
    asked = list(dict.fromkeys(measures))
    per_atom = [m for m in asked if isinstance(m, PerAtom)]
    centres = [Centre(m.reference) for m in per_atom if m.reference.moves]
    by_frame = [m for m in dict.fromkeys([*asked, *centres]) if not isinstance(m, PerAtom)]
    seen = _over_frames(subject, by_frame, blocks)
    found = {**seen, **_over_atoms(subject, per_atom, seen, blocks)}
    return {m: found[m] if m in centres else _finished(m, found[m], subject) for m in asked}


def _finished(measure: AnyMeasure, state: Any, subject: Subject) -> Any:
    if isinstance(measure, Sums) or isinstance(state, Failure):
        return state
    return _tried(lambda: measure.finish(state, subject))


def _tried(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - a measure may be anybody's; the others go on
        return Failure(error)


# -- over frames ----------------------------------------------------------------------------


def _over_frames(
    subject: Subject, measures: Sequence[AnyMeasure], blocks: Blocks
) -> dict[AnyMeasure, Any]:
    if not measures:
        return {}
    spans = frame_spans(subject, blocks.frames)
    if not any(isinstance(m, Sums) for m in measures):
        wanted = _wanted(subject, [m for m in measures if isinstance(m, PerFrame)])
        spans = [(a, b) for a, b in spans if len(_within(wanted, (a, b)))] or spans[:1]
    part = _reduced(_frames_part, subject, measures, spans, blocks)
    return dict(zip(measures, part, strict=True))


def _wanted(subject: Subject, measures: Sequence[PerFrame[Any]]) -> IntArray:
    chosen = [_tried(lambda m=m: m.frames(subject)) for m in measures]  # type: ignore[misc]
    known = [frames for frames in chosen if not isinstance(frames, Failure)]
    return np.unique(np.concatenate(known)) if known else np.arange(0)


def _within(frames: IntArray, span: Span) -> IntArray:
    low, high = np.searchsorted(frames, span)
    return frames[low:high]


def _frames_part(subject: Subject, measures: Sequence[AnyMeasure], span: Span) -> Part:
    sums = {k: m for k, m in enumerate(measures) if isinstance(m, Sums)}
    singles = {
        k: _Single.of(m, subject, span) for k, m in enumerate(measures) if isinstance(m, PerFrame)
    }
    wanted = [s.frames for s in singles.values()]
    frames = np.arange(*span) if sums else np.unique(np.concatenate(wanted))
    positions = positions_at(subject, frames)
    for number, where in zip(frames, positions, strict=True):
        _see(subject, int(number), where, singles.values())
    part: Part = [None] * len(measures)
    for k, single in singles.items():
        part[k] = single.state
    for k, total in sums.items():
        part[k] = _tried(lambda t=total: _sums(subject, t, positions))  # type: ignore[misc]
    return part


@dataclass
class _Single:
    """A measure of frames at work on one block."""

    measure: PerFrame[Any]
    frames: IntArray
    cutoff: float
    state: Any
    next: int = 0

    @classmethod
    def of(cls, measure: PerFrame[Any], subject: Subject, span: Span) -> _Single:
        """Begin; a measure that cannot has failed already."""
        begun = _tried(
            lambda: cls(
                measure,
                _within(measure.frames(subject), span),
                measure.cutoff(subject),
                measure.start(subject),
            )
        )
        if isinstance(begun, Failure):
            return cls(measure, np.arange(0), 0.0, begun)
        single: _Single = begun
        return single

    def wants(self, number: int) -> bool:
        """Whether this frame, the next in order of time, is one of those wanted."""
        found = self.next < len(self.frames) and int(self.frames[self.next]) == number
        self.next += found
        return found and not isinstance(self.state, Failure)

    def add(self, frame: Frame) -> None:
        """Take the frame in, or fail."""
        failed = _tried(lambda: self.measure.add(self.state, frame))
        self.state = failed if isinstance(failed, Failure) else self.state


def _see(subject: Subject, number: int, where: Any, singles: Iterable[_Single]) -> None:
    active = [single for single in singles if single.wants(number)]
    if active:
        reach = max(single.cutoff for single in active)
        frame = Frame(subject, number, where.astype(np.float64), reach)
        for single in active:
            single.add(frame)


def _sums(subject: Subject, measure: Sums, positions: Any) -> FloatArray:
    # a product for each frame: tensordot would first copy all positions into another order
    total: FloatArray = np.matmul(measure.weights(subject), positions.astype(np.float64))
    return total.transpose(1, 2, 0)


# -- over atoms -----------------------------------------------------------------------------


def _over_atoms(
    subject: Subject,
    measures: Sequence[PerAtom[Any]],
    seen: Mapping[AnyMeasure, Any],
    blocks: Blocks,
) -> dict[AnyMeasure, Any]:
    found: dict[AnyMeasure, Any] = {}
    for variable in dict.fromkeys(m.variable for m in measures):
        alike = [m for m in measures if m.variable == variable]
        centres = {m.reference: _centre(m, seen) for m in alike}
        lost: dict[AnyMeasure, Any] = {
            m: centre for m in alike if isinstance(centre := centres[m.reference], Failure)
        }
        sound = [m for m in alike if m not in lost]
        found.update(lost)
        found.update(_along(subject, variable, sound, centres, blocks))
    return found


def _centre(measure: PerAtom[Any], seen: Mapping[AnyMeasure, Any]) -> Any:
    """The path to take off, None for the box, or the Failure to find one."""
    if measure.reference.moves and measure.variable != "positions":
        return Failure(ValueError(f"frames of reference follow positions, not {measure.variable}"))
    return seen.get(Centre(measure.reference))


def _along(
    subject: Subject,
    variable: str,
    measures: Sequence[PerAtom[Any]],
    centres: Mapping[Reference, Any],
    blocks: Blocks,
) -> dict[AnyMeasure, Any]:
    wanted = {m: _tried(lambda m=m: m.atoms(subject)) for m in measures}  # type: ignore[misc]
    found: dict[AnyMeasure, Any] = {m: w for m, w in wanted.items() if isinstance(w, Failure)}
    sound = [m for m in measures if m not in found]
    if sound:
        atoms = np.unique(np.concatenate([wanted[m] for m in sound]))
        spans = atom_spans(subject, len(atoms), blocks.atoms)
        job = _Along(variable, atoms, tuple(sound), tuple(wanted[m] for m in sound), dict(centres))
        found |= zip(sound, _reduced(job, subject, sound, spans, blocks), strict=True)
    return found


@dataclass(frozen=True)
class _Along:
    """Follows atoms: what a task needs to know."""

    variable: str
    atoms: IntArray
    measures: tuple[PerAtom[Any], ...]
    wanted: tuple[IntArray, ...]
    centres: dict[Reference, Any]

    def __call__(self, subject: Subject, measures: Any, span: Span) -> Part:
        states: Part = [_tried(lambda m=m: m.start(subject)) for m in self.measures]  # type: ignore[misc]
        atoms = self.atoms[slice(*span)]
        paths = paths_of(subject, self.variable, atoms)
        block = max(1, TRANSFORM_SIZE // (3 * subject.frames))
        for species, places in species_blocks(subject, atoms, block):
            values = paths[places].astype(np.float64)
            for reference, asked in self._by_reference().items():
                centre = self.centres[reference]
                moved = values if centre is None else values - centre
                for k in asked:
                    states[k] = self._added(k, states[k], Paths(species, atoms[places], moved))
        return states

    def _by_reference(self) -> dict[Reference, list[int]]:
        groups: dict[Reference, list[int]] = {}
        for k, measure in enumerate(self.measures):
            groups.setdefault(measure.reference, []).append(k)
        return groups

    def _added(self, k: int, state: Any, paths: Paths) -> Any:
        chosen = np.isin(paths.atoms, self.wanted[k], assume_unique=True)
        if isinstance(state, Failure) or not chosen.any():
            return state
        if not chosen.all():
            paths = Paths(paths.species, paths.atoms[chosen], paths.values[chosen])
        failed = _tried(lambda: self.measures[k].add(state, paths))
        return failed if isinstance(failed, Failure) else state


# -- parts merged ---------------------------------------------------------------------------


def _reduced(
    work: Callable[[Subject, Any, Span], Part],
    subject: Subject,
    measures: Sequence[AnyMeasure],
    spans: Sequence[Span],
    blocks: Blocks,
) -> Part:
    """The merged part of all spans, as tasks of Dask if there are several."""
    if len(spans) == 1:
        return work(subject, measures, spans[0])
    shared = delayed(subject, traverse=False)
    task, join = delayed(work, pure=False), delayed(_merged, pure=False)
    parts = [task(shared, list(measures), span) for span in spans]
    while len(parts) > 1:
        parts = [
            join(list(measures), parts[start : start + FAN_IN])
            for start in range(0, len(parts), FAN_IN)
        ]
    (part,) = compute(parts[0], scheduler=_scheduler(blocks))
    whole: Part = part
    return whole


def _scheduler(blocks: Blocks) -> Any:
    """Without a cluster one part at a time, to spare memory."""
    return blocks.scheduler or get_scheduler() or "synchronous"


def _merged(measures: Sequence[AnyMeasure], parts: Sequence[Part]) -> Part:
    return [_merge(m, [part[k] for part in parts]) for k, m in enumerate(measures)]


def _merge(measure: AnyMeasure, states: Sequence[Any]) -> Any:
    failed = [state for state in states if isinstance(state, Failure)]
    if failed:
        return failed[0]
    if isinstance(measure, Sums):
        return np.concatenate(states, axis=-1)
    whole = states[0]
    for state in states[1:]:
        whole = _tried(lambda a=whole, b=state: measure.merge(a, b))  # type: ignore[misc]
        if isinstance(whole, Failure):
            return whole
    return whole
