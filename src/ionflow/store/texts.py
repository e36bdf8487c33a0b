"""Texts of a run folder (recipe, report), with a list of their SHA-256: `texts.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ionflow.errors import StoreError
from ionflow.store.archive import damage
from ionflow.store.documents import document_bytes, read_document
from ionflow.store.files import guarded, open_plain, within
from ionflow.store.problem import Problem, tried
from ionflow.store.writer import Writer

TEXTS = "texts.json"

#: In place of a checksum: the text may be missing, as it is being added or removed.
ABSENT = ""

Known = dict[str, list[str]]


def write_texts(writer: Writer, texts: Mapping[str, str], below: str = "") -> None:
    """Replace texts, each whole and durably; others in the folder `below` are removed."""
    root = writer.root
    contents = {name: text.encode() for name, text in texts.items()}
    for name in contents:
        within(root, name)
    with writer.writing(root / TEXTS), guarded(root):
        known = _known(root)
        gone = [n for n in known if below and n.startswith(f"{below}/") and n not in texts]
        sums = {name: [hashlib.sha256(data).hexdigest()] for name, data in contents.items()}
        # while a text is replaced, the earlier one, or none, is right too
        both = {n: list(dict.fromkeys(new + known.get(n, [ABSENT]))) for n, new in sums.items()}
        both |= {name: [*known[name], ABSENT] for name in gone}
        _write(writer, known | both)
        for name, data in contents.items():
            writer.replace(root / name, data)
        for name in gone:
            writer.discard(root / name)
        _write(writer, {n: s for n, s in (known | sums).items() if n not in gone})


def read_text(root: Path, name: str) -> str:
    """A text, compared with its checksum if it is on the list."""
    path = within(root, name)
    listed: Known = read_document(root / TEXTS)["texts"] if (root / TEXTS).exists() else {}
    with damage(path):
        if name in listed:
            _check(path, listed[name])
        with open_plain(path) as file:
            return file.read().decode()


def forget_texts(writer: Writer, names: list[str]) -> None:
    """Take texts off the list, that are to be written again."""
    with writer.writing(writer.root / TEXTS), guarded(writer.root):
        known = _known(writer.root)
        if any(name in known for name in names):
            _write(writer, {n: s for n, s in known.items() if n not in names})


def _write(writer: Writer, known: Known) -> None:
    writer.replace(writer.root / TEXTS, document_bytes({"texts": known}, TEXTS))


def _known(root: Path) -> Known:
    try:
        known: Known = read_document(root / TEXTS)["texts"]
    except StoreError:
        return {}  # none yet; or damaged, which verifying tells, and then begun anew
    return known


def text_problems(root: Path) -> Iterator[Problem]:
    """Texts that are missing or not what was written."""
    for name, sums in _known(root).items():
        yield from tried(root / name, _check, root / name, sums)


def _check(path: Path, sums: list[str]) -> None:
    if ABSENT in sums and not path.exists():
        return
    with open_plain(path) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() not in sums:
            raise StoreError("not the text that was written", where=str(path))
