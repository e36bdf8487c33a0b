"""What a module contributes: its hooks are called and its classes judged, nothing is raised."""

from __future__ import annotations

import inspect
import re
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pluggy

from ionflow import hookspecs
from ionflow.kinds import Analyser, Engine, Generator, Plugin, Potential

KINDS: Final[Mapping[str, type[Plugin]]] = {
    "generator": Generator,
    "potential": Potential,
    "engine": Engine,
    "analyser": Analyser,
}

#: A name that is also a safe file name and a safe dimension.
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
NAMES_ARE: Final = "names are of a-z, 0-9, _ and -, start with a letter, up to 64"


@dataclass(frozen=True)
class Entry:
    """One plugin and where it comes from."""

    name: str
    kind: str
    cls: type[Plugin]
    distribution: str
    distribution_version: str
    summary: str
    """First line of its documentation."""


@dataclass(frozen=True)
class Problem:
    """Something that a distribution contributes and that does not work."""

    origin: str
    message: str
    cause: str = ""
    """Traceback, for whoever wrote the plugin."""

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


@dataclass(frozen=True, eq=False)
class Origin:
    """A module, or another object with hooks, that is loaded only when one of its plugins is."""

    distribution: str
    version: str
    load: Callable[[], object]
    module: str = ""
    """What its entry points name; "" if it was given and is not installed."""

    @property
    def label(self) -> str:
        """Distribution and version."""
        return f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True)
class Contribution:
    """What came of loading a module."""

    entries: Mapping[str, Entry]
    problems: tuple[Problem, ...]


def contribution(origin: Origin, declared: Collection[str] | None = None) -> Contribution:
    """Load a module and judge what it contributes.

    Parameters
    ----------
    declared : names that its distribution declares; None if it declares none and needs none
    """
    entries, problems = _contributed(origin)
    names = Counter(entry.name for entry in entries)
    problems += [_twice(origin, name) for name, times in names.items() if times > 1]
    kept = {entry.name: entry for entry in entries if names[entry.name] == 1}
    if declared is not None:
        problems += _undeclared(origin, kept, declared)
        # a class that is at fault has its problem already
        problems += [] if problems else _missing(origin, kept, declared)
        kept = {name: entry for name, entry in kept.items() if name in declared}
    return Contribution(kept, tuple(problems))


def _twice(origin: Origin, name: str) -> Problem:
    return Problem(origin.distribution, f"contributes two plugins called {name!r}")


def _undeclared(
    origin: Origin, entries: Mapping[str, Entry], declared: Collection[str]
) -> list[Problem]:
    return [
        Problem(
            origin.distribution,
            f"contributes {name!r} without declaring it; add to [project.entry-points.ionflow] of "
            f'its pyproject.toml: {name} = "{origin.module}", and install it again',
        )
        for name in entries
        if name not in declared
    ]


def _missing(
    origin: Origin, entries: Mapping[str, Entry], declared: Collection[str]
) -> list[Problem]:
    return [
        Problem(
            origin.distribution,
            f"declares {name!r}, which {origin.module} does not contribute; return its class from "
            f'a hook, or remove from pyproject.toml: {name} = "{origin.module}"',
        )
        for name in declared
        if name not in entries
    ]


def _contributed(origin: Origin) -> tuple[list[Entry], list[Problem]]:
    manager = pluggy.PluginManager("ionflow")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(origin.load())
        manager.check_pending()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - other people's code may raise anything
        return [], [_failed(origin, "cannot be loaded", error)]
    found = [item for kind in KINDS for item in _hook(origin, manager, kind)]
    if not found:
        nothing = "contributes no plugin: it has no ionflow_* hook"
        return [], [Problem(origin.distribution, nothing)]
    entries = [item for item in found if isinstance(item, Entry)]
    return entries, [item for item in found if isinstance(item, Problem)]


def _hook(origin: Origin, manager: pluggy.PluginManager, kind: str) -> Iterator[Entry | Problem]:
    name = f"ionflow_{kind}s"
    caller = getattr(manager.hook, name)
    if not caller.get_hookimpls():
        return
    try:
        answers = caller()
        classes = [cls for answer in answers for cls in answer]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - other people's code may raise anything
        yield _failed(origin, f"{name}() failed", error)
        return
    if not answers:
        yield Problem(origin.distribution, f"{name}() returned None, not a list of classes")
    yield from (_judged(origin, kind, cls) for cls in classes)


def _judged(origin: Origin, kind: str, cls: Any) -> Entry | Problem:
    fault = _fault(kind, cls)
    if fault:
        return Problem(origin.distribution, f"{getattr(cls, '__qualname__', repr(cls))} {fault}")
    return Entry(cls.use, kind, cls, origin.distribution, origin.version, _summary(cls))


def _fault(kind: str, cls: Any) -> str:
    """What keeps a class from being a plugin of this kind; "" if nothing does."""
    base = KINDS[kind]
    if not isinstance(cls, type):
        return "is no class; a hook returns classes, not instances"
    if not issubclass(cls, base):
        return f"is no subclass of ionflow.{base.__name__}"
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        return f"does not define {missing}"
    return _name_fault(cls) or _needs_fault(cls)


def _name_fault(cls: type[Plugin]) -> str:
    name = getattr(cls, "use", None)
    if not isinstance(name, str):
        return "has no `use`, the name that a recipe writes"
    return "" if NAME.fullmatch(name) else f"has use = {name!r}; {NAMES_ARE}"


def _needs_fault(cls: type[Plugin]) -> str:
    needs = getattr(cls, "needs", ())
    if isinstance(needs, tuple) and all(isinstance(name, str) for name in needs):
        return ""
    return f"has needs = {needs!r}, not a tuple of names"


def _failed(origin: Origin, what: str, error: BaseException) -> Problem:
    message = f"{what}: {type(error).__name__}: {error}"
    cause = "".join(traceback.format_exception(error))
    return Problem(origin.distribution, " ".join(message.split()), cause)


def _summary(cls: type[Plugin]) -> str:
    return (inspect.getdoc(cls) or "").strip().partition("\n")[0]
