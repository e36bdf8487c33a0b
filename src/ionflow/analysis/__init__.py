"""Analysers run on one trajectory, without a recipe: `ionflow.analyse`, `ionflow analyse`."""

from ionflow.analysis.command import command
from ionflow.analysis.outcome import Outcome, analyse, attempt
from ionflow.analysis.request import Words

__all__ = ["Outcome", "Words", "analyse", "attempt", "command"]
