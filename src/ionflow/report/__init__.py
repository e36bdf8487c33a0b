"""A run told on one self-contained page: `write(run)`."""

from __future__ import annotations

from pathlib import Path

from ionflow.view import Run

__all__ = ["write"]


def write(run: str | Path | Run) -> Path:
    """Write `report/index.html` and `report/figures/*.svg` into a run folder.

    The page loads nothing from elsewhere and runs no script. It says what is missing, what failed
    and which numbers the statistics do not carry; a run that has only begun has a page too.

    Parameters
    ----------
    run : the run, or its folder

    Returns
    -------
    The path of the page.

    Raises
    ------
    StoreError
        If the folder holds no run.
    """
    # not before: sections draw with ionflow.plot, which has its colours from ionflow.report.style
    from ionflow.report.compose import compose
    from ionflow.report.page import render

    run = run if isinstance(run, Run) else Run(run)
    page = compose(run)
    folder = run.path / "report"
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for old in figures.glob("*.svg"):
        old.unlink()
    for plot in page.plots:
        _put(figures / f"{plot.name}.svg", plot.document)
    return _put(folder / "index.html", render(page))


def _put(path: Path, text: str) -> Path:
    """Replace a file as a whole, so that a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)
