"""Runs the commands of blocks marked `<!-- checked -->` and puts in what they print.

A note may describe a recipe to make first: `<!-- checked: FILE with OLD -> NEW, ... as NAME -->`
changes a copy of recipes/FILE.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from ionflow.cli import app

ROOT = Path(__file__).parents[1]

BLOCK = re.compile(r"(<!-- checked:? ?(.*?) ?-->\n```console\n)(.*?)(?=^```$)", re.M | re.S)


def refreshed(page: str) -> str:
    """The text of a page with the outputs of today."""
    with _clone():
        return BLOCK.sub(_renewed, page)


def _renewed(block: re.Match[str]) -> str:
    head, recipe, text = block.groups()
    if recipe:
        _make(recipe)
    commands = re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    return head + "".join(f"$ {command}\n{_printed(command)}" for command in commands)


def _make(recipe: str) -> None:
    source, _, rest = recipe.partition(" with ")
    changes, _, name = rest.rpartition(" as ")
    text = Path("recipes", source).read_text(encoding="utf-8")
    for change in changes.split(", "):
        old, _, new = change.partition(" -> ")
        if old not in text:
            raise SystemExit(f"recipes/{source} has no {old!r} to change")
        text = text.replace(old, new)
    Path(name).write_text(text, encoding="utf-8")


def _printed(command: str) -> str:
    output = CliRunner().invoke(app, shlex.split(command)[1:]).output
    return "".join(f"{line.rstrip()}\n" for line in output.rstrip().splitlines())


@contextlib.contextmanager
def _clone() -> Iterator[None]:
    """A folder with the recipes in it, as a reader has it."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "recipes", Path(folder, "recipes"))
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


if __name__ == "__main__":
    for path in sorted(ROOT.glob("docs/*.md")):
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
