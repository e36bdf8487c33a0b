"""The section on activation energies: fits over temperature."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ionflow.kinds import FloatArray
from ionflow.report import figures
from ionflow.report.diffusion import ALL_SPECIES
from ionflow.report.estimates import diffusivity, mobile
from ionflow.report.figures import Activated
from ionflow.report.gather import Data, Material, part_of
from ionflow.report.page import Cell, Notice, Plot, Section, Table
from ionflow.report.rounding import NONE, between, short, uncertain
from ionflow.report.style import PALETTE, colors

#: Materials in one panel, one colour and marker each.
_PER_PANEL = 7
_PANELS = 4
#: An error of ln D above this is told as an interval alone.
_FACTOR = 0.5


def activation(data: Data) -> Section | None:
    """Activation energies and the Arrhenius plot."""
    if "arrhenius" not in data.analyses:
        return None
    lead = (
        "A weighted fit of ln D = ln D₀ − Ea/(kB T) to the D of all temperatures, with the full "
        "covariance of both parameters."
    )
    result = data.joined("arrhenius")
    table = None if result is None else _table(data, result)
    plot = _plot(data, result)
    return Section(
        "activation",
        "Activation",
        lead,
        notices=tuple(_doubts(data, result)),
        tables=(table,) if table is not None and table.rows else (),
        plots=(plot,) if plot else (),
    )


def _table(data: Data, result: xr.Dataset) -> Table:
    target = f"{target_K(result):g} K"
    columns = line_columns(f"D at {target} (cm²/s)")
    note = (
        f"D at {target} is extrapolated, often over several powers of ten, as if the line went on "
        "unbent; its 95 % interval is in brackets. χ²/dof well above 1 says that the points do "
        "not lie on a line within their errors."
    )
    rows = tuple(_rows(data, result))
    return Table("Activation energies", ("Material", "Species", *columns), rows, note, heads=2)


def at(result: xr.Dataset, material: Material, species: str) -> xr.Dataset | None:
    """The part of a joined result that belongs to a species of a material."""
    part = part_of(result, material)
    if part is None or "species" not in part.dims or species not in part["species"]:
        return None
    return part.sel(species=species)


def _number(result: xr.Dataset, name: str) -> float:
    return float(result[name]) if name in result and not result[name].ndim else np.nan


def _rows(data: Data, result: xr.Dataset) -> Iterator[tuple[Cell, ...]]:
    limit = 1 if len(data.materials) > ALL_SPECIES else None
    for material in data.materials:
        first = True
        for species in mobile(data, material)[:limit]:
            part = at(result, material, species)
            if part is not None and np.isfinite(_number(part, "activation_energy")):
                yield _row(material.label if first else "", species, part)
                first = False


def _row(label: str, species: str, part: xr.Dataset) -> tuple[Cell, ...]:
    return (Cell(label), Cell(species), *line_cells(part, "D"))


def line_columns(extrapolated: str) -> tuple[str, ...]:
    """Names of the cells of a fit over temperature."""
    return ("Ea (eV)", "95 % interval", extrapolated, "Temperatures", "χ²/dof")


def line_cells(part: xr.Dataset, symbol: str) -> tuple[Cell, ...]:
    """A fit over temperature: its Ea, what it extrapolates to, and how well the line holds.

    Parameters
    ----------
    part : one fit of `arrhenius` or its relatives
    symbol : D, sigma or tau, as the extrapolated quantity is named
    """
    energy = _number(part, "activation_energy")
    used = _number(part, "n_temperatures")
    if not np.isfinite(energy):
        return (Cell(_said(part) or NONE, tone="muted"), *(Cell(NONE),) * 4)
    return (
        Cell(uncertain(energy, _number(part, "activation_energy_stderr"))),
        Cell(_interval(part, "activation_energy", energy) or NONE),
        Cell(*_extrapolated(part, f"{symbol}_{target_K(part):g}K")),
        Cell(f"{used:.0f}" if np.isfinite(used) else NONE),
        Cell(_scatter(part), _bad_line(part)),
    )


def _said(part: xr.Dataset) -> str:
    return str(part["verdict"].item()) if "verdict" in part and not part["verdict"].ndim else ""


def _bad_line(part: xr.Dataset) -> str:
    """What is wrong with a line, if anything."""
    said = _said(part)
    return said if said in ("scattered", "curved") else ""


def _interval(part: xr.Dataset, name: str, value: float) -> str:
    """The 95 % interval of a quantity, empty if there is none."""
    variable = part.get(f"{name}_ci95")
    if variable is None or variable.dims != ("bound",) or not variable.notnull().all():
        return ""
    low, high = (float(end) for end in variable)
    return between(low, high, value)


def _extrapolated(part: xr.Dataset, name: str) -> tuple[str, str]:
    """The quantity at the target temperature and its 95 % interval."""
    value, relative = _number(part, name), _number(part, f"ln_{name}_stderr")
    if not np.isfinite(value):
        return NONE, ""
    text = uncertain(value, value * relative) if relative < _FACTOR else short(value, 1)
    return text, _interval(part, name, value)


def target_K(result: xr.Dataset) -> float:
    """The temperature that a fit extrapolates to."""
    return float(result.attrs.get("extrapolate_K", 300.0))


def _scatter(part: xr.Dataset) -> str:
    """χ² by its degrees of freedom: how well a line describes the points."""
    freedom = _number(part, "dof")
    return f"{_number(part, 'chi2') / freedom:.1f}" if freedom > 0 else NONE


def _plot(data: Data, result: xr.Dataset | None) -> Plot | None:
    series = [one for m in data.materials if (one := _series(data, result, m)) is not None]
    if not series:
        return None
    shown = series[: _PER_PANEL * _PANELS]
    parts = [shown[i : i + _PER_PANEL] for i in range(0, len(shown), _PER_PANEL)]
    panels = {_title(part, len(parts)): part for part in parts}
    names = [one.name for one in shown]
    palette = colors([material.label for material in data.materials])
    by_name = {name: palette.get(_label(name), PALETTE[0]) for name in names}
    return Plot(
        name="arrhenius",
        title="Arrhenius plot",
        document=figures.arrhenius(panels, by_name),
        caption=_caption(len(series) - len(shown)),
        alt="Diffusion coefficient on a log axis against inverse temperature for "
        + ", ".join(names),
    )


def _title(part: list[Activated], parts: int) -> str:
    return f"{_label(part[0].name)} to {_label(part[-1].name)}" if parts > 1 else ""


def _label(name: str) -> str:
    """The material in a name such as `Li in Li-Al-Cl`."""
    return name.split(" in ", 1)[-1]


def _caption(left: int) -> str:
    text = (
        "D of the most mobile species of each material with one standard error; lines: weighted "
        "fits; bands: one standard error of the fit. A temperature "
        "at which most replicas are not diffusive has no point."
    )
    return f"{text} Not drawn: {left} materials." if left > 0 else text


def _series(data: Data, result: xr.Dataset | None, material: Material) -> Activated | None:
    species = mobile(data, material)
    if not species:
        return None
    pairs = [(case.temperature, diffusivity(data, case, species[0])) for case in data.of(material)]
    known = [(t, value) for t, value in pairs if value.carried]
    if not known:
        return None
    part = None if result is None else at(result, material, species[0])
    fit, covariance = (None, None) if part is None else _fit(part)
    return Activated(
        name=f"{species[0]} in {material.label}",
        temperature=np.array([t for t, _ in known]),
        value=np.array([value.mean for _, value in known]),
        stderr=np.nan_to_num(np.array([value.stderr for _, value in known])),
        fit=fit,
        covariance=covariance,
    )


def _fit(part: xr.Dataset) -> tuple[tuple[float, float] | None, FloatArray | None]:
    energy, prefactor = (_number(part, n) for n in ("activation_energy", "ln_prefactor"))
    if not np.isfinite([energy, prefactor]).all():
        return None, None
    covariance = part["covariance"].values if "covariance" in part else None
    return (prefactor, energy), covariance


def _doubts(data: Data, result: xr.Dataset | None) -> Iterator[Notice]:
    if result is None:
        yield Notice("No activation energy is there yet.", "note")
        return
    counts = {m.label: _diffusive_temperatures(data, m) for m in data.materials}
    none = [label for label, count in counts.items() if count < 2]
    two = [label for label, count in counts.items() if count == 2]
    if none:
        text = "Fewer than two temperatures with a D, so there is no activation energy:"
        yield Notice(f"{text} {', '.join(none)}.")
    if two:
        text = (
            "Only two temperatures: any two points lie on a line, so nothing tests whether one "
            "activation energy describes the motion, and its error is that of the two D alone:"
        )
        yield Notice(f"{text} {', '.join(two)}.")


def _diffusive_temperatures(data: Data, material: Material) -> int:
    species = mobile(data, material)[:1]
    return sum(diffusivity(data, case, s).carried for case in data.of(material) for s in species)
