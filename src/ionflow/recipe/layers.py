"""A recipe with a scale and the overrides of the command line laid over it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ionflow.recipe.faults import Faults, did_you_mean, shown
from ionflow.recipe.parts import LEGAL_NAME
from ionflow.recipe.reader import compose
from ionflow.recipe.tree import Mark, Node, NoMappingError, put
from ionflow.registry import NAME

SET: Final = Mark("--set")
_NOT_A_MATTER_OF_SCALE: Final = ("scales", "default_scale")


@dataclass(frozen=True)
class Override:
    """One value laid over the recipe."""

    words: tuple[str, ...]
    node: Node

    @property
    def path(self) -> str:
        """The words as one path."""
        return ".".join(self.words)


def scales_of(root: Node, faults: Faults) -> dict[str, Node]:
    """The recipe's scales by name; those that are no mappings are faults."""
    node = root.entries.get("scales")
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, dict):
        message = f"must be a mapping of names to overrides, not {shown(node.plain())}"
        faults.note(node.mark, "scales", message)
        return {}
    return {name: child for name, child in node.entries.items() if _legal(name, child, faults)}


def chosen_scale(root: Node, scales: dict[str, Node], asked: str | None, faults: Faults) -> str:
    """The scale to run: the one asked for, or the recipe's default, or "" for neither."""
    default = root.entries.get("default_scale")
    names = list(scales)
    if default is not None and default.value not in names:
        message = f"there is no scale {default.plain()!r}. {_hint(default.value, names)}"
        faults.note(default.mark, "default_scale", message)
    if asked is not None and asked not in names:
        message = f"there is no scale {asked!r}. {_hint(asked, names)}"
        faults.note(Mark("--scale"), "", message)
    name = asked if asked is not None else (default.value if default else "")
    return name if isinstance(name, str) and name in names else ""


def scale_overrides(name: str, scales: dict[str, Node], faults: Faults) -> list[Override]:
    """What one scale lays over the recipe."""
    found = []
    for path, node in scales[name].entries.items() if name else ():
        words = _words(path)
        if words and words[0] not in _NOT_A_MATTER_OF_SCALE:
            found.append(Override(words, node))
        else:
            faults.note(node.mark, f"scales.{name}.{path}", "is not a path that a scale can set")
    return found


def set_overrides(texts: Sequence[str], faults: Faults) -> list[Override]:
    """What `--set path=value` lays over the recipe."""
    return [override for text in texts if (override := _set(text, faults))]


def laid_over(root: Node, overrides: Sequence[Override], faults: Faults) -> Node:
    """The recipe with all overrides, in order, and without its scales."""
    kept = {k: v for k, v in root.entries.items() if k not in _NOT_A_MATTER_OF_SCALE}
    tree = Node(kept, root.mark)
    scanned: list[tuple[str, Node]] = []
    for override in overrides:
        try:
            tree = put(tree, override.words, override.node)
        except NoMappingError as error:
            message = f"{error.path} has no fields"
            faults.note(override.node.mark, override.path, message)
        scanned += [leaf for leaf in override.node.leaves(override.path) if leaf[0] in _axes(tree)]
    for path, node in scanned:
        # the scan would silently replace the value that someone just asked for
        if path in _axes(tree):
            faults.note(node.mark, path, f"is an axis of the scan; set scan.{path} instead")
    return tree


def _axes(tree: Node) -> Collection[str]:
    scan = tree.entries.get("scan")
    return scan.entries if scan else ()


def _set(text: str, faults: Faults) -> Override | None:
    path, equals, value = text.partition("=")
    words = _words(path.strip())
    if not equals or not words or words[0] in _NOT_A_MATTER_OF_SCALE:
        faults.note(SET, "", f"{text[:60]!r} is not PATH=VALUE, such as seed=2")
        return None
    if not value.strip():
        faults.note(SET, path, "has no value; write null for none")
        return None
    own = Faults()
    node = compose(value, SET.file, own, SET)
    for trouble in own:
        faults.note(SET, path, trouble.message)
    return Override(words, node) if node and not own else None


def _words(path: str) -> tuple[str, ...]:
    """A dotted path, where the axes of a scan, themselves dotted, are one word."""
    words = tuple(path.split(".", 1)) if path.startswith("scan.") else tuple(path.split("."))
    return words if all(".".join(words).split(".")) else ()


def _legal(name: str, node: Node, faults: Faults) -> bool:
    where = f"scales.{name}"
    if not NAME.fullmatch(name):
        faults.note(node.mark, where, f"is no legal name; {LEGAL_NAME}")
    if node.value is not None and not isinstance(node.value, dict):
        message = f"must be a mapping of overrides, not {shown(node.plain())}"
        faults.note(node.mark, where, message)
        return False
    return True


def _hint(name: object, names: list[str]) -> str:
    return did_you_mean(name, names) if isinstance(name, str) else f"Known: {', '.join(names)}"
