"""A recipe as written: values that know the line they stand on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Mark:
    """Where something is written; line 0 where there are no lines."""

    file: str
    line: int = 0


@dataclass(frozen=True, eq=False)
class Node:
    """A scalar, a list or a mapping, and where it is written.

    A value in a mapping carries the line of its key.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    mark: Mark
    axis: Node | None = None
    """For a value of the scan's: the axis it belongs to."""
    path: str = ""
    """For an axis and its values: where they are written, in place of where they take effect."""

    @property
    def entries(self) -> Mapping[str, Node]:
        """Children of a mapping; none for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """Children of a list; none for anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    def plain(self) -> Any:
        """The value as Python's own scalars, lists and dicts."""
        if isinstance(self.value, Mapping):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, key: str | int) -> Node | None:
        """The child of this name or number, if there is one."""
        if isinstance(key, int):
            return self.items[key] if 0 <= key < len(self.items) else None
        return self.entries.get(key)

    def leaves(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Everything below that is no mapping, with its dotted path."""
        if not self.entries:
            yield path, self
        for key, child in self.entries.items():
            yield from child.leaves(f"{path}.{key}" if path else key)


class NoMappingError(Exception):
    """A path leads through something that has no fields."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def put(tree: Node, words: Sequence[str], new: Node) -> Node:
    """The tree with `new` laid over the place that `words` lead to.

    A mapping is merged into a mapping, unless it is the whole scan or names another plugin.
    """
    if not words:
        return _laid_over(tree, new)
    word, rest = words[0], words[1:]
    if not isinstance(tree.value, Mapping):
        raise NoMappingError("")
    below = tree.value.get(word)
    try:
        child = _grown(rest, new) if below is None else put(below, rest, new)
    except NoMappingError as error:
        raise NoMappingError(f"{word}.{error.path}".rstrip(".")) from error
    if word == "scan" and not rest:
        child = new
    return replace(tree, value={**tree.value, word: child})


def _grown(words: Sequence[str], new: Node) -> Node:
    for word in reversed(words):
        new = Node({word: new}, new.mark)
    return new


def _laid_over(old: Node, new: Node) -> Node:
    if not isinstance(old.value, Mapping) or not isinstance(new.value, Mapping):
        return new
    if "use" in new.value and _use(new) != _use(old):
        return new
    for key, child in new.value.items():
        old = put(old, [key], child)
    return old


def _use(node: Node) -> Any:
    use = node.entries.get("use")
    return use.value if use else None
