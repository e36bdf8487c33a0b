"""Run a recipe: read, plan, dispatch, follow, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ionflow import space, starts
from ionflow.cluster import connect, dashboard, worker_count
from ionflow.driver.dispatch import Driver
from ionflow.driver.invocations import ending_of
from ionflow.driver.ledger import Ledger
from ionflow.driver.live import Plain, Progress, clock, watch
from ionflow.driver.provenance import Journal
from ionflow.driver.signals import stopped_by_signals
from ionflow.errors import InterruptedRunError
from ionflow.graph import Plan
from ionflow.kinds import Plugin, backend
from ionflow.plan import plan as make_plan
from ionflow.preload import TOPIC
from ionflow.recipe import Recipe, read, to_yaml
from ionflow.registry import Registry, load
from ionflow.store import Store
from ionflow.store.files import writing
from ionflow.view import Run
from ionflow.view import open as open_run

_FLAGS_SHOWN = 12


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
    with store.hold(waiting=lambda text: _say(console, text)):
        starts.check(plan, store)  # first: a refusal changes nothing
        if retry_failed:
            for key in list(store.failures()):
                store.clear_failure(key)
        _run(recipe, plan, store, console)
    return open_run(store.root)


def _run(recipe: Recipe, plan: Plan, store: Store, console: Console) -> None:
    journal = Journal(store, recipe, plan)
    store.write_text("recipe.yaml", to_yaml(recipe.resolved))
    _recover(plan, store, console)
    ledger = Ledger(plan, store, journal.replace)
    if not ledger.open():
        # a disk that refused the last word of the run before leaves it to this one
        journal.update(0.0, finished=not journal.record["finished"])
        _say(console, _nothing_to_do(ledger))
        if not (store.root / "report" / "index.html").is_file():
            _write_report(store, console)  # the disk refused it, or someone removed it
        return
    space.check(plan, store)
    _header(recipe, plan, ledger, console)
    with journal.ended():
        _drive(recipe, plan, ledger, journal, console)


def _recover(plan: Plan, store: Store, console: Console) -> None:
    """Put aside what is damaged at the end of a trajectory, and say so."""
    for task in plan.of("stage"):
        for warning in store.recover(task.key):
            _say(console, f"WARNING  {task.label}  {task.name}: {warning}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def _drive(recipe: Recipe, plan: Plan, ledger: Ledger, journal: Journal, console: Console) -> None:
    started = time.monotonic()
    with connect(recipe.cluster, _logs(ledger.store)) as client:
        slots = worker_count(client)
        journal.begin(slots)
        where = f"; dashboard {link}" if (link := dashboard(client)) else ""
        _say(console, f"{slots} worker{'s' * (slots != 1)}{where}")
        with watch(console, Progress(plan, ledger.store)) as listener:
            client.subscribe_topic(TOPIC, _warned(listener))
            limit_s = recipe.cluster.hang_limit_min * 60
            driver = Driver(ledger, client, listener, limit_s)
            with stopped_by_signals(driver, listener.said):
                driver.follow(slots, lambda: journal.keep(time.monotonic() - started))
    wall_s = time.monotonic() - started
    journal.end("interrupted" if driver.stopping else ending_of(len(ledger.failed)))
    if driver.stopping:
        raise InterruptedRunError("interrupted", hint="Run the same command again to go on")
    _write_report(ledger.store, console)
    _footer(ledger, wall_s, console)


def _logs(store: Store) -> Path:
    folder = store.root / "logs"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    return folder


def _warned(listener: Plain) -> Callable[[tuple[Any, str]], None]:
    """Tells a warning of the workers, once however many say it."""
    known: set[str] = set()

    def tell(event: tuple[Any, str]) -> None:
        if event[1] not in known:
            known.add(event[1])
            listener.said(f"a worker warns: {event[1]}")

    return tell


def _write_report(store: Store, console: Console) -> None:
    from ionflow.report import write

    _say(console, f"report: {write(store.root)}")


def _header(recipe: Recipe, plan: Plan, ledger: Ledger, console: Console) -> None:
    store, stages = ledger.store, plan.of("stage")
    asked = sum(t.payload.ps(t.steps) for t in stages)
    done = sum(t.payload.ps(min(store.progress(t.key), t.steps)) for t in stages)
    _say(
        console,
        f"{recipe.name}, scale {recipe.scale or 'none'}: {len(stages)} stages, {done:.4g} of "
        f"{asked:.4g} ps done, {len(ledger.open())} of {len(plan)} tasks to do, in {store.root}",
    )
    _say(console, _backend(recipe))


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
    _say(console, text)
    flags = [str(flag) for flag in open_run(ledger.store.root).flags]
    for line in flags[:_FLAGS_SHOWN]:
        _say(console, f"FLAGGED  {line}")
    if len(flags) > _FLAGS_SHOWN:
        _say(console, f"and {len(flags) - _FLAGS_SHOWN} more flags: see the report")


__all__ = ["run"]
