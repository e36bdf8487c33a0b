"""What a run folder knows of its keys, from `run.json` and from the records beside the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from ionflow.errors import StoreError
from ionflow.graph import Input
from ionflow.store import SegmentInfo, Store

KINDS = {"structures": "structure", "trajectories": "stage", "analyses": "analysis"}


class Book:
    """The tasks of a run, and what lies on disk without being one of them any more."""

    def __init__(self, store: Store) -> None:
        self.store = store
        document = store.read_json("run.json") if (store.root / "run.json").is_file() else {}
        self.tasks: dict[str, dict[str, Any]] = {t["key"]: t for t in document.get("tasks", ())}
        self.document = {name: value for name, value in document.items() if name != "tasks"}
        self.failures = store.failures()

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Every key with its kind: structure, stage or analysis."""
        found = {key: str(task["kind"]) for key, task in self.tasks.items()}
        found |= {key: str(f.get("kind", "")) for key, f in self.failures.items()}
        for folder, kind in KINDS.items():
            for path in (self.store.root / folder).glob("*"):
                found.setdefault(path.name.partition(".")[0], kind)
        return found

    def task(self, key: str) -> dict[str, Any]:
        """The row of `run.json`; of what an earlier recipe made, as much as is known."""
        if key in self.tasks:
            return self.tasks[key]
        kind = self.kinds[key]
        use = self._record_or_nothing(key).get("plugin", {}).get("use", kind)
        failure = self.failures.get(key, {})
        name, label = failure.get("name", use), failure.get("label", "")
        return {"key": key, "kind": kind, "name": name, "label": label, "coords": {}, "steps": 0}

    def record(self, key: str) -> Mapping[str, Any]:
        """What was written beside the data when it was made; empty if it is not made yet.

        Raises
        ------
        StoreError
            If it is damaged.
        """
        kind = self.kinds[key]
        if kind == "stage":
            segments = self.segments(key)
            return segments[-1].meta if segments else {}
        if kind == "structure":
            return self.store.structure_record(key) if self.store.has_structure(key) else {}
        return self.store.result_record(key) if self.store.has_result(key) else {}

    def _record_or_nothing(self, key: str) -> Mapping[str, Any]:
        try:
            return self.record(key)
        except StoreError:  # said where it is asked for, not where it is only passed by
            return {}

    def segments(self, key: str) -> Sequence[SegmentInfo]:
        """The segments of a trajectory; none of anything else."""
        return self.store.segments(key) if self.kinds[key] == "stage" else ()

    def inputs(self, key: str) -> list[Input]:
        """What a key was, or is to be, made from."""
        told = self.tasks.get(key) or self._record_or_nothing(key)
        return [Input(i["key"], i.get("steps") or 0) for i in told.get("inputs") or ()]

    @cached_property
    def _readers(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for reader in self.tasks:
            for key in dict.fromkeys(i.key for i in self.inputs(reader)):
                found.setdefault(key, []).append(reader)
        return found

    def followers(self, key: str) -> list[str]:
        """Keys of the tasks that read it."""
        return self._readers.get(key, [])

    def state(self, key: str) -> str:
        """done, failed, begun, waiting, or damaged."""
        if key in self.failures:
            return "failed"
        try:
            return self._state(key)
        except StoreError:
            return "damaged"

    def _state(self, key: str) -> str:
        kind = self.kinds.get(key, "")
        if kind == "stage":
            reached = self.store.progress(key)
            return (
                "done" if reached >= self.task(key)["steps"] else "begun" if reached else "waiting"
            )
        done = self.store.has_structure if kind == "structure" else self.store.has_result
        return "done" if done(key) else "waiting"

    def invocations(self, epochs: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        """The invocations of these epochs, the oldest first."""
        for entry in self.document.get("invocations", ()):
            if entry.get("epoch") in epochs:
                yield entry
