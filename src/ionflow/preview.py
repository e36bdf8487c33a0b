"""What `ionflow plan` prints: what would run, how large it is, what is there already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ionflow.graph import Plan, Task
from ionflow.plan import StageWork
from ionflow.recipe import Recipe
from ionflow.recipe.analyses import WATCH
from ionflow.space import frames_bytes, size
from ionflow.store import Store

_WATCHED = " (part of every recipe with analyses; `{use: soundness, off: true}` leaves it out)"


@dataclass(frozen=True)
class Sum:
    """Trajectories of one stage added up."""

    tasks: int
    atoms: int
    steps: int
    ps: float
    frames: int
    bytes: float
    done_ps: float


def total(tasks: Iterable[Task], store: Store | None) -> Sum:
    """What the stages of a plan, or some of them, come to."""
    tasks = list(tasks)
    works: list[StageWork] = [task.payload for task in tasks]
    done = [min(store.progress(t.key), t.steps) if store else 0 for t in tasks]
    return Sum(
        tasks=len(tasks),
        atoms=max((w.atoms for w in works), default=0),
        steps=sum(w.total_steps for w in works),
        ps=sum(w.ps(w.total_steps) for w in works),
        frames=sum(w.frames for w in works),
        bytes=sum(frames_bytes(w) for w in works),
        done_ps=sum(w.ps(n) for w, n in zip(works, done, strict=True)),
    )


def preview(recipe: Recipe, plan: Plan, folder: Path) -> RenderableType:
    """Materials, stages, tasks, steps, atoms, frames, bytes, and what is finished in `folder`."""
    store = Store.open(folder) if (folder / "run.json").exists() else None
    stages = plan.of("stage")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("stage", "tasks", "atoms", "steps", "ps", "frames", "size", "done"):
        table.add_column(title, justify="left" if title == "stage" else "right")
    for name in dict.fromkeys(task.name for task in stages):
        _add(table, name, total([t for t in stages if t.name == name], store))
    _add(table, "all", total(stages, store))
    return Group(Text(_head(recipe, plan)), Text(""), table, Text(""), *_analyses(plan, store))


def _head(recipe: Recipe, plan: Plan) -> str:
    structures = plan.of("structure")
    formulas = sorted({t.payload.formula for t in structures})
    shown = ", ".join(formulas[:9]) + (f" and {len(formulas) - 9} more" if formulas[9:] else "")
    axes = " × ".join(f"{a.name} ({len(a.values)})" for a in recipe.axes) or "no scan"
    return (
        f"{recipe.name}, scale {recipe.scale or 'none'}: {axes}, {recipe.replicas} replicas\n"
        f"{len(structures)} starting structures: {shown}\n{len(plan)} tasks"
    )


def _add(table: Table, name: str, s: Sum) -> None:
    done = f"{s.done_ps / s.ps:.0%}" if s.ps else ""
    table.add_row(
        name, f"{s.tasks}", f"{s.atoms}", f"{s.steps:,}", f"{s.ps:,.4g}", f"{s.frames:,}",
        size(s.bytes), done,
    )  # fmt: skip


def _analyses(plan: Plan, store: Store | None) -> list[Text]:
    tasks = plan.of("analysis")
    lines = []
    for name in dict.fromkeys(task.name for task in tasks):
        mine = [t for t in tasks if t.name == name]
        done = sum(store.has_result(t.key) for t in mine) if store else 0
        note = _WATCHED if name == WATCH else ""
        lines.append(Text(f"{name}: {len(mine)} results, {done} there already{note}"))
    return lines
