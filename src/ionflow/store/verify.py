"""Looking for damage in a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage
from ionflow.store.checked import Listing, differences, open_checked
from ionflow.store.documents import read_document
from ionflow.store.sealed import Sealed, sealed_count, state_path
from ionflow.store.segments import read_frames, segment_numbers, segment_path
from ionflow.store.state import read_state

if TYPE_CHECKING:
    from ionflow.store.store import Store


@dataclass(frozen=True, order=True)
class Problem:
    """Something that is damaged or does not fit."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def problems(store: Store, deep: bool) -> Iterator[Problem]:
    """Every problem of a run folder."""
    root = store.root
    for path in sorted(root.glob("structures/*.zarr.zip")):
        yield from _tried(path, _read_state, path)
    for key in store.trajectories():
        yield from _trajectory(store, key, deep)
    yield from _results(root / "analyses", deep)
    documents = (
        p for where in ("", "failures/", "provenance/") for p in root.glob(f"{where}*.json")
    )
    for path in sorted(documents):
        name = path.relative_to(root).as_posix()
        yield from _tried(path, store.read_json, name)


def _tried(path: Path, act: Callable[..., object], *args: object) -> Iterator[Problem]:
    try:
        act(*args)
    except StoreError as error:
        yield Problem(Path(error.where or path), f"{error.what}".rstrip("."))


def _read_state(path: Path) -> None:
    with Archive(path) as archive:
        read_state(archive)


def _trajectory(store: Store, key: str, deep: bool) -> Iterator[Problem]:
    folder = store.root / "trajectories" / key
    found = [*_sealed(folder, deep), *_live(folder, deep)]
    yield from found
    if not found:
        # damaged parts would only be reported a second time
        yield from _tried(folder, _whole, store, key)


def _whole(store: Store, key: str) -> None:
    if store.segments(key):
        store.trajectory(key)


def _sealed(folder: Path, deep: bool) -> Iterator[Problem]:
    path = folder / "sealed.json"
    found = list(_tried(path, _place, folder)) if path.exists() else []
    yield from found
    if found or not path.exists():
        return
    sealed = Sealed(folder)
    for step in sealed.states:
        kept = state_path(folder, step)
        yield from _tried(kept, _read_state, kept)
    yield from _folder(sealed.place(), sealed.files, deep)


def _place(folder: Path) -> Path:
    return Sealed(folder).place()


def _folder(place: Path, files: Listing, deep: bool) -> Iterator[Problem]:
    found = [Problem(path, message) for path, message in differences(place, files, deep)]
    yield from found
    if deep and not found:
        yield from _tried(place, _read_all, place, files)


def _read_all(place: Path, files: Listing) -> None:
    with damage(place):
        for variable in open_checked(place, files, {}).variables.values():
            # block by block: a trajectory need not fit into memory
            blocks = variable.data
            for block in blocks.to_delayed().ravel() if hasattr(blocks, "to_delayed") else ():
                block.compute(scheduler="synchronous")


def _live(folder: Path, deep: bool) -> Iterator[Problem]:
    # what a sealing has not dropped yet does not count
    try:
        start = sealed_count(folder)
    except StoreError:
        return  # reported already, and unknown which segments are still needed
    numbers = [number for number in segment_numbers(folder / "segments") if number >= start]
    for before, after in pairwise([start - 1, *numbers]):
        if after != before + 1:
            gap = segment_path(folder / "segments", before + 1)
            yield Problem(gap, f"missing, but segment {after} is there")
    for number in numbers:
        path = segment_path(folder / "segments", number)
        yield from _tried(path, _read_segment, path, deep)


def _read_segment(path: Path, deep: bool) -> None:
    with Archive(path) as archive:
        read_state(archive)
        if deep:
            archive.members()
    if deep:
        read_frames(path)


def _results(folder: Path, deep: bool) -> Iterator[Problem]:
    for path in sorted(folder.glob("*.json")):
        found = list(_tried(path, read_document, path))
        yield from found
        if not found:
            files = read_document(path)["files"]
            yield from _folder(path.with_suffix(".zarr"), files, deep)
