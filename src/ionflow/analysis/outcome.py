"""Analysers run on one trajectory without a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import xarray as xr

from ionflow.analysis.chosen import Asked, chosen
from ionflow.errors import DataError, reason
from ionflow.join import join
from ionflow.kinds import Analyser
from ionflow.passes import Blocks, together


@dataclass(frozen=True)
class Outcome:
    """What analysers gave, by their names, and why others gave nothing."""

    results: dict[str, xr.Dataset] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)

    def record(self, analyser: Analyser, result: xr.Dataset | Exception) -> None:
        """Put a result, or what was raised in its place, where it belongs."""
        if isinstance(result, Exception):
            self.failures[analyser.use] = result
        else:
            self.results[analyser.use] = result


def analyse(
    trajectory: xr.Dataset, analysers: Sequence[Asked], blocks: Blocks | None = None
) -> dict[str, xr.Dataset]:
    """Run analysers on one trajectory; all share the passes over it.

    Parameters
    ----------
    trajectory : as `ionflow.schema` describes it: from `ionflow.read`, `ionflow.from_ase` or
        `ionflow.open(run).trajectory(...)`
    analysers : names, mappings such as {"use": "conductivity", "lags": 32}, or analysers
    blocks : how the trajectory is cut into parts; what fits into memory if None

    Returns
    -------
    Results by name, those of needed analysers among them.

    Raises
    ------
    RecipeError
        If a name or a field does not exist, or a value is wrong; all faults at once.
    Exception
        What an analyser raised, if one did; notes name the others that failed.

    Examples
    --------
    >>> from ionflow.testing import synthetic_trajectory
    >>> results = analyse(synthetic_trajectory(), ["msd", {"use": "conductivity", "lags": 16}])
    >>> list(results)
    ['msd', 'conductivity']
    """
    from ionflow.registry import load

    outcome = attempt(trajectory, chosen(analysers, load()), blocks)
    if outcome.failures:
        (name, first), *others = outcome.failures.items()
        first.add_note(f"raised by the analyser {name!r}")
        for other, error in others:
            first.add_note(f"{other!r} failed too: {reason(error)}")
        raise first
    return outcome.results


def attempt(
    trajectory: xr.Dataset, analysers: Sequence[Analyser], blocks: Blocks | None = None
) -> Outcome:
    """Run analysers, each after those that it needs; one failing leaves the others alone."""
    outcome = Outcome()
    direct = [analyser for analyser in analysers if not analyser.needs]
    for analyser, result in zip(direct, together(direct, trajectory, blocks), strict=True):
        outcome.record(analyser, result)
    for analyser in analysers:
        if analyser.needs:
            outcome.record(analyser, _over_results(analyser, outcome))
    return outcome


def _over_results(analyser: Analyser, outcome: Outcome) -> xr.Dataset | Exception:
    lost = [need for need in analyser.needs if need not in outcome.results]
    if lost:
        return DataError(f"needs {', '.join(lost)}, which failed")
    try:
        return analyser.analyse(*[_as_scan(outcome.results[need]) for need in analyser.needs])
    except DataError as error:
        hint = "it compares points of a scan, and this is one trajectory: `ionflow run` a recipe"
        return DataError(error.what, where=error.where, hint=hint)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the others go on
        return error


def _as_scan(result: xr.Dataset) -> xr.Dataset:
    """A result as analysers over the scan take it: its place in the scan as dims of one label."""
    place: Mapping[str, object] = {n: c for n, c in result.coords.items() if c.ndim == 0}  # type: ignore[misc]
    return join([result]) if place else result
