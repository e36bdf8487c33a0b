"""What a reader must know before using a diffusion coefficient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ionflow.report.displacement import mean_msd, window
from ionflow.report.estimates import COARSE, diffusivity, mobile
from ionflow.report.gather import Case, Data
from ionflow.report.page import Notice
from ionflow.report.rounding import short, uncertain

#: A root mean square displacement below this (Å) is rattling in a cage, not diffusion.
JUMP_ANGSTROM = 3.0


def doubts(data: Data) -> Iterator[Notice]:
    """What a reader of the table must know about the most mobile species."""
    cases = [
        (case, species[0])
        for case in data.cases
        if (species := mobile(data, case.material)) and data.result("diffusion", case)
    ]
    yield from _replicas(data)
    checks = (
        (_not_diffusive, "Not diffusive, so there is no D but at most an upper bound. caged: the "
                         "ions stay where they are; anomalous: the MSD does not grow in proportion "
                         "to time; undecided: the trajectory is too short to tell."),
        (_partly, "Some replicas are not diffusive; D is the mean of the others, which favours "
                  "fast ones. Where they are the minority, the Arrhenius fit leaves them out."),
        (_coarse, f"The error exceeds {COARSE:.0%} of the value: no more than an order of "
                  "magnitude."),
        (_caged, f"The ions moved less than {JUMP_ANGSTROM:g} Å (rms) within the fitted window, "
                 "less than a jump: the slope may be that of motion in a cage."),
        (_long, "The fitted window reaches beyond half of the trajectory, where few independent "
                "displacements are left."),
    )  # fmt: skip
    for check, text in checks:
        items = [item for case, species in cases if (item := check(data, case, species))]
        if items:
            yield Notice(text, "warn", _capped(items))


def _capped(items: Sequence[str], limit: int = 12) -> tuple[str, ...]:
    left = len(items) - limit
    return (*items[:limit], f"and {left} more") if left > 0 else tuple(items)


def _replicas(data: Data) -> Iterator[Notice]:
    if max((len(case.rows) for case in data.cases), default=0) == 1:
        text = (
            "One replica of each case: the errors come from within one trajectory and cannot show "
            "how much independently quenched samples differ."
        )
        yield Notice(text, "warn")


def name_of(case: Case, species: str) -> str:
    """A species of a case, for people."""
    return f"{species} in {case.material.label} at {case.temperature:g} K"


def _not_diffusive(data: Data, case: Case, species: str) -> str:
    value = diffusivity(data, case, species)
    return f"{name_of(case, species)}: {value.verdict}" if value.asked and not value.known else ""


def _partly(data: Data, case: Case, species: str) -> str:
    value = diffusivity(data, case, species)
    few = value.known and value.count < value.asked
    return f"{name_of(case, species)}: {value.count} of {value.asked}" if few else ""


def _coarse(data: Data, case: Case, species: str) -> str:
    value = diffusivity(data, case, species)
    coarse = value.known and not value.stderr <= COARSE * abs(value.mean)
    text = f"D = {uncertain(value.mean, value.stderr)} cm²/s"
    return f"{name_of(case, species)}: {text}" if coarse else ""


def _caged(data: Data, case: Case, species: str) -> str:
    fitted, curve = window(data, case, species), mean_msd(data, case, species)
    if fitted is None or curve is None or not diffusivity(data, case, species).known:
        return ""
    moved = float(np.sqrt(np.interp(fitted[1], curve["lag"].values, curve.values)))
    return f"{name_of(case, species)}: {short(moved, 2)} Å" if moved < JUMP_ANGSTROM else ""


def _long(data: Data, case: Case, species: str) -> str:
    fitted, length = window(data, case, species), _length_ps(case)
    if fitted is None or not diffusivity(data, case, species).known or fitted[1] <= length / 2:
        return ""
    return f"{name_of(case, species)}: up to {short(fitted[1])} of {short(length)} ps"


def _length_ps(case: Case) -> float:
    return max(row.steps * row.timestep_fs / 1000.0 for row in case.rows)
