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
    texts = {f"report/figures/{plot.name}.svg": plot.document for plot in page.plots}
    run.store.write_texts({**texts, "report/index.html": render(page)}, below="report")
    return run.path / "report" / "index.html"
