"""The explanation of one key, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ionflow.explain.book import Book
from ionflow.flags import SOUNDNESS, Flags
from ionflow.origin import BITWISE, STATISTICAL, kept
from ionflow.store import SegmentInfo
from ionflow.view import Row

MEANING = {
    BITWISE: "the same software on the same kind of machine gives the same bits",
    STATISTICAL: "made again it agrees within its errors, not bit for bit",
}

#: Where and how: of a segment, what tells one stretch of a trajectory from the next.
_PLACE = ("host", "cpu", "device", "gpu", "cuda", "driver", "threads", "software", "epoch")


def explained(book: Book, key: str) -> dict[str, Any]:
    """Everything that a run folder knows of a key."""
    task, record = book.task(key), book.record(key)
    segments = book.segments(key)
    told = {
        "key": key,
        "kind": task["kind"],
        "name": task["name"],
        "label": task["label"],
        "coords": task["coords"],
        "run": str(book.store.root),
        "state": _state(book, key, segments),
        "made_by": _makers(book, task, record),
        "seed": record.get("seed", task.get("seed")),
        "made": _circumstances(record, segments),
        "software": _software(book, record),
        "reproducibility": reproducibility(record),
        "segments": stretches(segments),
        "invocations": list(book.invocations(_epochs(record, segments))),
        "doubts": doubts(book, key),
        "files": _files(book, key),
        "failure": book.failures.get(key),
        "from": sources(book, key, set()),
        "into": [_named(book, other) for other in book.followers(key)],
    }
    return {name: value for name, value in told.items() if value not in (None, [], {}, "")}


# what it is


def _state(book: Book, key: str, segments: Sequence[SegmentInfo]) -> str:
    state = book.state(key)
    asked = book.task(key).get("steps")
    if not segments or not asked or state == "done":
        return state
    return f"{state}, {segments[-1].last_step} of {asked} steps"


def _named(book: Book, key: str) -> dict[str, Any]:
    if key not in book.kinds:
        return {"key": key, "kind": "", "name": "", "label": "", "state": "unknown"}
    task = book.task(key)
    known = {name: task[name] for name in ("key", "kind", "name", "label")}
    return {**known, "state": book.state(key)}


def _makers(
    book: Book, task: Mapping[str, Any], record: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The plugins that made it, or will, by their kind; of a stage also its own parameters."""
    if task["kind"] == "stage":
        return kept(book.store, record.get("method") or task.get("method"))
    role = "generator" if task["kind"] == "structure" else "analyser"
    maker = record.get("plugin") or task.get(role)
    return {role: maker} if maker else {}


# how it was made


def _circumstances(record: Mapping[str, Any], segments: Sequence[SegmentInfo]) -> dict[str, Any]:
    """When, where and with which backend; of a trajectory, of its last segment."""
    names = ("made", "epoch", "pid", "batch", *_PLACE[:-2])
    found = {name: record[name] for name in names if name in record}
    backend = {name: record[name] for name in ("potential", "engine") if record.get(name)}
    wall_s = sum(s.meta.get("wall_s", 0.0) for s in segments) or record.get("wall_s")
    return found | ({"backend": backend} if backend else {}) | _if_known("wall_s", wall_s)


def _if_known(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {name: value}


def _software(book: Book, record: Mapping[str, Any]) -> dict[str, Any]:
    digest = record.get("software")
    own = {n: record[n] for n in ("python", "system", "versions", "git") if n in record}
    return {"digest": digest, **(own or kept(book.store, digest))} if digest else {}


def reproducibility(record: Mapping[str, Any]) -> dict[str, Any]:
    """bitwise or statistical, what that means, and why it is no more."""
    is_ = record.get("reproducibility")
    return {"is": is_, "means": MEANING[is_], "why": list(record.get("why", ()))} if is_ else {}


def stretches(segments: Iterable[SegmentInfo]) -> list[dict[str, Any]]:
    """Successive segments that were made in the same place and invocation, together."""
    return [_stretch(list(group)) for _, group in groupby(segments, _place)]


def _place(segment: SegmentInfo) -> tuple[Any, ...]:
    return tuple(segment.meta.get(name) for name in _PLACE)


def _stretch(group: Sequence[SegmentInfo]) -> dict[str, Any]:
    first, last = group[0], group[-1]
    place = {name: first.meta[name] for name in _PLACE if name in first.meta}
    return {
        "segments": len(group),
        "first_step": first.first_step,
        "last_step": last.last_step,
        **place,
        "processes": len({s.meta.get("pid") for s in group}),
        "wall_s": round(sum(s.meta.get("wall_s", 0.0) for s in group), 3),
        **{name: of.meta["made"] for name, of in (("from", first), ("until", last))
           if "made" in of.meta},
    }  # fmt: skip


def _epochs(record: Mapping[str, Any], segments: Iterable[SegmentInfo]) -> list[int]:
    found = [s.meta.get("epoch") for s in segments] or [record.get("epoch")]
    return [epoch for epoch in dict.fromkeys(found) if epoch]


def doubts(book: Book, key: str) -> list[str]:
    """What is wrong with it, or with a trajectory that it was made from, though finished."""
    related = {key, *ancestors(book, key)}
    tasks = [t for k, t in book.tasks.items() if k in related or t["name"] == SOUNDNESS]
    return [str(flag) for flag in Flags(book.store, [Row.of(task) for task in tasks]).all()]


def ancestors(book: Book, key: str) -> list[str]:
    """All keys that one was made from, the nearest first."""
    found: dict[str, None] = {}
    waiting = [key]
    while waiting:
        new = [i.key for i in book.inputs(waiting.pop(0)) if i.key in book.kinds]
        waiting += [other for other in new if other not in found]
        found |= dict.fromkeys(new)
    return list(found)


# where it lies


def _files(book: Book, key: str) -> dict[str, Any]:
    """Where it lies, how large it is, and what holds its checksums."""
    store, kind = book.store, book.kinds[key]
    data, sums = {
        "structure": (f"structures/{key}.zarr.zip", f"structures/{key}.zarr.zip"),
        "stage": (f"trajectories/{key}", f"trajectories/{key}/sealed.json"),
        "analysis": (f"analyses/{key}.zarr", f"analyses/{key}.json"),
    }[kind]
    if not (store.root / data).exists():
        return {}
    own = f"{data}/segments" if kind == "stage" else data
    checksums = sums if (store.root / sums).exists() else own
    return {"path": data, **_size(store.root / data), "checksums": checksums}


def _size(path: Path) -> dict[str, int]:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {"files": len(files), "bytes": sum(p.stat().st_size for p in files)}


# from what, into what


def sources(book: Book, key: str, seen: set[str]) -> list[dict[str, Any]]:
    """What a key was made from, and that from what, down to the structures; each told once."""
    return list(_sources(book, key, seen)) if key in book.kinds else []


def _sources(book: Book, key: str, seen: set[str]) -> Iterator[dict[str, Any]]:
    for source in book.inputs(key):
        told = _named(book, source.key) | ({"steps": source.steps} if source.steps else {})
        if source.key in seen:
            yield {**told, "told": "above"}
            continue
        seen.add(source.key)
        below = sources(book, source.key, seen)
        yield {**told, "from": below} if below else told
