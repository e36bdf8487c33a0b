"""The driver: dispatches ready tasks, follows them as they finish, judges progress from disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Protocol

from distributed import Client, wait
from distributed.scheduler import KilledWorker

from ionflow import attempt, steps
from ionflow.attempt import End, Outcome, Verb
from ionflow.cluster import worker_count
from ionflow.driver.choice import Choice
from ionflow.driver.ledger import Ledger
from ionflow.driver.running import Running, new_token
from ionflow.driver.trials import Trials
from ionflow.errors import InterruptedRunError, OutOfSpaceError, TakenOverError
from ionflow.graph import Task

_NO_WORKER = "no worker is connected: waiting for one"

_ONE_BY_ONE = "engine {engine} does not say how many systems one call takes: one at a time"

_TURN_S = 1.0
_COUNT_EVERY_S = 10.0
_LOOK_S = 0.1
_ANSWER_S = 60.0

#: What Dask's client raises where its scheduler does not answer.
_UNREACHABLE = (OSError, TimeoutError)


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

    def said(self, text: str) -> None:
        """Something that the user should know."""


class Driver:
    """Brings a plan to its end on a cluster; truth is in the store.

    Parameters
    ----------
    ledger : what to do, what is done
    client : the cluster
    listener : told of progress
    hang_limit_s : an attempt that takes longer counts as hung; its worker is restarted
    """

    def __init__(
        self, ledger: Ledger, client: Client, listener: Listener, hang_limit_s: float = 4 * 3600.0
    ) -> None:
        self.ledger, self.store = ledger, ledger.store
        self.client, self.listener = client, listener
        self.hang_limit_s = hang_limit_s
        self.running: dict[str, Running] = {}
        self.trials = Trials(ledger, listener)
        self.halted: OutOfSpaceError | None = None
        self.stopping = False
        self.choice = Choice(self.store, self.trials.tried)
        self._slots, self._counted = 1, 0.0

    def follow(self, slots: int, tick: Callable[[], None] = lambda: None) -> None:
        """Run until nothing is ready or running, at most as many at once as there are workers.

        `tick` is called about every second.

        Raises
        ------
        OutOfSpaceError
            When the disk is full, after what ran has come to its end.
        TakenOverError
            When another driver has taken the run folder over.
        InterruptedRunError
            When the scheduler is gone.
        """
        self._slots, self._counted = slots, time.monotonic()
        if not slots:
            self.listener.said(_NO_WORKER)
        self._fill()
        while self.running or self._has_more():
            self._turn()
            with self._halting():
                tick()
        if self.halted:
            raise self.halted

    def stop(self) -> None:
        """Submit nothing more; what runs comes to its next commit."""
        self.stopping = True

    def _turn(self) -> None:
        # cancelled: by Dask itself, when it has lost its scheduler
        with suppress(TimeoutError, CancelledError):
            futures = [run.future for run in self.running.values()]
            if futures:
                wait(futures, timeout=_TURN_S, return_when="FIRST_COMPLETED")
        for run in [r for r in self.running.values() if r.future.done()]:
            del self.running[run.token]
            with self._halting():
                self._settle(run)
        self._await_connection()
        self.store.check_held()
        if self.stopping and self._is_deserted():
            self._withdraw()
        for run in list(self._hung()):
            with self._halting():
                self._restart(run)
        self._fill()

    def _halting(self) -> suppress:
        """A full disk ends the run, not the driver: what runs elsewhere is still followed."""
        return _Halting(self)

    def halt(self, error: OutOfSpaceError) -> None:
        """Submit nothing more, and raise this in the end."""
        self.stop()
        self.halted = self.halted or error

    # -- submitting -------------------------------------------------------------------------

    def _fill(self) -> None:
        with suppress(CancelledError):  # of what was asked of a worker: the scheduler was lost
            while not self.stopping and len(self.running) < self._count():
                busy = {key for run in self.running.values() for key in run.keys}
                ready = self.ledger.ready(busy)
                if not ready:
                    return
                self._submit(*self.choice.next(ready))

    def _is_deserted(self) -> bool:
        self._count()
        return not self._slots

    def _withdraw(self) -> None:
        """Take back what waits for a worker: to stop, none need come.

        Where there are workers, all that was submitted is left to come to its commit: whether one
        has begun is known from a mark on disk, which a network file system may show late.
        """
        for run in list(self.running.values()):
            del self.running[run.token]
            run.future.cancel(reason="the run is being stopped")
            run.forget(self.store)

    def _has_more(self) -> bool:
        """Whether something is ready though nothing runs: the scheduler was lost meanwhile."""
        return not self.stopping and bool(self.ledger.ready())

    def _count(self) -> int:
        """How many tasks the cluster runs at once; workers come and go."""
        if time.monotonic() - self._counted > _COUNT_EVERY_S:
            with suppress(*_UNREACHABLE):
                found, self._counted = worker_count(self.client), time.monotonic()
                if self._slots and not found:
                    self.listener.said(_NO_WORKER)
                self._slots = found
        # one waits at the scheduler for a worker to come
        return max(1, self._slots)

    def _submit(self, verb: Verb, tasks: Sequence[Task]) -> None:
        progress = {t.key: self.store.progress(t.key) for t in tasks if t.kind == "stage"}
        token = new_token()
        what = (verb, self.store, tasks, token)
        future = self.client.submit(attempt.attempt, *what, pure=False, retries=0)
        self.running[token] = Running(token, verb, tasks, progress, future)

    # -- settling ---------------------------------------------------------------------------

    def _settle(self, run: Running) -> None:
        status = run.future.status
        if status == "finished":
            for outcome in self._outcomes(run):
                self._judge(run, outcome)
        elif status == "error":
            self.trials.died(run, run.future.exception())
        else:  # cancelled: the scheduler was gone for a while, and the tasks are ready again
            run.forget(self.store)
            return
        self._close(run)

    def _outcomes(self, run: Running) -> Sequence[Outcome]:
        """What came of an attempt; nothing where the answer got lost: truth is on disk."""
        try:
            found: Sequence[Outcome] = run.future.result(timeout=_ANSWER_S)
        except KilledWorker as error:  # who had the answer died, and who was to find it again
            self.trials.died(run, error)
        except (*_UNREACHABLE, CancelledError):
            run.future.release()
        else:
            return found
        return []

    def _judge(self, run: Running, outcome: Outcome) -> None:
        task = self.ledger.tasks[outcome.key]
        if outcome.end is End.NO_SPACE:
            self.halt(OutOfSpaceError(outcome.reason))
        elif outcome.end is End.FENCED:
            raise TakenOverError(outcome.reason)
        elif outcome.end is End.DONE and run.verb is steps.advance:
            self.trials.advanced(task, outcome)
        elif outcome.end is End.DONE and run.verb is steps.count:
            self.choice.learn(task, outcome.systems)
        elif outcome.end is End.DONE:
            self.trials.finished(task)
        else:
            self.trials.failed(run, task, outcome)

    # -- what goes wrong elsewhere ----------------------------------------------------------

    def _hung(self) -> Iterator[Running]:
        limit = self.hang_limit_s
        return (r for r in list(self.running.values()) if r.took_s(self.store) > limit)

    def _restart(self, run: Running) -> None:
        """Restart the worker of an attempt that does not end."""
        del self.running[run.token]
        worker = (run.who(self.store) or {}).get("worker")
        run.future.cancel(force=True)
        if worker:
            with suppress(*_UNREACHABLE):
                self.client.restart_workers([worker], timeout=60, raise_for_error=False)
        self.trials.hung(run, self.hang_limit_s)
        self._close(run)

    def _close(self, run: Running) -> None:
        for engine in self.choice.unanswered(run):
            self.listener.said(_ONE_BY_ONE.format(engine=engine))
        run.forget(self.store)

    def _await_connection(self) -> None:
        """Wait while Dask looks for a scheduler that it has lost."""
        if self.client.status == "connecting":
            self.listener.said("the Dask scheduler does not answer; looking for it")
        while self.client.status == "connecting" and not self.stopping:
            time.sleep(_LOOK_S)
        if self.client.status not in ("running", "connecting"):
            raise InterruptedRunError(
                "the Dask scheduler is gone",
                hint="What was committed is there; run the same command again when it is back",
            )


class _Halting(suppress):
    def __init__(self, driver: Driver) -> None:
        super().__init__(OutOfSpaceError)
        self._driver = driver

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if isinstance(error, OutOfSpaceError):
            self._driver.halt(error)
            return True
        return False
