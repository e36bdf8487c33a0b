"""The driver: dispatches ready tasks, follows them as they finish, judges progress from disk."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from distributed import Client, Future, as_completed
from distributed.scheduler import KilledWorker

from ionflow import steps
from ionflow.driver.ledger import Ledger
from ionflow.driver.provenance import now
from ionflow.errors import reason
from ionflow.graph import Task
from ionflow.kinds import Engine
from ionflow.plan import StageWork

#: Attempts without a new committed segment (or a result) after which a task counts as failed.
ATTEMPTS = 2


class Listener(Protocol):
    """Told what happens, as it happens."""

    def advanced(self, task: Task, step: int, steps: int, wall_s: float) -> None:
        """A segment was committed."""

    def finished(self, task: Task) -> None:
        """A task is done."""

    def failed(self, task: Task, reason: str) -> None:
        """A task is given up."""

    def retried(self, task: Task, reason: str) -> None:
        """A task is tried once more."""


class Driver:
    """Brings a plan to its end on a cluster; truth is in the store.

    Parameters
    ----------
    ledger : what to do, what is done
    client : the cluster
    listener : told of progress
    """

    def __init__(
        self,
        ledger: Ledger,
        client: Client,
        listener: Listener,
    ) -> None:
        self.ledger, self.store = ledger, ledger.store
        self.client, self.listener = client, listener
        self.running: dict[str, tuple[str, ...]] = {}  # future's key -> keys of its tasks
        self.attempts: Counter[str] = Counter()
        self.stopping = False
        self._batches: dict[tuple[Engine, int], int] = {}

    def follow(self, slots: int, tick: Callable[[], None] = lambda: None) -> None:
        """Run until nothing is ready or running, at most `slots` at once; `tick` after each."""
        queue = as_completed()
        self._fill(queue, slots)
        for future in queue:
            self._settle(future, self.running.pop(str(future.key)))
            self._fill(queue, slots)
            tick()

    def stop(self) -> None:
        """Submit nothing more; what runs comes to its next commit."""
        self.stopping = True

    def _fill(self, queue: Any, slots: int) -> None:
        while not self.stopping and len(self.running) < slots:
            busy = {key for keys in self.running.values() for key in keys}
            ready = self.ledger.ready(busy)
            if not ready:
                return
            queue.add(self._submit(ready))

    # -- submitting -------------------------------------------------------------------------

    def _submit(self, ready: list[Task]) -> Future[Any]:
        first, root = ready[0], self.store.root
        batch = [first]
        if first.kind == "structure":
            future = self._send(steps.build, root, first)
        elif first.kind == "analysis":
            batch = self._analyses(ready)
            future = self._send(steps.analyse, root, batch)
        elif self.store.progress(first.key) >= first.steps:
            future = self._send(steps.seal, root, first)
        else:
            batch = self._companions(ready)
            future = self._send(steps.advance, root, batch)
        self.running[str(future.key)] = tuple(task.key for task in batch)
        return future

    def _send(self, verb: Callable[..., Any], root: Path, what: Any) -> Future[Any]:
        return self.client.submit(verb, root, what, pure=False, retries=0)

    def _companions(self, ready: list[Task]) -> list[Task]:
        """Trajectories that one call of the engine can take together with the first."""
        first = ready[0]
        like = [t for t in ready if t.kind == "stage" and self._alike(t) == self._alike(first)]
        return like[: self._batch(first.payload)]

    def _analyses(self, ready: list[Task]) -> list[Task]:
        """Analyses that read the same trajectory, at once; each alone where that has failed."""
        first = ready[0]
        alone = first.payload.needs or self.attempts[first.key]
        return [first] if alone else [t for t in ready if self._reads_like(t, first)]

    def _reads_like(self, task: Task, first: Task) -> bool:
        same = task.kind == "analysis" and task.inputs == first.inputs
        settled = same and task.payload.first_step == first.payload.first_step
        return settled and not task.payload.needs and not self.attempts[task.key]

    def _alike(self, task: Task) -> tuple[Any, ...]:
        work: StageWork = task.payload
        stage = work.stage
        return (
            work.engine, work.potential, stage.ensemble, stage.record, stage.velocities,
            work.frame_every, work.segment_steps, work.total_steps,
            self.store.progress(task.key), self.store.next_segment(task.key),
        )  # fmt: skip

    def _batch(self, work: StageWork) -> int:
        # asked of a worker: the driver's machine may have no GPU
        what = (work.engine, work.atoms)
        if what not in self._batches:
            ask = self.client.submit(work.engine.batch, work.atoms, pure=False)
            self._batches[what] = max(1, int(ask.result()))
        return self._batches[what]

    # -- settling ---------------------------------------------------------------------------

    def _settle(self, future: Future[Any], keys: Iterable[str]) -> None:
        tasks = [self.ledger.tasks[key] for key in keys]
        if future.status != "finished":
            self._judge(tasks, future)
        elif isinstance(future.result(), list):
            for outcome in future.result():
                self._judged(self.ledger.tasks[outcome.key], outcome)
        else:
            self._finished(tasks[0])

    def _judged(self, task: Task, outcome: steps.Advance | steps.Analysed) -> None:
        if isinstance(outcome, steps.Advance):
            self._advanced(task, outcome)
        elif outcome.final:
            self._give_up(task, outcome.failure, outcome.traceback)
        elif outcome.failure:
            self._once_more(task, outcome.failure, outcome.traceback)
        else:
            self._finished(task)

    def _advanced(self, task: Task, outcome: steps.Advance) -> None:
        if outcome.failure:
            self._give_up(task, outcome.failure)
            return
        self.attempts[task.key] = 0
        self.listener.advanced(task, outcome.step, outcome.steps, outcome.wall_s)

    def _finished(self, task: Task) -> None:
        self.ledger.done.add(task.key)
        self.listener.finished(task)

    def _judge(self, tasks: list[Task], future: Future[Any]) -> None:
        """An exception, or a worker's death: once more, unless it was the second time."""
        error = future.exception()
        trace = "".join(traceback.format_exception(error))
        for task in tasks:
            self._once_more(task, _reason(error), trace)

    def _once_more(self, task: Task, why: str, trace: str) -> None:
        self.attempts[task.key] += 1
        if self.attempts[task.key] >= ATTEMPTS:
            self._give_up(task, why, trace)
        else:
            self.listener.retried(task, why)

    def _give_up(self, task: Task, reason: str, trace: str = "") -> None:
        self.ledger.failed[task.key] = reason
        record = {
            "label": task.label,
            "kind": task.kind,
            "name": task.name,
            "reason": reason,
            "traceback": trace,
            "when": now(),
        }
        self.store.record_failure(task.key, record)
        self.listener.failed(task, reason)


def _reason(error: BaseException | None) -> str:
    if isinstance(error, KilledWorker):
        return "its worker died (out of memory, or killed)"
    return reason(error)
