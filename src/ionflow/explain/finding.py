"""From what a user writes to a key of a run: a key, the start of one, or a path to its data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from ionflow.errors import DataError, StoreError
from ionflow.explain.book import Book
from ionflow.store import Store

_HEX = re.compile(r"[0-9a-f]{6,64}")
_KEY = re.compile(r"[0-9a-f]{64}")
_SHOWN = 8


class UnknownKeyError(DataError, KeyError):
    """No key, or more than one, is meant."""


def find(word: str, run: Path | None = None) -> tuple[Book, str]:
    """The run and the key that a word means.

    Parameters
    ----------
    word : a key, at least 6 digits of its start, or a path to a structure, trajectory or result
    run : the run folder; that of the path, the current folder, or all of `runs` if None

    Raises
    ------
    DataError
        If no key is meant, or more than one.
    """
    if run is None and ("/" in word or Path(word).exists()):
        return _of_path(Path(word))
    books = [Book(Store.open(root)) for root in _runs(run)]
    if not books:
        hint = "Say which with --run RUN, or go to a folder that holds a run or `runs`"
        raise UnknownKeyError("no run folder is here", where=str(Path.cwd()), hint=hint)
    found = [(book, key) for book in books for key in matches(word, book)]
    if len(found) == 1:
        return found[0]
    raise _several(word, found) if found else _unknown(word, books)


def matches(word: str, book: Book) -> list[str]:
    """Keys of a run that a word may mean."""
    if word in book.kinds:
        return [word]
    if not _HEX.fullmatch(word):
        return []
    return [key for key in book.kinds if key.startswith(word)]


def one(word: str, book: Book) -> str:
    """The key of a run that a word means.

    Raises
    ------
    DataError
        If no key is meant, or more than one.
    """
    found = matches(word, book)
    if len(found) == 1:
        return found[0]
    raise _several(word, [(book, key) for key in found]) if found else _unknown(word, [book])


def told(book: Book, key: str) -> str:
    """A key in a line: its start, kind, name and label."""
    task = book.task(key)
    return " ".join(str(w) for w in (key[:12], task["kind"], task["name"], task["label"]) if w)


def _runs(run: Path | None) -> list[Path]:
    if run is not None:
        return [run]
    here = Path.cwd()
    if _is_run(here):
        return [here]
    return [path for path in sorted((here / "runs").glob("*")) if _is_run(path)]


def _is_run(folder: Path) -> bool:
    return (folder / "run.json").is_file()


def _of_path(path: Path) -> tuple[Book, str]:
    path = path.resolve()
    root = next((folder for folder in (path, *path.parents) if _is_run(folder)), None)
    if root is None:
        hint = "Give a path to a structure, trajectory or result of a run, or a key"
        raise StoreError("not in a run folder", where=str(path), hint=hint)
    words = [part.partition(".")[0] for part in path.relative_to(root).parts]
    key = next((word for word in words if _KEY.fullmatch(word)), None)
    if key is None:
        hint = "Results are named by their key: trajectories/KEY, analyses/KEY.zarr"
        raise UnknownKeyError("this path names no key", where=str(path), hint=hint)
    book = Book(Store.open(root))
    return book, one(key, book)


def _several(word: str, found: Sequence[tuple[Book, str]]) -> UnknownKeyError:
    runs = len({book.store.root for book, _ in found}) > 1
    lines = [f"  {told(b, k)}{f'  in {b.store.root}' if runs else ''}" for b, k in found[:_SHOWN]]
    more = [f"  and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    hint = "Give more digits" + (", or the run with --run" if runs else "")
    return UnknownKeyError("\n".join([f"{word!r} may mean", *lines, *more]), hint=f"\n{hint}")


def _unknown(word: str, books: Sequence[Book]) -> UnknownKeyError:
    where = str(books[0].store.root) if len(books) == 1 else f"{len(books)} runs"
    hint = "\n".join(["Did you mean", *near]) if (near := list(_near(word, books))) else (
        "A key is what run.json lists and what folders of trajectories and analyses are called"
    )  # fmt: skip
    return UnknownKeyError(f"no key {word!r}", where=where, hint=hint)


def _near(word: str, books: Iterable[Book]) -> Iterator[str]:
    """Keys that are called so, or begin almost so."""
    all_keys = [(book, key) for book in books for key in book.kinds]
    called = [(b, k) for b, k in all_keys if word in (b.task(k)["name"], b.task(k)["label"])]
    starts = get_close_matches(word, {key[: len(word)] for _, key in all_keys}, n=3, cutoff=0.7)
    alike = [(b, k) for b, k in all_keys if k[: len(word)] in starts]
    yield from (f"  {told(b, k)}" for b, k in (called or alike)[:_SHOWN])
