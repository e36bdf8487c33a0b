"""Repair: what is damaged goes to quarantine, so that the next run computes just that again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ionflow.store.keys import is_key
from ionflow.store.problem import Problem
from ionflow.store.quarantine import set_aside
from ionflow.store.repair_trajectory import Repair
from ionflow.store.texts import TEXTS, forget_texts
from ionflow.store.writer import Writer

_OF_RESULT = (".zarr", ".json")


def repair(writer: Writer, problems: Iterable[Problem]) -> list[str]:
    """Set aside what is damaged; says in sentences what was moved where."""
    root = writer.root
    names = sorted({problem.path.relative_to(root).as_posix() for problem in problems})
    paths = dict.fromkeys(path for name in names for path in _damaged(root, name))
    there = [path for path in paths if path.exists() or path.is_symlink()]
    said = _moved(writer, there) if there else []
    forget_texts(writer, [name for name in names if name != TEXTS])
    keys = {Path(name).parts[1] for name in names if _is_trajectory(name)}
    for key in sorted(keys):
        said += Repair(writer, root / "trajectories" / key).run()
    return said


def _is_trajectory(name: str) -> bool:
    parts = Path(name).parts
    return parts[0] == "trajectories" and len(parts) > 1 and is_key(parts[1])


def _damaged(root: Path, name: str) -> Iterator[Path]:
    parts = Path(name).parts
    if parts[0] == "analyses" and len(parts) > 1:
        stem = parts[1].partition(".")[0]
        yield from (root / "analyses" / f"{stem}{suffix}" for suffix in _OF_RESULT)
    elif (
        not _is_trajectory(name)
        or (root / name).is_symlink()
        or (len(parts) == 2 and not (root / name).is_dir())
    ):
        yield root / name


def _moved(writer: Writer, paths: list[Path]) -> list[str]:
    place = set_aside(writer, paths)
    return [f"{path.relative_to(writer.root)}: moved to {place}" for path in paths]
