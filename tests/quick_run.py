"""Whole runs in this process, without Dask: what a driver would have workers do, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ionflow import steps
from ionflow.driver.provenance import Journal
from ionflow.graph import Plan, Task
from ionflow.plan import plan as make_plan
from ionflow.recipe import read
from ionflow.registry import load
from ionflow.store import Store
from tiny_recipe import tiny


def small(**changes: Any) -> dict[str, Any]:
    """One chemistry at two temperatures: 7 tasks, as short as the analyses can bear."""
    whole = tiny()
    protocol = {name: dict(whole["protocol"][name]) for name in ("melt", "production")}
    protocol["production"] |= {"duration_ps": 0.3, "segment_ps": 0.1}
    recipe = {
        "scan": {"protocol.production.temperature_K": [1200, 1500]},
        "protocol": protocol,
        "analyses": [
            {"use": "diffusion", "cage_A2": 2.5}, "arrhenius", {"use": "soundness", "off": True},
        ],
    }  # fmt: skip
    return tiny(**{**recipe, **changes})


class QuickRun:
    """A run folder, and invocations on it."""

    def __init__(self, root: Path, recipe: Any = None, overrides: tuple[str, ...] = ()) -> None:
        self.store = Store.create(root)
        self.recipe = read(recipe or small(), load(), overrides=overrides)
        self.plan: Plan = make_plan(self.recipe)

    def key(self, name: str, number: int = 0) -> str:
        return [task.key for task in self.plan if task.name == name][number]

    def invoke(
        self, how: str = "finished", until: Callable[[Task], bool] | None = None
    ) -> QuickRun:
        """Do all that is left, or stop before the step of which `until` is true; "" is a kill."""
        with self.store.hold():
            journal = Journal(self.store, self.recipe, self.plan)
            self.store.write_text("recipe.yaml", "name: tiny\n")
            journal.begin(1)
            for task in self.plan:
                if not self._done(task, until or (lambda task: False)):
                    break
            if how:
                journal.end(how)
        return self

    def _done(self, task: Task, until: Callable[[Task], bool]) -> bool:
        while verb := self._next(task):
            if until(task):
                return False
            (outcome,) = verb(self.store, [task])
            assert not outcome.reason, outcome
        return True

    def _next(self, task: Task) -> Any:
        store, key = self.store, task.key
        if task.kind == "structure":
            return None if store.has_structure(key) else steps.build
        if task.kind == "analysis":
            return None if store.has_result(key) else steps.analyse
        if store.progress(key) < task.steps:
            return steps.advance
        return None if store.is_sealed(key) else steps.seal


def after_segments(store: Store, name: str, number: int) -> Callable[[Task], bool]:
    """Until a stage of this name has so many segments."""
    return lambda task: task.name == name and len(store.segments(task.key)) >= number
