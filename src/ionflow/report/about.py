"""What was run, how fast, on what, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ionflow.report.gather import TROUBLE, Data
from ionflow.report.origins import moment, told
from ionflow.report.page import Cell, Notice, Section, Table
from ionflow.report.rounding import NONE, short, span
from ionflow.units import FS_PER_PS
from ionflow.view import Row

_SECONDS_PER_DAY = 86400.0
_SHOWN = 30


def facts(data: Data) -> tuple[tuple[str, str], ...]:
    """The run in a few words."""
    record = data.run.provenance
    items = [
        ("Scale", str(record.get("scale") or NONE)),
        ("Scan", _scan(data)),
        ("Potential", _plugin(record.get("potential"))),
        ("Engine", _plugin(record.get("engine"))),
        ("Simulated time", _simulated(data)),
        ("Speed of a trajectory", _speed(data)),
        ("Wall time", span(float(record.get("wall_s") or np.nan))),
        ("Machine", _machine(record)),
        ("Finished", moment(record.get("finished")) or "not yet"),
    ]
    return tuple(items)


def _speed(data: Data) -> str:
    """Median ns/day of the recorded stage."""
    rows = [row for case in data.cases for row in case.rows]
    speed, _ = speed_of(data, rows)
    return f"{short(speed)} ns/day" if np.isfinite(speed) else NONE


def _scan(data: Data) -> str:
    parts = [
        _count(len(data.materials), "material"),
        _count(len(data.temperatures), "temperature"),
        _count(int(data.run.provenance.get("replicas") or 1), "replica"),
    ]
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _plugin(identity: Any) -> str:
    if not isinstance(identity, Mapping):
        return NONE
    parameters = identity.get("parameters") or {}
    values = [
        f"{name} {short(value, 6) if isinstance(value, float) else value}"
        for name, value in parameters.items()
        if _is_short(value)
    ]
    return ", ".join([str(identity.get("use", NONE)), *values[:3]])


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != "" and len(str(value)) <= 24


def _machine(record: Mapping[str, Any]) -> str:
    host = record.get("host") or {}
    parts = [host.get("gpu"), host.get("cpu")]
    if host.get("cores"):
        parts.append(_count(int(host["cores"]), "core"))
    if record.get("workers"):
        parts.append(_count(int(record["workers"]), "worker"))
    return ", ".join(str(part) for part in parts if part) or NONE


def _simulated(data: Data) -> str:
    total = sum(done_ps(data, row) for row in data.run.stages)
    return f"{short(total / 1000)} ns" if total >= 1000 else f"{short(total)} ps"


def done_ps(data: Data, row: Row) -> float:
    """Simulated time of a trajectory that is committed, in ps."""
    try:
        return data.run.store.progress(row.key) * row.timestep_fs / FS_PER_PS
    except TROUBLE as error:
        data.troubles.append(f"trajectory {row.label or row.case}: {error}")
        return 0.0


def failures(data: Data) -> tuple[Notice, ...]:
    """What failed and why, what is missing, and whether the run goes on."""
    notices = [_failed(data), *_missing(data)]
    if not data.run.provenance.get("finished"):
        text = "This run has not finished. The page shows what was there when it was written."
        notices.append(Notice(text, "note"))
    return tuple(notice for notice in notices if notice is not None)


def _failed(data: Data) -> Notice | None:
    records = data.run.failures
    if not records:
        return None
    text = f"{_count(len(records), 'task')} failed; nothing below contains their results."
    return Notice(text, "fail", _by_reason(records, {row.key: row for row in data.run.rows}))


def _by_reason(records: Mapping[str, Any], rows: Mapping[str, Row]) -> tuple[str, ...]:
    """Each reason once, after all that failed for it."""
    found: dict[str, list[str]] = {}
    for key, record in records.items():
        who, reason = _failure(record, rows.get(key))
        found.setdefault(reason, []).append(who)
    items = [f"{_listed(sorted(who))}: {reason}" for reason, who in sorted(found.items())]
    return (*items[:_SHOWN], *([f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []))


def _listed(names: Sequence[str]) -> str:
    left = len(names) - _SHOWN
    return ", ".join([*names[:_SHOWN], *([f"and {left} more"] if left > 0 else [])])


def _failure(record: Any, row: Row | None) -> tuple[str, str]:
    """What failed, and why."""
    known = record if isinstance(record, Mapping) else {"reason": record}
    name = known.get("name") or (row.name if row else "")
    label = known.get("label") or (row.label if row else "")
    reason = known.get("reason") or known.get("error") or "no reason recorded"
    return " ".join(map(str, (label, name))).strip(), str(reason)


def _missing(data: Data) -> list[Notice]:
    progress = data.run.results.progress()
    lacking = [f"{name}: {n} of {of}" for name, (n, of) in progress.items() if n < of]
    if not lacking:
        return []
    return [Notice(f"Some results are not there ({', '.join(lacking)}).", "warn")]


def about(data: Data) -> Section:
    """Stages with their speeds, materials, versions, and all that identifies the run."""
    tables = [_stages(data), _materials(data)]
    return Section(
        "about",
        "What was run",
        "Enough to run it again; the resolved recipe lies beside this report as recipe.yaml.",
        tables=tuple(table for table in tables if table.rows),
        told=told(data),
    )


def _stages(data: Data) -> Table:
    names = list(dict.fromkeys(row.name for row in data.run.stages))
    return Table(
        "Protocol",
        (
            "Stage",
            "Ensemble",
            "Temperature (K)",
            "Time each (ps)",
            "Trajectories",
            "Done (ps)",
            "Speed (ns/day)",
            "Step (ms)",
        ),
        tuple(_stage(data, name) for name in names),
        note="Speed and time per step are medians over trajectories, from the time that their "
        "segments took on their workers.",
        heads=3,
    )


def _stage(data: Data, name: str) -> tuple[Cell, ...]:
    rows = [row for row in data.run.stages if row.name == name]
    done = [done_ps(data, row) for row in rows]
    asked = sorted({row.steps * row.timestep_fs / FS_PER_PS for row in rows})
    speed, step_ms = speed_of(data, rows)
    return (
        Cell(name),
        Cell(", ".join(sorted({str(row.stage.get("ensemble", NONE)) for row in rows}))),
        Cell(_temperature([row.stage.get("temperature_K") for row in rows])),
        Cell(", ".join(short(value) for value in asked[:3])),
        Cell(f"{sum(value > 0 for value in done)} of {len(rows)}"),
        Cell(short(sum(done), 4)),
        Cell(short(speed)),
        Cell(short(step_ms)),
    )


def _temperature(values: Sequence[Any]) -> str:
    texts = dict.fromkeys(
        " → ".join(f"{float(v):g}" for v in (value if isinstance(value, list) else [value]))
        for value in values
        if value is not None
    )
    return ", ".join(list(texts)[:6]) + (", …" if len(texts) > 6 else "")


def speed_of(data: Data, rows: Sequence[Row]) -> tuple[float, float]:
    """Median speed in ns of a trajectory per day, and median wall time of a step in ms."""
    per_step = [value for row in rows if np.isfinite(value := _seconds_per_step(data, row))]
    if not per_step:
        return np.nan, np.nan
    seconds = float(np.median(per_step))
    ps_per_step = rows[0].timestep_fs / FS_PER_PS
    return ps_per_step / seconds * _SECONDS_PER_DAY / 1000.0, seconds * 1000.0


def _seconds_per_step(data: Data, row: Row) -> float:
    try:
        segments = data.run.store.segments(row.key)
    except TROUBLE:
        return np.nan
    wall = sum(float(segment.meta.get("wall_s", np.nan)) for segment in segments)
    steps = sum(segment.last_step - segment.first_step for segment in segments)
    return wall / steps if steps and wall > 0 else np.nan


def _materials(data: Data) -> Table:
    rows = tuple(
        (Cell(m.label), Cell(m.formula), Cell(str(m.atoms)), Cell(_temperatures(data, m)))
        for m in data.materials
    )
    return Table(
        "Materials", ("Material", "Simulated cell", "Atoms", "Temperatures (K)"), rows, heads=2
    )


def _temperatures(data: Data, material: Any) -> str:
    return ", ".join(f"{case.temperature:g}" for case in data.of(material))
