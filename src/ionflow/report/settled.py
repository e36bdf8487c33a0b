"""Whether the recorded trajectories had the temperature that their results are filed under."""

from __future__ import annotations

from collections.abc import Iterator

from ionflow.report.gather import Data
from ionflow.report.page import Notice
from ionflow.view import Row

#: A mean temperature further from the target than this share is told.
TOLERANCE = 0.05
_SHOWN = 4


def unsettled(data: Data) -> Iterator[Notice]:
    """One warning that names the trajectories whose mean temperature is not the one asked for."""
    off = [line for row in data.run.stages if row.record and (line := _line(data, row))]
    if off:
        more = f"; and {len(off) - _SHOWN} more" if len(off) > _SHOWN else ""
        yield Notice(
            f"Not at the temperature asked for: {'; '.join(off[:_SHOWN])}{more}. Their results are "
            "filed under the temperature asked for; a longer settle_ps or quench lets them settle."
        )


def _line(data: Data, row: Row) -> str:
    target = row.stage.get("temperature_K")
    if row.stage.get("ensemble") == "nve" or not isinstance(target, int | float):
        return ""
    mean = _mean_K(data, row)
    if mean is None or abs(mean / target - 1) <= TOLERANCE:
        return ""
    return f"{row.label} was at {mean:.0f} K, not {target:g} K"


def _mean_K(data: Data, row: Row) -> float | None:
    """Mean over what the analyses read, that is without the settling."""
    dataset = data.trajectory(row, "temperature")
    if dataset is None:
        return None
    read = dataset["temperature"].values[dataset["time"].values >= row.stage.get("settle_ps", 0.0)]
    return float(read.mean()) if read.size else None
