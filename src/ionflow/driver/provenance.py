"""`run.json`: what a run is, what it consists of, and every invocation that worked on it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ionflow import machine, origin, software
from ionflow.driver.invocations import Invocations, ending_by, is_complete
from ionflow.errors import StoreError, TakenOverError
from ionflow.graph import Plan, Task
from ionflow.kinds import backend
from ionflow.origin import BITWISE, STATISTICAL, keep, kept, method, now, plugin, unordered
from ionflow.plan import AnalysisWork, StageWork
from ionflow.recipe import Recipe
from ionflow.store import Store

#: What each invocation says of itself, and what is written before the first.
_OF_AN_INVOCATION: dict[str, Any] = {
    "workers": 0,
    "threads_per_worker": 0,
    "backend": {},
    "reproducibility": BITWISE,
    "software": "",
}

_EVERY_S = 10.0


class Journal:
    """`run.json`: what the run is, kept up to date while it goes on."""

    def __init__(self, store: Store, recipe: Recipe, plan: Plan) -> None:
        self._store, self._recipe, self._written = store, recipe, 0.0
        self.record = {**_described(recipe), "tasks": [self._row(task) for task in plan]}
        earlier = store.read_json("run.json") if (store.root / "run.json").exists() else {}
        self.record["started"] = earlier.get("started") or now()
        self.record["finished"] = earlier.get("finished")
        self._began = time.monotonic()
        self._wall_before = float(earlier.get("wall_s", 0.0))
        self._invocations = Invocations(earlier.get("invocations", ()))
        self.record["versions"] = earlier.get("versions", machine.versions())
        for name, default in _OF_AN_INVOCATION.items():
            self.record[name] = earlier.get(name, default)

    def begin(self, workers: int) -> None:
        """Write the record at the start of an invocation that has work to do."""
        self._began = time.monotonic()
        case = self._recipe.cases[0]
        how = backend(case.potential, case.engine)
        self.record |= {
            "workers": workers,
            "threads_per_worker": 1,
            "finished": None,
            "backend": how,
            "reproducibility": STATISTICAL if unordered(how) else BITWISE,
            "software": keep(self._store, software.table()),
        }
        self.record["versions"] = _took_part(self._store)
        self._invocations.begin(self._invocation())
        self._store.write_text("recipe.source.yaml", self._recipe.written)
        self.update(0.0)

    def keep(self, wall_s: float) -> None:
        """Write the wall time so far, now and then: a killed run should not lose it."""
        if wall_s - self._written > _EVERY_S:
            self.update(wall_s)

    def update(self, wall_s: float, *, finished: bool = False) -> None:
        """Write the record with the wall time of this invocation so far."""
        self._written = wall_s
        self._invocations.seen(wall_s)
        self.record |= {"updated": now(), "wall_s": round(self._wall_before + wall_s, 1)}
        if finished:
            self.record["finished"] = now()
        self.record["invocations"] = self._invocations.listed()
        # so that verifying misses one that is deleted
        self.record["kept"] = sorted({*self.record.get("kept", []), *origin.names(self._store)})
        self._store.write_json("run.json", self.record)

    def end(self, how: str) -> None:
        """Write how this invocation ended: finished, 2 failed, interrupted, out of space."""
        if self._invocations.end(how):
            self.record["versions"] = _took_part(self._store)
            self.update(time.monotonic() - self._began, finished=is_complete(how))

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Write how an invocation ended where an error ends it."""
        try:
            yield
        except TakenOverError:
            raise  # the record belongs to the one who took over
        except BaseException as error:
            # on a full disk this cannot be written either; what is raised says so anyway
            with suppress(StoreError):
                self.end(ending_by(error))
            raise

    def replace(self, old: str, new: Task) -> None:
        """A task was restricted to the inputs that exist, and has another key now."""
        tasks = self.record["tasks"]
        self.record["tasks"] = [self._row(new) if t["key"] == old else t for t in tasks]

    def _row(self, task: Task) -> dict[str, Any]:
        return row(task, self._store)

    def _invocation(self) -> dict[str, Any]:
        """What an invocation says of itself when it begins."""
        told = ("scale", "overrides", "workers", "threads_per_worker", "backend")
        more = ("reproducibility", "software")
        return {
            "epoch": self._store.epoch,
            "started": now(),
            "host": machine.host()["hostname"],
            "pid": os.getpid(),
            "command": _command(),
            "recipe": keep(self._store, _recipe_content(self._recipe)),
            **{name: self.record[name] for name in (*told, *more)},
        }


def row(task: Task, store: Store) -> dict[str, Any]:
    """A task as `run.json` lists it."""
    return {
        "key": task.key,
        "kind": task.kind,
        "name": task.name,
        "label": task.label,
        "coords": dict(task.coords),
        "inputs": [{"key": i.key, "steps": i.steps} for i in task.inputs],
        "steps": task.steps,
        **_details(task.payload, store),
    }


def _details(work: Any, store: Store) -> dict[str, Any]:
    if isinstance(work, AnalysisWork):
        return {"analyser": plugin(work.analyser), "first_step": work.first_step}
    common = {"atoms": work.atoms, "formula": work.formula, "seed": work.seed}
    if isinstance(work, StageWork):
        return common | {
            "timestep_fs": work.engine.timestep_fs,
            "stage": work.stage.model_dump(mode="json"),
            "record": work.stage.record,
            "method": keep(store, method(work.stage, work.engine, work.potential)),
        }
    return common | {"generator": plugin(work.generator)}


def _described(recipe: Recipe) -> dict[str, Any]:
    case = recipe.cases[0]
    return {
        "ionflow": version("ionflow"),
        "name": recipe.name,
        "title": recipe.title,
        "scale": recipe.scale,
        "overrides": list(recipe.overrides),
        "source": _source(recipe),
        "seed": recipe.seed,
        "replicas": recipe.replicas,
        "axes": [{"name": a.name, "path": a.path, "values": list(a.values)} for a in recipe.axes],
        "potential": case.potential.identity(),
        "engine": case.engine.identity(),
        "git": software.checkouts(),
        "host": machine.host(),
    }


def _took_part(store: Store) -> dict[str, str]:
    """Versions of all distributions that anything in the run folder was made with."""
    found: dict[str, dict[str, None]] = {}
    for path in sorted((store.root / "provenance").glob("*.json")):
        for name, number in kept(store, path.stem).get("versions", {}).items():
            found.setdefault(name, {})[number] = None
    return {name: " and ".join(found[name]) for name in sorted(found, key=str.lower)}


def _source(recipe: Recipe) -> dict[str, Any]:
    """Name of the recipe's file, and the commit of the checkout that it lies in, if any."""
    path = Path(recipe.source)
    if not recipe.text or "\n" in recipe.source or not path.is_file():
        return {"file": ""}
    return {"file": path.name, **software.commit_of(path.resolve().parent)}


def _recipe_content(recipe: Recipe) -> dict[str, Any]:
    return {
        "source": recipe.written,
        "scale": recipe.scale,
        "overrides": list(recipe.overrides),
        "resolved": recipe.resolved,
    }


def _command() -> str:
    # the program's name alone: its folder says whose it is, not what was run
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else ""


__all__ = ["Journal", "now", "row"]
