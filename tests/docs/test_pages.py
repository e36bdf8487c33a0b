"""What the pages say is true: links lead somewhere, quotes are exact, code and commands work."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

import pytest
import typer
from ruamel.yaml import YAML

import ionflow
from ionflow.cli import app
from ionflow.recipe import read
from ionflow.registry import load

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/*.md")])
GUIDES = sorted(ROOT.glob("docs/*.md"))

NOTE = re.compile(r"<!-- (from|checked|not run):? ?(.*?) ?-->")
FENCE = re.compile(r"```(\w*)")


@dataclass(frozen=True)
class Block:
    """A fenced block, and the note in the line before it."""

    page: Path
    line: int
    language: str
    text: str
    note: str = ""
    """from, checked or not run."""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start, language = 0, ""
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence and not start:
            start, language = number + 1, fence[1]
        elif fence:
            text = "\n".join(lines[start:number])
            note = NOTE.fullmatch(lines[start - 2]) if start > 1 else None
            yield Block(page, start, language, text, *(note.groups() if note else ()))
            start = 0


ALL = [block for page in PAGES for block in blocks(page)]


def of(language: str, note: str | None = None) -> list[Block]:
    """Blocks of one language, with one note or ("") none."""
    return [b for b in ALL if b.language == language and note in (None, b.note)]


# -- links ----------------------------------------------------------------------------------


def prose(page: Path) -> str:
    """The page without fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    kept = (re.sub(r"[^\w\s-]", "", title.lower()) for title in titles)
    return {title.strip().replace(" ", "-") for title in kept}


def broken(page: Path) -> Iterator[str]:
    """Links within the repository that lead nowhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert list(broken(page)) == []


def test_the_map_leads_to_every_page():
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / t).resolve() for t in re.findall(r"\]\(([^)#]+\.md)", prose(index))}
    assert [p for p in sorted(ROOT.glob("docs/**/*.md")) if p not in {*linked, index}] == []


# -- quotes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [b for b in ALL if b.note == "from"], ids=str)
def test_a_quoted_block_stands_in_its_source(block):
    source = filled((ROOT / block.detail).read_text(encoding="utf-8"))
    # the body of a class or function stands further left on the page
    assert any(indent(filled(block.text), " " * n) in source for n in (0, 4, 8, 12))


def filled(text: str) -> str:
    """Text without empty lines: how many part two functions depends on their depth."""
    return "".join(f"{line}\n" for line in text.splitlines() if line.strip())


# -- commands -------------------------------------------------------------------------------


def commands() -> list[tuple[str, str]]:
    """Every `ionflow ...` of consoles, scripts, indented lines and inline code."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = re.findall(r"^(?:\$ |    )(ionflow [a-z].*)$", text, re.MULTILINE)
        for script in (b for b in of("bash") if b.page == page):
            joined = script.text.replace("\\\n", " ")
            lines += re.findall(r"^ *(ionflow [a-z].*)$", joined, re.MULTILINE)
        inline = re.findall(r"`(ionflow [a-z][^`\n]*)`", text)
        found += [(str(page.relative_to(ROOT)), line) for line in dict.fromkeys(lines + inline)]
    return found


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text[-60:])
def test_a_command_exists_with_its_options(page, line):
    words = shlex.split(line.rstrip("&"), comments=True)[1:]
    known = typer.main.get_command(app).commands
    assert words[0] in known, f"{page}: no command {words[0]}"
    options = {name for p in known[words[0]].params for name in p.opts}
    asked = [word for word in words[1:] if word.startswith("--")]
    assert [name for name in asked if name not in {*options, "--help"}] == []


@pytest.fixture(scope="module")
def script():
    """The script that puts outputs into the pages."""
    path = ROOT / "docs" / "refresh_outputs.py"
    spec = importlib.util.spec_from_file_location("refresh_outputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.name)
def test_checked_outputs_are_what_is_printed(page, script):
    text = page.read_text(encoding="utf-8")
    assert script.refreshed(text) == text, f"docs/{page.name} shows old outputs: run make docs"


def test_every_checked_block_is_one_that_the_script_finds(script):
    text = "".join(page.read_text(encoding="utf-8") for page in GUIDES)
    assert len(script.BLOCK.findall(text)) == len([b for b in ALL if b.note == "checked"]) > 3


# -- code -----------------------------------------------------------------------------------

QUICK = ["cluster.workers=2", "protocol.production.duration_ps=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with short runs of the recipes that the pages speak of."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("tutorial", "example"):
        out = folder / "runs" / name
        ionflow.run(ROOT / "recipes" / f"{name}.yaml", overrides=QUICK, out=out)
    return folder


@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, runs, monkeypatch):
    code = [b for b in of("python", "") if b.page == page]
    if not code:
        return
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(runs)
    names: dict[str, object] = {}
    for block in code:
        # as many lines above as on the page, so that a traceback names the right one
        exec(compile("\n" * block.line + block.text, str(block), "exec"), names)
    matplotlib.pyplot.close("all")


def test_what_is_not_run_says_why():
    assert [str(b) for b in of("python", "not run") if not b.detail] == []
    assert [str(b) for b in of("python", "checked")] == []


@pytest.mark.parametrize("block", of("yaml", ""), ids=str)
def test_a_piece_of_a_recipe_is_valid_in_a_recipe(block):
    recipe = YAML(typ="safe").load((ROOT / "recipes" / "tutorial.yaml").read_text("utf-8"))
    piece = YAML(typ="safe").load(block.text)
    assert read({**recipe, **piece}, load()).cases
