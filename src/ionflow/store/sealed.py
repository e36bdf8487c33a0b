"""The sealed part of one trajectory, as its `sealed.json` describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage
from ionflow.store.checked import Listing, is_listed, open_checked
from ionflow.store.documents import read_document
from ionflow.store.segments import SegmentInfo, segment_numbers
from ionflow.store.state import State, read_state

LIST, COPY = "sealed.json", "sealed.copy.json"


class Sealed:
    """What was sealed: segments, files of the zarr, end states that were kept."""

    def __init__(self, folder: Path, name: str = LIST) -> None:
        self.folder = folder
        self.content: dict[str, Any] = read_document(folder / name)
        with damage(folder / name):  # one of another version may lack a member
            self.files: Listing = self.content["files"]
            self.shard: int = self.content["shard_frames"]
            self.states: dict[int, str] = {int(n): s for n, s in self.content["states"].items()}
            """SHA-256 of the files of end states, by step."""
            self.small: dict[str, str] = self.content["small"]
            """Files of metadata and time axis, as base64: what is needed to read the rest."""
            self.infos = [SegmentInfo(**r, sealed=True) for r in self.content["segments"]]

    def place(self) -> Path:
        """The folder that holds it: its name lags behind while a seal is being finished."""
        for name in ("trajectory.zarr", "next.zarr"):
            if is_listed(self.folder / name, self.files):
                return self.folder / name
        raise StoreError(
            "the sealed trajectory is missing or its metadata damaged",
            where=str(self.folder / "trajectory.zarr"),
            hint="run `ionflow verify`",
        )

    def is_finished(self) -> bool:
        """Whether nothing of the last sealing is left to do."""
        left = [n for n in segment_numbers(self.folder / "segments") if n < len(self.infos)]
        tidy = not left and not (self.folder / "next.zarr").exists() and is_copied(self.folder)
        return tidy and self.place().name == "trajectory.zarr"

    def frames(self) -> xr.Dataset:
        """Its frames, lazy: a Dask chunk is a shard."""
        return open_checked(self.place(), self.files, {"time": self.shard, "atom": -1})

    def state(self, step: int) -> State:
        """An end state that was kept.

        Raises
        ------
        StoreError
            If it was not, or is damaged.
        """
        path = state_path(self.folder, step)
        if step not in self.states:
            kept = ", ".join(map(str, sorted(self.states)))
            reason = f"the state at step {step} was not kept when the trajectory was sealed"
            raise StoreError(reason, where=str(self.folder), hint=f"kept are steps {kept}")
        with Archive(path) as archive:
            return read_state(archive)


def state_path(folder: Path, step: int) -> Path:
    """Where the end state of a sealed segment lies."""
    return folder / "states" / f"{step}.zarr.zip"


def has_sealed(folder: Path) -> bool:
    """Whether something was sealed.

    Raises
    ------
    StoreError
        If something was, but its list is gone.
    """
    if (folder / LIST).exists():
        return True
    for name in (COPY, "trajectory.zarr"):
        if (folder / name).exists() and not (folder / LIST).exists():
            raise StoreError(
                f"missing, but {name} is there",
                where=str(folder / LIST),
                hint="`ionflow verify RUN --repair` puts it in order",
            )
    return False


def sealed_count(folder: Path) -> int:
    """How many segments were sealed."""
    return len(Sealed(folder).infos) if has_sealed(folder) else 0


def is_copied(folder: Path) -> bool:
    """Whether the second copy of the list is what the first is."""
    copy = folder / COPY
    return copy.is_file() and copy.read_bytes() == (folder / LIST).read_bytes()
