"""Texts of a run folder, and the moments at which writing them can be cut short."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionflow.errors import StoreError
from ionflow.store import Store
from ionflow.store.writer import Writer

OLD = {"report/index.html": "<p>old", "report/old.svg": "<svg>"}
NEW = {"report/index.html": "<p>new", "report/new.svg": "<svg>"}


def cut_short(store: Store, monkeypatch: pytest.MonkeyPatch, verb: str, after: int) -> None:
    """Replace the texts on a disk that refuses after so many files."""
    act, done = getattr(Writer, verb), []

    def refuse(writer: Writer, path: Path, *data: bytes) -> None:
        if len(done) == after:
            raise StoreError("cannot write", where=str(path))
        done.append(path)
        act(writer, path, *data)

    with monkeypatch.context() as patch, store.hold():
        patch.setattr(Writer, verb, refuse)
        with pytest.raises(StoreError, match="cannot write"):
            store.write_texts(NEW, "report")


CUTS = [("replace", after, before) for after in range(4) for before in ({}, OLD)]


@pytest.mark.parametrize(("verb", "after", "before"), [*CUTS, ("discard", 0, OLD)])
def test_texts_that_are_cut_short_are_no_damage(tmp_path, monkeypatch, verb, after, before):
    store = Store.create(tmp_path / "run")
    if before:
        with store.hold():
            store.write_texts(before, "report")
    cut_short(store, monkeypatch, verb, after)
    assert not _of_texts(store)
    with store.hold():
        store.write_texts(NEW, "report")
    assert {name: store.read_text(name) for name in NEW} == NEW
    assert not (store.root / "report/old.svg").exists()
    (store.root / "report/new.svg").unlink()
    assert "report/new.svg" in _of_texts(store)[0]


def _of_texts(store: Store) -> list[str]:
    return [str(p) for p in store.verify(deep=True) if "report" in str(p)]
