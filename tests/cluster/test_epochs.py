"""Epochs against batch, and the crossover of hybrid and data parallelism."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from slipstick.cluster.convergence.epochs_to_target import (
    CriticalBatch,
    EpochCurve,
    Epochs,
)
from slipstick.cluster.convergence.speedup_curves import _speedup
from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError


class _Table(Epochs):
    """Epochs of a few batches, and 1 for every other."""

    source, absolute = "a table", True

    def __init__(self, known: dict[float, float]) -> None:
        self.known = known

    def at(self, batch: ArrayLike) -> FloatArray:
        return np.asarray([self.known.get(float(b), 1.0) for b in np.atleast_1d(np.asarray(batch, float))])


POSITIVE = st.floats(0.01, 100.0)
SHARE = st.floats(0.05, 1.0)


@settings(max_examples=300)
@given(POSITIVE, st.integers(2, 16), st.integers(1, 64), POSITIVE, POSITIVE, SHARE, SHARE)
def test_the_inequality_says_who_converges_sooner(
    su: float, m: int, n: int, en: float, emn: float, sen: float, semn: float
) -> None:
    """From the definition alone: C = T S E with T of a step, steps of an epoch and epochs."""
    data, b, t1 = 1e6, 8.0, 1.0
    data_parallel = (t1 / semn) * (data / (m * n * b)) * emn
    hybrid = (t1 / sen / su) * (data / (n * b)) * en
    if abs(hybrid / data_parallel - 1) > 1e-9:
        epochs = _Table({n * b: en, m * n * b: emn})
        gain = _speedup(n, b, epochs, efficiency=sen, model_parallel=su) / _speedup(m * n, b, epochs, efficiency=semn)
        assert gain == pytest.approx(data_parallel / hybrid)
        assert (gain > 1) == (su > m * (semn / sen) * (en / emn))  # Pal et al., the condition for hybrid parallelism


def test_speedups_follow_from_the_time_to_converge() -> None:
    epochs = CriticalBatch(5.0, 1024.0)
    for n in (1, 4, 64):
        c1 = 1.0 * (1e6 / 8) * epochs.at(8)
        cn = (1.0 / 0.8) * (1e6 / (8 * n)) * epochs.at(8 * n)
        assert _speedup(n, 8, epochs, efficiency=0.8) == pytest.approx(c1 / cn)
    assert _speedup(1, 8, epochs) == 1


def test_two_points_are_met_exactly_and_more_leave_residuals() -> None:
    model, residuals = CriticalBatch.fit([64, 1024], [4.0, 7.0])
    assert model.at([64, 1024]) == pytest.approx([4.0, 7.0])
    assert np.abs(residuals).max() < 1e-12
    _, left = CriticalBatch.fit([64, 256, 1024], [4.0, 6.0, 7.0])
    assert np.abs(left).max() > 0.1
    with pytest.raises(SlipstickError, match="do not grow"):
        CriticalBatch.fit([64, 1024], [4.0, 4.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch,loss\n1,2\n", "no column epochs"), ("batch,epochs\n32,4\n", "two points"),
        ("batch,epochs\n32,x\n64,1\n", "x"), ("batch,epochs\n-1,4\n64,4\n", "grow"),
        ("batch,epochs\n32,0\n64,4\n", "above 0"),
    ],
)  # fmt: skip
def test_bad_files_give_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(SlipstickError, match=message):
        EpochCurve.read(tmp_path / "e.csv")


def test_seeds_are_averaged_and_rows_sorted(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("seed,batch,epochs\n0,64,6\n0,32,4\n1,32,5\n")
    found = EpochCurve.read(tmp_path / "e.csv")
    assert found.batches == (32, 64)
    assert found.epochs == (4.5, 6)
