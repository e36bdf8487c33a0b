"""One attempt at tasks, on a worker: a mark that it has begun, and what came of it, as data.

What a plugin raises need not survive the way to the driver, and a plugin may end the process. So
an attempt returns words instead of raising, and leaves a mark on disk before it calls anybody's
code: of a worker that died the driver can tell which task it was at, and which only waited there.
"""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

from ionflow.cluster import in_this_thread, this_worker
from ionflow.errors import DataError, OutOfSpaceError, PhysicsError, TakenOverError, reason
from ionflow.graph import Task
from ionflow.steady import keep_time
from ionflow.store import SegmentExists, Store


class End(Enum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"
    """It may go better next time."""
    HOPELESS = "hopeless"
    """The same data would fail again."""
    OVERTAKEN = "overtaken"
    """Another writer, taken for dead, committed the same segment first."""
    NO_SPACE = "no space"
    """The disk is full: no fault of the task."""
    FENCED = "fenced"
    """Another driver has taken the run over."""


@dataclass(frozen=True)
class Outcome:
    """What became of one task in one attempt."""

    key: str
    end: End = End.DONE
    step: int = 0
    """Last committed step of a trajectory; 0 for anything else, and for one that was sealed."""
    steps: int = 0
    """Steps made in this attempt."""
    wall_s: float = 0.0
    systems: int = 0
    """How many trajectories one call of the engine takes, where it was asked for that."""
    reason: str = ""
    traceback: str = ""

    @classmethod
    def of(cls, key: str, error: BaseException) -> Self:
        """What an exception means for a task."""
        trace = "".join(traceback.format_exception(error))
        return cls(key, _end(error), reason=reason(error), traceback=trace)


def _end(error: BaseException) -> End:
    ends: tuple[tuple[type[BaseException], End], ...] = (
        (OutOfSpaceError, End.NO_SPACE),
        (TakenOverError, End.FENCED),
        (SegmentExists, End.OVERTAKEN),
        (DataError, End.HOPELESS),
        (PhysicsError, End.HOPELESS),
    )
    return next((end for kind, end in ends if isinstance(error, kind)), End.FAILED)


Verb = Callable[[Store, Sequence[Task]], list[Outcome]]


def attempt(verb: Verb, store: Store, tasks: Sequence[Task], token: str) -> list[Outcome]:
    """Do something with tasks; nothing but the death of the process keeps it from returning."""
    try:
        keep_time()  # workers that a user started may not have been told
        _begin(store, token)
        with in_this_thread():
            return verb(store, tasks)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - plugins raise anything; it is told
        return [Outcome.of(task.key, error) for task in tasks]


def _begin(store: Store, token: str) -> None:
    store.check_held()
    who = {"host": socket.gethostname(), "pid": os.getpid(), **this_worker()}
    store.write_note(_note(token), json.dumps(who))


def begun(store: Store, token: str) -> dict[str, Any] | None:
    """Which process began an attempt: host, pid, worker, name; None if none did yet."""
    try:
        found: dict[str, Any] = json.loads(store.read_note(_note(token)))
    except ValueError:  # not there, or being written
        return None
    return found


def forget(store: Store, token: str) -> None:
    """Remove the mark of an attempt that has ended."""
    store.remove_note(_note(token))


def _note(token: str) -> str:
    return f"begun-{token}"
