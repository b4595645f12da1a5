"""Cycles of systolic arrays against SCALE-Sim's, to the cycle; words against what a walk over the folds counts."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from shared_data import REFERENCE, present
from slipstick.array.convolution import _Convolution
from slipstick.array.systolic import _systolic_pass
from slipstick.core.device_kinds import Dataflow
from slipstick.core.errors import SlipstickError

OWN = list(csv.DictReader((Path(__file__).parent / "scalesim.csv").read_text("utf-8").splitlines()))
LAYER = re.compile(r"(\d+)x\d+x(\d+) (\d)x\d (\d+)(?: stride (\d))? valid")
ARRAY = re.compile(r"(\d+) rows x (\d+) columns, (\w\w)")


def cycles(layer: _Convolution, rows: int, columns: int, dataflow: Dataflow) -> int:
    return int(_systolic_pass(layer.pixels, layer.reduction, layer.filters, rows, columns, dataflow).cycles)


@pytest.mark.parametrize("row", OWN, ids=lambda row: "-".join(row.values()))
def test_as_scalesim_run_by_benchmarks_scalesim_rows(row: dict[str, str]) -> None:
    side, kernel, channels, filters, stride, rows, columns = (int(value) for value in list(row.values())[:7])
    side += -(side - kernel) % stride  # SCALE-Sim rounds the output's side up, as if the input had the missing lines
    layer = _Convolution(height=side, width=side, channels=channels, kernel=kernel, filters=filters, stride=stride)
    assert cycles(layer, rows, columns, row["dataflow"]) == int(row["cycles"])


def test_as_scalesim_in_the_reference_file() -> None:
    with present(REFERENCE / "swis.csv").open(encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if row["metric"] == "compute cycles"]
    compared = 0
    for row in found:
        layer, array = LAYER.fullmatch(row["model"]), ARRAY.fullmatch(row["config"])
        if layer is None or array is None:
            continue
        side, channels, kernel, filters, stride = (int(text or 1) for text in layer.groups())
        shape = _Convolution(height=side, width=side, channels=channels, kernel=kernel, filters=filters, stride=stride)
        assert cycles(shape, int(array[1]), int(array[2]), array[3]) == float(row["value"]), row
        compared += 1
    assert compared >= 27
    assert int(_systolic_pass(3136, 576, 64, 8, 8, "os").cycles) == 1850239  # ResNet-18 conv2_1a


def walked(p: int, k: int, f: int, r: int, c: int, dataflow: str) -> tuple[int, int, int]:
    """Words that cross the array's edges, fold by fold, counting only lanes that carry something."""
    inputs = weights = outputs = 0
    first, second = {"os": (p, f), "ws": (k, f), "is": (k, p)}[dataflow]
    for top in range(0, first, r):
        for left in range(0, second, c):
            high, wide = min(r, first - top), min(c, second - left)
            streams = {
                "os": (high * k, k * wide, high * wide),
                "ws": (high * p, high * wide, p * wide),
                "is": (high * wide, high * f, f * wide),
            }
            moved = streams[dataflow]
            inputs, weights, outputs = inputs + moved[0], weights + moved[1], outputs + moved[2]
    return inputs, weights, outputs


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_words_are_those_of_a_walk_over_the_folds(dataflow: Dataflow) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        p, k, f = rng.integers(1, 60, 3).tolist()
        r, c = rng.integers(1, 12, 2).tolist()
        found = _systolic_pass(p, k, f, r, c, dataflow)
        assert (int(found.inputs), int(found.weights), int(found.outputs)) == walked(p, k, f, r, c, dataflow)
        assert 0 < found.utilisation <= 1 or k * p * f <= r * c  # one fold minus the zeroth cycle may exceed 1


def test_a_sweep_is_one_call_and_larger_arrays_need_fewer_folds() -> None:
    sizes = 2 ** np.arange(1, 8)
    found = _systolic_pass(4096, 4608, 512, sizes, sizes, "os")
    assert found.cycles.shape == sizes.shape
    assert (np.diff(found.cycles) < 0).all()
    assert (found.cycles * sizes**2 >= 4096 * 4608 * 512).all()


@pytest.mark.parametrize(("sizes", "message"), [((0, 1, 1, 1, 1), "pixels"), ((1, 1, 1, 1, 0), "columns")])
def test_sizes_below_one_are_refused(sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        _systolic_pass(*sizes, "os")


def test_an_unknown_dataflow_is_refused() -> None:
    with pytest.raises(SlipstickError, match="dataflow"):
        _systolic_pass(1, 1, 1, 1, 1, "rs")  # type: ignore[arg-type]
