"""The invocations of `ionflow run` that had work to do on one run folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ionflow.errors import InterruptedRunError, OutOfSpaceError, reason
from ionflow.origin import now

#: Older ones are dropped: a run that is continued every hour should not grow without bound.
KEPT = 200


class Invocations:
    """A list with one entry for each invocation, the last of which may be this one."""

    def __init__(self, earlier: Iterable[Mapping[str, Any]]) -> None:
        self._entries: list[dict[str, Any]] = [dict(entry) for entry in earlier]
        self._open: dict[str, Any] | None = None

    def begin(self, entry: Mapping[str, Any]) -> None:
        """This invocation begins; one before it that wrote no end was killed."""
        for before in self._entries:
            before.setdefault("how", "killed")
        self._open = {**entry, "wall_s": 0.0, "seen": entry["started"]}
        self._entries.append(self._open)

    def seen(self, wall_s: float) -> None:
        """This invocation lives."""
        if self._open is not None:
            self._open |= {"wall_s": round(wall_s, 1), "seen": now()}

    def end(self, how: str) -> bool:
        """This invocation ends; whether it had begun and not ended yet."""
        if self._open is None or "how" in self._open:
            return False
        self._open |= {"how": how, "ended": now()}
        return True

    def listed(self) -> list[dict[str, Any]]:
        """The entries, the oldest first; those before the last KEPT are dropped."""
        return self._entries[-KEPT:]


def ending_of(failed: int) -> str:
    """How an invocation ends that did all that can be done."""
    return f"{failed} failed" if failed else "finished"


def is_complete(how: str) -> bool:
    """Whether an ending leaves nothing to be done."""
    return how == "finished" or how.endswith(" failed")


def ending_by(error: BaseException) -> str:
    """How an error ends an invocation, in few words."""
    if isinstance(error, InterruptedRunError | KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OutOfSpaceError):
        return "out of space"
    return f"stopped by an error: {reason(error)[:200]}"
