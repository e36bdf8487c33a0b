"""Which distributions took part, in which versions, from which commits."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

#: Plugins announce themselves here; also those that say nowhere else which modules they bring.
_GROUP = "ionflow"
_GIT_SECONDS = 5.0
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def table() -> dict[str, Any]:
    """The software of this process: Python, system, versions of distributions, commits.

    Versions are those of every distribution of which a module is loaded; commits are those of
    distributions that run from a checkout.
    """
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
        "git": checkouts(),
    }


def versions() -> dict[str, str]:
    """Name and version of every distribution of which a module is loaded, by name."""
    loaded = {name.partition(".")[0] for name in tuple(sys.modules)}
    owners = _owners()
    names = {owner for module in loaded for owner in owners.get(module, ())}
    return {name: _version(name) for name in sorted(names, key=str.lower)}


def checkouts() -> dict[str, dict[str, Any]]:
    """For ionflow and plugins that run from a git checkout: commit, and whether it was changed."""
    names = {_named(point) for point in _announced()} | {"ionflow"}
    found = {name: _checkout(name) for name in sorted(names & versions().keys())}
    return {name: commit for name, commit in found.items() if commit}


def distribution_of(module: str) -> tuple[str, str]:
    """Name and version of the distribution that a module belongs to; "" if to none."""
    owners = _owners().get(module.partition(".")[0], ())
    return (owners[0], _version(owners[0])) if owners else ("", "")


@cache
def commit_of(folder: Path) -> dict[str, Any]:
    """Commit of the git checkout around a folder and whether tracked files differ from it.

    Empty if there is none. `dirty` is None where git cannot tell.
    """
    for place in (folder, *folder.parents):
        git = _git_folder(place / ".git")
        if git and (commit := _head(git)):
            return {"commit": commit, "dirty": _is_dirty(place)}
    return {}


def forget() -> None:
    """Look anew at what is installed, which a process normally does once."""
    for cached in (_announced, _owners, _version, _checkout, commit_of):
        cached.cache_clear()


@cache
def _owners() -> dict[str, tuple[str, ...]]:
    """Distributions by the top-level module that they bring."""
    found = {m: tuple(dict.fromkeys(o)) for m, o in metadata.packages_distributions().items()}
    for point in _announced():
        # an editable installation may list no modules
        found.setdefault(point.value.partition(":")[0].partition(".")[0], (_named(point),))
    return {module: owners for module, owners in found.items() if all(owners)}


@cache
def _announced() -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=_GROUP))


def _named(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else ""


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # uninstalled while this process runs
        return "?"


@cache
def _checkout(name: str) -> dict[str, Any]:
    modules = [module for module, owners in _owners().items() if name in owners]
    sources = (folder for module in modules for folder in _folders(module))
    return next((commit for folder in sources if (commit := commit_of(folder))), {})


def _folders(module: str) -> list[Path]:
    """Where a loaded module lies, unless it was installed there."""
    found = sys.modules.get(module)
    paths = [*getattr(found, "__path__", ()), getattr(found, "__file__", None)]
    folders = [Path(path).resolve().parent for path in paths if path]
    return [folder for folder in folders if not _INSTALLED & set(folder.parts)]


def _git_folder(entry: Path) -> Path | None:
    """The folder that `.git` is, or names: worktrees and submodules have a file."""
    if entry.is_dir():
        return entry
    text = _text(entry)
    return (entry.parent / text[len("gitdir:") :].strip()) if text.startswith("gitdir:") else None


def _head(git: Path) -> str:
    head = _text(git / "HEAD")
    name = head.removeprefix("ref:").strip()
    if name == head:
        return head if _COMMIT.fullmatch(head) else ""
    shared = git / (_text(git / "commondir") or ".")
    direct = (_text(place / name) for place in (git, shared))
    return next((c for c in (*direct, *_packed(shared, name)) if _COMMIT.fullmatch(c)), "")


def _packed(git: Path, name: str) -> Iterator[str]:
    for line in _text(git / "packed-refs").splitlines():
        commit, _, ref = line.partition(" ")
        if ref == name:
            yield commit


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _is_dirty(folder: Path) -> bool | None:
    # no lock and no hook of the repository: this is a look, not a command
    words = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder)]
    words += ["status", "--porcelain", "--untracked-files=no"]
    try:
        found = subprocess.run(
            words, capture_output=True, timeout=_GIT_SECONDS, check=False, env=_quiet()
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(found.stdout.strip()) if found.returncode == 0 else None


def _quiet() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Names that both tables have, with different versions."""
    return [name for name in one if name in other and other[name] != one[name]]


def told(versions: dict[str, str], main: Iterable[str]) -> str:
    """The versions of the main distributions in a line.

    >>> told({"ase": "3.26", "idna": "3", "torch": "2.9"}, ["torch", "ase", "zarr"])
    'torch 2.9, ase 3.26'
    """
    return ", ".join(f"{name} {versions[name]}" for name in main if name in versions)
