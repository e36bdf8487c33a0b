"""What `ionflow analyse` is asked: checked as a whole before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import xarray as xr

from ionflow.analysis.chosen import worded
from ionflow.errors import StoreError
from ionflow.kinds import Analyser
from ionflow.reading import Reading, adjusted, read
from ionflow.reading.stored import ADJUSTABLE
from ionflow.recipe.faults import Faults, Trouble, did_you_mean
from ionflow.recipe.layers import set_overrides
from ionflow.recipe.reader import scalar
from ionflow.recipe.tree import Mark, Node
from ionflow.recipe.words import validated
from ionflow.registry import Registry
from ionflow.store import check_free
from ionflow.view import Run

SELECT: Final = Mark("--select")
TABLES: Final = ("charges", "elements", "masses")


@dataclass(frozen=True)
class Words:
    """The words of the command line."""

    source: Path
    analysers: Sequence[str] = ()
    """--with"""
    sets: Sequence[str] = ()
    """--set, ANALYSER.FIELD=VALUE each"""
    select: Sequence[str] = ()
    """--select, AXIS=VALUE each"""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Options of reading that were given; tables as `Li=1,Cl=-1`."""
    out: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Request:
    """A trajectory and what to make of it."""

    source: Path
    analysers: tuple[Analyser, ...]
    reading: Mapping[str, Any]
    """Options of reading that were given, checked."""
    run: Run | None
    select: Mapping[str, Any]

    def trajectory(self) -> xr.Dataset:
        """The trajectory, read now."""
        if self.run is None:
            return read(self.source, **self.reading)
        options = Reading.of(self._settled(self.run))
        chosen = self.run.trajectory(**self.select)
        return adjusted(chosen, options, set(self.reading), str(self.source)).assign_attrs(
            source=str(self.source)
        )

    def _settled(self, run: Run) -> Mapping[str, Any]:
        """Options for a run: analyses of its recipe leave out the time in which a stage settles."""
        stage = next((r.stage for r in run.select(**self.select)), {})
        return {"start_ps": float(stage.get("settle_ps") or 0.0), **self.reading}


def request(words: Words, registry: Registry) -> Request:
    """What is asked for, checked.

    Raises
    ------
    RecipeError
        With every fault: names, fields, options, selection, and a result that is there already.
    """
    faults = Faults()
    if not words.analysers:
        known = registry.installed("analyser")
        faults.note(Mark("--with"), "", f"name one analyser or more. {known}")
    analysers = _analysers(words, registry, faults)
    run = _source(words, faults)
    reading = _reading(words, run, faults)
    select = _selection(words, run, faults)
    _check_out(words, faults)
    faults.check()
    return Request(words.source, analysers, reading, run, select)


def _analysers(words: Words, registry: Registry, faults: Faults) -> tuple[Analyser, ...]:
    fields: dict[str, dict[str, Node]] = {}
    for override in set_overrides(words.sets, faults):
        name, rest = override.words[0], override.words[1:]
        if name not in words.analysers:
            message = f"{name!r} is not asked for. {did_you_mean(name, list(words.analysers))}"
            faults.note(override.node.mark, override.path, message)
        elif len(rest) != 1:
            faults.note(override.node.mark, override.path, "is not ANALYSER.FIELD=VALUE")
        else:
            fields.setdefault(name, {})[rest[0]] = override.node
    own = Faults()
    found = worded(words.analysers, fields, registry, own)
    for trouble in own:
        path = trouble.path.removeprefix("analyses.").removeprefix("analyses")
        faults.add(Trouble(trouble.mark, path, trouble.message))
    return found


def _source(words: Words, faults: Faults) -> Run | None:
    """The run, if the source is one."""
    if not words.source.exists():
        faults.note(Mark(str(words.source)), "", "no such file or folder")
    return Run(words.source) if (words.source / "run.json").is_file() else None


def _reading(words: Words, run: Run | None, faults: Faults) -> dict[str, Any]:
    given = {name: value for name, value in words.reading.items() if value is not None}
    nodes = {name: _node(name, value, faults) for name, value in given.items()}
    model, troubles = validated(Reading, Node(nodes, Mark("ionflow analyse")), "", "reading")
    for trouble in troubles:
        if not any(other.path.startswith(f"{trouble.path}.") for other in troubles):
            # the mark names the option already
            path = trouble.path.partition(".")[2]
            faults.add(Trouble(trouble.mark, path, trouble.message))
    stored = run is not None or words.source.is_dir()
    for name in sorted(set(given) - ADJUSTABLE) if stored else ():
        faults.note(_mark(name), "", "is for files of other programs; this is stored already")
    return {name: getattr(model, name) for name in given} if model else {}


def _mark(name: str) -> Mark:
    return Mark("--" + name.replace("_", "-"))


def _node(name: str, value: Any, faults: Faults) -> Node:
    mark = _mark(name)
    if name not in TABLES or "=" not in value:
        return Node(value, mark)
    entries: dict[str, Node] = {}
    for part in value.split(","):
        key, equals, text = (word.strip() for word in part.partition("="))
        if not (key and equals and text):
            faults.note(mark, "", f"{part[:60]!r} is not NAME=VALUE, as in {_example(name)}")
        else:
            entries[key] = Node(text if name == "elements" else _scalar(text), mark)
    return Node(entries, mark)


def _example(name: str) -> str:
    return {"charges": "Li=1,Cl=-1", "elements": "1=Li,2=Cl", "masses": "1=6.94,2=35.45"}[name]


def _scalar(text: str) -> Any:
    try:
        return scalar(text.removeprefix("+"))
    except ValueError:
        return text


def _selection(words: Words, run: Run | None, faults: Faults) -> dict[str, Any]:
    select: dict[str, Any] = {}
    for text in words.select:
        name, equals, value = (word.strip() for word in text.partition("="))
        known = [*run.axes, "replica", "stage"] if run else []
        if not (name and equals and value):
            faults.note(SELECT, "", f"{text[:60]!r} is not AXIS=VALUE, such as temperature_K=800")
        elif run is None:
            faults.note(SELECT, name, "is for run folders, which hold several trajectories")
        elif name not in known:
            faults.note(SELECT, name, f"the run has no such axis. {did_you_mean(name, known)}")
        else:
            select[name] = value if name == "stage" else _scalar(value)
    return select


def _check_out(words: Words, faults: Faults) -> None:
    if words.out is not None:
        try:
            check_free(words.out, words.force)
        except StoreError as error:
            hint = "choose another name, or --force" if "exists" in error.what else error.hint
            faults.note(Mark("--out"), str(words.out), f"{error.what}; {hint}")
