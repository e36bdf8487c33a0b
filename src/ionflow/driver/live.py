"""What a run shows while it goes on: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ionflow.graph import Plan, Task
from ionflow.plan import StageWork
from ionflow.store import Store

_MAX_ROWS = 24


@dataclass
class _Pace:
    """Steps and seconds of the last segments of one trajectory stage."""

    recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=8))

    def ns_per_day(self, work: StageWork) -> float | None:
        seconds = sum(wall for _, wall in self.recent)
        steps = sum(n for n, _ in self.recent)
        return work.ps(steps) / 1000 * 86400 / seconds if seconds else None


class Progress:
    """How far every stage has come, and how fast.

    Parameters
    ----------
    plan, store : what is asked, what is there
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self.stages = plan.of("stage")
        self.others = [task for task in plan if task.kind != "stage"]
        self.steps = {t.key: min(store.progress(t.key), t.steps) for t in self.stages}
        self.pace: dict[str, _Pace] = defaultdict(_Pace)
        self.done_others = 0
        self.failures: list[tuple[Task, str]] = []
        self.started = time.monotonic()
        self._work_at_start = self._work_done()

    def advance(self, task: Task, step: int, steps: int, wall_s: float) -> None:
        """A segment was committed."""
        self.steps[task.key] = min(step, task.steps)
        self.pace[task.key].recent.append((steps, wall_s))

    def fraction(self) -> float:
        """Share of all atom-steps that is done."""
        asked = sum(t.steps * t.payload.atoms for t in self.stages)
        return self._work_done() / asked if asked else 1.0

    def eta_s(self) -> float | None:
        """Seconds to go at the pace since the start; None before the first segment."""
        made = self._work_done() - self._work_at_start
        asked = sum(t.steps * t.payload.atoms for t in self.stages)
        elapsed = time.monotonic() - self.started
        return (asked - self._work_done()) * elapsed / made if made else None

    def _work_done(self) -> int:
        return sum(self.steps[t.key] * t.payload.atoms for t in self.stages)


class Plain:
    """One line for each event, for logs and pipes."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self.console, self.progress = console, progress

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def advanced(self, task: Task, step: int, steps: int, wall_s: float) -> None:
        """One line: label, stage, ps done of ps asked, speed, time to go."""
        self.progress.advance(task, step, steps, wall_s)
        work: StageWork = task.payload
        speed = self.progress.pace[task.key].ns_per_day(work)
        line = (
            f"{task.label}  {work.name}  {work.ps(step):.4g} of {work.ps(task.steps):.4g} ps"
            f"  {_speed(speed)}  {self.progress.fraction():.0%}  ETA {clock(self.progress.eta_s())}"
        )
        self._line(line)

    def finished(self, task: Task) -> None:
        """One line for a result; stages have said so already."""
        if task.kind == "analysis":
            self._line(f"{task.label}  {task.payload.analyser.use}  done")

    def failed(self, task: Task, reason: str) -> None:
        """One line with the reason."""
        self.progress.failures.append((task, reason))
        self._line(f"FAILED  {task.label}  {task.name}: {reason}")

    def retried(self, task: Task, reason: str) -> None:
        """One line with the reason."""
        self._line(f"once more  {task.label}  {task.name}: {reason}")

    def said(self, text: str) -> None:
        """One line."""
        self._line(text)

    def _line(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True, highlight=False)


class Watch(Plain):
    """A table that renews itself: one row for each stage in hand, failures below."""

    def __enter__(self) -> Self:
        self._live = Live(
            get_renderable=self._render, console=self.console, refresh_per_second=2, transient=True
        )
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def advanced(self, task: Task, step: int, steps: int, wall_s: float) -> None:
        """Kept for the next refresh."""
        self.progress.advance(task, step, steps, wall_s)

    def finished(self, task: Task) -> None:
        """Counted for the next refresh."""
        self.progress.done_others += task.kind != "stage"

    def _render(self) -> Group:
        progress = self.progress
        head = Text(
            f"{progress.fraction():.0%} of the dynamics   ETA {clock(progress.eta_s())}   "
            f"elapsed {clock(time.monotonic() - progress.started)}"
        )
        return Group(head, self._table())

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title, justify in (
            ("material", "left"), ("stage", "left"), ("ps", "right"), ("of", "right"),
            ("", "left"), ("ns/day", "right"), ("ETA", "right"),
        ):  # fmt: skip
            table.add_column(title, justify=justify)  # type: ignore[arg-type]
        rows = self._in_hand()
        for task in rows[:_MAX_ROWS]:
            table.add_row(*self._row(task))
        if len(rows) > _MAX_ROWS:
            table.add_row(f"... and {len(rows) - _MAX_ROWS} more")
        return table

    def _in_hand(self) -> list[Task]:
        """Stages begun and not ended first, then those that wait, then those that are done."""
        steps = self.progress.steps

        def rank(task: Task) -> int:
            if steps[task.key] >= task.steps:
                return 2
            return 0 if steps[task.key] else 1

        return sorted(self.progress.stages, key=rank)

    def _row(self, task: Task) -> tuple[str, ...]:
        work: StageWork = task.payload
        step = self.progress.steps[task.key]
        speed = self.progress.pace[task.key].ns_per_day(work)
        left_s = (task.steps - step) * work.ps(1) / 1000 * 86400 / speed if speed else None
        failed = any(t.key == task.key for t, _ in self.progress.failures)
        bar = "failed" if failed else _bar(step / task.steps)
        done, asked = f"{work.ps(step):.4g}", f"{work.ps(task.steps):.4g}"
        eta = clock(left_s) if step < task.steps else ""
        return task.label, work.name, done, asked, bar, _speed(speed, unit=""), eta


def watch(console: Console, progress: Progress) -> Plain:
    """The live table if the output is a terminal, plain lines otherwise."""
    return Watch(console, progress) if console.is_terminal else Plain(console, progress)


def clock(seconds: float | None) -> str:
    """Seconds as people say them.

    >>> clock(75), clock(7300), clock(200000), clock(None)
    ('1:15', '2:01:40', '2 d 7 h', '?')
    """
    if seconds is None:
        return "?"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def _bar(share: float, width: int = 16) -> str:
    full = round(share * width)
    return "━" * full + "╌" * (width - full)


def _speed(ns_per_day: float | None, unit: str = " ns/day") -> str:
    return f"{ns_per_day:.3g}{unit}" if ns_per_day else ""
