"""The sections on diffusion and conductivity: tables with errors, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ionflow.report import figures
from ionflow.report.figures import Curve, Panel
from ionflow.report.gather import Case, Data, Material, species_by_mobility
from ionflow.report.page import Cell, Notice, Plot, Section, Table
from ionflow.report.rounding import NONE, between, short, uncertain
from ionflow.report.style import colors
from ionflow.statistics import interval, pool

#: More materials than this: only their most mobile species is in the table.
ALL_SPECIES = 8
MATERIALS, TEMPERATURES = 6, 4
#: A root mean square displacement below this (Å) is rattling in a cage, not diffusion.
JUMP_ANGSTROM = 3.0
#: A relative standard error above this leaves hardly more than the order of magnitude.
COARSE = 0.5


@dataclass(frozen=True)
class Estimate:
    """A quantity of a case pooled over its replicas."""

    mean: float = np.nan
    stderr: float = np.nan
    count: int = 0
    asked: int = 0
    """Replicas that have a result, with a number or without."""
    low: float = np.nan
    high: float = np.nan
    """Ends of the 95 % interval."""
    bound: float = np.nan
    """Upper bound where there is no number."""
    verdict: str = "not diffusive"
    """Why there is no number."""

    @property
    def known(self) -> bool:
        """Whether at least one replica gives a number."""
        return bool(np.isfinite(self.mean))


def estimate(result: xr.Dataset | None, name: str, **at: str) -> Estimate:
    """A variable `name` with its `name_stderr` at labels of its dims, pooled over replicas."""
    if result is None or name not in result:
        return Estimate()
    if any(label not in result[dim] for dim, label in at.items()):
        return Estimate()
    result = result.sel(at)
    value, stderr = result[name], result.get(f"{name}_stderr", result[name] * np.nan)
    if not value.notnull().any():
        return Estimate(asked=value.size, bound=_bound(result), verdict=_verdict(result))
    if stderr.isnull().all():
        return Estimate(float(value.mean()), np.nan, int(value.count()), value.size)
    pooled = pool(value, stderr)
    mean, error, dof = (float(pooled[part]) for part in ("mean", "stderr", "dof"))
    low, high = (float(end) for end in interval(mean, error, 0.95, dof))
    return Estimate(mean, error, int(pooled["count"]), value.size, low, high)


def _bound(result: xr.Dataset) -> float:
    """Mean of the replicas' upper bounds; none where a replica has none."""
    return float(result["upper_bound"].mean(skipna=False)) if "upper_bound" in result else np.nan


def _verdict(result: xr.Dataset) -> str:
    if "verdict" not in result:
        return "not diffusive"
    verdicts = [str(v) for v in np.ravel(result["verdict"].values) if v and v != "diffusive"]
    return max(sorted(set(verdicts)), key=verdicts.count) if verdicts else "not diffusive"


def diffusivity(data: Data, case: Case, species: str) -> Estimate:
    """D of a species in cm²/s."""
    return estimate(data.result("diffusion", case), "diffusion_coefficient", species=species)


def mobile(data: Data, material: Material) -> list[str]:
    """Species of a material, the most mobile first, judged at its highest temperature."""
    for case in reversed(data.of(material)):
        species = species_by_mobility(data, case)
        if species:
            return species
    return []


def diffusion(data: Data) -> Section | None:
    """D of every species, and the displacements it comes from."""
    if not {"diffusion", "msd"} & set(data.analyses):
        return None
    lead = (
        "Self-diffusion coefficients from the slope of the mean squared displacement, pooled over "
        "replicas. The number in parentheses is one standard error in the last digits: the larger "
        "of what the trajectories say by themselves and what the replicas differ by."
    )
    table = _table(data)
    plot = _msd_plot(data)
    notices = tuple(_doubts(data)) if table.rows else (_nothing("diffusion coefficient"),)
    return Section(
        "diffusion",
        "Diffusion",
        lead,
        notices=notices,
        tables=(table,) if table.rows else (),
        plots=(plot,) if plot else (),
    )


def _nothing(what: str) -> Notice:
    return Notice(f"No {what} is there yet.", "note")


def _table(data: Data) -> Table:
    rows = [
        (Cell(material.label if first else ""), Cell(species), *_values(data, material, species))
        for material in data.materials
        for first, species in _listed(data, material)
    ]
    note = (
        "D in cm²/s, the most mobile species of each material first; in brackets the 95 % "
        "interval. “<” gives the upper 95 % bound where the motion is not diffusive. A "
        "remark such as 2/3 says how many of the replicas gave a number."
    )
    if len(data.materials) > ALL_SPECIES:
        note += " Of each material only the most mobile species is listed; the data has all."
    columns = tuple(f"D at {t:g} K" for t in data.temperatures)
    title = "Self-diffusion coefficients (cm²/s)"
    return Table(title, ("Material", "Species", *columns), tuple(rows), note, heads=2)


def _listed(data: Data, material: Material) -> Iterator[tuple[bool, str]]:
    species = mobile(data, material)
    if not any(data.result("diffusion", case) for case in data.of(material)):
        return
    limit = 1 if len(data.materials) > ALL_SPECIES else None
    for index, name in enumerate(species[:limit]):
        yield index == 0, name


def _values(data: Data, material: Material, species: str) -> list[Cell]:
    cases = {case.temperature: case for case in data.of(material)}
    return [
        _cell(diffusivity(data, cases[t], species)) if t in cases else Cell(NONE, tone="muted")
        for t in data.temperatures
    ]


def _cell(value: Estimate) -> Cell:
    if not value.asked:
        return Cell("no result", tone="muted")
    if not value.known:
        if np.isfinite(value.bound):
            return Cell(f"< {short(value.bound, 2)}", value.verdict, "muted")
        return Cell(value.verdict, tone="muted")
    remark = f"{value.count}/{value.asked} " if value.count < value.asked else ""
    if np.isfinite(value.low) and np.isfinite(value.high):
        remark += between(value.low, value.high, value.mean)
    coarse = not value.stderr <= COARSE * abs(value.mean)
    return Cell(uncertain(value.mean, value.stderr), remark, "warn" if coarse else "")


def _doubts(data: Data) -> Iterator[Notice]:
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
        (_partly, "Some replicas are not diffusive; D is the mean of the others, which favours fast ones."),
        (_coarse, f"The error exceeds {COARSE:.0%} of the value: take it as an order of magnitude."),
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


def _name(case: Case, species: str) -> str:
    return f"{species} in {case.material.label} at {case.temperature:g} K"


def _not_diffusive(data: Data, case: Case, species: str) -> str:
    value = diffusivity(data, case, species)
    return f"{_name(case, species)}: {value.verdict}" if value.asked and not value.known else ""


def _partly(data: Data, case: Case, species: str) -> str:
    value = diffusivity(data, case, species)
    few = value.known and value.count < value.asked
    return f"{_name(case, species)}: {value.count} of {value.asked}" if few else ""


def _coarse(data: Data, case: Case, species: str) -> str:
    value = diffusivity(data, case, species)
    coarse = value.known and not value.stderr <= COARSE * abs(value.mean)
    text = f"D = {uncertain(value.mean, value.stderr)} cm²/s"
    return f"{_name(case, species)}: {text}" if coarse else ""


def _caged(data: Data, case: Case, species: str) -> str:
    window, curve = _window(data, case, species), _mean_msd(data, case, species)
    if window is None or curve is None or not diffusivity(data, case, species).known:
        return ""
    moved = float(np.sqrt(np.interp(window[1], curve["lag"].values, curve.values)))
    return f"{_name(case, species)}: {short(moved, 2)} Å" if moved < JUMP_ANGSTROM else ""


def _long(data: Data, case: Case, species: str) -> str:
    window, length = _window(data, case, species), _length_ps(case)
    if window is None or not diffusivity(data, case, species).known or window[1] <= length / 2:
        return ""
    return f"{_name(case, species)}: up to {short(window[1])} of {short(length)} ps"


def _length_ps(case: Case) -> float:
    return max(row.steps * row.timestep_fs / 1000.0 for row in case.rows)


def _window(data: Data, case: Case, species: str) -> tuple[float, float] | None:
    """The fitted window in ps: from the earliest start to the latest end of all replicas."""
    result = data.result("diffusion", case)
    if result is None or "fit_start" not in result or species not in result["species"]:
        return None
    start, end = (result[n].sel(species=species) for n in ("fit_start", "fit_end"))
    if start.isnull().all() or end.isnull().all():
        return None
    return float(start.min()), float(end.max())


def _msd(data: Data, case: Case, species: str) -> xr.DataArray | None:
    """MSD (replica, lag) in Å², of positive lags."""
    for name in ("msd", "diffusion"):
        result = data.result(name, case)
        if result is not None and "msd" in result and species in result["species"]:
            curve = result["msd"].sel(species=species)
            return curve.isel(lag=curve["lag"].values > 0)
    return None


def _mean_msd(data: Data, case: Case, species: str) -> xr.DataArray | None:
    curve = _msd(data, case, species)
    return None if curve is None else curve.mean("replica").dropna("lag")


def _msd_plot(data: Data) -> Plot | None:
    shown = [material for material in data.materials if mobile(data, material)]
    temperatures = _spread(data.temperatures, TEMPERATURES)
    palette = colors(_all_species(data, shown[:MATERIALS]))
    grid = [
        [_msd_panel(data, case, palette) for case in data.of(m) if case.temperature in temperatures]
        for m in shown[:MATERIALS]
    ]
    if not any(panel for row in grid for panel in row):
        return None
    return Plot(
        name="msd",
        title="Mean squared displacement",
        document=figures.msd(grid),
        caption=_msd_caption(data, len(shown), len(temperatures)),
        alt="Log-log mean squared displacement over lag time for "
        + ", ".join(material.label for material in shown[:MATERIALS]),
    )


def _spread(values: Sequence[float], limit: int) -> list[float]:
    """At most `limit` of the values, the ends among them."""
    picks = np.unique(np.linspace(0, len(values) - 1, min(limit, len(values))).round().astype(int))
    return [values[index] for index in picks]


def _all_species(data: Data, materials: Sequence[Material]) -> list[str]:
    ranked = [mobile(data, material) for material in materials]
    first = [species[0] for species in ranked if species]
    return list(dict.fromkeys([*first, *(name for species in ranked for name in species)]))


def _msd_caption(data: Data, materials: int, temperatures: int) -> str:
    text = (
        "Bold: mean over replicas; thin: each replica. Shaded: the window from which D of the most "
        "mobile species was fitted. Dashed: slope 1, the mark of diffusion; a flat line is an ion "
        "in its cage."
    )
    left = max(0, materials - MATERIALS), len(data.temperatures) - temperatures
    if left[0]:
        text += f" {left[0]} more materials are not drawn."
    return text + (f" {left[1]} more temperatures are not drawn." if left[1] else "")


def _msd_panel(data: Data, case: Case, palette: dict[str, str]) -> Panel | None:
    species = mobile(data, case.material)
    pairs = [(name, _msd(data, case, name)) for name in species]
    curves = tuple(
        line
        for name, curve in pairs
        if curve is not None
        for line in _msd_curves(name, palette[name], curve)
    )
    if not curves:
        return None
    window = _window(data, case, species[0])
    return Panel(f"{case.material.label}, {case.temperature:g} K", curves, window)


def _msd_curves(name: str, color: str, curve: xr.DataArray) -> Iterator[Curve]:
    mean = curve.mean("replica").dropna("lag")
    lags = _log_spaced(mean["lag"].values)
    yield Curve(name, color, mean["lag"].values[lags], mean.values[lags])
    for index in range(curve.sizes["replica"] if curve.sizes["replica"] > 1 else 0):
        one = curve.isel(replica=index).dropna("lag")
        few = _log_spaced(one["lag"].values)
        yield Curve(name, color, one["lag"].values[few], one.values[few], faint=True)


def _log_spaced(values: np.ndarray, points: int = 80) -> np.ndarray:
    """Indices of at most about `points` values, evenly spread on a log axis."""
    if values.size <= points:
        return np.arange(values.size)
    return np.unique(np.geomspace(1, values.size, points).round().astype(int) - 1)


def conductivity(data: Data) -> Section | None:
    """Nernst–Einstein and Einstein conductivities."""
    if "conductivity" not in data.analyses:
        return None
    lead = (
        "σ(NE) is the Nernst–Einstein conductivity, of ions that move independently; σ(E) is the "
        "Einstein conductivity from the displacement of all charge together, correlations included "
        "and with the larger error. H is their ratio σ(NE)/σ(E), near 1 where correlations cancel."
    )
    rows = [
        _conductivity_row(data, case, first)
        for material in data.materials
        for first, case in _with_first(
            [case for case in data.of(material) if data.result("conductivity", case)]
        )
    ]
    if not rows:
        return Section("conductivity", "Conductivity", lead, notices=(_nothing("conductivity"),))
    columns = ("Material", "T (K)", "σ(NE) (S/cm)", "σ(E) (S/cm)", "H")
    note = "Errors, intervals and bounds as for D."
    table = Table("Ionic conductivity", columns, tuple(rows), note, heads=2)
    return Section("conductivity", "Conductivity", lead, tables=(table,))


def _with_first(cases: Sequence[Case]) -> Iterator[tuple[bool, Case]]:
    return ((index == 0, case) for index, case in enumerate(cases))


def _conductivity_row(data: Data, case: Case, first: bool) -> tuple[Cell, ...]:
    result = data.result("conductivity", case)
    single, collective = (
        estimate(result, "conductivity", definition=name)
        for name in ("nernst_einstein", "einstein")
    )
    ratio = single.mean / collective.mean if collective.known and collective.mean > 0 else np.nan
    relative = np.hypot(single.stderr / single.mean, collective.stderr / collective.mean)
    return (
        Cell(case.material.label if first else ""),
        Cell(f"{case.temperature:g}"),
        _cell(single),
        _cell(collective),
        Cell(uncertain(ratio, ratio * relative) if np.isfinite(ratio) else NONE),
    )


def headline(data: Data) -> Iterator[tuple[str, str]]:
    """D of the most mobile species of a few materials at the highest temperature that has one."""
    for material in data.materials[:4]:
        species = mobile(data, material)
        for case in reversed(data.of(material)):
            value = diffusivity(data, case, species[0]) if species else Estimate()
            if value.known:
                what = f"D of {_name(case, species[0])}"
                yield what, f"{uncertain(value.mean, value.stderr)} cm²/s"
                break
