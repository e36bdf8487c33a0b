"""The notebooks run from top to bottom, and the outputs that are kept are clean."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

import ionflow

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))

#: the recipe of the notebooks, in seconds instead of minutes
QUICK = [
    "cluster.workers=2",
    "replicas=1",
    "scan.protocol.production.temperature_K=[1300, 1600]",
    "protocol.production.duration_ps=3",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short run of the recipe that the notebooks draw."""
    folder = tmp_path_factory.mktemp("notebooks")
    run = ionflow.run(ROOT / "recipes" / "glass.yaml", overrides=QUICK, out=folder / "runs/glass")
    assert not run.failures
    return folder


@pytest.fixture(scope="module")
def script():
    """The script that runs the notebooks."""
    path = ROOT / "docs" / "run_notebooks.py"
    spec = importlib.util.spec_from_file_location("run_notebooks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def drawn(cell: nbformat.NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_runs_and_draws(path, folder, script) -> None:
    cells = code(script.executed(path, folder))
    assert all(cell.outputs for cell in cells)
    assert all(drawn(cell) for cell in cells if "ionflow.plot." in cell.source)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_what_is_kept_is_whole_small_and_of_no_machine(path) -> None:
    cells = code(nbformat.read(path, as_version=4))
    assert all(cell.outputs for cell in cells), "run docs/run_notebooks.py"
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    assert not any(output.get("name") == "stderr" for cell in cells for output in cell.outputs)
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    assert not re.search(r"/(home|tmp|root|work|Users)/", text)
    assert max(len(cell.source.splitlines()) for cell in cells) <= 7
