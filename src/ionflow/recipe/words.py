"""What pydantic finds wrong, in plain words and at the right line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ionflow.errors import IonflowError, foreign
from ionflow.fields import describe
from ionflow.recipe.faults import Trouble, did_you_mean, shown
from ionflow.recipe.tree import Node
from ionflow.units import split_unit

Model = TypeVar("Model", bound=BaseModel)

_WANTED: Final[Mapping[str, str]] = {
    "float": "a number",
    "int": "a whole number",
    "string": "text",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "none_required": "null",
    "path": "a path",
}
_BOUND: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_KIND_OF_VALUE = re.compile(r"(\w+?)_(type|parsing|from_float|parsing_size)|none_required")
_NUMBER_WITH_UNIT = re.compile(r"\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*\S+\s*")


def validated(
    cls: type[Model], node: Node, path: str, label: str, leave_out: Sequence[str] = ()
) -> tuple[Model | None, list[Trouble]]:
    """A model from what is written, or what is wrong with it.

    Strict: true is no number, and '500' no number either.
    """
    data = {k: child.plain() for k, child in node.entries.items() if k not in leave_out}
    try:
        return cls.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        return None, _troubles(error, cls, node, path, label)
    except IonflowError as error:
        return None, [Trouble(node.mark, path, str(error))]
    except Exception as error:  # noqa: BLE001 - a third party's validator may raise anything
        return None, [Trouble(node.mark, path, foreign(label, error))]


def unknown_field(name: str, known: Sequence[str], label: str) -> str:
    """A field that does not exist, and which one may have been meant."""
    head = f"unknown field of {label}"
    stem, unit = split_unit(name)
    same = [field for field in known if split_unit(field)[0] in (stem, name)]
    if same and unit and unit != split_unit(same[0])[1]:
        right = split_unit(same[0])[1]
        return f"{head}. Did you mean {same[0]!r}? It is in {right or 'no unit'}, not in {unit}"
    return f"{head}. Did you mean {same[0]!r}?" if same else f"{head}. {did_you_mean(name, known)}"


class _Found:
    """What was found at one path; several things where a value may be of several types."""

    def __init__(self, node: Node, path: str) -> None:
        self.node, self.path = node, path
        self.wanted: list[str] = []
        self.wrong: list[str] = []
        self.value: Any = None

    def trouble(self) -> Trouble:
        message = self.wrong[0] if self.wrong else self._of_wrong_type()
        return place(self.node, self.path, message)

    def _of_wrong_type(self) -> str:
        value = self.value
        message = f"must be {' or '.join(dict.fromkeys(self.wanted))}, not {shown(value)}"
        if self.wanted == ["text"] and value is not None and not isinstance(value, (dict, list)):
            return f"{message}; put it in quotes"
        numeric = isinstance(value, str) and _NUMBER_WITH_UNIT.fullmatch(value)
        if numeric and "a number" in self.wanted:
            return f"{message}; write the number alone, the unit is in the field's name"
        return message


def place(node: Node, path: str, message: str) -> Trouble:
    """Trouble with one value: at the scan if it is one of its values."""
    return Trouble(node.mark, node.path or path, message, settled=bool(node.path))


def _troubles(
    error: ValidationError, cls: type[BaseModel], node: Node, path: str, label: str
) -> list[Trouble]:
    found: dict[str, _Found] = {}
    for fault in error.errors(include_url=False):
        at, words = _located(node, fault["loc"])
        kind = fault["type"]
        if kind == "extra_forbidden":
            at = at.axis or at
        if kind == "missing" and isinstance(fault["loc"][-1], str):
            words.append(str(fault["loc"][-1]))
        key = ".".join([path, *words]) if path else ".".join(words)
        entry = found.setdefault(key, _Found(at, key))
        _record(entry, fault, cls, words, label)
    return [f.trouble() for f in found.values() if f.wrong or not _deeper(f.path, found)]


def _deeper(path: str, found: Iterable[str]) -> bool:
    """Whether something more exact is said of a part of this value."""
    return any(other.startswith(f"{path}.") for other in found)


def _located(node: Node, loc: Iterable[str | int]) -> tuple[Node, list[str]]:
    """Where an error is; steps that name a branch of a union lead nowhere."""
    words = []
    for step in loc:
        child = node.child(step)
        if child is not None:
            node = child
            words.append(str(step))
    return node, words


def _record(
    entry: _Found, fault: Any, cls: type[BaseModel], words: Sequence[str], label: str
) -> None:
    kind = fault["type"]
    of_value = _KIND_OF_VALUE.fullmatch(kind)
    wanted = _WANTED.get(of_value.group(1) or kind) if of_value else None
    if wanted:
        entry.value = fault["input"]
        entry.wanted.append("a mapping" if _is_table(cls, words, wanted) else wanted)
    elif kind == "extra_forbidden":
        entry.wrong.append(_extra(cls, words, label))
    elif kind == "missing":
        few = isinstance(fault["loc"][-1], int)
        entry.wrong.append("has too few values" if few else _missing(cls, words, label))
    else:
        entry.wrong.append(_plain(fault, entry.path))


def _is_table(cls: type[BaseModel], words: Sequence[str], wanted: str) -> bool:
    """Whether a field is written as a mapping, though it is kept as a tuple."""
    if wanted != "a list" or len(words) != 1:
        return False
    types = {field.name: field.type for field in describe(cls)}
    return types.get(words[0], "").startswith("table")


def _extra(cls: type[BaseModel], words: Sequence[str], label: str) -> str:
    for word in words[:-1]:
        inner = _model_in(cls.model_fields[word].annotation) if word in cls.model_fields else None
        if inner is None:
            return "unknown field"
        cls, label = inner, repr(word)
    return unknown_field(words[-1], list(cls.model_fields), label)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, alone or in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _missing(cls: type[BaseModel], words: Sequence[str], label: str) -> str:
    field = cls.model_fields.get(words[-1]) if len(words) == 1 else None
    doc = " ".join((field.description or "").split()) if field else ""
    return f"is missing; {label} needs it: {doc}" if doc else f"is missing; {label} needs it"


def _plain(fault: Any, path: str) -> str:
    kind, context, value = fault["type"], fault.get("ctx", {}), fault.get("input")
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind in _BOUND:
        words, key = _BOUND[kind]
        named = [word for word in path.split(".") if not word.isdigit()]
        unit = split_unit(named[-1])[1] if named else ""
        return f"must be {words} {f'{context[key]:g} {unit}'.strip()}, not {shown(value)}"
    if kind == "literal_error":
        return _choice(context["expected"], value)
    if kind == "too_long":
        return f"has too many values; at most {context['max_length']}"
    if kind == "too_short":
        return f"has too few values; at least {context['min_length']}"
    return _despoken(fault["msg"], value)


def _choice(expected: str, value: Any) -> str:
    options = re.findall(r"'([^']*)'", expected)
    near = get_close_matches(value[:60], options, n=1) if isinstance(value, str) else []
    hint = f". Did you mean {near[0]!r}?" if near else ""
    return f"must be {expected}, not {shown(value)}{hint}"


def _despoken(message: str, value: Any) -> str:
    """A message of pydantic's without its own words."""
    text = re.sub(r"^(Input|\w+) should ", "must ", message).replace(" after validation", "")
    return (
        f"{text}, not {shown(value)}" if text.startswith("must") and ", not " not in text else text
    )
