"""Where the numbers of a report come from: recipe, plugins, software, hosts, invocations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ionflow.report.gather import TROUBLE, Data

_PROMISE = {
    "bitwise": "bitwise: the same software on the same kind of machine gives the same bits",
    "statistical": "statistical: another run agrees within its errors, not bit for bit",
}
_SHOWN = 4


def told(data: Data) -> tuple[tuple[str, str], ...]:
    """All that identifies a run, by name."""
    record = data.run.provenance
    last = _last_segments(data)
    items = {
        "Recipe": _recipe(record),
        "Seed": record.get("seed"),
        "Reproducibility": _reproducibility(record, last),
        "Potential": _identity(record.get("potential")),
        "Engine": _identity(record.get("engine")),
        "Backend": _backend(record.get("backend")),
        "Started": moment(record.get("started")),
        "Finished": moment(record.get("finished")),
        "Invocations": _invocations(record.get("invocations") or ()),
        "Computed on": _places(last),
        "Software": _versions(record),
        "Commit": _commits(record.get("git") or {}),
        "Host": ", ".join(
            f"{n} {value}" for n, value in (record.get("host") or {}).items() if value
        ),
    }
    return tuple((name, str(value)) for name, value in items.items() if value not in (None, ""))


def moment(text: Any) -> str:
    """A moment of ISO 8601 as people write it, to the minute."""
    found = str(text or "").replace("T", " ")
    return f"{found[:16]} UTC" if found.endswith("+00:00") else found


def _host(host: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in host.items() if value)


def _last_segments(data: Data) -> list[Mapping[str, Any]]:
    """The records of the last segments of all trajectories."""
    found = []
    for row in data.run.stages:
        try:
            found += [s.meta for s in data.run.store.segments(row.key)[-1:]]
        except TROUBLE as error:
            data.troubles.append(f"trajectory {row.label or row.case}: {error}")
    return found


def _recipe(record: Mapping[str, Any]) -> str:
    overrides = record.get("overrides") or ()
    source = record.get("source") or {}
    parts = [
        str(record.get("name") or ""),
        f"from {source['file']}" if source.get("file") else "",
        _commit(source) if source.get("commit") else "",
        f"with {', '.join(overrides)}" if overrides else "",
    ]
    return ", ".join(part for part in parts if part)


def _reproducibility(record: Mapping[str, Any], last: Iterable[Mapping[str, Any]]) -> str:
    """What is promised of the run as a whole: no more than of its worst trajectory."""
    doubts = [m for m in last if m.get("reproducibility") == "statistical"]
    word = "statistical" if doubts else str(record.get("reproducibility"))
    reasons = dict.fromkeys(reason for m in doubts for reason in m.get("why", ()))
    return "; ".join([_PROMISE.get(word, ""), *list(reasons)[:_SHOWN]]).rstrip("; ")


def _invocations(entries: Iterable[Mapping[str, Any]]) -> str:
    ends = Counter(str(e.get("how") or "without an end written") for e in entries)
    return ", ".join(f"{number} {how}" for how, number in ends.items())


def _places(last: Iterable[Mapping[str, Any]]) -> str:
    """Hosts with what computed there, by the number of trajectories that ended there."""
    found = Counter(_place(meta) for meta in last if "host" in meta)
    names = [f"{place} ({number})" for place, number in found.most_common(_SHOWN)]
    return "; ".join([*names, *([f"and {len(found) - _SHOWN} more"] * (len(found) > _SHOWN))])


def _place(meta: Mapping[str, Any]) -> str:
    threads = f"{meta['threads']} threads" if meta.get("threads", 1) != 1 else ""
    parts = (meta["host"], meta.get("gpu") or meta.get("cpu"), threads)
    return ", ".join(str(part) for part in parts if part)


def _identity(identity: Any) -> str:
    if not isinstance(identity, Mapping):
        return ""
    parameters = identity.get("parameters") or {}
    told = [f"{name}={value}" for name, value in parameters.items() if value is not None]
    content = [f"{name} SHA-256 {sha}" for name, sha in (identity.get("content") or {}).items()]
    version = f"version {identity.get('version', '?')}"
    return "; ".join([str(identity.get("use")), version, *told, *content])


def _backend(backend: Any) -> str:
    found = backend if isinstance(backend, Mapping) else {}
    told = {part: ", ".join(map(str, how.values())) for part, how in found.items() if how}
    return "; ".join(f"{part}: {how}" for part, how in told.items())


def _versions(record: Mapping[str, Any]) -> str:
    versions = {"ionflow": record.get("ionflow")} | (record.get("versions") or {})
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _commits(git: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} {_commit(at)}" for name, at in git.items())


def _commit(at: Mapping[str, Any]) -> str:
    return f"{at['commit'][:12]}{' with changes' if at.get('dirty') else ''}"
