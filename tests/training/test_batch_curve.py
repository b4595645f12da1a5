"""Epochs against the batch: what is measured, what is kept, and what other commands read of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slipstick.cli import run
from slipstick.cluster.convergence.epochs_to_target import EpochCurve
from slipstick.core.errors import SlipstickError
from slipstick.training import batch_curve
from slipstick.training.batch_curve import BatchCurve, BatchSweep, Trial, measure_curve
from slipstick.training.recipe import Recipe

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def asked(training_seed: int) -> BatchSweep:
    """A curve takes its seeds from 0 on: two of them, or those up to the seed that is asked for and one more."""
    return BatchSweep("mlp", "digits", (64, 1024), 0.85, rates=(0.03, 0.1), seeds=2 + training_seed, max_epochs=30)


@pytest.fixture(scope="module")
def journal(asked: BatchSweep, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("curve") / "trials"
    measure_curve(asked, journal=path)
    return path


def test_large_batches_take_more_epochs(asked: BatchSweep, journal: Path) -> None:
    means = measure_curve(asked, journal=journal).means()
    assert means[64] >= 1
    assert means[1024] > 1.5 * means[64]  # at the same rate a sixteenth of the steps: 5 to 9 epochs against 1 or 2


def test_finished_trainings_are_not_repeated(asked: BatchSweep, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = measure_curve(asked, journal=journal)
    head, *lines = journal.read_text().splitlines()
    shorter = journal.with_name("shorter")
    shorter.write_text("\n".join([head, *lines[:-1]]) + "\n")
    trained = []
    real = batch_curve.train
    monkeypatch.setattr(batch_curve, "train", lambda *a, **k: trained.append(1) or real(*a, **k))
    assert measure_curve(asked, journal=shorter).trials == before.trials
    assert len(trained) == 1, "only the one that was missing, and it ends as before"


def test_a_journal_of_another_measurement_is_refused(asked: BatchSweep, journal: Path) -> None:
    other = replace(asked, target=0.9)
    with pytest.raises(SlipstickError, match="another measurement"):
        measure_curve(other, journal=journal)
    bad = journal.with_name("bad")
    bad.write_text(journal.read_text() + '{"batch": 1}\n')
    with pytest.raises(SlipstickError, match="not a journal"):
        measure_curve(asked, journal=bad)


def test_a_rate_counts_only_if_all_its_seeds_arrive() -> None:
    trials = [
        Trial(8, 0.1, 0, 2),
        Trial(8, 0.1, 1, None),
        Trial(8, 0.3, 0, 5),
        Trial(8, 0.3, 1, 6),
        Trial(16, 0.1, 0, None),
    ]
    curve = BatchCurve(BatchSweep("mlp", "digits", (8, 16), 0.9, rates=(0.1, 0.3), seeds=2), tuple(trials))
    assert curve.means() == {8: 5.5}
    assert curve.csv().splitlines() == ["batch,epochs,rate,seed", "8,5,0.3,0", "8,6,0.3,1"]


def test_a_constant_rate_ends_at_the_target() -> None:
    recipe = Recipe(epochs=9, rate=0.1, warmup=0.0, schedule="constant")
    assert {recipe.rate_at(step, 100) for step in range(100)} == {0.1}
    curve = measure_curve(BatchSweep("mlp", "digits", (64,), 0.5, rates=(0.1,), seeds=1, max_epochs=9))
    assert curve.trials[0].epochs == 1


def test_the_command_writes_what_hybrid_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "e.csv", tmp_path / "e.svg"
    asked = ["epochs", "mlp", "--batches", "64|1024", "--target", "0.85", "--rates", "0.1", "--seeds", "1"]
    assert run([*asked, "--out", str(out), "--plot", str(plot)]) == 0
    assert "measured" in capsys.readouterr().out
    assert EpochCurve.read(out).batches == (64, 1024)
    assert plot.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mlp", "--target", "2"], "target: out of range"), (["mpl"], "mlp"), (["mlp", "--rates", "x"], "not numbers"),
        (["mlp", "--batches", "a"], "not a whole number"), (["mlp", "--data", "digit"], "digits"),
        (["mlp", "--batches", "64", "--target", "0.85", "--rates", "0.1", "--seeds", "1"], "fewer than two batches"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["epochs", *arguments]) == 2
    assert message in capsys.readouterr().err
