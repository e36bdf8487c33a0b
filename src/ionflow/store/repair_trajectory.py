"""Repair of one trajectory: all that is good stays, or becomes live segments again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path

import xarray as xr

from ionflow.errors import StoreError
from ionflow.store.checked import differences
from ionflow.store.documents import document_bytes
from ionflow.store.problem import tried
from ionflow.store.quarantine import set_aside
from ionflow.store.sealed import COPY, LIST, Sealed, is_copied, state_path
from ionflow.store.segments import (
    SegmentInfo,
    read_info,
    segment_bytes,
    segment_numbers,
    segment_path,
)
from ionflow.store.verify_trajectory import check_segment, check_state
from ionflow.store.writer import Writer


class Repair:
    """The repair of one trajectory's folder.

    Parameters
    ----------
    writer : who holds the run folder
    folder : of the trajectory
    """

    def __init__(self, writer: Writer, folder: Path) -> None:
        self.writer, self.folder = writer, folder
        self.said: list[str] = []

    def run(self) -> list[str]:
        """Do it; says in sentences what was moved where, and what is computed again."""
        if not self.folder.is_dir():
            return []
        names = ("segments", "states", "trajectory.zarr", "next.zarr")
        places = [self.folder / name for name in names]
        self._aside([path for path in places if _lies(path) and not _is_folder(path)], "no folder")
        self._list()
        if _lies(self.folder / LIST):
            self._sealed(Sealed(self.folder))
        self._live()
        return self.said

    def _aside(self, paths: list[Path], why: str) -> None:
        there = [path for path in paths if _lies(path)]
        if there:
            place = set_aside(self.writer, there)
            names = ", ".join(path.relative_to(self.folder).as_posix() for path in there)
            self.said.append(f"trajectory {self.folder.name}: {names} moved to {place} ({why})")

    def _list(self) -> None:
        """Put the list of what was sealed in order, from its copy if that is whole."""
        good = [n for n in (LIST, COPY) if _lies(self.folder / n) and self._is_sound(n)]
        if LIST in good:
            if COPY not in good:
                self._aside([self.folder / COPY], "damaged")
            return
        if COPY in good:
            self._aside([self.folder / LIST], "damaged; its copy is used")
            self.writer.replace(self.folder / LIST, (self.folder / COPY).read_bytes())
            return
        if any(_lies(self.folder / name) for name in (LIST, COPY, "trajectory.zarr")):
            names = (LIST, COPY, "trajectory.zarr", "next.zarr", "states")
            why = "no list of what was sealed is whole; what is in no segment is computed again"
            self._aside([self.folder / name for name in names], why)

    def _is_sound(self, name: str) -> bool:
        return not list(tried(self.folder / name, Sealed, self.folder, name))

    def _sealed(self, sealed: Sealed) -> None:
        self._put_back_small(sealed)
        damaged = [step for step, sha in sealed.states.items() if self._is_bad(step, sha)]
        frames = _readable(sealed)
        bad = {i.index for i in sealed.infos if i.index not in frames}
        last = sealed.infos[-1]
        if last.last_step in damaged:
            bad.add(last.index)
        if bad:
            self._unseal(sealed, frames, bad, set(sealed.states) - set(damaged))
        elif damaged:
            self._drop_states(sealed, damaged)
        elif not is_copied(self.folder):
            self.writer.replace(self.folder / COPY, (self.folder / LIST).read_bytes())

    def _put_back_small(self, sealed: Sealed) -> None:
        """Write metadata and time axis again from the list, if they are damaged."""
        place = self.folder / "trajectory.zarr"
        if not place.is_dir():
            place = self.folder / "next.zarr"
        if not place.is_dir():
            return
        small = {name: sealed.files[name] for name in sealed.small}
        paths = [path for path, _ in differences(place, small, deep=True)]
        self._aside(paths, "damaged; written again from the list")
        for path in paths:
            name = path.relative_to(place).as_posix()
            self.writer.replace(path, base64.b64decode(sealed.small[name]))

    def _is_bad(self, step: int, digest: str) -> bool:
        path = state_path(self.folder, step)
        return bool(list(tried(path, check_state, path, digest)))

    def _drop_states(self, sealed: Sealed, steps: list[int]) -> None:
        """Do without states that nothing continues from."""
        self._aside([state_path(self.folder, step) for step in steps], "damaged; done without")
        states = {n: sha for n, sha in sealed.content["states"].items() if int(n) not in steps}
        data = document_bytes({**sealed.content, "states": states})
        for name in (LIST, COPY):
            self.writer.replace(self.folder / name, data)

    def _unseal(
        self, sealed: Sealed, frames: dict[int, xr.Dataset], bad: set[int], states: set[int]
    ) -> None:
        """Make live segments of what is good, and set the sealed trajectory aside."""
        for before, info in reversed(list(pairwise(sealed.infos))):
            # what is to be computed again needs a state to start from
            if info.index in bad and before.last_step not in states:
                bad.add(before.index)
        for info in sealed.infos:
            if info.index not in bad:
                has = info.last_step in states
                state = sealed.state(info.last_step) if has else None
                data = segment_bytes(info, frames[info.index], state)
                self.writer.replace(segment_path(self.folder / "segments", info.index), data)
        # the list first: from here on the live segments count
        names = (LIST, COPY, "trajectory.zarr", "next.zarr")
        self._aside([self.folder / name for name in names], "damaged; unsealed")
        for first, last in _stretches(sealed.infos, bad):
            where = f"steps {first.first_step} to {last.last_step}"
            self.said.append(f"trajectory {self.folder.name}: {where} are to be computed again")

    def _live(self) -> None:
        """Set aside live segments that are damaged, and those that do not follow."""
        segments = self.folder / "segments"
        start = len(Sealed(self.folder).infos) if _lies(self.folder / LIST) else 0
        numbers = [n for n in segment_numbers(segments) if n >= start]
        paths = {number: segment_path(segments, number) for number in numbers}
        bad = [n for n in numbers if list(tried(paths[n], check_segment, paths[n]))]
        bad += [n for n in numbers if n not in bad and read_info(paths[n]).index != n]
        self._aside([paths[number] for number in bad], "damaged")
        good = [number for number in numbers if number not in bad]
        before = Sealed(self.folder).infos[-1] if start else None
        for number in good:
            info = read_info(paths[number])
            follows = before.index == number - 1 if before else number == 0
            if follows and info.fault_after(before, number):
                later = [paths[n] for n in good if n >= number]
                self._aside(later, info.fault_after(before, number))
                return
            before = info


def _lies(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _readable(sealed: Sealed) -> dict[int, xr.Dataset]:
    """Lazy frames of each segment all of whose chunks can be read, by its number."""
    try:
        frames = sealed.frames()
    except StoreError:
        return {}
    found = {}
    ends = list(accumulate((info.frames for info in sealed.infos), initial=0))
    for info, (begin, end) in zip(sealed.infos, pairwise(ends), strict=True):
        part = frames.isel(time=slice(begin, end))
        if not list(tried(sealed.folder, _load, part)):
            found[info.index] = part
    return found


def _load(frames: xr.Dataset) -> None:
    frames.compute(scheduler="synchronous")


def _stretches(
    infos: list[SegmentInfo], bad: set[int]
) -> Iterator[tuple[SegmentInfo, SegmentInfo]]:
    """First and last of each run of segments that are to be computed again."""
    firsts = [i for i in infos if i.index in bad and i.index - 1 not in bad]
    lasts = [i for i in infos if i.index in bad and i.index + 1 not in bad]
    yield from zip(firsts, lasts, strict=True)
