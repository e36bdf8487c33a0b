"""The faults found so far, and how values are shown in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ionflow.errors import Fault, RecipeError
from ionflow.recipe.tree import Mark

_LONGEST_SHOWN = 60
_LONGEST_MESSAGE = 600


@dataclass(frozen=True)
class Trouble:
    """One fault on its way: where, which path, what."""

    mark: Mark
    path: str
    message: str
    settled: bool = False
    """It stands where it belongs, whatever the other axes are."""
    absent: bool = False
    """A plugin is not installed here; no fault of a scale that is not asked for."""


class Faults:
    """Collects faults, each once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Mark, str, str], Trouble] = {}
        self._unreadable: set[Mark] = set()

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[Trouble]:
        return iter(self._found.values())

    def has(self, trouble: Trouble) -> bool:
        """Whether anything is recorded of the same place and path."""
        return any(t.mark == trouble.mark and t.path == trouble.path for t in self)

    def add(self, trouble: Trouble) -> None:
        """Record one; what stands on a line that could not be read has no faults of its own."""
        mark = trouble.mark
        if mark.line and mark in self._unreadable:
            return
        self._found.setdefault((mark, trouble.path, trouble.message), trouble)

    def note(self, mark: Mark, path: str, message: str) -> None:
        """Record one from its parts."""
        self.add(Trouble(mark, path, message))

    def unreadable(self, mark: Mark, message: str, path: str = "") -> None:
        """Record a fault of the text itself."""
        self.note(mark, path, message)
        self._unreadable.add(mark)

    def check(self) -> None:
        """Raise if there are any.

        Raises
        ------
        RecipeError
            With all of them, in the order of their lines.
        """
        if self._found:
            raise RecipeError(
                [
                    Fault(printable(t.mark.file), t.mark.line, line(t.path), line(t.message))
                    for t in self
                ]
            )


def line(text: str) -> str:
    """Text on one line, of bearable length, without characters that a terminal obeys."""
    clean = printable(" ".join(text.split()))
    return clean if len(clean) <= _LONGEST_MESSAGE else f"{clean[:_LONGEST_MESSAGE]} ..."


def printable(text: str) -> str:
    """Text without characters that a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shown(value: Any) -> str:
    """A value as a message shows it.

    >>> shown("nvp"), shown(True), shown([1, 2])
    ("the text 'nvp'", 'true', 'a list')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."
        return f"the text {cut!r}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The nearest of the names known, as a question; all of them if none is near."""
    near = get_close_matches(name[:_LONGEST_SHOWN], known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(known)}" if known else "It has none"
