"""How far a run has come, read from disk alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ionflow.flags import Flag, Flags
from ionflow.store import Store
from ionflow.units import FS_PER_PS
from ionflow.view import Row as Task

_PS_PER_DAY_TO_NS = 86400 / 1000.0


@dataclass(frozen=True)
class Row:
    """One trajectory stage: how far, how fast, and what is wrong."""

    key: str
    label: str
    stage: str
    done_ps: float
    asked_ps: float
    ns_per_day: float | None
    failure: str = ""

    @property
    def state(self) -> str:
        """failed, done, started or waiting."""
        if self.failure:
            return "failed"
        if self.done_ps >= self.asked_ps:
            return "done"
        return "started" if self.done_ps else "waiting"


@dataclass(frozen=True)
class Status:
    """A run's rows, its analyses, and who holds it."""

    name: str
    scale: str
    rows: tuple[Row, ...]
    results_done: int
    results_asked: int
    failures: Mapping[str, Mapping[str, Any]]
    holder: Mapping[str, Any] | None
    flags: tuple[Flag, ...] = ()
    """What is wrong with finished trajectories."""

    @property
    def done_ps(self) -> float:
        """Simulated time committed, all trajectories together."""
        return sum(row.done_ps for row in self.rows)

    @property
    def asked_ps(self) -> float:
        """Simulated time asked for, all trajectories together."""
        return sum(row.asked_ps for row in self.rows)


def status(path: Path | str) -> Status:
    """The status of a run folder.

    Raises
    ------
    StoreError
        If the folder is no run, or a run that has not begun.
    """
    store = Store.open(Path(path))
    run = store.read_json("run.json")
    failures = store.failures()
    rows = [_row(store, t, failures) for t in run["tasks"] if t["kind"] == "stage"]
    results = [t["key"] for t in run["tasks"] if t["kind"] == "analysis"]
    return Status(
        name=run["name"],
        scale=run["scale"],
        rows=tuple(rows),
        results_done=sum(store.has_result(key) for key in results),
        results_asked=len(results),
        failures=failures,
        holder=store.holder(),
        flags=Flags(store, [Task.of(entry) for entry in run["tasks"]]).all(),
    )


def table(status: Status) -> RenderableType:
    """A status as a table for a terminal."""
    rows = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("material", "stage", "ps", "of", "ns/day", "state"):
        rows.add_column(title, justify="right" if title in ("ps", "of", "ns/day") else "left")
    for row in status.rows:
        rows.add_row(*_cells(row))
    return Group(Text(_summary(status)), rows, *_failures(status), *_flags(status))


def _cells(row: Row) -> tuple[str, ...]:
    speed = f"{row.ns_per_day:.3g}" if row.ns_per_day else ""
    return row.label, row.stage, f"{row.done_ps:.4g}", f"{row.asked_ps:.4g}", speed, row.state


def _summary(status: Status) -> str:
    held = status.holder
    who = f"running on {held.get('host')} (pid {held.get('pid')})" if held else "not running"
    return (
        f"{status.name}, scale {status.scale or 'none'}: {status.done_ps:.4g} of "
        f"{status.asked_ps:.4g} ps, {status.results_done} of {status.results_asked} results; {who}"
    )


def _failures(status: Status) -> list[Text]:
    records = status.failures.values()
    return [Text(f"FAILED  {r['label']}  {r['name']}: {r['reason']}") for r in records]


def _flags(status: Status) -> list[Text]:
    return [Text(f"FLAGGED {flag}") for flag in status.flags]


def speed_ns_per_day(meta: Iterable[Mapping[str, Any]], ps: float) -> float | None:
    """Simulated ns in a day of wall time, from the segments' own clocks."""
    wall_s = sum(m["wall_s"] for m in meta)
    return ps / wall_s * _PS_PER_DAY_TO_NS if wall_s else None


def _row(store: Store, task: Mapping[str, Any], failures: Mapping[str, Any]) -> Row:
    ps = task["timestep_fs"] / FS_PER_PS
    segments = store.segments(task["key"])
    live_ps = sum(s.last_step - s.first_step for s in segments) * ps
    return Row(
        key=task["key"],
        label=task["label"],
        stage=task["name"],
        done_ps=min(store.progress(task["key"]), task["steps"]) * ps,
        asked_ps=task["steps"] * ps,
        ns_per_day=speed_ns_per_day((s.meta for s in segments), live_ps),
        failure=failures.get(task["key"], {}).get("reason", ""),
    )


__all__ = ["Row", "Status", "speed_ns_per_day", "status", "table"]
