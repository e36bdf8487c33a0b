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
