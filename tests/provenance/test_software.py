"""Distributions that take part, and commits of checkouts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionflow import software
from ionflow.store import key_of

NAME, MODULE = "salt-made-up", "salt_made_up"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which a distribution is installed, first on the path."""
    (tmp_path / f"{MODULE}.py").write_text("")
    install(tmp_path, "1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    software.forget()
    yield tmp_path
    sys.modules.pop(MODULE, None)
    monkeypatch.undo()
    software.forget()


def install(site: Path, version: str) -> None:
    info = site / f"{MODULE}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n")
    (info / "top_level.txt").write_text(f"{MODULE}\n")
    software.forget()


def test_a_distribution_takes_part_once_one_of_its_modules_is_loaded(site):
    assert NAME not in software.versions()
    __import__(MODULE)
    assert software.versions()[NAME] == "1.0"
    assert {"ionflow", "numpy"} <= software.versions().keys()
    assert list(software.versions()) == sorted(software.versions(), key=str.lower)


def test_another_version_is_another_table(site):
    __import__(MODULE)
    before = software.table()
    install(site, "1.1")
    after = software.table()
    assert software.differing(before["versions"], after["versions"]) == [NAME]
    assert key_of(table=before) != key_of(table=after)
    install(site, "1.0")
    assert key_of(table=before) == key_of(table=software.table())


def test_the_distribution_of_a_module(site):
    assert software.distribution_of(f"{MODULE}.rock") == (NAME, "1.0")
    assert software.distribution_of("ionflow.builtin")[0] == "ionflow"
    assert software.distribution_of("nobody_brings_this") == ("", "")


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("one = 1\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.mark.parametrize("state", ["branch", "packed", "detached", "worktree"])
def test_the_commit_is_the_one_that_git_names(checkout, state):
    software.forget()
    if state == "packed":
        git(checkout, "pack-refs", "--all")
    if state == "detached":
        git(checkout, "checkout", "-q", "--detach")
    if state == "worktree":
        git(checkout, "worktree", "add", "-q", "-b", "other", "../tree")
        checkout = checkout.parent / "tree"
    expected = {"commit": git(checkout, "rev-parse", "HEAD"), "dirty": False}
    assert software.commit_of(checkout / "src") == expected


def test_changes_of_tracked_files_count_and_new_files_do_not(checkout):
    software.forget()
    (checkout / "src" / "new.py").write_text("")
    assert software.commit_of(checkout)["dirty"] is False
    (checkout / "src" / "a.py").write_text("one = 2\n")
    software.forget()
    assert software.commit_of(checkout)["dirty"] is True


def test_without_a_git_program_the_commit_is_known_and_changes_are_not(checkout, monkeypatch):
    software.forget()
    head = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", "")
    assert software.commit_of(checkout) == {"commit": head, "dirty": None}


def test_a_broken_checkout_is_no_checkout(tmp_path):
    software.forget()
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    (tmp_path / "src").mkdir()
    assert software.commit_of(tmp_path / "src") == {}
