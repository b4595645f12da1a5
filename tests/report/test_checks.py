from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.report.checks import CHECKS, _run_checks

GOOD = {
    "time.step": 10.0,
    "time.parts.matmul": 7.0,
    "time.parts.bubble": 3.0,
    "roofline.compute": 5.0,
    "memory.peak": 60.0,
    "memory.parts.weights": 20.0,
    "memory.parts.activations": 40.0,
    "memory.capacity": 80.0,
    "network.sent": 7.0,
    "network.received": 7.0,
    "parameters.placed": 175e9,
    "parameters.total": 175e9,
    "efficiency.mfu": 0.5,
}


def test_what_is_right_passes() -> None:
    assert _run_checks(GOOD) == ()
    assert _run_checks({}) == ()


@pytest.mark.parametrize(
    ("change", "name", "severity"),
    [
        ({"roofline.compute": 11.0}, "time_above_roofline", "error"),
        ({"time.parts.bubble": 3.1}, "parts_sum_to_total", "error"),
        ({"memory.parts.weights": 19.0}, "parts_sum_to_total", "error"),
        ({"network.received": 6.0}, "bytes_are_conserved", "error"),
        ({"parameters.placed": 174e9}, "stages_hold_the_network", "error"),
        ({"efficiency.mfu": 1.1}, "shares_are_shares", "error"),
        ({"energy.step": -1.0}, "finite_and_not_negative", "error"),
        ({"cost.run": float("nan")}, "finite_and_not_negative", "error"),
        ({"memory.capacity": 50.0}, "memory_fits", "warning"),
    ],
)
def test_every_check_finds_its_fault(change: dict[str, float], name: str, severity: str) -> None:
    (finding,) = _run_checks({**GOOD, **change})
    assert (finding.check, finding.severity) == (name, severity)
    assert finding.path


def test_the_largest_part_is_named() -> None:
    (finding,) = _run_checks({**GOOD, "memory.capacity": 50.0})
    assert "the largest part is activations" in finding.message


def test_every_check_says_why() -> None:
    for name, function in CHECKS.items():
        assert function.__doc__, name
        assert function.__name__ == name


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30))
def test_sums_in_any_order_pass(parts: list[float]) -> None:
    facts = {"time.step": sum(parts), **{f"time.parts.{i}": part for i, part in enumerate(reversed(parts))}}
    assert _run_checks(facts) == ()
