"""`hybrid`: the curves that the verb draws, where its figures come from, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

import slipstick
from slipstick.cli import run
from slipstick.cluster.convergence.epochs_to_target import CriticalBatch
from slipstick.core.errors import SlipstickError
from slipstick.engines.verb_options import HybridOptions
from slipstick.placement import cpsat
from slipstick.placement.schedule import INTERRUPTED
from slipstick.verbs.hybrid import hybrid


def test_the_crossover_is_that_of_the_inequality() -> None:
    """With ideal scaling M devices a worker win where E(N B) / E(N B / M) > M / SU: here every count is tried."""
    critical, batch, gain = 1000.0, 64, 1.3
    report = slipstick.hybrid(
        "inception-v3", "dgx1-v100:2..256", critical_batch=critical, least_epochs=4.0, batch=batch, widths=[2],
        step_speedups={2: gain}, scaling="ideal",
    )  # fmt: skip
    assert isinstance(report, slipstick.Report)

    def wins(count: int) -> bool:
        return (1 + count * batch / critical) / (1 + count * batch / 2 / critical) > 2 / gain

    first = next(count for count in (2, 4, 8, 16, 32, 64, 128, 256) if wins(count))
    assert report.value("crossover.m2") == first


def test_a_misspelt_option_and_two_epoch_curves_are_refused() -> None:
    with pytest.raises(SlipstickError, match="one of them"):
        hybrid("inception-v3", "dgx1-v100:2..8", critical_batch=64.0, epochs="e.csv")
    with pytest.raises(SlipstickError, match="did you mean 'inception-v3'"):
        hybrid("inception-v4", "dgx1-v100:2..8", critical_batch=64.0)


def test_the_verb_says_where_its_figures_come_from(tmp_path: Path) -> None:
    report = hybrid(
        "inception-v3", "dgx1-v100:2..256", epochs=CriticalBatch(4.0, 2000.0), step_speedups={2: 1.3}, widths=[2]
    )
    assert report["step_speedup.m2"].source == "given by the user"
    assert report.value("crossover.m2") == report.detail.crossover(2)
    band = report.breakdowns["published beside our band"].rows[0]
    assert band[:4] == (0.265, 0.0, pytest.approx(0.3), "inside")
    share = [row[-2] for row in report.breakdowns["speed-up over one device"].rows]
    assert all(isinstance(value, float) and 0.9 < value <= 1 for value in share), "eight V100 and more scale well"
    assert "<svg" in report.html()
    assert report.pictures()["Speed-up over devices"].count("<polyline") == 2


def test_ideal_scaling_is_never_slower() -> None:
    asked: HybridOptions = {"step_speedups": {2: 1.3}, "widths": [2], "epochs": CriticalBatch(4.0, 2000.0)}
    model = hybrid("inception-v3", "dgx1-v100:2..32", **asked)
    ideal = hybrid("inception-v3", "dgx1-v100:2..32", scaling="ideal", **asked)
    assert (ideal.detail.alone >= model.detail.alone).all()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.csv").write_text("batch,epochs\n64,4\n1024,5\n4096,12\n16384,60\n")
    asked = ["hybrid", "inception-v3", "dgx1-v100:2..256", "--epochs", str(tmp_path / "e.csv")]
    asked += ["--step-speedups", "2=1.3,4=1.5,8=1.6", "--json", "--plot", str(tmp_path / "h.svg")]
    assert run(asked) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["metrics"]["best"]["gain"]["value"] == pytest.approx(0.5, abs=0.02), "M=4 of the 64 best workers"
    assert (tmp_path / "h.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dgx1-v100:2..8"], "or critical_batch (a number), one of them"),
        (["dgx1-v100", "--critical-batch", "64"], "has no counts"),
        (["dgx1-v100:2..8", "--critical-batch", "0"], "critical_batch: out of range"),
        (["dgx1-v100:2..8", "--critical-batch", "64", "--step-speedups", "2:1.3"], "step_speedups"),
        (["dgx1-v100:2..8", "--critical-batch", "64", "--widths", "1", "--step-speedups", "1=2"], "M from 2"),
        (["h100-sxm-80gb:2..8", "--critical-batch", "64", "--time-limit", "1"], "needs the links between the devices"),
        (["dgx1-v100:two", "--critical-batch", "64"], "not a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["hybrid", "inception-v3", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


class _Endless:
    """Solver that works until it is told to stop, as CP-SAT on a large graph."""

    def __init__(self) -> None:
        self.parameters = type("Parameters", (), {"catch_sigint_signal": True})()
        self._stopped = threading.Event()

    def solve(self, model: object) -> str:
        """Return what the solver knows when it is stopped."""
        assert not self.parameters.catch_sigint_signal  # else the solver alone would know of Ctrl-C
        return "feasible" if self._stopped.wait(20.0) else "never stopped"

    def stop_search(self) -> None:
        """End the search."""
        self._stopped.set()


def test_ctrl_c_stops_the_solver_and_is_remembered() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # solvers of other tests may have taken it away
    try:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert cpsat._run(_Endless(), None) == ("feasible", True)
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)


def test_ctrl_c_in_a_placement_ends_the_whole_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """`place` answers with its best so far; `hybrid` would only go on to the next placement, and take as long again."""
    pytest.importorskip("ortools")
    monkeypatch.setattr(cpsat, "_run", lambda solver, model: (solver.solve(model), True))
    placed = slipstick.place("inception-v3", "dgx1-v100:2", batch=64, time_limit=0.5)
    assert placed.detail.schedule.status == INTERRUPTED
    with pytest.raises(KeyboardInterrupt):
        slipstick.hybrid("inception-v3", "dgx1-v100:2..8", critical_batch=1e3, least_epochs=4.0, time_limit=0.5)
