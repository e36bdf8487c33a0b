"""Plugins by name, each loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from html import escape

from ionflow.errors import PluginError
from ionflow.kinds import Plugin
from ionflow.registry.contributions import (
    KINDS,
    Contribution,
    Entry,
    Origin,
    Problem,
    contribution,
)
from ionflow.registry.declarations import GROUP, Declared, installed, told_apart


class UnknownPluginError(PluginError, KeyError):
    """No plugin of this name works here."""


class Registry(Mapping[str, type[Plugin]]):
    """Plugins by name. Names are known at once; code is loaded when its plugin is asked for.

    `in`, `len` and iteration load nothing. `registry[name]`, `find` and `entry` load the module
    that contributes this one plugin; `entries`, `of` and iteration over values load all of them.
    """

    def __init__(self, declared: Sequence[Declared] = (), given: Sequence[Origin] = ()) -> None:
        # what is given was loaded by whoever gives it, and declares nothing
        self._loaded = {origin: contribution(origin) for origin in given}
        own = [Declared(n, o) for o, found in self._loaded.items() for n in found.entries]
        clear, self._unclear = told_apart([*declared, *own])
        self.declared: Mapping[str, Origin] = {d.name: d.origin for d in clear}
        """Every name that a recipe may write, and what contributes it."""
        self._declarations: dict[Origin, list[str]] = {}
        for d in declared:
            self._declarations.setdefault(d.origin, []).append(d.name)

    def __getitem__(self, name: str) -> type[Plugin]:
        return self.entry(name).cls

    def __contains__(self, name: object) -> bool:
        return name in self.declared

    def __iter__(self) -> Iterator[str]:
        return iter(self.declared)

    def __len__(self) -> int:
        return len(self.declared)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every plugin that works; this loads all code that is installed."""
        return self._entries(self.declared.values())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is known not to work: declarations, and all code that was loaded so far."""
        found = [problem for made in self._loaded.values() for problem in made.problems]
        return (*self._unclear.values(), *found)

    def own(self) -> tuple[Entry, ...]:
        """The plugins that come with ionflow and those loaded already; no other code is loaded."""
        known = [o for o in self.declared.values() if o.distribution == GROUP or o in self._loaded]
        return self._entries(known)

    def of(self, kind: str) -> dict[str, type[Plugin]]:
        """The plugins of one kind, by name, in alphabetical order; this loads all."""
        found = {entry.name: entry.cls for entry in self.entries if entry.kind == kind}
        return dict(sorted(found.items()))

    def find(self, kind: str, name: str) -> type[Plugin]:
        """The class of one plugin.

        Raises
        ------
        PluginError
            If there is none: with the nearest name, what is installed, and what failed to load.
        """
        entry = self.entry(name, kind)
        if entry.kind == kind:
            return entry.cls
        what = f"{name!r} is {_a(entry.kind)}, not {_a(kind)}"
        raise UnknownPluginError(what, hint=self.installed(kind))

    def entry(self, name: str, kind: str = "") -> Entry:
        """One plugin and where it comes from.

        Raises
        ------
        PluginError
            If there is none of this name, or it does not work, with the cause.
        """
        if name in self._unclear:
            raise UnknownPluginError(self._unclear[name].message)
        if name not in self.declared:
            what = f"unknown {kind or 'plugin'} {name!r}"
            raise UnknownPluginError(what, hint=self._hint(kind, name))
        origin = self.declared[name]
        made = self._contribution(origin)
        if name not in made.entries:
            why = "; ".join(problem.message for problem in made.problems)
            raise UnknownPluginError(f"{name!r} of {origin.label} does not work: {why}")
        return made.entries[name]

    def installed(self, kind: str = "") -> str:
        """What can be named, as a sentence for a hint; nobody else's code is loaded for it."""
        known, others = self._names(kind)
        listed = ", ".join(known) or "none"
        rest = f"; not loaded: {', '.join(others)}" if others else ""
        failed = "; ".join(map(str, self.problems))
        return f"Installed: {listed}{rest}{f'; failed to load: {failed}' if failed else ''}"

    def _hint(self, kind: str, name: str) -> str:
        known, others = self._names(kind)
        near = get_close_matches(name[:64], [*known, *others], n=1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        return f"{meant}{self.installed(kind)}"

    def _names(self, kind: str) -> tuple[list[str], list[str]]:
        """Plugins of a kind among those that may be loaded, and those of unknown kind."""
        own = {entry.name: entry for entry in self.own()}
        others = [n for n, o in self.declared.items() if o not in self._loaded]
        return sorted(n for n, e in own.items() if kind in ("", e.kind)), sorted(others)

    def _contribution(self, origin: Origin) -> Contribution:
        if origin not in self._loaded:
            self._loaded[origin] = contribution(origin, self._declarations[origin])
        return self._loaded[origin]

    def _entries(self, origins: Iterable[Origin]) -> tuple[Entry, ...]:
        made = [self._contribution(origin) for origin in dict.fromkeys(origins)]
        found = [e for m in made for e in m.entries.values() if e.name in self.declared]
        return tuple(sorted(found, key=lambda e: (list(KINDS).index(e.kind), e.name)))

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Kind, name, distribution, version and summary of each; what is not loaded has no kind."""
        own = self.own()
        shown = [(e.kind, e.name, e.distribution, e.distribution_version, e.summary) for e in own]
        rest = sorted((n, o) for n, o in self.declared.items() if o not in self._loaded)
        return [*shown, *(("", n, o.distribution, o.version, "") for n, o in rest)]

    def __repr__(self) -> str:
        rows = self.rows()
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
        lines = ["  ".join([*map(str.ljust, row, widths), row[4]]).rstrip() for row in rows]
        problems = [f"problem: {problem}" for problem in self.problems]
        return "\n".join([f"ionflow plugins ({len(self)})", *lines, *problems])

    def _repr_html_(self) -> str:
        head = _row(("kind", "name", "distribution", "version", "what it does"), "th")
        body = "".join(_row(row) for row in self.rows())
        faults = "".join(f"<p>problem: {escape(str(problem))}</p>" for problem in self.problems)
        return f"<table>{head}{body}</table>{faults}"


def load(*plugins: object) -> Registry:
    """The registry of all installed plugins, and of `plugins`: modules or objects with hooks.

    No code of an installed plugin is run. Nothing that a plugin does wrong is raised here: it is
    recorded in `Registry.problems`, and told to whoever asks for the plugin.
    """
    given = [Origin(_label(plugin), "", partial(_itself, plugin)) for plugin in plugins]
    return Registry(list(installed()), given)


def _label(plugin: object) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__name__))


def _itself(plugin: object) -> object:
    return plugin


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
