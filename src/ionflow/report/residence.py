"""The section on residence: how long alkali ions stay at a tetrahedron, by its environment."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow import plot
from ionflow.report.cells import CASES, ERRORS, absent, average, by_case, quantity, some_of
from ionflow.report.estimates import Estimate, estimate
from ionflow.report.gather import Case, Data, Material, part_of
from ionflow.report.multiples import Multiples, over_scan
from ionflow.report.multiples import by_case as panels
from ionflow.report.page import Cell, Notice, Plot, Section, Table
from ionflow.report.rounding import NONE, uncertain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANALYSES = ("residence", "arrhenius_residence")
#: The variant that is told environment by environment.
VARIANT = "continuous"
VARIANTS = ("continuous", "intermittent", "stable_states")
ENVIRONMENTS = ("X4", "X3O1", "X2O2", "X1O3", "O4", "all")
#: Materials in the table of activation energies.
MATERIALS = 12

_LEAD = (
    "P(t) is the chance that an alkali ion found at a tetrahedron is still there a time t later, "
    "and τ its mean stay. Environments are named by the ligands of the centre: X4 has four "
    "halogens, X3O1 three and an oxygen, and so on. Numbers by environment are of the variant "
    "“continuous”: the stay ends with the first escape longer than the allowed excursion."
)


def residence(data: Data) -> Section | None:
    """Residence times by environment and temperature, and what activates escape."""
    if not some_of(data, ANALYSES):
        return None
    tables = (_times(data), _variants(data), _energies(data))
    return Section(
        "residence",
        "Residence",
        _LEAD,
        notices=(*absent(data, ANALYSES), *_unresolved(data)),
        tables=tuple(table for table in tables if table.rows),
        plots=tuple(_plots(data)),
    )


def _times(data: Data) -> Table:
    columns = {
        environment: quantity(
            "residence_time", signed=False, variant=VARIANT, environment=environment
        )
        for environment in ENVIRONMENTS
    }
    return by_case(data, "residence", "Residence time τ by environment (ps)", columns, ERRORS)


def _variants(data: Data) -> Table:
    at: dict[str, Any] = {"environment": "all"}
    columns = {
        f"τ, {variant.replace('_', ' ')} (ps)": quantity(
            "residence_time", signed=False, variant=variant, **at
        )
        for variant in VARIANTS
    }
    columns["mean of the fit (ps)"] = quantity(
        "residence_time_kww", signed=False, variant=VARIANT, **at
    )
    columns["β"] = quantity("stretching_exponent", signed=False, variant=VARIANT, **at)
    columns["escapes"] = average("n_events", variant=VARIANT, **at)
    columns["alkali at a centre"] = average("mean_coordination", **at)
    note = (
        "All centres together. The fit is a stretched exponential exp(−(t/τ′)^β) of the "
        "continuous variant, a cross-check on the integral."
    )
    return by_case(data, "residence", "Residence time by definition", columns, note)


def _unresolved(data: Data) -> Iterator[Notice]:
    items = [
        f"{case.material.label} at {case.temperature:g} K: {value.verdict}"
        for case in [c for c in data.cases if data.ready("residence", c)][:CASES]
        for value in [_all(data, case)]
        if value.asked and not value.known
    ]
    if items:
        yield Notice(
            "No residence time of all centres together: the trajectory has too few escapes, or "
            "is too short for P(t) to decay.",
            "warn",
            tuple(items[:12]),
        )


def _all(data: Data, case: Case) -> Estimate:
    result = data.result("residence", case)
    return estimate(result, "residence_time", variant=VARIANT, environment="all")


def _energies(data: Data) -> Table:
    result = data.joined("arrhenius_residence") if "arrhenius_residence" in data.analyses else None
    columns = ("ε_a (eV)", "Ea of D (eV)", "ε_a − Ea (eV)", "Line")
    rows: list[tuple[Cell, ...]] = []
    if result is not None:
        for material in data.materials[:MATERIALS]:
            rows += _energy_rows(result, material)
    note = (
        "ε_a is the activation energy of escape, from a fit of ln(1/τ) against 1/T; Ea that of the "
        "diffusion of the alkali. Equal where escape is what diffusion waits for."
    )
    left = len(data.materials) - MATERIALS
    if left > 0:
        note += f" Not listed: {left} of {len(data.materials)} materials."
    return Table("Activation of escape", ("Material", "Environment", *columns), tuple(rows), note,
                 heads=2)  # fmt: skip


def _energy_rows(result: xr.Dataset, material: Material) -> list[tuple[Cell, ...]]:
    part = part_of(result, material)
    if part is None:
        return []
    chosen = part.sel(variant=VARIANT)
    label, rows = material.label, []
    for environment in ENVIRONMENTS:
        one = chosen.sel(environment=environment)
        verdict = str(one["verdict"].item()) if "verdict" in one else ""
        if not np.isfinite(float(one["activation_energy"])) and environment != "all":
            continue
        rows.append((Cell(label), Cell(environment), *_energy(one), Cell(verdict or NONE)))
        label = ""
    return rows


def _energy(one: xr.Dataset) -> Iterator[Cell]:
    for name in ("activation_energy", "diffusion_activation_energy", "energy_difference"):
        value, stderr = (float(one[n]) for n in (name, f"{name}_stderr"))
        yield Cell(uncertain(value, stderr))


def _plots(data: Data) -> Iterator[Plot]:
    if "residence" in data.analyses:
        drawn = panels(data, _DECAY)
        if drawn is not None:
            yield drawn
    if "arrhenius_residence" in data.analyses:
        drawn = over_scan(data, data.joined("arrhenius_residence"), _ESCAPE)
        if drawn is not None:
            yield drawn


def _escape(result: xr.Dataset, axes: Axes) -> Axes:
    return plot.arrhenius(result.sel(variant=VARIANT), axes)


_DECAY = Multiples(
    "residence",
    "residence",
    "Decay of residence by environment",
    "P(t) of the continuous variant on a log axis, replicas pooled; bands: one standard error. "
    "An environment that does not occur has no line.",
    partial(plot.residence, variant=VARIANT),
    ("residence", "residence_stderr"),
)
_ESCAPE = Multiples(
    "arrhenius_residence",
    "residence_times",
    "Residence times over temperature",
    "By environment, with one standard error; lines: weighted fits of ln(1/τ).",
    _escape,
)
