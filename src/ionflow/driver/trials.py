"""Attempts counted: what is tried once more, what is given up, and what is written of it."""

from __future__ import annotations

import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed.scheduler import KilledWorker

from ionflow.attempt import End, Outcome
from ionflow.driver import evidence
from ionflow.driver.ledger import Ledger, is_done
from ionflow.driver.provenance import now
from ionflow.driver.running import Running
from ionflow.errors import IonflowError, reason
from ionflow.graph import Task

if TYPE_CHECKING:
    from ionflow.driver.dispatch import Listener

#: Attempts without a new committed segment (or a result) after which a task counts as failed.
ATTEMPTS = 2

#: Workers that may die one after another before they begin anything.
_STILLBORN = 20


class Trials:
    """Counts attempts without progress; of what is on disk it makes no guesses.

    Parameters
    ----------
    ledger : where tasks are marked done or failed
    listener : told of it
    """

    def __init__(self, ledger: Ledger, listener: Listener) -> None:
        self.ledger, self.store, self.listener = ledger, ledger.store, listener
        self._attempts: Counter[str] = Counter()
        self._stillborn = 0

    @property
    def logs(self) -> Path:
        """Where local workers write what they print."""
        return self.store.root / "logs"

    def tried(self, task: Task) -> bool:
        """Whether the last attempt at a task has failed."""
        return self._attempts[task.key] > 0

    def advanced(self, task: Task, outcome: Outcome) -> None:
        """A segment was committed: the count begins anew."""
        self._attempts[task.key] = self._stillborn = 0
        self.listener.advanced(task, outcome.step, outcome.steps, outcome.wall_s)

    def finished(self, task: Task) -> None:
        """A task is done."""
        self._stillborn = 0
        self.ledger.done.add(task.key)
        self.listener.finished(task)

    def failed(self, run: Running, task: Task, outcome: Outcome) -> None:
        """An attempt ended with a reason."""
        known = {"traceback": outcome.traceback}
        if outcome.end is End.HOPELESS:
            self._give_up(task, outcome.reason, known | self._evidence(run))
        else:
            self._again(run, task, outcome.reason, known, outcome.end is End.OVERTAKEN)

    def died(self, run: Running, error: BaseException | None) -> None:
        """A worker died, or Dask could not bring the tasks there or the outcome back."""
        if isinstance(error, KilledWorker) and run.who(self.store) is None:
            self._innocent(run)
            return
        why = evidence.death(error) if isinstance(error, KilledWorker) else reason(error)
        known = {"traceback": "".join(traceback.format_exception(error))}
        known |= self._evidence(run, error)
        for task in run.tasks:
            self._again(run, task, why, known)

    def hung(self, run: Running, limit_s: float) -> None:
        """An attempt did not end."""
        why = (
            f"did not end within {limit_s / 60:.3g} minutes and was stopped "
            "(cluster.hang_limit_min)"
        )
        known = {"traceback": "", **self._evidence(run)}
        for task in run.tasks:
            self._again(run, task, why, known)

    def _innocent(self, run: Running) -> None:
        """It only waited at a worker that died of something else."""
        self._stillborn += 1
        if self._stillborn > _STILLBORN:
            raise IonflowError(
                f"{self._stillborn} workers died one after another before they began anything",
                where=str(self.logs), hint="see the logs there; is the environment broken?",
            )  # fmt: skip

    def _again(
        self, run: Running, task: Task, why: str, known: dict[str, Any], overtaken: bool = False
    ) -> None:
        """Once more, unless it was the second time without progress."""
        if is_done(self.store, task):
            self.finished(task)
        elif overtaken or self._has_moved(run, task):
            self._attempts[task.key] = 0
            self.listener.retried(task, f"{why}; but a segment was committed")
        else:
            self._count(run, task, why, known)

    def _count(self, run: Running, task: Task, why: str, known: dict[str, Any]) -> None:
        self._attempts[task.key] += 1
        if self._attempts[task.key] >= ATTEMPTS:
            self._give_up(task, why, known if "system" in known else known | self._evidence(run))
        else:
            self.listener.retried(task, why)

    def _has_moved(self, run: Running, task: Task) -> bool:
        before = run.progress.get(task.key)
        return before is not None and self.store.progress(task.key) > before

    def _evidence(self, run: Running, error: Any = None) -> dict[str, Any]:
        return evidence.gather(self.store.root, self.logs, run.who(self.store), error)

    def _give_up(self, task: Task, why: str, known: dict[str, Any]) -> None:
        self.ledger.failed[task.key] = why
        self.listener.failed(task, why)
        record = {
            "label": task.label,
            "kind": task.kind,
            "name": task.name,
            "reason": why,
            "attempts": self._attempts[task.key] or 1,
            "when": now(),
        }
        if task.kind == "stage":
            record["committed_steps"] = self.store.progress(task.key)
        self.store.record_failure(task.key, record | known)
