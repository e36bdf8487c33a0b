"""Where an ion leaves one cage for another: candidates, and the hops among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray, Paths, PerAtom, Subject

BoolArray = npt.NDArray[np.bool_]

#: a maximum of h below this is no candidate: no ion hops by half an ångström
FLOOR_A2 = 0.1


@dataclass(frozen=True)
class Candidates:
    """Local maxima of the hop functional of some ions, by ion and then by frame."""

    ions: IntArray
    """(ion,) atoms, ascending"""
    centre: FloatArray
    """(ion, xyz) Å, mean position over the trajectory"""
    ion: IntArray
    """(candidate,) index into `ions`"""
    frame: IntArray
    """(candidate,) the first frame behind the step"""
    height: FloatArray
    """(candidate,) Å², h there"""
    running: FloatArray
    """(candidate, xyz) Å, sum over all earlier frames of the position relative to `centre`"""


def hop_functional(paths: FloatArray, window: int) -> FloatArray:
    """h(t) = √(⟨|r − ⟨r⟩_B|²⟩_A ⟨|r − ⟨r⟩_A|²⟩_B), by running sums.

    A is the `window` frames before t, B those from t on. h is about the variance of the rattling
    where both are one cage, and about the square of the distance where they are two
    (Candelier, Dauchot, Biroli, doi:10.1103/PhysRevLett.102.088001; with windows of fixed length
    Smessaert and Rottler, doi:10.1103/PhysRevE.88.022314).

    Parameters
    ----------
    paths : (ion, xyz, time) Å
    window : frames, at least 1 and at most half of them

    Returns
    -------
    (ion, time − 2 window + 1) Å², from t = window
    """
    paths = paths - paths.mean(axis=-1, keepdims=True)
    sums, squares = _running(paths), _running((paths**2).sum(axis=1))
    mean = (sums[..., window:] - sums[..., :-window]) / window
    spread = (squares[..., window:] - squares[..., :-window]) / window - (mean**2).sum(axis=1)
    before, after = slice(None, -window), slice(window, None)
    apart = ((mean[..., after] - mean[..., before]) ** 2).sum(axis=1)
    # rounding alone can make a variance negative
    spread = np.maximum(spread, 0.0)
    h: FloatArray = np.sqrt((spread[..., before] + apart) * (spread[..., after] + apart))
    return h


def _running(values: FloatArray) -> FloatArray:
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums


@dataclass(frozen=True)
class CageSteps(PerAtom[list[Candidates]]):
    """Local maxima of the hop functional in the paths of some species: {species: Candidates}."""

    species: tuple[str, ...]
    window: int
    """frames on either side"""

    def atoms(self, subject: Subject) -> IntArray:
        return np.sort(np.concatenate([subject.atoms[name] for name in self.species]))

    def start(self, subject: Subject) -> list[Candidates]:
        if subject.frames < 4 * self.window:
            raise DataError(
                f"the trajectory has {subject.frames} frames; hops seen through a window of "
                f"{self.window} frames on either side need {4 * self.window}",
                hint="lengthen the recorded stage or shorten window_ps",
            )
        return []

    def add(self, state: list[Candidates], paths: Paths) -> None:
        state.append(_candidates(paths, self.window))

    def merge(self, first: list[Candidates], second: list[Candidates]) -> list[Candidates]:
        return first + second

    def finish(self, state: list[Candidates], subject: Subject) -> dict[str, Candidates]:
        ordered = sorted(state, key=lambda part: int(part.ions[0]))
        parts = {
            name: [part for part in ordered if np.isin(part.ions[0], subject.atoms[name])]
            for name in self.species
        }
        return {name: _joined(found) for name, found in parts.items()}


def _candidates(paths: Paths, window: int) -> Candidates:
    from scipy.ndimage import maximum_filter1d

    h = hop_functional(paths.values, window)
    near = 2 * max(1, window // 3) + 1
    top = (h == maximum_filter1d(h, near, axis=-1, mode="nearest")) & (h > FLOOR_A2)
    # at the ends it may be the flank of one that is not seen
    top[:, [0, -1]] = False
    ion, place = np.nonzero(top)
    centre = paths.values.mean(axis=-1)
    sums = _running(paths.values - centre[..., None])
    frame = place + window
    return Candidates(paths.atoms, centre, ion, frame, h[ion, place], sums[ion, :, frame])


def _joined(parts: Sequence[Candidates]) -> Candidates:
    offsets = np.cumsum([0, *(len(part.ions) for part in parts[:-1])])
    return Candidates(
        np.concatenate([part.ions for part in parts]),
        np.concatenate([part.centre for part in parts]),
        np.concatenate([part.ion + start for part, start in zip(parts, offsets, strict=True)]),
        np.concatenate([part.frame for part in parts]),
        np.concatenate([part.height for part in parts]),
        np.concatenate([part.running for part in parts]),
    )


@dataclass(frozen=True)
class Hops:
    """Hops of the ions of one species, and the cages between them, by ion and then by time."""

    ions: IntArray
    """(ion,) atoms"""
    frames: int
    """of the trajectory"""
    window: int
    """frames on either side; as many at either end, and one more, show no hop"""
    cage_ion: IntArray
    """(cage,) index into `ions`"""
    cage_start: IntArray
    """(cage,) first frame"""
    cage_end: IntArray
    """(cage,) frame behind the last"""
    site: FloatArray
    """(cage, xyz) Å, mean position in the cage"""

    @property
    def cage(self) -> IntArray:
        """(hop,) the cage that a hop ends in; it starts in the one before."""
        return np.flatnonzero(np.diff(self.cage_ion, prepend=-1) == 0)

    @property
    def ion(self) -> IntArray:
        """(hop,) index into `ions`"""
        return self.cage_ion[self.cage]

    @property
    def frame(self) -> IntArray:
        """(hop,) the first frame behind the hop"""
        return self.cage_start[self.cage]

    @property
    def vector(self) -> FloatArray:
        """(hop, xyz) Å"""
        cage = self.cage
        vector: FloatArray = self.site[cage] - self.site[cage - 1]
        return vector

    @property
    def observed(self) -> int:
        """Frames in which a hop of an ion would have been seen."""
        return self.frames - 2 * self.window - 1

    @property
    def first(self) -> int:
        """The first of them."""
        return self.window + 1


def hops_of(
    candidates: Candidates, frames: int, window: int, threshold: float, radius: float
) -> Hops:
    """The candidates above a threshold that lead from one cage into another.

    The trajectory of an ion is cut where h has a maximum above the threshold; what lies between
    is a cage. Cages next to each other whose mean positions are nearer than `radius` are one:
    nearest first, until there are none.

    Parameters
    ----------
    candidates : of all ions of a species
    frames, window : length of the trajectory, and of either window
    threshold : Å²
    radius : Å
    """
    chosen = candidates.height > threshold
    ion, frame = candidates.ion[chosen], candidates.frame[chosen]
    running = candidates.running[chosen]
    while True:
        hops = _between(candidates, frames, window, (ion, frame, running))
        false = _to_drop((hops.vector**2).sum(axis=-1), hops.ion, radius**2)
        if not false.any():
            return hops
        ion, frame, running = ion[~false], frame[~false], running[~false]


def _between(
    candidates: Candidates,
    frames: int,
    window: int,
    cuts: tuple[IntArray, IntArray, FloatArray],
) -> Hops:
    """Cages between cuts (ion, frame, running sum)."""
    ion, frame, running = cuts
    each = np.arange(len(candidates.ions))
    first = np.searchsorted(ion, each)  # where the first cage of each ion belongs
    last = np.searchsorted(ion, each, side="right")
    cage_ion = np.insert(ion, first, each)
    start, end = np.insert(frame, first, 0), np.insert(frame, last, frames)
    # positions are relative to their mean, so that their sum is 0 at either end
    total = np.insert(running, last, 0.0, axis=0) - np.insert(running, first, 0.0, axis=0)
    site = candidates.centre[cage_ion] + total / (end - start)[:, None]
    return Hops(candidates.ions, frames, window, cage_ion, start, end, site)


def _to_drop(squares: FloatArray, ion: IntArray, least: float) -> BoolArray:
    """Too short, and no longer than the hops of the same ion before and after, (hop,)."""
    follows = np.diff(ion, prepend=-1) == 0
    leads = np.roll(follows, -1)
    before = np.where(follows, np.roll(squares, 1), np.inf)
    after = np.where(leads, np.roll(squares, -1), np.inf)
    drop: BoolArray = (squares < least) & (squares <= before) & (squares < after)
    return drop
