"""What runs on a worker: build, advance, seal, analyse. Each writes to the store."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow import health, schema
from ionflow.cluster import in_this_thread, spread_over_workers
from ionflow.errors import DataError, PluginError, reason
from ionflow.graph import Task
from ionflow.join import join
from ionflow.kinds import Frame, Segment, Stage, backend
from ionflow.passes import MEMORY_BYTES, Blocks, together
from ionflow.plan import AnalysisWork, BuildWork, StageWork, segment_seed
from ionflow.store import State, Store

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Advance:
    """What became of one trajectory in one segment: steps committed, or why not."""

    key: str
    step: int
    steps: int
    wall_s: float
    failure: str = ""


def build(root: Path, task: Task) -> str:
    """Build a starting structure and store it."""
    work: BuildWork = task.payload
    atoms = work.generator.build(np.random.default_rng([work.seed, int(task.key[:15], 16)]))
    if len(atoms) != work.atoms:
        raise PluginError(
            f"built {len(atoms)} atoms, its composition() says {work.atoms}",
            where=f"generator {work.generator.use}",
        )
    Store.open(root).write_structure(task.key, atoms)
    return task.key


def advance(root: Path, tasks: Sequence[Task]) -> list[Advance]:
    """Move a batch of trajectories that stand at the same step through their next segment."""
    started = time.monotonic()
    store = Store.open(root)
    segment = next_segment(store, tasks)
    systems = [_start(store, task) for task in tasks]
    tracks = [_Track(task.payload.stage) for task in tasks]
    work: StageWork = tasks[0].payload
    _follow(work.engine.advance(systems, work.potential, segment), tracks)
    timing = {"wall_s": time.monotonic() - started, "batch": len(tasks)}
    return [
        _finish(store, task, segment, atoms, track, timing)
        for task, atoms, track in zip(tasks, systems, tracks, strict=True)
    ]


def seal(root: Path, task: Task) -> str:
    """Rewrite a finished trajectory for reading."""
    Store.open(root).seal(task.key)
    return task.key


@dataclass(frozen=True)
class Analysed:
    """What became of one analysis: `failure` is empty if its result is in the store."""

    key: str
    failure: str = ""
    traceback: str = ""
    final: bool = False
    """The same data would fail again."""


def analyse(root: Path, tasks: Sequence[Task]) -> list[Analysed]:
    """Run analysers on one trajectory, which they read together, or on results over the scan.

    An analyser that fails leaves the results of the others alone.
    """
    store = Store.open(root)
    work: AnalysisWork = tasks[0].payload
    if work.needs:
        results = [_over_scan(store, task) for task in tasks]
    else:
        results = _on_trajectory(store, tasks)
    return [_kept(store, task, result) for task, result in zip(tasks, results, strict=True)]


def _on_trajectory(store: Store, tasks: Sequence[Task]) -> list[xr.Dataset | Exception]:
    task = tasks[0]
    (source,) = task.inputs
    trajectory = store.trajectory(source.key, source.steps)
    trajectory = trajectory.isel(time=trajectory["step"].values >= task.payload.first_step)
    trajectory = trajectory.assign_coords(dict(task.coords))
    analysers = [task.payload.analyser for task in tasks]
    if trajectory.nbytes <= MEMORY_BYTES:
        with in_this_thread():
            return together(analysers, trajectory)
    with spread_over_workers() as scheduler:
        return together(analysers, trajectory, Blocks(scheduler=scheduler))


def _over_scan(store: Store, task: Task) -> xr.Dataset | Exception:
    work: AnalysisWork = task.payload
    data = [_joined(store, keys, work.axes) for _, keys in work.needs]
    with in_this_thread():
        return work.analyser.analyse(*data)


def _kept(store: Store, task: Task, result: xr.Dataset | Exception) -> Analysed:
    """Write a result, or say why there is none."""
    try:
        if isinstance(result, Exception):
            raise result
        with in_this_thread():
            store.write_result(task.key, result.assign_coords(dict(task.coords)))
    except Exception as error:  # noqa: BLE001 - an analyser may raise anything; it is reported
        # as text: an exception of somebody's plugin need not survive the way to the driver
        trace = "".join(traceback.format_exception(error))
        return Analysed(task.key, reason(error), trace, isinstance(error, DataError))
    return Analysed(task.key)


def next_segment(store: Store, tasks: Sequence[Task]) -> Segment:
    """The segment that follows what is committed."""
    work: StageWork = tasks[0].payload
    key = tasks[0].key
    first = store.progress(key)
    return Segment(
        stages=tuple(task.payload.stage for task in tasks),
        index=store.next_segment(key),
        first_step=first,
        last_step=min((first // work.segment_steps + 1) * work.segment_steps, tasks[0].steps),
        total_steps=work.total_steps,
        frame_every=work.frame_every,
        seeds=tuple(segment_seed(task) for task in tasks),
    )


@dataclass
class _Track:
    """The frames of one system, until something is wrong with it."""

    stage: Stage
    frames: list[Frame] = field(default_factory=list)
    failure: str = ""

    def add(self, frame: Frame) -> None:
        if not self.failure:
            self.failure = health.fault(frame, self.stage)
            self.frames.append(frame)


def _start(store: Store, task: Task) -> Atoms:
    """The committed state to go on from, or the end of what came before the stage."""
    if store.progress(task.key):
        return store.read_state(task.key).to_atoms()
    (source,) = task.inputs
    if not source.steps:
        return store.read_structure(source.key)
    atoms = store.read_state(source.key, source.steps).to_atoms()
    atoms.info.pop("ionflow", None)  # thermostat and barostat start anew with the stage
    return atoms


def _follow(batches: Iterable[Sequence[Frame]], tracks: Sequence[_Track]) -> None:
    """Collect frames until the segment ends, or until no system is left sound."""
    for batch in batches:
        for track, frame in zip(tracks, batch, strict=True):
            track.add(frame)
        if all(track.failure for track in tracks):
            return


def _finish(
    store: Store, task: Task, segment: Segment, atoms: Atoms, track: _Track, timing: dict[str, Any]
) -> Advance:
    failure = track.failure or health.state_fault(atoms, track.stage)
    if failure:
        return Advance(task.key, segment.first_step, 0, timing["wall_s"], failure)
    _complete(track, segment, task)
    work: StageWork = task.payload
    meta = {
        **timing,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "atoms": len(atoms),
        **backend(work.potential, work.engine),
    }
    store.commit_segment(
        task.key,
        segment.index,
        segment.first_step,
        segment.last_step,
        _frames(task, atoms, track.frames),
        State.from_atoms(atoms, segment.last_step),
        meta,
    )
    steps = segment.last_step - segment.first_step
    return Advance(task.key, segment.last_step, steps, timing["wall_s"])


def _complete(track: _Track, segment: Segment, task: Task) -> None:
    steps, asked = [frame.step for frame in track.frames], list(segment.frame_steps())
    if steps != asked:
        raise PluginError(
            f"yielded {len(steps)} frames, at steps {steps[:4]}...; asked were {asked[:4]}...",
            where=f"engine {task.payload.engine.use}",
        )


def _frames(task: Task, atoms: Atoms, frames: Sequence[Frame]) -> xr.Dataset:
    work: StageWork = task.payload
    variables: dict[str, Any] = {
        "cell": np.array([f.cell for f in frames]).reshape(-1, 3, 3),
        "potential_energy": np.array([f.potential_energy_eV for f in frames], float),
        "kinetic_energy": np.array([f.kinetic_energy_eV for f in frames], float),
        "temperature": np.array([f.temperature_K for f in frames], float),
    }
    variables |= _optional(work.stage, frames, len(atoms))
    attrs = {"stage": work.name, "ensemble": work.stage.ensemble}
    steps = [f.step for f in frames]
    return schema.trajectory(atoms, steps, work.engine.timestep_fs, variables, attrs)


def _optional(stage: Stage, frames: Sequence[Frame], atoms: int) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    if stage.record:
        variables["positions"] = np.array([f.positions for f in frames]).reshape(-1, atoms, 3)
    if stage.velocities:
        variables["velocities"] = np.array([f.velocities for f in frames]).reshape(-1, atoms, 3)
    if frames and all(f.stress_eV_A3 is not None for f in frames):
        variables["stress"] = np.array([f.stress_eV_A3 for f in frames])
    if frames and all(f.conserved_energy_eV is not None for f in frames):
        variables["conserved_energy"] = np.array([f.conserved_energy_eV for f in frames], float)
    return variables


def _joined(store: Store, keys: Sequence[str], axes: Sequence[str]) -> xr.Dataset:
    results = [store.read_result(key).load() for key in keys]  # small, and read once each
    placed = any(axis in results[0].coords and axis not in results[0].dims for axis in axes)
    # the result of an analysis over the scan has the axes as dims, or not at all
    return results[0] if len(results) == 1 and not placed else join(results, axes)
