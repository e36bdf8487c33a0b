"""Whole runs as child processes that can be killed, and what must hold of a run folder after."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import xarray as xr

from ionflow.errors import StoreError
from ionflow.store import Store
from tiny_recipe import tiny

PLUGINS = Path(__file__).parent / "path"
MAIN = "from quick_start import main; main()"
PATIENCE_S = 600.0

Wait = Callable[[], Any]


def wait_for(event: Wait, what: str, patience_s: float = PATIENCE_S) -> Any:
    """What an event gives, once it has happened."""
    deadline = time.monotonic() + patience_s
    while not (found := event()):
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain for {what}"
        time.sleep(0.01)
    return found


# -- recipes and where they run -------------------------------------------------------------


def recipe(segments: int = 12, temperatures: tuple[int, ...] = (1200, 1500), **changes: Any) -> Any:
    """Two or more trajectories of 21 atoms, of many short segments of ten steps."""
    made = tiny(scan={"protocol.production.temperature_K": list(temperatures)})
    made["engine"] = {"use": "moody", "timestep_fs": 2.0}
    made["protocol"] = {
        "melt": {
            "ensemble": "nvt", "temperature_K": 1500, "duration_ps": 0.02,
            "frame_ps": 0.02, "segment_ps": 0.02, "max_temperature_K": 20000,
        },
        "production": {
            "ensemble": "nvt", "temperature_K": 1200, "duration_ps": 0.02 * segments,
            "record": True, "frame_ps": 0.01, "segment_ps": 0.02, "max_temperature_K": 20000,
        },
    }  # fmt: skip
    made["analyses"] = [{"use": "rdf", "bins": 40}, "msd", "reach"]
    return {**made, **changes}


def paced(made: Mapping[str, Any], pause_s: float) -> dict[str, Any]:
    """The same recipe, with the same keys, whose engine waits at every frame."""
    return {**made, "engine": {**made["engine"], "pause_s": pause_s}}


def write_recipe(folder: Path, made: Mapping[str, Any]) -> Path:
    """A recipe as a file."""
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(made))
    return path


def declare_plugins(folder: Path) -> Path:
    """A folder for PYTHONPATH in which the plugins of the tests look installed."""
    import misbehaving

    made = folder / "ionflow_misbehaving-1.0.dist-info"
    made.mkdir(parents=True, exist_ok=True)
    made.joinpath("METADATA").write_text("Name: ionflow-misbehaving\nVersion: 1.0\n")
    hooks = (v for n, v in vars(misbehaving).items() if n.startswith("ionflow_"))
    names = [cls.use for hook in hooks for cls in hook()]
    points = "".join(f"{name} = misbehaving\n" for name in names)
    made.joinpath("entry_points.txt").write_text(f"[ionflow]\n{points}")
    return folder


@dataclass(frozen=True)
class Site:
    """Where the runs of a test live: words of the plugins, declarations of the plugins."""

    words: Path
    declarations: Path

    @classmethod
    def make(cls, folder: Path) -> Site:
        """A site in an empty folder."""
        words = folder / "words"
        words.mkdir(parents=True)
        return cls(words, declare_plugins(folder / "installed"))

    def environment(self, **more: str) -> dict[str, str]:
        """Of a child process."""
        paths = [str(self.declarations), str(PLUGINS), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "IONFLOW_FAULTS_DIR": str(self.words),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": "1",
            **more,
        }


# -- processes ------------------------------------------------------------------------------


class Child:
    """`ionflow run` in a process, a session and a process group of its own."""

    def __init__(
        self, site: Site, source: Path, out: Path, *words: str, prefix: tuple[str, ...] = (),
        **environment: str,
    ) -> None:  # fmt: skip
        self.out = out
        self.log = out.parent / f"{out.name}.log"
        command = [*prefix, sys.executable, "-c", MAIN, "run", str(source), "--out", str(out)]
        with self.log.open("ab") as log:
            self._from = log.tell()
            self.process = subprocess.Popen(
                [*command, *words], start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, env=site.environment(**environment),
            )  # fmt: skip
        self.pid = self.process.pid

    def text(self) -> str:
        """What this child has said so far."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")

    def workers(self) -> list[psutil.Process]:
        """Its local workers that are alive."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.pid).children(recursive=True)
            return [child for child in children if is_worker(child)]
        return []

    def signal(self, number: int) -> None:
        """To the driver alone."""
        os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """To the driver and its workers, as a terminal and Slurm do."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Its exit code."""
        return self.process.wait(patience_s)

    def end(self) -> None:
        """Leave nothing behind."""
        self.signal_group(signal.SIGKILL)
        self.process.wait()


@contextmanager
def child(site: Site, source: Path, out: Path, *words: str, **more: Any) -> Iterator[Child]:
    """A child that is gone at the end, whatever a test finds."""
    made = Child(site, source, out, *words, **more)
    try:
        yield made
    finally:
        made.end()


def is_worker(process: psutil.Process) -> bool:
    """Whether a process is a Dask worker: spawned, or forked by the fork server."""
    with suppress(psutil.NoSuchProcess):
        parent = process.parent()
        return "spawn_main" in _command(process) or "forkserver" in _command(parent)
    return False


def _command(process: psutil.Process | None) -> str:
    return " ".join(process.cmdline()) if process else ""


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them lives."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


# -- what is on disk ------------------------------------------------------------------------

Committed = dict[str, dict[int, str]]


class Book:
    """What a run has acknowledged: every segment that was seen under its name."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.seen: Committed = {}

    def look(self) -> int:
        """Note what is committed; how many segments that is, sealed or live."""
        for key in self._keys():
            digests = self.seen.setdefault(key, {})
            for path in sorted((self.out / "trajectories" / key / "segments").glob("*.zarr.zip")):
                index = int(path.name.split(".")[0])
                if index not in digests:
                    with suppress(FileNotFoundError):  # sealed at this moment
                        digests[index] = hashlib.sha256(path.read_bytes()).hexdigest()
        return sum(max(digests) + 1 for digests in self.seen.values() if digests)

    def lost(self) -> list[str]:
        """Segments that were there once and are not, or are others, now."""
        return [
            f"{key} segment {index}"
            for key, digests in self.seen.items()
            for index, digest in digests.items()
            if not self._is_kept(key, index, digest)
        ]

    def _is_kept(self, key: str, index: int, digest: str) -> bool:
        folder = self.out / "trajectories" / key
        path = folder / "segments" / f"{index:06d}.zarr.zip"
        with suppress(FileNotFoundError):
            return hashlib.sha256(path.read_bytes()).hexdigest() == digest
        with suppress(FileNotFoundError):
            sealed = json.loads((folder / "sealed.json").read_text())
            return len(sealed["segments"]) > index
        return False

    def _keys(self) -> list[str]:
        folder = self.out / "trajectories"
        return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []

    def wait(self, number: int, running: Child | None = None) -> None:
        """Until so many segments are committed."""

        def reached() -> bool:
            if running is not None and running.process.poll() is not None and self.look() < number:
                raise AssertionError(f"the run ended before: {running.text()}")
            return self.look() >= number

        wait_for(reached, f"{number} committed segments in {self.out}")


def final_files(out: Path) -> dict[str, str]:
    """SHA-256 of every file of the sealed trajectories, their end states and the results."""
    patterns = ("trajectories/*/trajectory.zarr", "trajectories/*/states", "analyses/*.zarr")
    folders = [folder for pattern in patterns for folder in out.glob(pattern)]
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def differing(ours: Path, theirs: Path) -> list[str]:
    """Files that only one of two runs has, or whose bytes differ."""
    a, b = final_files(ours), final_files(theirs)
    assert b, f"{theirs} holds nothing to compare with"
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


@dataclass
class Findings:
    """What is wrong with a finished run; all empty if nothing is."""

    differing: list[str]
    lost: list[str]
    not_a_number: list[str]
    time_axis: list[str]
    verify: list[str]
    failed: list[str]

    def __bool__(self) -> bool:
        return any(vars(self).values())


def examine(out: Path, reference: Path, book: Book | None = None) -> Findings:
    """Hold a finished run against the uninterrupted one, and against itself."""
    sealed = {p.parent.name: p for p in out.glob("trajectories/*/trajectory.zarr")}
    return Findings(
        differing=differing(out, reference),
        lost=book.lost() if book else [],
        not_a_number=[key for key, path in sealed.items() if _has_nan(path)],
        time_axis=[fault for key, path in sealed.items() if (fault := _axis_fault(out, key, path))],
        verify=_problems(out),
        failed=[f"{v['name']}: {v['reason']}" for v in Store.open(out).failures().values()],
    )


def _has_nan(path: Path) -> bool:
    data = xr.open_zarr(path).load()
    return any(v.dtype.kind == "f" and np.isnan(v).any() for v in data.variables.values())


def _axis_fault(out: Path, key: str, path: Path) -> str:
    """Frames doubled or missing, or a time that is not theirs."""
    task = next(t for t in json.loads((out / "run.json").read_text())["tasks"] if t["key"] == key)
    timestep_ps = task["timestep_fs"] / 1000
    every = round(task["stage"]["frame_ps"] / timestep_ps)
    data = xr.open_zarr(path)
    steps = np.arange(0, task["steps"] + 1, every)
    if not np.array_equal(data["step"], steps):
        return f"{key}: steps {data['step'].values}"
    if not np.allclose(data["time"], steps * timestep_ps, rtol=0, atol=1e-9):
        return f"{key}: times {data['time'].values}"
    return ""


def _problems(out: Path) -> list[str]:
    with suppress(StoreError):
        return [f"{p.path}: {p.message}" for p in Store.open(out).verify(deep=True)]
    return ["verify failed"]


# -- kills ----------------------------------------------------------------------------------


def unsettled(text: str) -> set[str]:
    """Stages and analyses that were hit and have not got on since, by what a run prints.

    Two attempts without a new segment fail a trajectory: who kills for sport waits in between.
    """
    hit: set[str] = set()
    complete: set[str] = set()
    for line in text.splitlines():
        if found := re.match(r"once more  (.+?): ", line):
            hit |= {found[1]} - complete
        elif found := re.match(r"(.+?)  (\S+) of (\S+) ps", line):
            hit -= {found[1]}
            complete |= {found[1]} if found[2] == found[3] else set()
        elif found := re.match(r"(?:FAILED  )?(.+?)(?:  done$|: )", line):
            hit -= {found[1]}
    return hit


def moment(rng: random.Random, longest_s: float) -> None:
    """A random moment: not an event that is waited for, but the absence of one."""
    time.sleep(rng.uniform(0, longest_s))
