"""Quarantine: where damaged files go. Nothing is deleted; a new folder each time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ionflow.store.files import make_folder, move, sync_folder
from ionflow.store.writer import Writer


def set_aside(writer: Writer, paths: Iterable[Path]) -> Path:
    """Move files and folders of a run to a folder of their own, under the same relative paths.

    Returns
    -------
    The folder, `quarantine/000001` or a later number.
    """
    folder = writer.root / "quarantine"
    with writer.writing(folder):
        place = _fresh(folder)
        for path in paths:
            target = place / path.relative_to(writer.root)
            make_folder(target.parent)
            move(path, target)
    return place


def _fresh(folder: Path) -> Path:
    make_folder(folder)
    number = 1 + max((int(p.name) for p in folder.iterdir() if p.name.isdigit()), default=0)
    while True:
        place = folder / f"{number:06d}"
        try:
            place.mkdir()
        except FileExistsError:
            number += 1
        else:
            sync_folder(folder)
            return place
