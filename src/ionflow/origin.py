"""Where a result comes from: the records that lie beside structures, segments and results.

A record says what made something (plugins with their distributions), from which inputs and with
which seed; where, with which software, when, how long it took; and whether the same bits can be had
again.
What many records share (a table of versions, the parameters of a method) lies once in the folder
`provenance` of the run, under the SHA-256 of its content.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ionflow import machine, software
from ionflow.errors import StoreError
from ionflow.graph import Input, Task
from ionflow.kinds import Engine, Plugin, Potential, Stage, backend
from ionflow.plan import AnalysisWork, BuildWork, StageWork
from ionflow.store import Store, canonical

BITWISE, STATISTICAL = "bitwise", "statistical"

Record = Mapping[str, Any]

#: What changes bits if it changes from one segment to the next, and how to say so.
_DECIDES_BITS = {
    "cpu": "processors",
    "device": "devices",
    "gpu": "GPUs",
    "threads": "numbers of threads",
    "potential": "backends of the potential",
    "engine": "backends of the engine",
}


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


# what many records share


def keep(store: Store, content: Record) -> str:
    """Write content that many records share, once; the digest that stands for it."""
    digest = hashlib.sha256(canonical(content)).hexdigest()[:16]
    if not (store.root / _shared(digest)).exists():
        store.write_json(_shared(digest), dict(content))
    return digest


def kept(store: Store, digest: str | None) -> dict[str, Any]:
    """The content that a digest stands for; empty if it is not there or damaged."""
    if not digest or not (store.root / _shared(digest)).exists():
        return {}
    try:
        found: dict[str, Any] = store.read_json(_shared(digest))
    except StoreError:  # `ionflow verify` names it; whoever asks is told that it is not known
        return {}
    return found


def names(store: Store) -> list[str]:
    """Digests of all that is kept."""
    return sorted(path.stem for path in (store.root / "provenance").glob("*.json"))


def _shared(digest: str) -> str:
    return f"provenance/{digest}.json"


# plugins


@lru_cache(maxsize=1024)
def plugin(made_by: Plugin) -> dict[str, Any]:
    """A plugin's identity, its distribution, and which of its fields differ from the defaults."""
    name, version = software.distribution_of(type(made_by).__module__)
    beside = made_by.model_dump(mode="json", include=set(made_by.outside_identity))
    return {
        **made_by.identity(),
        "changed": sorted(made_by.model_dump(exclude_defaults=True)),
        **({"outside_identity": beside} if beside else {}),
        "distribution": name,
        "distribution_version": version,
    }


@lru_cache(maxsize=1024)
def method(stage: Stage, engine: Engine, potential: Potential) -> dict[str, Any]:
    """What moves a trajectory: the stage's parameters, the engine and the potential."""
    return {
        "stage": stage.model_dump(mode="json"),
        "engine": plugin(engine),
        "potential": plugin(potential),
    }


# records


def of_structure(store: Store, task: Task, wall_s: float) -> dict[str, Any]:
    """The record of a starting structure."""
    work: BuildWork = task.payload
    return {
        "plugin": plugin(work.generator),
        "inputs": [],
        "seed": work.seed,
        **_whole_software(store),
        **_circumstances(store, wall_s, machine.place("cpu")),
        "reproducibility": BITWISE,
    }


def of_segment(store: Store, task: Task, wall_s: float) -> dict[str, Any]:
    """The record of the segment of a trajectory that is about to be committed."""
    work: StageWork = task.payload
    how = backend(work.potential, work.engine)
    found = {
        "method": keep(store, method(work.stage, work.engine, work.potential)),
        "inputs": _inputs(task.inputs),
        "seed": work.seed,
        "software": keep(store, software.table()),
        **_circumstances(store, wall_s, machine.place(device_of(how))),
        **how,
    }
    return {**found, **_verdict(_segment_doubts(store, task, found))}


def of_result(store: Store, task: Task, wall_s: float) -> dict[str, Any]:
    """The record of an analysis; its reproducibility is that of the worst of its inputs."""
    work: AnalysisWork = task.payload
    sources = (of_input(store, source) for source in task.inputs)
    return {
        "plugin": plugin(work.analyser),
        "inputs": _inputs(task.inputs),
        "first_step": work.first_step,
        **_whole_software(store),
        **_circumstances(store, wall_s, machine.place("cpu")),
        **_verdict(reason for source in sources for reason in _inherited(source)),
    }


def of_input(store: Store, source: Input) -> Record:
    """The record of something that a task reads; empty if nothing is recorded of it."""
    if source.steps:
        last = [s.meta for s in store.segments(source.key) if s.last_step <= source.steps]
        return last[-1] if last else {}
    if store.has_result(source.key):
        return store.result_record(source.key)
    return store.structure_record(source.key) if store.has_structure(source.key) else {}


def _inputs(inputs: Iterable[Input]) -> list[dict[str, Any]]:
    return [{"key": i.key, "steps": i.steps} for i in inputs]


def _whole_software(store: Store) -> dict[str, Any]:
    """The digest of the table of software, and the table: a result may travel alone."""
    table = software.table()
    return {"software": keep(store, table), **table}


def _circumstances(store: Store, wall_s: float, place: Record) -> dict[str, Any]:
    return {
        **place,
        "pid": os.getpid(),
        "epoch": store.epoch,
        "made": now(),
        "wall_s": round(wall_s, 3),
    }


# reproducibility


def device_of(how: Record) -> str:
    """The device on which an engine moves atoms, as its provenance says."""
    return str(how.get("engine", {}).get("device", "cpu"))


def unordered(how: Record) -> list[str]:
    """Why a backend does not give the same bits twice; empty if it does."""
    device = device_of(how)
    if device == "cpu" or how.get("engine", {}).get("deterministic"):
        return []
    return [f"sums over neighbours on {device} come in another order every time"]


def _verdict(doubts: Iterable[str]) -> dict[str, Any]:
    reasons = list(dict.fromkeys(doubts))
    return {"reproducibility": STATISTICAL, "why": reasons} if reasons else {
        "reproducibility": BITWISE
    }  # fmt: skip


def _segment_doubts(store: Store, task: Task, found: Record) -> Iterator[str]:
    yield from unordered(found)
    segments = store.segments(task.key)
    before = segments[-1].meta if segments else of_input(store, task.inputs[0])
    yield from _inherited(before)
    yield from _changes(store, before, found)


def _inherited(source: Record) -> Iterator[str]:
    if "reproducibility" not in source:
        yield "of something that it was made from, nothing is recorded"
    elif source["reproducibility"] != BITWISE:
        yield from source.get("why", ())


def _changes(store: Store, before: Record, found: Record) -> Iterator[str]:
    """What changed since the segment, or the structure, before."""
    asked = _DECIDES_BITS if "method" in before else ("cpu",)
    for name in asked:
        if name in before and before[name] != found.get(name):
            yield f"parts were made with different {_DECIDES_BITS[name]}"
    if before.get("software") not in (None, found["software"]):
        one, other = kept(store, before["software"]), kept(store, found["software"])
        if changed := software_changes(one, other):
            yield f"parts were made with different versions of {', '.join(changed)}"


def software_changes(one: Record, other: Record) -> list[str]:
    """Distributions of which two tables of software have different versions or commits."""
    if not one or not other:
        return ["what is not known"]
    versions = software.differing(one["versions"], other["versions"])
    commits = {n: c["commit"] for n, c in one["git"].items()}
    others = {n: c["commit"] for n, c in other["git"].items()}
    python = ["Python"] if one["python"] != other["python"] else []
    return [*python, *dict.fromkeys([*versions, *software.differing(commits, others)])]
