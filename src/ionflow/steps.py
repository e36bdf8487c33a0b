"""What runs on a worker: build, count, advance, seal, analyse.

Each takes tasks, writes to the store and returns an outcome for each of them.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow import health, origin, schema
from ionflow.attempt import End, Outcome
from ionflow.cluster import in_this_thread, spread_over_workers
from ionflow.errors import PluginError
from ionflow.graph import Task
from ionflow.join import join
from ionflow.kinds import Frame, Segment, Stage, answer
from ionflow.passes import MEMORY_BYTES, Blocks, together
from ionflow.plan import AnalysisWork, BuildWork, StageWork, segment_seed
from ionflow.store import State, Store

if TYPE_CHECKING:
    from ase import Atoms


def build(store: Store, tasks: Sequence[Task]) -> list[Outcome]:
    """Build starting structures and store them."""
    return [_built(store, task) for task in tasks]


def _built(store: Store, task: Task) -> Outcome:
    started = time.monotonic()
    work: BuildWork = task.payload
    atoms = work.generator.build(np.random.default_rng([work.seed, int(task.key[:15], 16)]))
    if len(atoms) != work.atoms:
        raise PluginError(
            f"built {len(atoms)} atoms, its composition() says {work.atoms}",
            where=f"generator {work.generator.use}",
        )
    record = origin.of_structure(store, task, time.monotonic() - started)
    store.write_structure(task.key, atoms, record)
    return Outcome(task.key)


def count(store: Store, tasks: Sequence[Task]) -> list[Outcome]:
    """Ask the engine how many such trajectories one call of it takes; of the GPU that is here."""
    work: StageWork = tasks[0].payload
    systems = answer(work.engine, "batch", lambda: work.engine.batch(work.atoms))
    if not isinstance(systems, Integral) or systems < 1:
        raise PluginError(
            f"batch() gave {systems!r}, not a number of systems from 1 on",
            where=f"engine {work.engine.use}",
        )
    return [Outcome(task.key, systems=int(systems)) for task in tasks]


def advance(store: Store, tasks: Sequence[Task]) -> list[Outcome]:
    """Move a batch of trajectories that stand at the same step through their next segment."""
    started = time.monotonic()
    segment = next_segment(store, tasks)
    systems = [_start(store, task) for task in tasks]
    tracks = [
        _Track(
            _watch(store, task),
            State.from_atoms(atoms, segment.first_step).digest(),
            len(atoms),
        )
        for task, atoms in zip(tasks, systems, strict=True)
    ]
    work: StageWork = tasks[0].payload
    _follow(work.engine.advance(systems, work.potential, segment), tracks)
    timing = {"wall_s": time.monotonic() - started, "batch": len(tasks)}
    return [
        _ended(store, task, segment, atoms, track, timing)
        for task, atoms, track in zip(tasks, systems, tracks, strict=True)
    ]


def seal(store: Store, tasks: Sequence[Task]) -> list[Outcome]:
    """Rewrite finished trajectories for reading."""
    for task in tasks:
        store.seal(task.key)
    return [Outcome(task.key) for task in tasks]


def analyse(store: Store, tasks: Sequence[Task]) -> list[Outcome]:
    """Run analysers on one trajectory, which they read together, or on results over the scan.

    An analyser that fails leaves the results of the others alone.
    """
    started = time.monotonic()
    work: AnalysisWork = tasks[0].payload
    if work.needs:
        results = [_over_scan(store, task) for task in tasks]
    else:
        results = _on_trajectory(store, tasks)
    wall_s = time.monotonic() - started
    return [_kept(store, task, result, wall_s) for task, result in zip(tasks, results, strict=True)]


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


def _kept(store: Store, task: Task, result: xr.Dataset | Exception, wall_s: float) -> Outcome:
    """Write a result, or say why there is none."""
    try:
        if isinstance(result, Exception):
            raise result
        with in_this_thread():
            record = origin.of_result(store, task, wall_s)
            store.write_result(task.key, result.assign_coords(dict(task.coords)), record)
    except Exception as error:  # noqa: BLE001 - an analyser may raise anything; it is reported
        return Outcome.of(task.key, error)
    return Outcome(task.key)


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

    watch: health.Watch
    start: str
    """Digest of the state that it starts from."""
    atoms: int
    frames: list[Frame] = field(default_factory=list)
    failure: str = ""

    def add(self, frame: Frame) -> None:
        if not self.failure:
            self.failure = health.shape_fault(frame, self.atoms) or self.watch.fault(frame)
            self.frames.append(frame)


def _watch(store: Store, task: Task) -> health.Watch:
    """What the frames are held against, as it stood at the last commit."""
    committed = store.segments(task.key)
    return health.Watch.of(
        task.payload.stage, committed[-1].meta.get("watch") if committed else None
    )


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


def _ended(
    store: Store, task: Task, segment: Segment, atoms: Atoms, track: _Track, timing: dict[str, Any]
) -> Outcome:
    try:
        return _finish(store, task, segment, atoms, track, timing)
    except Exception as error:  # noqa: BLE001 - the others of the batch are to be committed
        return Outcome.of(task.key, error)


def _finish(
    store: Store, task: Task, segment: Segment, atoms: Atoms, track: _Track, timing: dict[str, Any]
) -> Outcome:
    failure = track.failure or health.state_fault(atoms)
    if failure:
        return Outcome(
            task.key, End.HOPELESS, segment.first_step, wall_s=timing["wall_s"], reason=failure
        )
    _complete(track, segment, task)
    work: StageWork = task.payload
    meta = {
        **origin.of_segment(store, task, timing["wall_s"]),
        **timing,
        "atoms": len(atoms),
        "watch": track.watch.record(),
        "doubt": health.doubt(work.potential, atoms, segment),
    }
    loose = store.commit_segment(
        task.key,
        segment.index,
        segment.first_step,
        segment.last_step,
        _frames(task, atoms, track.frames),
        State.from_atoms(atoms, segment.last_step),
        meta,
        start=track.start,
    )
    for sentence in loose:
        warnings.warn(sentence, stacklevel=1)
    steps = segment.last_step - segment.first_step
    return Outcome(task.key, End.DONE, segment.last_step, steps, timing["wall_s"])


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
