"""Numbers as people read them: to the digits that their error allows."""

from __future__ import annotations

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

NONE = "–"


def power(exponent: int) -> str:
    """A power of ten.

    >>> power(-5)
    '10⁻⁵'
    """
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def uncertain(value: float, stderr: float) -> str:
    """A value with its standard error in the last digits, in parentheses.

    The error keeps two digits from 10 to 35 and one above, the rule of the Particle Data Group
    (doi 10.1103/PhysRevD.110.030001, section 5.3).

    >>> uncertain(5.312e-6, 0.21e-6)
    '5.31(21)×10⁻⁶'
    >>> uncertain(0.3349, 0.0412)
    '0.33(4)'
    >>> uncertain(1234.5, 87)
    '1230(90)'
    >>> uncertain(float("nan"), 1.0)
    '–'
    >>> uncertain(5.312e-6, float("nan"))
    '≈ 5.3×10⁻⁶'
    """
    if not math.isfinite(value):
        return NONE
    if not math.isfinite(stderr) or stderr <= 0:
        return f"≈ {short(value, 2)}"
    place = _last_place(stderr)
    largest = max(abs(value), stderr)
    exponent = math.floor(math.log10(largest))
    if -3 <= exponent < 5:
        return _parenthesis(value, stderr, place)
    scale = 10.0**exponent
    return f"{_parenthesis(value / scale, stderr / scale, place - exponent)}×{power(exponent)}"


def _last_place(stderr: float) -> int:
    """Power of ten of the last digit worth writing."""
    exponent = math.floor(math.log10(stderr))
    leading = round(stderr / 10 ** (exponent - 2))
    if leading >= 950:
        return exponent
    return exponent - 1 if leading < 355 else exponent


def _parenthesis(value: float, stderr: float, place: int) -> str:
    if place >= 0:
        return f"{round(value, -place):.0f}({round(stderr, -place):.0f})"
    digits = round(stderr / 10**place)
    if digits < 10**-place:
        return f"{value:.{-place}f}({digits})"
    return f"{value:.{-place}f}({stderr:.{-place}f})"


def short(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, with a power of ten where that is easier to read.

    >>> short(0.000123456), short(1234.567), short(0.25), short(7.0)
    ('1.23×10⁻⁴', '1235', '0.25', '7')
    """
    if not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 5:
        text = f"{value:.{max(0, digits - 1 - exponent)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{short(value / 10**exponent, digits)}×{power(exponent)}"


def between(low: float, high: float, value: float) -> str:
    """An interval around a value, with the power of ten that `uncertain` gives the value.

    >>> between(8.1e-6, 1.234e-5, 9.5e-6), between(0.25, 0.4127, 0.3)
    ('[8.1, 12.3]×10⁻⁶', '[0.25, 0.41]')
    >>> between(8.1e-12, 1.2e-8, 3e-10)
    '[8.1×10⁻¹², 1.2×10⁻⁸]'
    """
    if low == 0 or not 0 < high / low < 30:
        return f"[{short(low, 2)}, {short(high, 2) if math.isfinite(high) else '∞'}]"
    exponent = math.floor(math.log10(abs(value))) if value else 0
    if -3 <= exponent < 5:
        return f"[{_even(low, high)}]"
    return f"[{_even(low / 10.0**exponent, high / 10.0**exponent)}]×{power(exponent)}"


def _even(low: float, high: float) -> str:
    """Two numbers with the same decimals, two digits of the smaller one."""
    smaller = min((abs(end) for end in (low, high) if end), default=1.0)
    places = min(max(1 - math.floor(math.log10(smaller)), 0), 5)
    return f"{low:.{places}f}, {high:.{places}f}"


def span(seconds: float) -> str:
    """A length of time.

    >>> span(42.3), span(754), span(5 * 3600 + 120)
    ('42 s', '12 min 34 s', '5 h 2 min')
    """
    if not math.isfinite(seconds):
        return NONE
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
