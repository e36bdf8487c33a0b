"""Conversions and constants, each with its source.

Internal units are those of ASE without its time unit: Å, eV, amu, e, K, and fs or ps by name.
Constants are CODATA 2022 (https://physics.nist.gov/constants), read from scipy.
"""

from __future__ import annotations

from typing import Final

from scipy.constants import physical_constants

BOLTZMANN_EV_PER_K: Final[float] = physical_constants["Boltzmann constant in eV/K"][0]
ELEMENTARY_CHARGE_C: Final[float] = physical_constants["elementary charge"][0]
AMU_KG: Final[float] = physical_constants["atomic mass constant"][0]

#: GPa in one eV/Å³
GPA_PER_EV_A3: Final[float] = ELEMENTARY_CHARGE_C * 1e30 / 1e9

#: g/cm³ in one amu/Å³
G_CM3_PER_AMU_A3: Final[float] = AMU_KG * 1e3 / 1e-24

#: cm²/s in one Å²/ps
CM2_S_PER_A2_PS: Final[float] = 1e-16 / 1e-12

#: S/cm in one e²/(eV·Å·ps), the unit of q² D/(V kB T) with q in e, D in Å²/ps, V in Å³, kBT in eV
S_CM_PER_E2_EV_A_PS: Final[float] = ELEMENTARY_CHARGE_C / (1e-10 * 1e-12) * 1e-2


FS_PER_PS: Final[float] = 1000.0

#: How a unit is written at the end of a field's name, and how people write it.
UNIT_SUFFIXES: Final[dict[str, str]] = {
    "fs": "fs", "ps": "ps", "ns": "ns", "us": "µs", "s": "s", "min": "min", "h": "h",
    "per_fs": "1/fs", "per_ps": "1/ps", "per_ns": "1/ns", "THz": "THz",
    "K": "K", "C": "°C", "F": "°F", "K_per_ps": "K/ps",
    "Pa": "Pa", "kPa": "kPa", "MPa": "MPa", "GPa": "GPa", "bar": "bar", "atm": "atm",
    "eV": "eV", "meV": "meV", "kJ_mol": "kJ/mol", "kcal_mol": "kcal/mol", "Ha": "Ha",
    "eV_A": "eV/Å", "eV_A2": "eV/Å²", "eV_A3": "eV/Å³",
    "angstrom": "Å", "A": "Å", "nm": "nm", "A3": "Å³", "per_angstrom": "1/Å",
    "amu": "amu", "e": "e", "g_cm3": "g/cm³", "kg_m3": "kg/m³",
    "cm2_s": "cm²/s", "A2": "Å²", "A2_ps": "Å²/ps", "S_cm": "S/cm", "mS_cm": "mS/cm",
    "deg": "°", "degrees": "°", "rad": "rad", "GB": "GB", "MB": "MB",
}  # fmt: skip


def split_unit(name: str) -> tuple[str, str]:
    """A field's name without its unit, and the unit as people write it; "" if it has none.

    >>> split_unit("density_g_cm3")
    ('density', 'g/cm³')
    >>> split_unit("friction_per_ps")
    ('friction', '1/ps')
    >>> split_unit("replicas")
    ('replicas', '')
    """
    words = name.split("_")
    for start in range(1, len(words)):
        suffix = "_".join(words[start:])
        if suffix in UNIT_SUFFIXES:
            return "_".join(words[:start]), UNIT_SUFFIXES[suffix]
    return name, ""
