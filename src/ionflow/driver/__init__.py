"""Run a recipe: read, plan, dispatch, follow, report."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from ionflow.cluster import connect, dashboard, worker_count
from ionflow.driver.dispatch import Driver
from ionflow.driver.ledger import Ledger
from ionflow.driver.live import Progress, clock, watch
from ionflow.driver.provenance import Journal
from ionflow.errors import InterruptedRunError
from ionflow.graph import Plan
from ionflow.kinds import Plugin, backend
from ionflow.plan import plan as make_plan
from ionflow.recipe import Recipe, read, to_yaml
from ionflow.registry import Registry, load
from ionflow.store import Store
from ionflow.view import Run
from ionflow.view import open as open_run


def run(
    source: Path | str | Mapping[str, Any],
    *,
    scale: str | None = None,
    overrides: Sequence[str] = (),
    out: Path | str | None = None,
    registry: Registry | None = None,
    console: Console | None = None,
    retry_failed: bool = False,
) -> Run:
    """Run a recipe, or go on with it, and open the result.

    Parameters
    ----------
    source : path of a recipe, or a mapping with the same content
    scale : one of the recipe's scales; its default if None
    overrides : `dotted.path=value`, as after `--set`
    out : the run folder; `runs/<name>` if None
    registry : plugins; those installed if None
    console : where progress is shown; nowhere if None
    retry_failed : try again what failed in an earlier invocation

    Raises
    ------
    RecipeError, HeldError, InterruptedRunError
    """
    console = console or Console(quiet=True)
    recipe = read(source, registry or load(), scale=scale, overrides=overrides)
    plan = make_plan(recipe)
    store = Store.create(Path(out) if out else Path("runs") / recipe.name)
    with store.hold():
        if retry_failed:
            for key in list(store.failures()):
                store.clear_failure(key)
        _run(recipe, plan, store, console)
    return open_run(store.root)


def _run(recipe: Recipe, plan: Plan, store: Store, console: Console) -> None:
    journal = Journal(store, recipe, plan)
    store.write_text("recipe.yaml", to_yaml(recipe.resolved))
    ledger = Ledger(plan, store, journal.replace)
    if not ledger.open():
        journal.update(0.0)
        console.print(_nothing_to_do(ledger), highlight=False, soft_wrap=True)
        return
    _header(recipe, plan, ledger, console)
    _drive(recipe, plan, ledger, journal, console)


def _drive(recipe: Recipe, plan: Plan, ledger: Ledger, journal: Journal, console: Console) -> None:
    started = time.monotonic()
    with connect(recipe.cluster) as client:
        slots = worker_count(client)
        journal.begin(slots)
        where = f"; dashboard {link}" if (link := dashboard(client)) else ""
        console.print(f"{slots} worker{'s' * (slots > 1)}{where}", highlight=False)
        with watch(console, Progress(plan, ledger.store)) as listener:
            driver = Driver(ledger, client, listener)
            with _stopping(driver, console):
                driver.follow(slots, lambda: journal.keep(time.monotonic() - started))
    wall_s = time.monotonic() - started
    journal.update(wall_s, finished=not driver.stopping)
    if driver.stopping:
        raise InterruptedRunError("interrupted", hint="Run the same command again to go on")
    _write_report(ledger.store, console)
    _footer(ledger, wall_s, console)


@contextmanager
def _stopping(driver: Driver, console: Console) -> Iterator[None]:
    """Ctrl-C or SIGTERM once: stop at the next commit; twice: at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if driver.stopping:
            raise KeyboardInterrupt
        driver.stop()
        console.print("stopping at the next commit; once more to stop at once", highlight=False)

    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_report(store: Store, console: Console) -> None:
    from ionflow.report import write

    console.print(f"report: {write(store.root)}", highlight=False, soft_wrap=True)


def _header(recipe: Recipe, plan: Plan, ledger: Ledger, console: Console) -> None:
    store, stages = ledger.store, plan.of("stage")
    asked = sum(t.payload.ps(t.steps) for t in stages)
    done = sum(t.payload.ps(min(store.progress(t.key), t.steps)) for t in stages)
    console.print(
        f"{recipe.name}, scale {recipe.scale or 'none'}: {len(stages)} stages, {done:.4g} of "
        f"{asked:.4g} ps done, {len(ledger.open())} of {len(plan)} tasks to do, in {store.root}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_backend(recipe), highlight=False, soft_wrap=True)


def _backend(recipe: Recipe) -> str:
    """Potential and engine, with what they say of how they compute here."""
    case = recipe.cases[0]
    how = backend(case.potential, case.engine)
    forces = _described(case.potential, how["potential"])
    return f"forces by {forces}, moved by {_described(case.engine, how['engine'])}"


def _described(plugin: Plugin, how: Mapping[str, Any]) -> str:
    found = ", ".join(str(value) for value in how.values())
    return f"{plugin.use} ({found})" if found else plugin.use


def _nothing_to_do(ledger: Ledger) -> str:
    root = ledger.store.root
    if ledger.failed:
        return (
            f"nothing to do: {root} is complete but for {len(ledger.failed)} failed tasks; "
            "--retry-failed tries them again"
        )
    return f"nothing to do: {root} is complete"


def _footer(ledger: Ledger, wall_s: float, console: Console) -> None:
    text = f"{len(ledger.done)} tasks done in {clock(wall_s)}"
    if ledger.failed:
        text += f", {len(ledger.failed)} failed, {len(ledger.lost())} could not start for that"
    console.print(text, highlight=False)


__all__ = ["run"]
