"""The fit of calibration factors against the normal equations of linear residuals, and where it must stop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from slipstick.cluster.calibration import FACTORS, Fit, _fit, calibrate_rows
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.system import Calibration
from slipstick.report.published import Row, RowDict, Suite, Validation

RIDGE = (0.05 / 0.5) ** 2  # a row scatters by 5 %, a factor by half of its logarithm
SHARES = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.1, 0.7], [0.0, 1.0, 0.0]])  # of each row's time


def logarithms(calibration: Calibration) -> np.ndarray:
    return np.log([getattr(calibration, name) for name in FACTORS])


def rows(calibration: Calibration, apart: np.ndarray) -> list[Row]:
    """Rows whose error is exactly linear in the logarithms of the factors."""
    errors = apart - SHARES @ logarithms(calibration)
    return [Row(str(n), "train", 2.0, 2.0 * float(np.exp(error)), "s") for n, error in enumerate(errors)]


@pytest.mark.parametrize("apart", [[0.3, -0.2, 0.1, 0.05], [0.0, 0.0, -0.6, 0.0], [1.0, 1.0, 1.0, 1.0]])
def test_linear_errors_have_the_solution_of_the_normal_equations(apart: list[float]) -> None:
    wanted = np.linalg.solve(SHARES.T @ SHARES + RIDGE * np.eye(3), SHARES.T @ np.array(apart))
    fitted, before, after = _fit(lambda calibration: rows(calibration, np.array(apart)), "own.csv")
    np.testing.assert_allclose(logarithms(fitted), wanted, rtol=1e-9, atol=1e-12)
    assert fitted.source == "own.csv"
    assert [row.ours for row in before] == [row.ours for row in rows(Calibration(), np.array(apart))]
    assert [row.ours for row in after] == [row.ours for row in rows(fitted, np.array(apart))]


def test_one_row_of_one_factor_is_drawn_towards_one() -> None:
    """One equation, x (1 + ridge) = ln 1.25: what the rows say nothing about stays at 1."""
    fitted, _, _ = _fit(lambda calibration: [Row("a", "train", 4.0, 5.0 / calibration.matmul, "s")])
    assert fitted.matmul == pytest.approx(1.25 ** (1 / (1 + 0.01)), rel=1e-12)
    assert (fitted.memory, fitted.network) == (1.0, 1.0)


@pytest.mark.parametrize(("error", "bound"), [(50.0, 1.5), (0.02, -1.5)])
def test_no_factor_goes_beyond_its_limit(error: float, bound: float) -> None:
    fitted, _, after = _fit(lambda calibration: [Row("a", "train", 1.0, error / calibration.memory, "s")])
    assert fitted.memory == pytest.approx(np.exp(bound), rel=1e-12)
    assert after[0].ours == pytest.approx(error / np.exp(bound))


def test_bent_errors_are_solved_in_rounds() -> None:
    """The error ln(x^2 + x) bends: one step from 1 does not end where the minimum is."""

    def bent(calibration: Calibration) -> list[Row]:
        m = calibration.matmul
        return [Row("a", "train", 6.0, m * m + m, "s")]

    grid = np.linspace(0.0, 1.5, 150_001)
    cost = np.log((np.exp(2 * grid) + np.exp(grid)) / 6.0) ** 2 + RIDGE * grid**2
    fitted, _, _ = _fit(bent)
    assert np.log(fitted.matmul) == pytest.approx(grid[cost.argmin()], abs=1e-4)


def test_a_step_that_makes_it_worse_is_not_taken() -> None:
    """Slope at 1 points uphill beyond a narrow valley: the fit keeps what it had."""

    def kinked(calibration: Calibration) -> list[Row]:
        x = float(np.log(calibration.matmul))
        return [Row("a", "train", 1.0, float(np.exp(0.1 - x if x < 0.03 else 2.0 + x)), "s")]

    fitted, before, after = _fit(kinked)
    assert fitted.matmul == 1.0
    assert [row.ours for row in after] == [row.ours for row in before]


def test_rows_without_both_figures_say_nothing() -> None:
    def some(calibration: Calibration) -> list[Row]:
        useful = Row("a", "train", 4.0, 5.0 / calibration.matmul, "s")
        return [useful, Row("b", "train", 0.0, 7.0, "s"), Row("c", "train", 3.0, 0.0, "s")]

    assert _fit(some)[0].matmul == pytest.approx(1.25 ** (1 / 1.01), rel=1e-9)


@dataclass
class Measured(Suite):
    """A suite whose devices are 1.6 times as slow as the data sheets say, and which cannot replay one row."""

    name: str = "measured"
    columns: frozenset[str] = frozenset()

    def replay(self, rows: list[RowDict]) -> Validation:
        done, skipped = [], []
        for row in rows:
            if row["case_id"] == "lost":
                skipped.append(("lost", "no such plan"))
                continue
            system = resolve_system(row["gpu"])
            assert system.name == "h100-sxm-80gb"
            done.append(Row(row["case_id"], "train", 1.0, 1.6 / system.calibration.network, "s"))
        return Validation(self.name, tuple(done), tuple(skipped))


def test_timed_rows_of_one_device_are_replayed_with_its_factors() -> None:
    table = [{"case_id": name, "gpu": "h100-sxm-80gb"} for name in ("a", "b", "lost")]
    others = [
        {"case_id": "m", "gpu": "a100-sxm-80gb", "kind": "memory"},
        {"case_id": "o", "gpu": "a100-sxm-80gb", "status": "OOM"},
    ]
    fit = calibrate_rows(Measured(), [*table, *others], "own.csv")
    assert np.log(fit.calibration.network) == pytest.approx(2 * np.log(1.6) / (2 + RIDGE), rel=1e-9)
    assert fit.calibration.source == "own.csv"
    assert fit.skipped == (("lost", "no such plan"),)
    assert [row.ours for row in fit.before] == [1.6, 1.6]
    assert fit.summaries["before"].mean_absolute_error == pytest.approx(0.6)
    assert fit.summaries["after"].rows == 2
    for devices in ({}, {"gpu": "a100-sxm-80gb"}):
        with pytest.raises(SlipstickError, match="cannot calibrate"):
            calibrate_rows(Measured(), [*table, {"case_id": "d", **devices}], "own.csv")


def test_a_device_of_ones_own_file_is_the_base(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: h100-sxm-80gb\nbase: h100-sxm-80gb\n", "utf-8")
    fit = calibrate_rows(Measured(), [{"case_id": "a", "gpu": str(own), "status": "Success"}], "own.csv")
    assert np.log(fit.calibration.network) == pytest.approx(np.log(1.6) / (1 + RIDGE), rel=1e-9)


def test_the_overlay_by_hand() -> None:
    one, other = Row("a", "train", 10.0, 12.0, "s"), Row("a", "train", 10.0, 10.05, "s")
    text = Fit(Calibration(matmul=0.8125, memory=1.0, network=2 / 3, source="own.csv"), (one,), (other,)).yaml()
    assert text.splitlines() == [
        "# written by slipstick calibrate; without it mean |error| 20.00 %, with it mean |error| 0.50 %",
        "calibration:", "  matmul: 0.8125", "  memory: 1", "  network: 0.666667", '  source: "own.csv"',
    ]  # fmt: skip
    assert text.endswith("\n")
