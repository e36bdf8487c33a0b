"""Chemical formulas with exact, possibly fractional, coefficients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Final, NoReturn

_TOKEN: Final = re.compile(r"([A-Z][a-z]?|\(|\))(\d*\.?\d*)")

#: More atoms than this in the smallest exact cell mean a coefficient that was rounded.
LARGEST_UNIT: Final = 100_000


def parse(formula: str) -> dict[str, Fraction]:
    """Coefficient of each element, exactly as written, in order of appearance.

    >>> {k: str(v) for k, v in parse("LiAlCl2.5O0.75").items()}
    {'Li': '1', 'Al': '1', 'Cl': '5/2', 'O': '3/4'}

    Raises
    ------
    ValueError
        If it is no formula, names something that is no element, or closes brackets wrongly:
        a formula is read while a recipe is validated, where faults are ValueErrors.
    """
    stack: list[dict[str, Fraction]] = [{}]
    for symbol, digits in _tokens(formula):
        if symbol == "(":
            stack.append({})
        elif symbol == ")":
            if len(stack) == 1:
                _refuse(formula, "a bracket closes that was not open")
            inner = stack.pop()
            _add(stack[-1], inner, _number(digits))
        else:
            _add(stack[-1], {symbol: Fraction(1)}, _number(digits))
    if len(stack) > 1:
        _refuse(formula, "a bracket stays open")
    present = {element: n for element, n in stack[0].items() if n > 0}
    if not present:
        _refuse(formula, "it names no atoms")
    return present


def unit(coefficients: Mapping[str, Fraction]) -> dict[str, int]:
    """Smallest whole numbers in these proportions that are a multiple of the coefficients.

    >>> unit(parse("LiAlCl2.5O0.75"))
    {'Li': 4, 'Al': 4, 'Cl': 10, 'O': 3}
    """
    factor = lcm(*(n.denominator for n in coefficients.values()))
    counts = {element: int(n * factor) for element, n in coefficients.items()}
    if sum(counts.values()) > LARGEST_UNIT:
        raise ValueError(
            f"no cell of up to {LARGEST_UNIT} atoms has exactly this composition; write fewer "
            "decimals, or whole numbers: 'Li3AlO2' rather than 'LiAl0.3333O0.6667'"
        )
    return counts


def _tokens(formula: str) -> list[tuple[str, str]]:
    from ase.data import atomic_numbers

    text = formula.replace(" ", "")
    tokens = _TOKEN.findall(text)
    if "".join(symbol + digits for symbol, digits in tokens) != text:
        _refuse(formula, "it is no chemical formula such as 'LiAlCl2.5O0.75'")
    for symbol, digits in tokens:
        if symbol not in "()" and not atomic_numbers.get(symbol):
            _refuse(formula, f"{symbol!r} is no element")
        if digits == "." or (symbol == "(" and digits):
            _refuse(formula, f"{symbol + digits!r} is no coefficient")
    return tokens


def _number(digits: str) -> Fraction:
    return Fraction(digits) if digits else Fraction(1)


def _add(into: dict[str, Fraction], counts: Mapping[str, Fraction], times: Fraction) -> None:
    for element, n in counts.items():
        into[element] = into.get(element, Fraction(0)) + n * times


def _refuse(formula: str, why: str) -> NoReturn:
    raise ValueError(f"formula {formula!r}: {why}")
