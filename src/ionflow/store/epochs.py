"""Epochs of a run folder: who holds it now, and who held it before.

    holders/000003.json       the third holder: host, process, command
    holders/000003.beat       a counter that it raises every few seconds while it holds
    holders/000003.released   the same file, renamed when it let go

A number is won by a hard link that fails if it exists, and never given twice.
"""

from __future__ import annotations

import re
from pathlib import Path

from ionflow.store.archive import damage

_NAME = re.compile(r"(\d{6,})\.(?:json|released)")
_NUMBER = re.compile(r"\d{6,}")
_KEPT = 8


def epoch_path(root: Path, epoch: int, kind: str) -> Path:
    """A file of one epoch: of kind json, beat or released."""
    return root / "holders" / f"{epoch:06d}.{kind}"


def epochs(root: Path) -> list[int]:
    """Numbers of the epochs that are on record, ascending."""
    folder = root / "holders"
    with damage(folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted({int(match[1]) for match in map(_NAME.fullmatch, names) if match})


def latest_epoch(root: Path) -> int:
    """The number of the last holder; 0 if there was none."""
    return max(epochs(root), default=0)


def look(root: Path) -> tuple[int, int]:
    """The number of the last holder (0 if there was none), and the number to be won after it.

    That is a number after all that ever were, even where `holders` was deleted by hand. Whoever
    finds the last holder gone must win this number: a higher one would pass over another winner.
    """
    folder = root / ".tmp"
    with damage(folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    # scratch folders before holders: a winner's file is there before its folder
    scratch = max((int(name) for name in names if _NUMBER.fullmatch(name)), default=0)
    latest = latest_epoch(root)
    return latest, max(latest, scratch) + 1


def is_released(root: Path, epoch: int) -> bool:
    """Whether the holder of an epoch let go."""
    return epoch_path(root, epoch, "released").exists()


def tidy_epochs(root: Path) -> None:
    """Forget all but the last few holders; the highest stays, so that numbers never go back."""
    for epoch in epochs(root)[:-_KEPT]:
        for kind in ("json", "beat", "released"):
            epoch_path(root, epoch, kind).unlink(missing_ok=True)
