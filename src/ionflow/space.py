"""Disk space: what a plan will take, what there is."""

from __future__ import annotations

import shutil
from pathlib import Path

from ionflow.errors import OutOfSpaceError
from ionflow.graph import Plan, Task
from ionflow.plan import StageWork
from ionflow.store import Store

#: Bytes a coordinate takes in a trajectory once rounded, shuffled and compressed (measured).
_BYTES_PER_COORDINATE = 1.8
_BYTES_PER_FRAME = 160.0
#: Bytes an atom takes in the end state of a segment: positions and momenta in full, and the rest.
_BYTES_PER_ATOM_OF_STATE = 64.0
_BYTES_PER_SEGMENT = 12_000.0
_BYTES_PER_RESULT = 150_000.0

#: What is asked for is this much more than what is expected.
_MARGIN = 1.2


def frames_bytes(work: StageWork) -> float:
    """Size of the sealed trajectory of a stage."""
    per_frame = _BYTES_PER_FRAME
    if work.stage.record:
        per_frame += work.atoms * 3 * _BYTES_PER_COORDINATE
    if work.stage.velocities:
        per_frame += work.atoms * 3 * 4
    return work.frames * per_frame


def states_bytes(work: StageWork) -> float:
    """Size of what a stage's segments hold beside frames while they are live."""
    segments = -(-work.total_steps // work.segment_steps)
    return segments * (work.atoms * _BYTES_PER_ATOM_OF_STATE + _BYTES_PER_SEGMENT)


def needed_bytes(plan: Plan, store: Store) -> float:
    """What the rest of a plan will take, with room for the sealing of the largest trajectory."""
    stages = plan.of("stage")
    results = [t for t in plan.of("analysis") if not store.has_result(t.key)]
    open_stages = [t for t in stages if store.progress(t.key) < t.steps]
    sealing = max((frames_bytes(t.payload) for t in open_stages), default=0.0)
    rest = sum(_left(task, store) for task in open_stages)
    return (rest + sealing + len(results) * _BYTES_PER_RESULT) * _MARGIN


def _left(task: Task, store: Store) -> float:
    share = 1 - store.progress(task.key) / task.steps
    return share * (frames_bytes(task.payload) + states_bytes(task.payload))


def check(plan: Plan, store: Store) -> None:
    """Refuse to begin what cannot end.

    Raises
    ------
    OutOfSpaceError
        If less is free than the rest of the plan will take, with both sizes.
    """
    needed, free = needed_bytes(plan, store), free_bytes(store.root)
    if needed > free:
        raise OutOfSpaceError(
            f"the rest of this run takes about {size(needed)}, but {size(free)} are free",
            where=str(store.root),
            hint="free some space, choose another disk with --out, or a longer frame_ps",
        )


def free_bytes(folder: Path) -> int:
    """What may still be written where a folder lies."""
    return shutil.disk_usage(folder).free


def size(count: float) -> str:
    """Bytes as people say them.

    >>> size(1_600_000_000)
    '1.6 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
