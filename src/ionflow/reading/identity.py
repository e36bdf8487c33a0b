"""What the atoms are: element, species, mass and charge, from the first frame and what was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.errors import DataError
from ionflow.ions import oxidation_numbers
from ionflow.kinds import FloatArray
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Notes, Snapshot, labels

UNKNOWN = "X"
#: net charge per atom that rounding in a file may leave, e
_NEUTRAL = 1e-6


@dataclass(frozen=True)
class Identity:
    """What the atoms of a trajectory are."""

    elements: tuple[str, ...]
    species: tuple[str, ...] | None
    """None where species are elements"""
    masses: FloatArray
    """(atom,) amu, NaN where unknown"""
    charges: FloatArray
    """(atom,) e, zeros where unknown"""

    @property
    def names(self) -> tuple[str, ...]:
        """The species of each atom."""
        return self.species or self.elements


def identity(first: Snapshot, reading: Reading, notes: Notes) -> Identity:
    """Who is who in a trajectory.

    Raises
    ------
    DataError
        If elements are neither in the file nor told and species are not asked for by a property;
        if what is told names what is not there.
    """
    species = _species(first, reading)
    elements = _elements(first, reading)
    masses, notes["masses_from"] = _masses(first, reading, elements, species)
    charges, notes["charges_from"] = _charges(first, reading, elements, species)
    return Identity(elements, species, masses, charges)


# -- species and elements -------------------------------------------------------------------


def _species(first: Snapshot, reading: Reading) -> tuple[str, ...] | None:
    name = reading.species
    if name is None or name in ("element", "symbol"):
        return None
    if name not in first.columns:
        there = ", ".join(n for n in first.columns if n not in ("id", "charge", "mass"))
        raise DataError(f"atoms have no property {name!r}", hint=f"they have {there or 'none'}")
    return labels(first.columns[name])


def _elements(first: Snapshot, reading: Reading) -> tuple[str, ...]:
    given = [labels(first.columns[n]) for n in ("type", "symbol") if n in first.columns]
    told = dict(reading.elements)
    if told:
        _check_known(told, [name for names in given for name in names], "elements")
        named = [[told.get(name) for name in names] for names in given]
        found = [next((n for n in choices if n), None) for choices in zip(*named, strict=True)]
        fallback = labels(first.columns["symbol"]) if "symbol" in first.columns else found
        return _valid([f or b for f, b in zip(found, fallback, strict=True)], first, reading)
    if "symbol" in first.columns:
        return _valid(labels(first.columns["symbol"]), first, reading)
    return _valid([None] * len(first.positions), first, reading)


def _valid(names: Sequence[str | None], first: Snapshot, reading: Reading) -> tuple[str, ...]:
    """Element symbols; X for what is none, if species are told apart by a property."""
    from ase.data import atomic_numbers

    strange = sorted({n or "" for n in names if n not in atomic_numbers or n == UNKNOWN})
    wrong = [name for name in strange if name in reading.elements.values()]
    if wrong:
        raise DataError(f"elements: {', '.join(map(repr, wrong))} is no element")
    if strange and reading.species is None:
        raise DataError(_unknown(strange, first), hint=_how(strange, first))
    return tuple(n if n in atomic_numbers and n else UNKNOWN for n in names)


def _unknown(strange: Sequence[str], first: Snapshot) -> str:
    named = ", ".join(name for name in strange if name)
    if named:
        return f"the file names what are no elements: {named}"
    return "the file does not say which elements its atoms are" + (
        f", only their types: {', '.join(_types(first))}" if "type" in first.columns else ""
    )


def _how(strange: Sequence[str], first: Snapshot) -> str:
    types = _types(first) or [name for name in strange if name]
    example = ", ".join(f"{name!r}: {e!r}" for name, e in zip(types, ("Li", "Cl"), strict=False))
    return f"say elements={{{example or '1: Li'}, ...}}, or species='type' to go by the types alone"


def _types(first: Snapshot) -> list[str]:
    return list(dict.fromkeys(labels(first.columns["type"]))) if "type" in first.columns else []


def _check_known(told: Mapping[str, object], there: Sequence[str], option: str) -> None:
    absent = sorted(set(told) - set(there))
    if absent:
        raise DataError(
            f"{option} names {', '.join(absent)}, which the file does not have",
            hint=f"it has {', '.join(dict.fromkeys(there))}",
        )


# -- masses and charges ---------------------------------------------------------------------


def _masses(
    first: Snapshot, reading: Reading, elements: Sequence[str], species: Sequence[str] | None
) -> tuple[FloatArray, str]:
    from ase.data import atomic_masses, atomic_numbers

    usual = np.array([np.nan if e == UNKNOWN else atomic_masses[atomic_numbers[e]]
                      for e in elements])  # fmt: skip
    told = reading.masses
    if isinstance(told, tuple):
        return _each(told, len(elements), "masses"), "given for each atom"
    base, source = usual, "the elements"
    if "mass" in first.columns:
        base, source = first.columns["mass"].astype(np.float64), "the file"
    if told:
        base = _by_label(told, elements, species, base, "masses")
        source = f"given for {', '.join(told)}; otherwise {source}"
    lacking = sorted({n for n, m in zip(species or elements, base, strict=True) if np.isnan(m)})
    return base, source + (f"; unknown for {', '.join(lacking)}" if lacking else "")


def _charges(
    first: Snapshot, reading: Reading, elements: Sequence[str], species: Sequence[str] | None
) -> tuple[FloatArray, str]:
    told, count = reading.charges, len(elements)
    if told == "none":
        return np.zeros(count), "none, as told"
    if isinstance(told, tuple):
        return _each(told, count, "charges"), "given for each atom"
    if told is None and "charge" in first.columns and first.columns["charge"].any():
        return first.columns["charge"].astype(np.float64), "the file"
    usual = oxidation_numbers(dict.fromkeys(elements))
    common = np.array([np.nan if usual[e] is None else usual[e] for e in elements], dtype=float)
    if isinstance(told, dict):
        charges = _by_label(told, elements, species, common, "charges")
        _check_complete(charges, species or elements)
        others = any(n not in told and e not in told
                     for n, e in zip(species or elements, elements, strict=True))  # fmt: skip
        rest = "; common oxidation numbers for the others" if others else ""
        return charges, f"given for {', '.join(told)}{rest}"
    if told == "formal":
        _check_complete(common, species or elements)
        return common, "common oxidation numbers"
    return _neutral(common, elements)


def _neutral(common: FloatArray, elements: Sequence[str]) -> tuple[FloatArray, str]:
    """Common oxidation numbers where they add up to zero, otherwise none."""
    unknown = sorted({e for e, q in zip(elements, common, strict=True) if np.isnan(q)})
    if unknown:
        return np.zeros(len(common)), f"none: no common oxidation number of {', '.join(unknown)}"
    if abs(common.sum()) > _NEUTRAL * len(common):
        net = f"{common.sum():+g} e for {_formula(elements)}"
        return np.zeros(len(common)), f"none: common oxidation numbers add up to {net}"
    return common, "common oxidation numbers, which make the cell neutral"


def _formula(elements: Sequence[str]) -> str:
    return "".join(f"{e}{n}" for e, n in Counter(elements).items())


def _check_complete(charges: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    lacking = sorted({n for n, q in zip(names, charges, strict=True) if np.isnan(q)})
    if lacking:
        raise DataError(
            f"the charge of {', '.join(lacking)} is not known",
            hint=f"say charges={{{lacking[0]!r}: ..., ...}} in e",
        )


def _each(values: Sequence[float], count: int, option: str) -> FloatArray:
    if len(values) != count:
        raise DataError(f"{option}: {len(values)} values for {count} atoms")
    return np.array(values, dtype=np.float64)


def _by_label(
    told: Mapping[str, float],
    elements: Sequence[str],
    species: Sequence[str] | None,
    base: FloatArray,
    option: str,
) -> FloatArray:
    """Values by species or, failing that, by element; `base` where neither is named."""
    pairs = list(zip(species or elements, elements, strict=True))
    _check_known(told, [name for pair in pairs for name in pair], option)
    values = [told.get(name, told.get(e, b)) for (name, e), b in zip(pairs, base, strict=True)]
    return np.array(values, dtype=np.float64)


def check_same(first: Snapshot, frame: Snapshot, reading: Reading) -> None:
    """Check that a frame holds the atoms of the first.

    Raises
    ------
    DataError
        If their number changes, or what tells species, elements or charges.
    """
    if len(frame.positions) != len(first.positions):
        raise DataError(
            f"{len(frame.positions)} atoms, where the first frame has {len(first.positions)}",
            where=frame.where,
            hint="the number of atoms must not change",
        )
    watched = ["id", "type", "symbol", *([reading.species] if reading.species else [])]
    watched += ["charge"] if reading.charges is None else []
    for name in dict.fromkeys(watched):
        _check_column(name, first, frame)


def _check_column(name: str, first: Snapshot, frame: Snapshot) -> None:
    before, now = first.columns.get(name), frame.columns.get(name)
    if before is None or now is before or (now is not None and np.array_equal(before, now)):
        return
    if now is None:
        raise DataError(f"atoms have no {name} here", where=frame.where)
    atom = int(np.flatnonzero(before != now)[0])
    change = f"from {labels(before)[atom]} to {labels(now)[atom]}"
    hint = "atoms must stay in order and what they are; a dump of LAMMPS needs the column id"
    if name == "charge":
        hint = "formal charges do not change: say charges={'Li': 1, ...} or charges='formal'"
    raise DataError(f"the {name} of atom {atom} changes {change}", where=frame.where, hint=hint)
