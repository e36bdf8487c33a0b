"""Where a recipe comes from: a file, a text or a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ionflow.recipe.faults import Faults, shown
from ionflow.recipe.reader import MAX_DEPTH, compose, finite, unprintable
from ionflow.recipe.tree import Mark, Node, Scalar

MAX_BYTES: Final = 1_000_000

Source = Path | str | Mapping[str, Any]


def name_of(source: Source) -> str:
    """What faults call the source: the path as given, or a word for what has none."""
    if isinstance(source, Mapping):
        return "recipe"
    return "text" if is_text(source) else str(source)


def is_text(source: Source) -> bool:
    """Whether the source is YAML itself rather than a path to it."""
    return isinstance(source, str) and "\n" in source


def load(source: Source, faults: Faults) -> tuple[Node | None, str]:
    """The tree and the text of a recipe; no tree if it cannot be read."""
    file = name_of(source)
    if isinstance(source, Mapping):
        return tree_of(source, Mark(file), faults), ""
    text = str(source) if is_text(source) else _text(Path(source), file, faults)
    if len(text) > MAX_BYTES:
        faults.unreadable(Mark(file), f"is larger than {MAX_BYTES} bytes")
        return None, ""
    return (None, "") if faults else (compose(text, file, faults), text)


def tree_of(value: Any, mark: Mark, faults: Faults, path: str = "", depth: int = 0) -> Node:
    """A tree from Python's own mappings, lists and scalars."""
    if depth > MAX_DEPTH:
        faults.note(mark, path, f"is nested more than {MAX_DEPTH} deep")
        return Node(None, mark)
    if isinstance(value, Mapping):
        children = {
            str(key): tree_of(child, mark, faults, f"{path}.{key}".lstrip("."), depth + 1)
            for key, child in value.items()
            if _is_word(str(key), mark, faults, path)
        }
        return Node(children, mark)
    if isinstance(value, (list, tuple, np.ndarray)):
        items = [tree_of(v, mark, faults, f"{path}.{i}", depth + 1) for i, v in enumerate(value)]
        return Node(tuple(items), mark)
    return Node(_scalar(value, mark, faults, path), mark)


def _is_word(key: str, mark: Mark, faults: Faults, path: str) -> bool:
    fit = bool(key) and "\n" not in key and not unprintable(key)
    if not fit:
        faults.note(mark, path, f"a key must be a word, not {shown(key)}")
    return fit


def _scalar(value: Any, mark: Mark, faults: Faults, path: str) -> Scalar:
    plain = value.item() if isinstance(value, np.generic) else value
    plain = str(plain) if isinstance(plain, Path) else plain
    try:
        if isinstance(plain, (int, float)) and not isinstance(plain, bool):
            return finite(plain)
    except ValueError as error:
        faults.note(mark, path, str(error))
        return None
    if plain is None or isinstance(plain, bool):
        return plain
    if isinstance(plain, str) and not unprintable(plain):
        return plain
    faults.note(mark, path, f"cannot stand in a recipe: {shown(plain)}")
    return None


def _text(path: Path, file: str, faults: Faults) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        faults.unreadable(Mark(file), _refusal(error))
        return ""
    if len(data) > MAX_BYTES:
        faults.unreadable(Mark(file), f"is larger than {MAX_BYTES} bytes; a recipe is a few kB")
        return ""
    return _decoded(data, file, faults)


def _refusal(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not a recipe"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _decoded(data: bytes, file: str, faults: Faults) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 (byte {error.start} is 0x{data[error.start]:02x})"
        faults.unreadable(Mark(file, number), f"{message}; save it as UTF-8")
        return ""
