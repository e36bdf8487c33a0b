"""What is submitted and not settled yet."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distributed import Future

from ionflow.attempt import Verb, begun, forget
from ionflow.graph import Task
from ionflow.store import Store

_LOOK_EVERY_S = 5.0


def new_token() -> str:
    """A name for an attempt."""
    return uuid.uuid4().hex


@dataclass
class Running:
    """One attempt at a batch of tasks."""

    token: str
    verb: Verb
    tasks: Sequence[Task]
    progress: Mapping[str, int]
    """Last committed step of each trajectory when the attempt was submitted."""
    future: Future[Any]
    _begun: float | None = None
    _looked: float = field(default_factory=time.monotonic)

    @property
    def keys(self) -> list[str]:
        """Keys of the tasks."""
        return [task.key for task in self.tasks]

    def who(self, store: Store) -> dict[str, Any] | None:
        """Which process began it; None if none has."""
        return begun(store, self.token)

    def took_s(self, store: Store) -> float:
        """Seconds since it was seen to have begun; 0 while it waits for a worker."""
        now = time.monotonic()
        if self._begun is None and now - self._looked > _LOOK_EVERY_S:
            self._looked = now
            self._begun = now if self.who(store) else None
        return 0.0 if self._begun is None else now - self._begun

    def forget(self, store: Store) -> None:
        """Remove its mark."""
        forget(store, self.token)
