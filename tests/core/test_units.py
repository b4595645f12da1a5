from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.core.site import Site
from slipstick.core.spec import validate
from slipstick.core.units import format_quantity, parse

UNITS = [
    *("B", "B/s", "FLOP", "FLOP/s", "s", "W", "J", "Hz", "m", "m2", "V", "J/B", "J/FLOP", "FLOP/J", "B/FLOP"),
    *("USD", "g", "token", "token/s", "sample/s", "parameter", "device", "fraction", "1"),
]
PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}


@given(st.floats(min_value=1e-14, max_value=1e17) | st.just(0.0), st.sampled_from(UNITS), st.sampled_from([1, -1]))
def test_what_is_printed_parses_back(size: float, unit: str, sign: int) -> None:
    value = sign * size
    # four digits are printed (three of a percentage)
    assert math.isclose(parse(format_quantity(value, unit), unit), value, rel_tol=6e-3, abs_tol=1e-18)


@given(st.floats(min_value=1e-9, max_value=1e9), st.sampled_from(sorted(PREFIXES)), st.sampled_from(["B", "FLOP", "J"]))
def test_prefixes_multiply(number: float, prefix: str, unit: str) -> None:
    assert parse(f"{number!r} {prefix}{unit}", unit) == pytest.approx(number * PREFIXES[prefix], rel=1e-15)
    assert parse(f"{number!r}{prefix}{unit}/s", f"{unit}/s") == pytest.approx(number * PREFIXES[prefix], rel=1e-15)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("80 GiB", "B", 80 * 2**30),
        ("80 GB", "B", 80e9),
        ("400 Gb/s", "B/s", 50e9),
        ("400 Gbit/s", "B/s", 50e9),
        ("1 TMAC/s", "FLOP/s", 2e12),
        ("1.5 pJ/bit", "J/B", 12e-12),
        ("814 mm2", "m2", 814e-6),
        ("3 us", "s", 3e-6),
        ("3 \u00b5s", "s", 3e-6),
        ("3 \u03bcs", "s", 3e-6),
        ("2 h", "s", 7200),
        ("1.5 days", "s", 129600),
        ("1 kWh", "J", 3.6e6),
        ("12 %", "fraction", 0.12),
        ("1,234 token", "token", 1234),
        (" 7 ", "s", 7),
        (7, "s", 7),
    ],
)
def test_text_to_si(text: object, unit: str, value: float) -> None:
    assert parse(text, unit) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2 TB", "a unit of information, not of information/time"),
        ("2 XB/s", "unknown unit"),
        ("2 tb/s", "unknown unit"),
        ("2 TB/s/s", "unknown unit"),
        ("fast", "not a quantity"),
        ("", "not a quantity"),
        ("1.2.3 B/s", "not a quantity"),
        ("nan", "not a quantity"),
        ("inf B/s", "not a quantity"),
        ("1e999 B/s", "not a finite number"),
        (float("nan"), "not a finite number"),
        (10**400, "not a finite number"),
        (True, "not a quantity"),
        (None, "not a quantity"),
        ([1], "not a quantity"),
        ("1" + " " * 100_000 + "x", "not a quantity"),
    ],
)
def test_what_is_no_bandwidth(value: object, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        parse(value, "B/s")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (8.14e-4, "m2", "814 mm2"),
        (-7200.0, "s", "-2 h"),
        (0.0, "B", "0 B"),
        (123456.0, "USD", "123,500 USD"),
        (0.456, "fraction", "45.6 %"),
        (3.35e12, "B/s", "3.35 TB/s"),
        (2**60, "B", "1 EiB"),
        (float("nan"), "s", "- s"),
        (3.5e9, "J", "3.5 GJ"),
        (3.6e9, "J", "1 MWh"),
        (7.57e11, "J", "210.3 MWh"),
        (-7.2e12, "J", "-2 GWh"),
        (1.24e8, "g", "124 t"),
        (1.24e-4, "g", "124 ug"),
    ],
)
def test_si_to_text(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("electricity", "0.08 USD/kWh", 0.08),
        ("electricity", "50 USD/MWh", 0.05),
        ("electricity", 0.1, 0.1),
        ("electricity", "0.1", 0.1),
        ("carbon", "475 g/kWh", 475.0),
        ("carbon", "30 gCO2/kWh", 30.0),
        ("carbon", "0.4 t/MWh", 400.0),
        ("amortisation", "4 years", 4.0),
        ("amortisation", "1 year", 1.0),
        ("amortisation", "1461 days", 4.0),
    ],
)
def test_a_stated_quantity_keeps_its_unit_and_takes_others(field: str, text: object, value: float) -> None:
    assert getattr(validate(Site, {field: text}), field) == value


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("electricity", "0.08 USD", "money, not of money/energy"),
        ("electricity", "cheap", "not a quantity"),
        ("electricity", -1.0, "electricity"),
        ("carbon", "475 J/kWh", "not of mass/energy"),
        ("amortisation", "0 years", "amortisation"),
        ("facility", 0.9, "facility"),
        ("utilisation", 1.5, "utilisation"),
    ],
)
def test_what_is_no_stated_quantity(field: str, text: object, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        validate(Site, {field: text})
