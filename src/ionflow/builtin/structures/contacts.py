"""How close two ions may come, by pair of elements."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import combinations_with_replacement
from typing import Final

from ionflow.ions import radius_angstrom

#: Share of the sum of the ionic radii that two ions keep by default.
HARDNESS: Final = 0.88

#: Cations are kept apart by an anion between them, whatever their radii (Å).
CATIONS_APART: Final = 2.6

_PAIR: Final = re.compile(r"([A-Z][a-z]?)-([A-Z][a-z]?)")


def pair_key(a: str, b: str) -> str:
    """One name for a pair in either order.

    >>> pair_key("O", "Al")
    'Al-O'
    """
    return "-".join(sorted((a, b)))


def check_pairs(names: Collection[str], elements: Collection[str]) -> None:
    """Refuse a pair that is no pair of these elements.

    Raises
    ------
    ValueError
        Naming the pair and the elements there are.
    """
    for name in names:
        match = _PAIR.fullmatch(name)
        if match is None or not set(match.groups()) <= set(elements):
            raise ValueError(
                f"{name!r} is no pair of elements of this structure; write it as 'Al-O', "
                f"of {', '.join(elements)}"
            )
    if len({pair_key(*name.split("-")) for name in names}) < len(names):
        raise ValueError("a pair is given in both orders; give it once")


def min_distances_angstrom(
    charges: Mapping[str, float], given: Mapping[str, float]
) -> dict[str, float]:
    """Shortest distance of every pair of elements: the given one, else one from ionic radii.

    >>> min_distances_angstrom({"Al": 3, "O": -2}, {"Al-O": 1.6})
    {'Al-Al': 2.6, 'Al-O': 1.6, 'O-O': 2.464}
    """
    named = {pair_key(*pair.split("-")): distance for pair, distance in given.items()}
    pairs = combinations_with_replacement(sorted(charges), 2)
    return {pair_key(a, b): named.get(pair_key(a, b), _default(a, b, charges)) for a, b in pairs}


def _default(a: str, b: str, charges: Mapping[str, float]) -> float:
    touching = round(HARDNESS * (radius_angstrom(a) + radius_angstrom(b)), 3)
    both_cations = charges[a] > 0 and charges[b] > 0
    return max(touching, CATIONS_APART) if both_cations else touching
