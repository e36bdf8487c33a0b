"""Trajectories that were finished and yet are not what they are filed under."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ionflow.flags import SOUNDNESS
from ionflow.report.cells import Tell, absent, by_case, counted
from ionflow.report.gather import FLAGGED, Data
from ionflow.report.page import Cell, Notice, Section
from ionflow.report.rounding import NONE

_SHOWN = 12


def flagged(data: Data) -> Iterator[Notice]:
    """One warning that names the flagged trajectories, why, and how they are marked."""
    flags = data.flags
    if flags:
        items = [str(flag) for flag in flags[:_SHOWN]]
        items += [f"and {len(flags) - _SHOWN} more"] if len(flags) > _SHOWN else []
        count = len({flag.key for flag in flags})
        recorded = sum(row.record for row in data.run.stages)
        yield Notice(
            f"{count} of {recorded} recorded trajectories flagged. Their numbers are in all "
            f"tables, figures and means below; materials that have one are marked {FLAGGED}.",
            "warn",
            tuple(items),
        )


def soundness(data: Data) -> Section | None:
    """The verdicts on every case."""
    if SOUNDNESS not in data.analyses:
        return None
    lead = (
        "Whether the recorded trajectories are of what they are filed under: a framework without "
        "Bragg peaks, species spread evenly, a potential energy that stays. Where the cell is too "
        "small for an answer, it says so."
    )
    columns: dict[str, Tell] = {
        "Crystal": _verdict("crystal_verdict"),
        "Separated phases": _verdict("phase_verdict"),
        "Drift": _verdict("drift_verdict"),
    }
    names = ("crystal_verdict", "phase_verdict", "drift_verdict")
    table = by_case(data, SOUNDNESS, "Verdicts", columns, only=names)
    notices = absent(data, (SOUNDNESS,))
    return Section(SOUNDNESS, "Soundness", lead, notices, tables=(table,) if table.rows else ())


def _verdict(name: str) -> Tell:
    """A column for what a verdict says before its colon, by replica."""

    def tell(result: xr.Dataset) -> Cell:
        if name not in result:
            return Cell(NONE, tone="muted")
        said = [str(v).split(":")[0] for v in np.ravel(result[name].values)]
        sound = {"no", "cannot tell", ""}
        return Cell(counted(said), tone="" if set(said) <= sound else "warn")

    return tell
