"""Runs the notebooks in docs/notebooks and keeps their outputs: `python docs/run_notebooks.py DIR`.

DIR holds `runs/glass`, made by `ionflow run recipes/glass.yaml --out DIR/runs/glass`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).with_name("notebooks")


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of today, run in a folder.

    Raises
    ------
    CellExecutionError
        If a cell fails.
    """
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # when it ran is of no interest
    return book


def main() -> None:
    folder = Path(sys.argv[1])
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        nbformat.write(executed(path, folder), path)
        print(path)


if __name__ == "__main__":
    main()
