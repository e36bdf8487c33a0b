"""Every installed plugin: found, checked, and never allowed to break anything but itself."""

from __future__ import annotations

import importlib
import inspect
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from html import escape
from importlib import metadata
from typing import Any, Final

import pluggy

from ionflow import hookspecs
from ionflow.errors import PluginError
from ionflow.fields import Field, describe
from ionflow.kinds import Analyser, Engine, Generator, Plugin, Potential

__all__ = ["Entry", "Field", "Problem", "Registry", "UnknownPluginError", "describe", "load"]

GROUP: Final = "ionflow"

KINDS: Final[Mapping[str, type[Plugin]]] = {
    "generator": Generator,
    "potential": Potential,
    "engine": Engine,
    "analyser": Analyser,
}

#: A name that is also a safe file name and a safe dimension.
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")

_BUILTIN: Final = ("ionflow.builtin",)


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


class UnknownPluginError(PluginError, KeyError):
    """No plugin of this name works here."""


class Registry(Mapping[str, type[Plugin]]):
    """The plugins that work, by name; and the problems of those that do not. Immutable."""

    def __init__(self, entries: Iterable[Entry] = (), problems: Iterable[Problem] = ()) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self.problems: tuple[Problem, ...] = tuple(problems)
        self._by_name = {entry.name: entry for entry in self.entries}

    def __getitem__(self, name: str) -> type[Plugin]:
        if name in self._by_name:
            return self._by_name[name].cls
        raise UnknownPluginError(f"unknown plugin {name!r}", hint=self._hint(name, list(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def of(self, kind: str) -> dict[str, type[Plugin]]:
        """The plugins of one kind, by name, in alphabetical order."""
        found = {entry.name: entry.cls for entry in self.entries if entry.kind == kind}
        return dict(sorted(found.items()))

    def find(self, kind: str, name: str) -> type[Plugin]:
        """The class of one plugin.

        Raises
        ------
        PluginError
            If there is none: with the nearest name, what is installed, and what failed to load.
        """
        known = self.of(kind)
        if name in known:
            return known[name]
        if name in self:
            entry = self._by_name[name]
            what = f"{name!r} is {_a(entry.kind)}, not {_a(kind)}"
            raise UnknownPluginError(what, hint=self._hint("", list(known)))
        raise UnknownPluginError(f"unknown {kind} {name!r}", hint=self._hint(name, list(known)))

    def _hint(self, name: str, known: Sequence[str]) -> str:
        near = get_close_matches(name, known, n=1)
        installed = f"Installed: {', '.join(known) or 'none'}"
        failed = "; ".join(f"{p.origin}: {p.message}" for p in self.problems)
        parts = [f"Did you mean {near[0]!r}?"] if near else []
        return " ".join([*parts, f"{installed}; failed to load: {failed}" if failed else installed])

    def __repr__(self) -> str:
        rows = [(e.kind, e.name, f"{e.distribution} {e.distribution_version}", e.summary)
                for e in self._sorted()]  # fmt: skip
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        lines = ["  ".join([*map(str.ljust, row, widths), row[3]]) for row in rows]
        problems = [f"problem: {p.origin}: {p.message}" for p in self.problems]
        return "\n".join([f"ionflow plugins ({len(self)})", *lines, *problems])

    def _repr_html_(self) -> str:
        head = _row(("kind", "name", "distribution", "version", "what it does"), "th")
        body = [_row((e.kind, e.name, e.distribution, e.distribution_version, e.summary))
                for e in self._sorted()]  # fmt: skip
        faults = [f"<p>problem: {escape(f'{p.origin}: {p.message}')}</p>" for p in self.problems]
        return f"<table>{head}{''.join(body)}</table>{''.join(faults)}"

    def _sorted(self) -> list[Entry]:
        order = list(KINDS)
        return sorted(self.entries, key=lambda e: (order.index(e.kind), e.name))


@dataclass(frozen=True)
class _Origin:
    """Something that may contribute plugins, not loaded yet."""

    distribution: str
    version: str
    load: Callable[[], object]


def load(*plugins: object) -> Registry:
    """The registry of all installed plugins, and of `plugins`: modules or objects with hooks.

    Nothing that a plugin does wrong is raised: it is recorded in `Registry.problems`.
    """
    given = [_Origin(_label(plugin), "", partial(_itself, plugin)) for plugin in plugins]
    return _collect([*_builtin(), *_installed(), *given])


def _builtin() -> Iterator[_Origin]:
    version = metadata.version("ionflow")
    for module in _BUILTIN:
        yield _Origin("ionflow", version, partial(importlib.import_module, module))


def _installed() -> Iterator[_Origin]:
    for point in metadata.entry_points(group=GROUP):
        name, version = (point.dist.name, point.dist.version) if point.dist else (point.name, "")
        yield _Origin(name, version, point.load)


def _collect(origins: Iterable[_Origin]) -> Registry:
    entries: list[Entry] = []
    problems: list[Problem] = []
    for origin in origins:
        found, faults = _contributions(origin)
        entries += found
        problems += faults
    clashes = _clashes(entries)
    names = {entry.name for entry in entries if entry.name in clashes}
    return Registry((e for e in entries if e.name not in names), [*problems, *clashes.values()])


def _clashes(entries: Sequence[Entry]) -> dict[str, Problem]:
    # none of them wins: which one a recipe meant cannot be told
    clashes = {}
    for name in [n for n, times in Counter(e.name for e in entries).items() if times > 1]:
        owners = [f"{e.distribution} {e.distribution_version}".strip() for e in entries
                  if e.name == name]  # fmt: skip
        message = f"the name {name!r} is claimed by {' and '.join(owners)}; uninstall one"
        clashes[name] = Problem(" and ".join(dict.fromkeys(owners)), message)
    return clashes


def _contributions(origin: _Origin) -> tuple[list[Entry], list[Problem]]:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    entries: list[Entry] = []
    problems: list[Problem] = []
    try:
        manager.register(origin.load())
        manager.check_pending()
    except Exception as error:  # noqa: BLE001 - other people's code may raise anything at import
        return [], [_problem(origin, "cannot be loaded", error)]
    for kind in KINDS:
        found, faults = _hook(origin, manager, kind)
        entries += found
        problems += faults
    if not entries and not problems:
        problems.append(
            Problem(origin.distribution, "contributes no plugin: it has no ionflow_* hook")
        )
    return entries, problems


def _hook(
    origin: _Origin, manager: pluggy.PluginManager, kind: str
) -> tuple[list[Entry], list[Problem]]:
    name = f"ionflow_{kind}s"
    caller = getattr(manager.hook, name)
    if not caller.get_hookimpls():
        return [], []
    try:
        answers = caller()
        classes = [cls for answer in answers for cls in answer]
    except Exception as error:  # noqa: BLE001 - other people's code may raise anything
        return [], [_problem(origin, f"{name}() failed", error)]
    if not answers:
        return [], [Problem(origin.distribution, f"{name}() returned None, not a list of classes")]
    judged = [_judged(origin, kind, cls) for cls in classes]
    entries = [j for j in judged if isinstance(j, Entry)]
    return entries, [j for j in judged if isinstance(j, Problem)]


def _judged(origin: _Origin, kind: str, cls: Any) -> Entry | Problem:
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
    if not NAME.fullmatch(name):
        return f"has use = {name!r}; names are of a-z, 0-9, _ and -, start with a letter, up to 64"
    return ""


def _needs_fault(cls: type[Plugin]) -> str:
    needs = getattr(cls, "needs", ())
    if isinstance(needs, tuple) and all(isinstance(name, str) for name in needs):
        return ""
    return f"has needs = {needs!r}, not a tuple of names"


def _problem(origin: _Origin, what: str, error: Exception) -> Problem:
    message = f"{what}: {type(error).__name__}: {error}"
    cause = "".join(traceback.format_exception(error))
    return Problem(origin.distribution, " ".join(message.split()), cause)


def _summary(cls: type[Plugin]) -> str:
    return (inspect.getdoc(cls) or "").strip().partition("\n")[0]


def _label(plugin: object) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__name__))


def _itself(plugin: object) -> object:
    return plugin


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
