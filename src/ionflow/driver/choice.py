"""What to do next, and which tasks one attempt takes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ionflow import steps
from ionflow.attempt import Verb
from ionflow.driver.running import Running
from ionflow.driver.trials import ATTEMPTS
from ionflow.graph import Task
from ionflow.kinds import Engine
from ionflow.plan import StageWork
from ionflow.store import Store

_Call = tuple[Engine, int]


class Choice:
    """Chooses from what is ready.

    Parameters
    ----------
    store : what is there
    tried : whether the last attempt at a task has failed: it is tried alone, as the fault may be
        of one of those that were together
    """

    def __init__(self, store: Store, tried: Callable[[Task], bool]) -> None:
        self.store, self._tried = store, tried
        self._batches: dict[_Call, int] = {}
        self._silences: Counter[_Call] = Counter()

    def next(self, ready: list[Task]) -> tuple[Verb, Sequence[Task]]:
        """The first of the tasks, what to do with it, and those that go with it."""
        first = ready[0]
        if first.kind == "structure":
            return steps.build, [first]
        if first.kind == "analysis":
            return steps.analyse, self._analyses(ready)
        if self.store.progress(first.key) >= first.steps:
            return steps.seal, [first]
        if not self._tried(first) and _call(first) not in self._batches:
            return steps.count, [first]
        return steps.advance, self._companions(ready)

    def learn(self, task: Task, systems: int) -> None:
        """So many trajectories like this one go into one call of its engine."""
        self._batches[_call(task)] = systems

    def unanswered(self, run: Running) -> Iterator[str]:
        """Names of engines that were asked twice and did not say: from now on they take one."""
        if run.verb is not steps.count or run.who(self.store) is None:
            return
        for call in {_call(task) for task in run.tasks} - self._batches.keys():
            self._silences[call] += 1
            if self._silences[call] >= ATTEMPTS:
                self._batches[call] = 1
                yield call[0].use

    def _companions(self, ready: list[Task]) -> list[Task]:
        """Trajectories that one call of the engine can take together with the first."""
        first = ready[0]
        if self._tried(first):
            return [first]
        stages = [t for t in ready if t.kind == "stage" and not self._tried(t)]
        like = [t for t in stages if self._alike(t) == self._alike(first)]
        return like[: self._batches[_call(first)]]

    def _alike(self, task: Task) -> tuple[Any, ...]:
        work: StageWork = task.payload
        stage = work.stage
        return (
            work.engine, work.potential, stage.ensemble, stage.record, stage.velocities,
            work.frame_every, work.segment_steps, work.total_steps,
            self.store.progress(task.key), self.store.next_segment(task.key),
        )  # fmt: skip

    def _analyses(self, ready: list[Task]) -> list[Task]:
        """Analyses that read the same trajectory, at once."""
        first = ready[0]
        alone = first.payload.needs or self._tried(first)
        return [first] if alone else [t for t in ready if self._reads_like(t, first)]

    def _reads_like(self, task: Task, first: Task) -> bool:
        same = task.kind == "analysis" and task.inputs == first.inputs
        settled = same and task.payload.first_step == first.payload.first_step
        return settled and not task.payload.needs and not self._tried(task)


def _call(task: Task) -> _Call:
    """On what it depends how many trajectories one call of the engine takes."""
    return task.payload.engine, task.payload.atoms
