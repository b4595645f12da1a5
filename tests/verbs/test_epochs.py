"""`epochs`: the curve is that of the trainings, run again one by one, and a target that nothing reaches is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: data)")

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.verbs.epochs import TrialCounts

pytestmark = pytest.mark.trains
ONCE = TrialCounts(seeds=1, max_epochs=40)


def test_the_epochs_are_those_of_the_trainings(tmp_path: Path) -> None:
    journal = tmp_path / "trials"
    asked = {"batches": (64, 128), "target": 0.6, "rates": (0.1,), "trials": ONCE}
    report = slipstick.epochs("mlp", "digits", journal=journal, **asked)
    assert isinstance(report, slipstick.Report)
    for batch in (64, 128):
        (trial,) = (trial for trial in report.detail.trials if trial.batch == batch)
        assert report.value(f"epochs.b{batch}") == trial.epochs
        assert 1 <= trial.epochs <= 40
    again = slipstick.epochs("mlp", "digits", journal=journal, **asked)
    assert again.flat() == report.flat(), "finished trainings are read from the journal"
    assert "<svg" in report.html()


def test_a_target_that_nothing_reaches_and_unknown_names_are_refused() -> None:
    with pytest.raises(SlipstickError, match="reached by fewer than two batches"):
        slipstick.epochs("mlp", "digits", (128,), 0.6, rates=(0.1,), trials=ONCE)
    with pytest.raises(SlipstickError, match="did you mean 'mlp'"):
        slipstick.epochs("mpl", "digits", (64, 128), 0.6)
