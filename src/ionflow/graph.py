"""A graph of tasks that knows no atoms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any


@dataclass(frozen=True)
class Input:
    """What a task reads: a key and, for something that grows, how much of it."""

    key: str
    steps: int = 0

    @property
    def identity(self) -> str:
        """How this input enters the key of the task that reads it."""
        return f"{self.key}@{self.steps}" if self.steps else self.key


@dataclass(frozen=True)
class Task:
    """One unit of work, named by what it produces."""

    key: str
    kind: str
    name: str
    """Of the stage or the analyser; not part of the key."""
    label: str
    """Of the material or the case, for people; not part of the key."""
    inputs: tuple[Input, ...] = ()
    steps: int = 0
    """How far the result must reach, for a result that grows; 0 for one that does not."""
    payload: Any = None
    coords: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Coordinates along the scan's axes."""


class Plan:
    """Tasks in an order in which each follows its inputs.

    Raises
    ------
    graphlib.CycleError
        If the tasks need each other in a circle.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        order = TopologicalSorter(
            {key: [i.key for i in task.inputs] for key, task in tasks.items()}
        ).static_order()
        self.tasks: dict[str, Task] = {key: tasks[key] for key in order}

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks.values())

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, key: str) -> Task:
        return self.tasks[key]

    def of(self, kind: str) -> list[Task]:
        """Tasks of one kind, in order."""
        return [task for task in self if task.kind == kind]

    def followers(self, key: str) -> list[Task]:
        """Tasks that read a result directly."""
        return [task for task in self if any(i.key == key for i in task.inputs)]
