"""Fit a system's three calibration factors to a user's measured rows: least squares on the logarithm of the error.

With r_i(x) = ln(ours_i / measured_i) under factors exp(x) = (matmul, memory, network), the fit minimises

    sum_i r_i(x)^2 + (_NOISE / _SPREAD)^2 * |x|^2

by Gauss-Newton steps with derivatives by differences. The second term is a normal prior: a factor that the rows say
nothing about (the network, for runs on one device) stays at 1.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import is_file_name, resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.files import write_text
from slipstick.core.system import Calibration
from slipstick.report.published import Row, RowDict, Suite, Summary, summarise

_Replay = Callable[[Calibration], Sequence[Row]]

FACTORS = ("matmul", "memory", "network")
_NOISE = 0.05  # of one measured row, as a share: assumed, run-to-run scatter of a cluster
_SPREAD = 0.5  # of a factor's logarithm before anything is measured: assumed
_STEP = 0.02  # of the logarithm, for differences: small against _SPREAD, large against whole tiles and waves
_LIMIT = 1.5  # of the logarithm: beyond a factor of 4.5 a row is misread rather than a device slow
_ROUNDS = 6  # Gauss-Newton steps at most; smooth problems settle in 3


@dataclass(frozen=True)
class Fit:
    """Fitted calibration factors of one device, and its measured rows replayed without and with them.

    `before` has our figure of every row at factors of 1, `after` at the fitted ones, in one order; `skipped` names the
    rows that could not be replayed, each with the reason.
    """

    calibration: Calibration
    before: tuple[Row, ...]
    after: tuple[Row, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def summaries(self) -> dict[str, Summary]:
        """Error statistics of our figures over all rows, before and after the fit."""
        return {"before": summarise(self.before), "after": summarise(self.after)}

    def yaml(self) -> str:
        """Return the factors as the YAML text that ``slipstick estimate --calibration`` reads."""
        worst = {name: f"mean |error| {100 * s.mean_absolute_error:.2f} %" for name, s in self.summaries.items()}
        lines = [f"  {name}: {getattr(self.calibration, name):.6g}" for name in FACTORS]
        head = f"# written by slipstick calibrate; without it {worst['before']}, with it {worst['after']}"
        return "\n".join([head, "calibration:", *lines, f'  source: "{self.calibration.source}"', ""])


def _fit(replay: _Replay, source: str = "") -> tuple[Calibration, Sequence[Row], Sequence[Row]]:
    """Return the factors that bring `replay` nearest to its rows, and its rows at 1 and at those factors.

    Parameters
    ----------
    replay : factors -> rows, always the same ones in the same order.

    Errors
    ------
    SlipstickError where no row has a figure above zero.

    Examples
    --------
    >>> rows = lambda c: [Row("a", "train", 10.0, 8.0 / c.matmul, "s"), Row("b", "train", 5.0, 4.0 / c.matmul, "s")]
    >>> round(_fit(rows)[0].matmul, 2)
    0.8
    """
    x = np.zeros(len(FACTORS))
    before = replay(_factors(x, source))
    if not any(row.published > 0 for row in before):
        raise SlipstickError("no row to calibrate on", path=source)
    ridge = (_NOISE / _SPREAD) ** 2
    at, cost, rows = _residuals(before), _cost(_residuals(before), x, ridge), before
    for _ in range(_ROUNDS):
        slopes = np.stack(
            [(_residuals(replay(_factors(y, source))) - at) / _STEP for y in x + _STEP * np.eye(len(x))], 1
        )
        normal = slopes.T @ slopes + ridge * np.eye(len(x))
        step = -np.linalg.solve(normal, slopes.T @ at + ridge * x)
        new = np.clip(x + step, -_LIMIT, _LIMIT)
        answered = replay(_factors(new, source))
        better = _cost(_residuals(answered), new, ridge)
        if better >= cost:
            break
        settled = cost - better < 1e-6 * cost
        x, at, cost, rows = new, _residuals(answered), better, answered
        if settled:
            break
    return _factors(x, source), before, rows


def _residuals(rows: Sequence[Row]) -> FloatArray:
    """Return ln(ours / published) of every row that has both above zero, and 0 for the others."""
    return np.array([np.log(row.ours / row.published) if row.ours > 0 < row.published else 0.0 for row in rows])


def _cost(at: FloatArray, x: FloatArray, ridge: float) -> float:
    return float(at @ at + ridge * (x @ x))


def _factors(x: FloatArray, source: str) -> Calibration:
    return Calibration(**dict(zip(FACTORS, np.exp(x).tolist(), strict=True)), source=source)


def calibrate_rows(suite: Suite, rows: list[RowDict], source: str) -> Fit:
    """Return calibration factors fitted to measured rows of one device, with the errors before and after.

    The suite replays the rows on a system file that is the row's device with the factors of the moment.

    Errors
    ------
    SlipstickError if the rows name no device or several, or if none of them can be replayed.
    """
    timed = [row for row in rows if row.get("kind", "") != "memory" and row.get("status", "Success") == "Success"]
    devices = sorted({row.get("gpu", "") for row in timed})
    if len(devices) != 1 or not devices[0]:
        allowed = "rows of one device, named in the column gpu"
        raise SlipstickError("cannot calibrate", path=source, value=", ".join(devices), allowed=allowed)
    whole = suite.replay([{**row} for row in timed])
    skipped = {case for case, _ in whole.skipped}
    usable = [row for row in timed if row.get("case_id", "") not in skipped]
    with tempfile.TemporaryDirectory() as folder:
        calibration, before, after = _fit(lambda c: _replayed(suite, usable, devices[0], c, Path(folder)), source)
    return Fit(calibration, tuple(before), tuple(after), whole.skipped)


def _replayed(suite: Suite, rows: list[RowDict], device: str, calibration: Calibration, folder: Path) -> Sequence[Row]:
    name = resolve_system(device).name
    base = str(Path(device).resolve()) if is_file_name(device) else device
    lines = [f"name: '{name}'", f"base: '{base}'", "calibration:"]
    path = folder / "calibrated.yaml"
    write_text(path, "\n".join([*lines, *(f"  {f}: {getattr(calibration, f)!r}" for f in FACTORS), ""]))
    return suite.replay([{**row, "gpu": str(path)} for row in rows]).rows
