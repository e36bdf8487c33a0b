"""What made something of a run, and what it was made from: `ionflow explain KEY`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from ionflow.explain.book import Book
from ionflow.explain.finding import UnknownKeyError, find, one
from ionflow.explain.lineage import explained
from ionflow.explain.page import page
from ionflow.store import Store

__all__ = ["Explanation", "UnknownKeyError", "explain", "explain_in"]


class Explanation(Mapping[str, Any]):
    """What is known of one key, as plain data; printed, it is a page.

    Attributes
    ----------
    data : what `ionflow explain --json` prints
    """

    def __init__(self, book: Book, key: str) -> None:
        self._book, self._key = book, key

    @cached_property
    def data(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return explained(self._book, self._key)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __rich__(self) -> RenderableType:
        return page(self.data)

    def __repr__(self) -> str:
        console = Console(width=100, color_system=None, highlight=False)
        with console.capture() as captured:
            console.print(self)
        return captured.get().rstrip()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def explain(word: str, run: Path | None = None) -> Explanation:
    """What made something, and from what.

    Parameters
    ----------
    word : a key, at least 6 digits of its start, or a path to a structure, trajectory or result
    run : the run folder; that of the path, the current folder, or all of `runs` if None

    Raises
    ------
    DataError
        If no key is meant, or more than one.
    StoreError
        If there is no such run, or what it says of the key is damaged.
    """
    return Explanation(*find(word, run))


def explain_in(store: Store, word: str) -> Explanation:
    """The same, within one run folder.

    Raises
    ------
    DataError
        If no key is meant, or more than one.
    """
    book = Book(store)
    return Explanation(book, one(word, book))
