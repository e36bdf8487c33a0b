"""`ionflow analyse`: read, analyse, print, write."""

from __future__ import annotations

import json

from rich.console import Console

from ionflow.analysis.outcome import Outcome, attempt
from ionflow.analysis.request import Request, Words, request
from ionflow.analysis.summary import about, headlines
from ionflow.errors import reason
from ionflow.registry import load
from ionflow.store import write_groups


def command(words: Words, console: Console) -> dict[str, str]:
    """Do what the command line asks for.

    Returns
    -------
    Why analysers failed, by their names; the results of the others are written.

    Raises
    ------
    RecipeError
        If something asked for does not exist; nothing is read then.
    """
    asked = request(words, load())
    trajectory = asked.trajectory()
    console.print(about(trajectory))
    outcome = attempt(trajectory, asked.analysers)
    if outcome.results:
        console.print(headlines(outcome.results))
    if outcome.results and words.out is not None:
        attrs = _attrs(asked, trajectory.attrs)
        write_groups(words.out, outcome.results, attrs, replace=words.force)
        console.print(f"{words.out}: {', '.join(outcome.results)}")
    return _reasons(outcome)


def _attrs(asked: Request, trajectory: dict[str, object]) -> dict[str, object]:
    """What led to the results: the trajectory's own attributes, and the analysers in full."""
    from ionflow import __version__

    analysers = json.dumps([analyser.identity() for analyser in asked.analysers])
    return {**trajectory, "ionflow": __version__, "analysers": analysers}


def _reasons(outcome: Outcome) -> dict[str, str]:
    return {name: reason(error) for name, error in outcome.failures.items()}
