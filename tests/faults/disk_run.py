"""A whole run in one process: the real driver, a cluster that is this very thread.

Every call that changes the disk then comes in the same order each time, so that "the n-th" means
the same in every run.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import dask
import zarr
from rich.console import Console

import ionflow
from ionflow import steps
from tiny_recipe import tiny


def _interrupt() -> None:
    raise KeyboardInterrupt


class Here:
    """As much of Dask's client as the driver uses; what is submitted is done at once."""

    status, dashboard_link = "running", ""

    def __init__(self, segments: int = -1, then: Callable[[], None] = _interrupt) -> None:
        self._left, self._then = segments, then

    def submit(self, act: Callable[..., Any], *args: Any, **_: Any) -> Done:
        """Do it; before the segment after so many, something else."""
        if args and args[0] is steps.advance:
            if self._left == 0:
                self._then()
            self._left -= 1
        return Done(act(*args))

    def nthreads(self) -> dict[str, int]:
        """One worker of one thread."""
        return {"here": 1}

    def subscribe_topic(self, *_: Any) -> None:
        """No worker says anything."""


class Done:
    """A future whose result is there."""

    status, key = "finished", "done"

    def __init__(self, value: Any) -> None:
        self.value = value

    def done(self) -> bool:
        """It is."""
        return True

    def result(self, timeout: float | None = None) -> Any:
        """What came out."""
        return self.value


@contextmanager
def in_one_thread(segments: int = -1, then: Callable[[], None] = _interrupt) -> Iterator[None]:
    """The driver works without a cluster, and zarr writes one file after the other.

    Parameters
    ----------
    segments : after so many, `then` is called: an interrupt as by Ctrl-C; never if -1
    """

    @contextmanager
    def here(*_: Any) -> Iterator[Here]:
        yield Here(segments, then)

    with (
        mock.patch("ionflow.driver.connect", here),
        mock.patch("ionflow.driver.dispatch.wait"),
        mock.patch("ionflow.store.hold._BEAT_S", 1e6),
        dask.config.set(scheduler="synchronous"),
        zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1}),
    ):
        yield


def smallest(**changes: Any) -> dict[str, Any]:
    """One material, one stage of two segments, one analysis: everything once."""
    production = {
        "ensemble": "nvt", "temperature_K": 1500, "duration_ps": 0.02, "record": True,
        "frame_ps": 0.002, "segment_ps": 0.01, "max_temperature_K": 20000,
    }  # fmt: skip
    recipe = tiny(
        name="smallest",
        scan={},
        protocol={"production": production},
        analyses=["msd", {"use": "soundness", "off": True}],
    )
    return {**recipe, **changes}


def run(
    out: Path,
    recipe: dict[str, Any] | None = None,
    *,
    segments: int = -1,
    then: Callable[[], None] = _interrupt,
    **how: Any,
) -> str:
    """Run it; what the console showed, also if an error ends it (then in its notes)."""
    text = io.StringIO()
    try:
        with in_one_thread(segments, then), suppress(KeyboardInterrupt):
            ionflow.run(recipe or smallest(), out=out, console=Console(file=text, width=200), **how)
    except BaseException as error:
        error.add_note(text.getvalue())
        raise
    return text.getvalue()


#: What must not depend on what went wrong on the way.
DATA = ("trajectories/*/trajectory.zarr/**/*", "trajectories/*/states/*", "analyses/*.zarr/**/*")


def data_of(out: Path) -> dict[str, str]:
    """SHA-256 of every file that holds data, by its path in the run folder."""
    paths = sorted(path for pattern in DATA for path in out.glob(pattern) if path.is_file())
    files = {path.relative_to(out).as_posix(): _digest(path.read_bytes()) for path in paths}
    return files | {path.name: _structure(path) for path in out.glob("structures/*.zarr.zip")}


def differing(out: Path, truth: Mapping[str, str]) -> list[str]:
    """Files of data that a run has not, has too many, or has with other bytes."""
    data = data_of(out)
    return sorted(name for name in truth.keys() | data.keys() if truth.get(name) != data.get(name))


def _structure(path: Path) -> str:
    # its head says when it was made
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("state/")]
        return _digest(*(name.encode() + archive.read(name) for name in names))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
