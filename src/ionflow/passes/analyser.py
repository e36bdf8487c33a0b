"""Analysers that share passes over a trajectory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from ionflow.kinds import Analyser
from ionflow.passes.measures import AnyMeasure
from ionflow.passes.reading import held
from ionflow.passes.running import Blocks, Failure, measure_all
from ionflow.passes.subject import Subject


class Measured(Analyser):
    """An analyser that says what it needs measured, and concludes from that.

    Several of them on one trajectory share the reading of it, its neighbours and equal measures.
    """

    @abstractmethod
    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """What to measure, by names of the analyser's own."""

    @abstractmethod
    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """The result, from what the measures found, by the same names."""

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """Measure one trajectory and conclude."""
        (trajectory,) = data
        (result,) = together([self], trajectory)
        if isinstance(result, Exception):
            raise result
        return result


def together(
    analysers: Sequence[Analyser], trajectory: xr.Dataset, blocks: Blocks | None = None
) -> list[xr.Dataset | Exception]:
    """Several analysers on one trajectory, which is read once for each kind of pass.

    Parameters
    ----------
    analysers : with `needs = ()`; those that are not `Measured` read the trajectory themselves
    trajectory : as `ionflow.schema` describes it
    blocks : how it is cut into parts; what fits into memory if None

    Returns
    -------
    For each analyser its result, or the exception that it or one of its measures raised. What the
    reading itself raises concerns all, and is raised.
    """
    subject = Subject(held(trajectory))
    asked = [_attempt(_asked, analyser, subject) for analyser in analysers]
    measures = [m for names in asked if isinstance(names, dict) for m in names.values()]
    found = measure_all(subject, measures, blocks)
    return [
        names if isinstance(names, Exception) else _attempt(_concluded, a, subject, names, found)
        for a, names in zip(analysers, asked, strict=True)
    ]


def _attempt(act: Any, *arguments: Any) -> Any:
    try:
        return act(*arguments)
    except Exception as error:  # noqa: BLE001 - one analyser's failure is not its neighbour's
        return error


def _asked(analyser: Analyser, subject: Subject) -> dict[str, AnyMeasure]:
    return dict(analyser.measures(subject)) if isinstance(analyser, Measured) else {}


def _concluded(
    analyser: Analyser,
    subject: Subject,
    names: Mapping[str, AnyMeasure],
    found: Mapping[AnyMeasure, Any],
) -> xr.Dataset:
    if not isinstance(analyser, Measured):
        return analyser.analyse(subject.data)
    results = {name: found[measure] for name, measure in names.items()}
    for result in results.values():
        if isinstance(result, Failure):
            raise result.error
    return analyser.conclude(subject, results)
