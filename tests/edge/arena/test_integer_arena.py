"""Arena problems of integer networks: sizes, aliases and multiply-accumulates are those of the network."""

from __future__ import annotations

import pytest

from commands import ROOT
from shared_data import SHARED
from slipstick.edge.arena.integer_arena import integer_problem
from slipstick.edge.arena.plan_arena import plan_arena, tflm_plan
from slipstick.trained.tflite.tflite_file import read_tflite

SMALL = ROOT / "examples" / "data" / "small.tflite"
MODELS = [
    *(SHARED / "data").glob("mlperf_tiny_models/*int8.tflite"),
    *(SHARED / "data").glob("mobilenet_tflite/*.tflite"),
]


@pytest.mark.parametrize("path", [SMALL, *MODELS], ids=lambda path: path.stem)
def test_a_file_has_its_tensors_and_a_layout(path: object) -> None:
    network = read_tflite(path)  # type: ignore[arg-type]
    problem = integer_problem(network)
    flowing = {op.output for op in network.operators} | {network.input}
    reshaped = [op for op in network.operators if op.kind == "reshape"]
    assert len(problem.tensors) >= len(flowing) - len(reshaped) - 2  # at most two conversions at the border
    assert all(step.macs > 0 for step in problem.steps if step.kind in ("conv", "depthwise", "dense"))
    assert plan_arena(problem).size <= tflm_plan(problem).size


def test_depthwise_in_place_saves_rows() -> None:
    problem = integer_problem(read_tflite(SMALL))
    without = integer_problem(read_tflite(SMALL), rows=False)
    assert plan_arena(problem).size <= plan_arena(without).size
