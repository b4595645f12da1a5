"""A first stage in tiles computes the same bytes in a smaller arena."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("numba")

from edge.single_layers import tensor
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.measured_run import run_firmware
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor, _Options


def residual_network(side: int = 45) -> IntegerNetwork:
    """Return stride 2, a residual branch of a depth-wise and a point-wise convolution, a max pool and a dense layer."""
    rng = np.random.default_rng(5)
    tensors: list[IntegerTensor] = []

    def flow(*shape: int, zero: int = 3, scale: float = 0.05) -> int:
        tensors.append(tensor((1, *shape), np.int8, scale, zero))
        return len(tensors) - 1

    def weights(*shape: int, axis: int = 0, per_filter: bool = True) -> list[int]:
        scales = rng.uniform(0.002, 0.006, shape[axis] if per_filter else 1).astype(np.float32)
        tensors.append(tensor(shape, np.int8, scales, 0, axis, rng.integers(-127, 128, shape).astype(np.int8)))
        bias = rng.integers(-500, 500, shape[axis]).astype(np.int32)
        tensors.append(tensor(bias.shape, np.int32, scales * np.float32(0.05), 0, 0, bias))
        return [len(tensors) - 2, len(tensors) - 1]

    same = _Options(padding="same")
    half = (side + 1) // 2
    x = flow(side, side, 3)
    first, deep, point, both = (flow(half, half, 8, zero=zero) for zero in (1, -4, 2, 0))
    pooled = flow(half // 2, half // 2, 8, zero=0)
    out = flow(5, scale=0.4)
    operators = [
        IntegerOperator("conv", (x, *weights(8, 3, 3, 3)), first, replace(same, stride=(2, 2))),
        IntegerOperator("depthwise", (first, *weights(1, 3, 3, 8, axis=3)), deep, same),
        IntegerOperator("conv", (deep, *weights(8, 1, 1, 8)), point, same),
        IntegerOperator("add", (first, point), both, _Options(activation="relu")),
        IntegerOperator("max_pool", (both,), pooled, _Options(window=(2, 2), stride=(2, 2))),
        IntegerOperator("dense", (pooled, *weights(5, 8 * (half // 2) ** 2, per_filter=False)), out),
    ]
    return IntegerNetwork("residual", tuple(tensors), tuple(operators), x, out)


def test_tiles_compute_the_same_bytes_in_a_smaller_arena() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    network, system = residual_network(), resolve_system("nucleo-f446")
    whole, tiled = (build_firmware(network, system, patches=patches) for patches in (False, True))
    assert tiled.arena.size < whole.arena.size
    assert {use.call.layer.kind for use in tiled.uses} >= {"copy", "conv", "depthwise", "add", "dense"}
    assert (tiled.vectors.outputs == whole.vectors.outputs).all()
    assert len(np.unique(whole.vectors.outputs)) > 4
    run = run_firmware(tiled)  # compares every byte with the runner of the whole network
    assert run.arena == tiled.arena.size
    assert tiled.code is not None
    assert abs(tiled.flash - run.flash) <= 0.02 * run.flash


def test_where_patches_save_nothing_the_network_stays_as_it_is() -> None:
    network = residual_network(3)
    whole, tiled = (build_firmware(network, resolve_system("pico"), patches=patches) for patches in (False, True))
    assert whole.arena.size == tiled.arena.size
    assert len(whole.uses) == len(tiled.uses)


def test_an_arena_too_large_says_what_patches_need() -> None:
    system = resolve_system("nucleo-f446")
    sram = system.memory["sram"].model_copy(update={"capacity": 16_000})
    board = system.model_copy(update={"memory": {**system.memory, "sram": sram}})
    needed = build_firmware(residual_network(64), system, patches=True, arena=16_200).arena.size
    with pytest.raises(SlipstickError, match=f"the arena needs .*; with patches {needed:,} B, more than the sram"):
        build_firmware(residual_network(64), board)
    with pytest.raises(SlipstickError, match=f"arena: the arena needs .*; with patches {needed:,} B.*allowed: from"):
        build_firmware(residual_network(64), system, arena=16_000)
