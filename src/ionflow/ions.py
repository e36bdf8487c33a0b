"""Common oxidation numbers and ionic radii.

Radii are the effective ionic radii of Shannon, Acta Cryst. A 32, 751 (1976),
doi 10.1107/S0567739476001551, in octahedral coordination (N: tetrahedral), of the oxidation number
named beside them; high spin where there is a choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

#: element -> (oxidation number, radius in Å)
IONS: Final[Mapping[str, tuple[int, float]]] = {
    "Li": (1, 0.76),
    "Na": (1, 1.02),
    "K": (1, 1.38),
    "Rb": (1, 1.52),
    "Cs": (1, 1.67),
    "Ag": (1, 1.15),
    "Be": (2, 0.45),
    "Mg": (2, 0.72),
    "Ca": (2, 1.00),
    "Sr": (2, 1.18),
    "Ba": (2, 1.35),
    "Mn": (2, 0.83),
    "Co": (2, 0.745),
    "Ni": (2, 0.69),
    "Cu": (2, 0.73),
    "Zn": (2, 0.74),
    "Cd": (2, 0.95),
    "Pb": (2, 1.19),
    "B": (3, 0.27),
    "Al": (3, 0.535),
    "Ga": (3, 0.62),
    "In": (3, 0.80),
    "Sc": (3, 0.745),
    "Y": (3, 0.90),
    "La": (3, 1.032),
    "Ce": (3, 1.01),
    "Pr": (3, 0.99),
    "Nd": (3, 0.983),
    "Sm": (3, 0.958),
    "Eu": (3, 0.947),
    "Gd": (3, 0.938),
    "Tb": (3, 0.923),
    "Dy": (3, 0.912),
    "Ho": (3, 0.901),
    "Er": (3, 0.89),
    "Tm": (3, 0.88),
    "Yb": (3, 0.868),
    "Lu": (3, 0.861),
    "Cr": (3, 0.615),
    "Fe": (3, 0.645),
    "Sb": (3, 0.76),
    "Bi": (3, 1.03),
    "Si": (4, 0.40),
    "Ge": (4, 0.53),
    "Sn": (4, 0.69),
    "Ti": (4, 0.605),
    "Zr": (4, 0.72),
    "Hf": (4, 0.71),
    "P": (5, 0.38),
    "As": (5, 0.46),
    "V": (5, 0.54),
    "Nb": (5, 0.64),
    "Ta": (5, 0.64),
    "Mo": (6, 0.59),
    "W": (6, 0.60),
    "F": (-1, 1.33),
    "Cl": (-1, 1.81),
    "Br": (-1, 1.96),
    "I": (-1, 2.20),
    "O": (-2, 1.40),
    "S": (-2, 1.84),
    "Se": (-2, 1.98),
    "Te": (-2, 2.21),
    "N": (-3, 1.46),
}


def oxidation_numbers(
    elements: Iterable[str], given: Mapping[str, float] | None = None
) -> dict[str, float | None]:
    """Oxidation number of each element: the given one, else the common one, else None.

    >>> oxidation_numbers(["Al", "Fe", "He"], {"Fe": 2})
    {'Al': 3.0, 'Fe': 2, 'He': None}
    """
    given = given or {}
    common = {element: float(charge) for element, (charge, _) in IONS.items()}
    return {element: given.get(element, common.get(element)) for element in elements}


def radius_angstrom(element: str) -> float:
    """Shannon radius of the common ion; the covalent radius where none is tabulated."""
    if element in IONS:
        return IONS[element][1]
    from ase.data import atomic_numbers, covalent_radii

    return float(covalent_radii[atomic_numbers[element]])
