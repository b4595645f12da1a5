"""Arenas of firmware: never above TFLM's plan, kernels under a limit, another order of branches; the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("numba")

from commands import ROOT
from edge.single_layers import tensor
from edge.small_networks import residual_network
from shared_data import SHARED
from slipstick.core.catalogue import resolve_system
from slipstick.edge.arena.operator_order import best_order
from slipstick.edge.firmware.arena_plan import _arena_problem
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.lowering import lower
from slipstick.edge.firmware.measured_run import run_firmware
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor, _Options
from slipstick.trained.tflite.tflite_file import read_tflite

TINY, MOBILE = SHARED / "data" / "mlperf_tiny_models", SHARED / "data" / "mobilenet_tflite"
FILES = [ROOT / "examples" / "data" / "small.tflite", TINY / "vww_96_int8.tflite", TINY / "ad01_int8.tflite",
         TINY / "kws_ref_model.tflite", TINY / "str_ww_ref_model.tflite", TINY / "pretrainedResnet_quant.tflite",
         MOBILE / "mobilenet_v1_0.25_128_quant.tflite"]  # fmt: skip


@pytest.mark.parametrize("path", [path for path in FILES if path.exists()], ids=lambda path: path.stem)
def test_no_arena_is_above_the_plan_of_tflm(path: object) -> None:
    network = read_tflite(path)  # type: ignore[arg-type]
    for board in ("nucleo-h743", "esp32-c3-devkitm", "nucleo-f207"):
        arena = build_firmware(network, resolve_system(board)).arena
        assert arena.layout.bound <= arena.size <= arena.tflm
    flowing = {network.input, *(op.output for op in network.operators)}
    problem, places = _arena_problem(lower(network))
    assert len(places) <= len(problem.tensors) <= len(flowing)  # reshapes and the border in real numbers are no tensors
    assert all(step.macs > 0 for step in problem.steps if step.kind in ("conv", "depthwise", "dense"))


def test_kernels_of_less_scratch_keep_to_a_limit() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    network, system = residual_network(), resolve_system("nucleo-f446")
    usual, least = build_firmware(network, system), build_firmware(network, system, arena=9000)
    assert least.arena.size <= 9000 < usual.arena.size
    assert {use.kernel.symbol for use in least.uses} != {use.kernel.symbol for use in usual.uses}
    ran = [run_firmware(firmware) for firmware in (usual, least)]  # each byte is compared with the runner's
    assert ran[0].instructions < ran[1].instructions


def branching_network() -> IntegerNetwork:
    """Return two branches that widen 8 channels to 64 and narrow them to 8 again, in an order that holds both wide."""
    rng = np.random.default_rng(3)
    tensors: list[IntegerTensor] = []

    def flow(channels: int) -> int:
        tensors.append(tensor((1, 9, 9, channels), np.int8, 0.05, 3))
        return len(tensors) - 1

    def conv(x: int, before: int, y: int, channels: int) -> IntegerOperator:
        scales = rng.uniform(0.002, 0.006, channels).astype(np.float32)
        codes = rng.integers(-127, 128, (channels, 1, 1, before)).astype(np.int8)
        bias = rng.integers(-500, 500, channels).astype(np.int32)
        tensors.append(tensor(codes.shape, np.int8, scales, 0, 0, codes))
        tensors.append(tensor(bias.shape, np.int32, scales * np.float32(0.05), 0, 0, bias))
        return IntegerOperator("conv", (x, len(tensors) - 2, len(tensors) - 1), y, _Options(padding="same"))

    x, wide, other, low, narrow, total = (flow(channels) for channels in (8, 64, 64, 8, 8, 8))
    operators = [conv(x, 8, wide, 64), conv(x, 8, other, 64), conv(wide, 64, low, 8), conv(other, 64, narrow, 8)]
    operators.append(IntegerOperator("add", (low, narrow), total, _Options()))
    return IntegerNetwork("branches", tuple(tensors), tuple(operators), x, total)


def test_branches_run_in_the_order_of_the_smaller_arena() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    network = branching_network()
    firmware = build_firmware(network, resolve_system("nucleo-f446"))
    assert [call.operator for call in firmware.network.calls] == [0, 2, 1, 3, 4]
    assert firmware.arena.size < 2 * 9 * 9 * 64  # both wide tensors are never there at once
    problem = firmware.arena.layout.problem
    assert best_order(problem) == tuple(range(5))
    run = run_firmware(firmware)
    assert run.arena == firmware.arena.size
    named = replace(network, operators=tuple(network.operators[place] for place in (0, 2, 1, 3, 4)))
    assert build_firmware(named, resolve_system("nucleo-f446")).arena.size == firmware.arena.size
