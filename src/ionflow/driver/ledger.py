"""Which tasks are done, failed, lost or ready: the driver's book, kept from what is on disk."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ionflow.graph import Plan, Task
from ionflow.plan import with_inputs
from ionflow.store import Store


class Ledger:
    """The state of every task of a plan.

    Parameters
    ----------
    plan, store : what is asked, what is there
    replaced : told when an analysis over the scan had to do with fewer inputs, under another key
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        replaced: Callable[[str, Task], None] | None = None,
    ) -> None:
        self.tasks = dict(plan.tasks)
        self.store, self._replaced = store, replaced
        self.done = {task.key for task in plan if is_done(store, task)}
        failures = store.failures()
        self.failed: dict[str, str] = {
            key: failures[key]["reason"] for key in self.tasks if key in failures
        }
        self._behind = self._work_behind()
        self._restrict()

    def ready(self, busy: Collection[str] = ()) -> list[Task]:
        """Tasks whose inputs are there: short ones first, then the longest way still to go."""
        self._restrict()
        settled = self.done | self.failed.keys() | set(busy)
        free = [task for key, task in self.tasks.items() if key not in settled]
        ready = [t for t in free if all(i.key in self.done for i in t.inputs)]
        return sorted(ready, key=lambda t: (t.kind == "stage", -self._ahead(t)))

    def lost(self) -> list[Task]:
        """Tasks that can never run because something they read has failed."""
        return [t for t in self.tasks.values() if t.key not in self.failed and self._is_lost(t.key)]

    def open(self) -> list[Task]:
        """Tasks that are still to be done and can be."""
        settled = self.done | self.failed.keys() | {task.key for task in self.lost()}
        return [task for key, task in self.tasks.items() if key not in settled]

    def _is_lost(self, key: str) -> bool:
        if key in self.done:
            return False
        task = self.tasks[key]
        return key in self.failed or any(map(self._all_lost, _inputs_it_cannot_do_without(task)))

    def _all_lost(self, keys: Collection[str]) -> bool:
        return all(map(self._is_lost, keys))

    def _restrict(self) -> None:
        """Let an analysis over the scan do with the results that there will ever be."""
        for task in [t for t in self.tasks.values() if t.kind == "analysis" and t.payload.needs]:
            lost = [i for i in task.inputs if self._is_lost(i.key)]
            kept = [i for i in task.inputs if i not in lost]
            if lost and not self._is_lost(task.key) and all(i.key in self.done for i in kept):
                self._replace(task, with_inputs(task, kept))

    def _replace(self, old: Task, new: Task) -> None:
        del self.tasks[old.key]
        self.tasks[new.key] = new
        if is_done(self.store, new):
            self.done.add(new.key)
        if self._replaced:
            self._replaced(old.key, new)

    def _work_behind(self) -> dict[str, int]:
        """For each task, the atom-steps of the longest chain of stages that follows it."""
        behind: dict[str, int] = dict.fromkeys(self.tasks, 0)
        for task in reversed(list(self.tasks.values())):
            for source in task.inputs:
                behind[source.key] = max(behind[source.key], behind[task.key] + _size(task))
        return behind

    def _ahead(self, task: Task) -> int:
        left = _size(task)
        if task.kind == "stage":
            left -= self.store.progress(task.key) * task.payload.atoms
        return left + self._behind.get(task.key, 0)


def _inputs_it_cannot_do_without(task: Task) -> list[tuple[str, ...]]:
    """Groups of keys: a task can run as long as one of each group can be had."""
    if task.kind == "analysis" and task.payload.needs:
        return [keys for _, keys in task.payload.needs]
    return [(i.key,) for i in task.inputs]


def is_done(store: Store, task: Task) -> bool:
    """Whether a task's result is on disk, as far as it is asked for."""
    if task.kind == "structure":
        return store.has_structure(task.key)
    if task.kind == "analysis":
        return store.has_result(task.key)
    return store.progress(task.key) >= task.steps and store.is_sealed(task.key)


def _size(task: Task) -> int:
    return task.steps * task.payload.atoms if task.kind == "stage" else 0
