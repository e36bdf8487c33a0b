"""YAML 1.2 text to a tree that knows its lines; refuses what surprises.

Written over ruamel.yaml's events rather than its loaders: those resolve aliases before anyone can
refuse them, and forget the lines of scalars.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from ionflow.recipe.faults import Faults, shown
from ionflow.recipe.tree import Mark, Node, Scalar

MAX_DEPTH: Final = 16
MAX_VALUES: Final = 20_000
#: the scanner's time grows with the square of some tokens' length
MAX_LINE: Final = 100_000

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
)
_LARGEST_INT: Final = 2**63 - 1

# ruamel's scanner lets these out of malformed escapes, directives and tags
_PARSER_ERRORS = (YAMLError, ValueError, OverflowError, LookupError, AttributeError, TypeError,
                  AssertionError)  # fmt: skip


class _StopReading(Exception):  # noqa: N818 - it ends a reading, and is no error of its own
    """What follows cannot be read."""


def compose(text: str, file: str, faults: Faults, fixed: Mark | None = None) -> Node | None:
    """The tree of a document, or None with its faults recorded.

    Parameters
    ----------
    fixed : mark of every node, for text that has no lines of its own
    """
    start = fixed or Mark(file, 1)
    bad = unprintable(text)
    if bad:
        faults.unreadable(fixed or Mark(file, text.count("\n", 0, bad.start()) + 1), _named(bad))
        return None
    if not text.strip():
        faults.unreadable(fixed or Mark(file), "is empty")
        return None
    long = next((i for i, row in enumerate(text.split("\n"), 1) if len(row) > MAX_LINE), 0)
    if long:
        faults.unreadable(fixed or Mark(file, long), f"has more than {MAX_LINE} characters")
        return None
    try:
        return _Composer(text, file, faults, fixed).document()
    except _StopReading:
        return None
    except MarkedYAMLError as error:
        number = error.problem_mark.line + 1 if error.problem_mark else 1
        message = _syntax(error, text.split("\n")[number - 1 : number])
        faults.unreadable(fixed or Mark(file, number), message)
    except _PARSER_ERRORS as error:
        faults.unreadable(start, f"is not valid YAML: {error}")
    return None


def unprintable(text: str) -> re.Match[str] | None:
    """The first character that no recipe needs and no terminal should see."""
    return _UNPRINTABLE.search(text)


def scalar(text: str) -> Scalar:
    """A plain scalar by the core schema of YAML 1.2.

    Raises
    ------
    ValueError
        For a number that is not finite or too large.

    >>> scalar("No"), scalar("1e-3"), scalar("0o17"), scalar("~")
    ('No', 0.001, 15, None)
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return bool(_TRUE.fullmatch(text))
    if _INT.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return finite(math.inf if _NOT_FINITE.fullmatch(text) else float(text), text)
    return text


def finite(value: float, text: object = None) -> float:
    """The number itself.

    Raises
    ------
    ValueError
        If it is not finite or, as a whole number, beyond 64 bits.
    """
    if isinstance(value, int) and abs(value) > _LARGEST_INT:
        raise ValueError(f"is a whole number beyond 64 bits: {str(text)[:40]}")
    if not math.isfinite(value):
        raise ValueError(f"is not a finite number: {str(text or value)[:40]}")
    return value


def _whole(text: str) -> int:
    if len(text) > 40:
        raise ValueError(f"is a whole number beyond 64 bits: {text[:40]}...")
    value = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    finite(value, text)
    return value


def _named(match: re.Match[str]) -> str:
    return f"has a control character (U+{ord(match.group()):04X}); a recipe is plain text"


def _syntax(error: MarkedYAMLError, lines: list[str]) -> str:
    problem = str(error.problem or error.context or "cannot be read")
    if "\t" in problem or "'\\t'" in problem or any("\t" in text for text in lines):
        return "is not valid YAML: there is a tab; indent with spaces"
    if "mapping values are not allowed" in problem:
        return "is not valid YAML: a second ':' on this line, or wrong indentation; quote the text"
    if "<block end>" in problem or "expected ':'" in problem:
        return "is not valid YAML: check the indentation, and that every key ends with ':'"
    return f"is not valid YAML: {problem}"


class _Composer:
    """Reads one document, event by event."""

    def __init__(self, text: str, file: str, faults: Faults, fixed: Mark | None) -> None:
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self._file, self._faults, self._fixed = file, faults, fixed
        self._count = 0

    def document(self) -> Node | None:
        event = self._next()
        while not isinstance(event, NodeEvent):
            if isinstance(event, StreamEndEvent):
                self._stop(self._mark(event), "is empty")
            event = self._next()
        node = self._node(event, ())
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                self._stop(self._mark(event), "a second document begins; a recipe is one document")
        return node

    def _next(self) -> Any:
        self._count += 1
        event = next(self._events)
        if self._count > MAX_VALUES:
            self._stop(self._mark(event), f"there are more than {MAX_VALUES} values")
        return event

    def _stop(self, mark: Mark, message: str) -> None:
        self._faults.unreadable(mark, message)
        raise _StopReading

    def _bad(self, mark: Mark, message: str, path: tuple[str, ...]) -> None:
        self._faults.unreadable(mark, message, ".".join(filter(None, path)))

    def _mark(self, event: Any) -> Mark:
        return self._fixed or Mark(self._file, event.start_mark.line + 1)

    def _node(self, event: Any, path: tuple[str, ...], mark: Mark | None = None) -> Node:
        mark = mark or self._mark(event)
        if len(path) > MAX_DEPTH:
            self._stop(mark, f"is nested more than {MAX_DEPTH} deep")
        self._refuse_magic(event, mark, path)
        if isinstance(event, ScalarEvent):
            return Node(self._scalar(event, mark, path), mark)
        if isinstance(event, MappingStartEvent):
            return Node(self._mapping(path), mark)
        if isinstance(event, AliasEvent):
            return Node(None, mark)
        return Node(self._sequence(path), mark)

    def _refuse_magic(self, event: Any, mark: Mark, path: tuple[str, ...]) -> None:
        if isinstance(event, AliasEvent) or event.anchor:
            message = f"anchors and aliases ({event.anchor}) are refused; write the value out"
            self._bad(mark, message, path)
        elif event.tag:
            self._bad(mark, f"tags are refused ({event.tag}); write the value alone", path)

    def _scalar(self, event: ScalarEvent, mark: Mark, path: tuple[str, ...]) -> Scalar:
        text = str(event.value)
        bad = unprintable(text)
        if bad:
            self._bad(mark, _named(bad), path)
            return None
        if event.style is not None or event.tag:
            return text
        try:
            return scalar(text)
        except ValueError as error:
            self._bad(mark, str(error), path)
            return None

    def _sequence(self, path: tuple[str, ...]) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            nodes.append(self._node(event, (*path, str(len(nodes)))))
        return tuple(nodes)

    def _mapping(self, path: tuple[str, ...]) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            mark = self._mark(event)
            key = self._key(event, mark, path)
            child = self._node(self._next(), (*path, key or ""), mark)
            if key is not None and key in nodes:
                first = nodes[key].mark.line
                where = f", first on line {first}" if first else ""
                self._bad(mark, f"the key {key!r} is there twice{where}", (*path, key))
            elif key is not None:
                nodes[key] = child
        return nodes

    def _key(self, event: Any, mark: Mark, path: tuple[str, ...]) -> str | None:
        node = self._node(event, (*path, ""), mark)
        if isinstance(event, AliasEvent):
            return None
        if not isinstance(event, ScalarEvent) or not event.value or "\n" in event.value:
            self._bad(mark, f"a key must be a word, not {shown(node.plain())}", path)
            return None
        if unprintable(event.value):
            return None  # it is a fault already
        if event.value == "<<" and event.style is None:
            self._bad(mark, "merge keys (<<) are refused; write the fields out", path)
            return None
        return str(event.value)
