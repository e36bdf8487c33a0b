from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionflow.report.rounding import between, short, span, uncertain

SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def parse(text: str) -> tuple[float, float]:
    """Value and standard error of a written number."""
    found = re.fullmatch(r"(-?[\d.]+)\(([\d.]+)\)(?:×10([⁻⁰-⁹¹²³]+))?", text)
    assert found, text
    mantissa, error, exponent = found.groups()
    scale = 10.0 ** int((exponent or "0").translate(SUPERSCRIPT))
    decimals = len(mantissa.partition(".")[2])
    unit = 1.0 if "." in error or not decimals else 10.0**-decimals
    return float(mantissa) * scale, float(error) * unit * scale


@given(
    st.floats(1e-12, 1e12) | st.floats(-1e12, -1e-12),
    st.floats(1e-4, 10),
)
def test_what_is_written_is_the_value_within_its_error(value: float, relative: float):
    stderr = abs(value) * relative
    read, error = parse(uncertain(value, stderr))
    assert abs(read - value) <= 0.16 * stderr
    assert error == pytest.approx(stderr, rel=0.16)


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (0.302, 0.0362, "0.30(4)"),
        (0.302, 0.0348, "0.302(35)"),
        (1.0, 0.096, "1.00(10)"),
        (3.0, 4.0, "3(4)"),
        (0.0, 0.2, "0.00(20)"),
        (math.nan, math.nan, "–"),
        (2.5e-5, 0.0, "≈ 2.5×10⁻⁵"),
        (math.inf, 1.0, "–"),
    ],
)
def test_digits_follow_the_error(value: float, stderr: float, text: str):
    assert uncertain(value, stderr) == text


def test_short_numbers():
    assert [short(x) for x in (0.0, -12.34, 99999.0, 1e5, math.nan)] == [
        "0", "-12.3", "99999", "1×10⁵", "–",
    ]  # fmt: skip


def test_intervals_without_end_say_so():
    assert between(1e-9, math.inf, 1e-8) == "[1×10⁻⁹, ∞]"


def test_spans():
    assert [span(x) for x in (59.6, 3599, 200000, math.nan)] == [
        "1 min 0 s", "59 min 59 s", "2 d 7 h", "–",
    ]  # fmt: skip
