"""Networks made of few vectors of weights are emitted with a pool: smaller, and the same bytes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("numba")

import slipstick
from edge.small_networks import residual_network
from slipstick.core.catalogue import resolve_system
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.measured_run import run_firmware
from slipstick.trained.integer.integer_network import IntegerNetwork


def pooled_network(vectors: int) -> IntegerNetwork:
    """Return a network whose weights along eight channels are taken from so many vectors."""
    network, rng = residual_network(45), np.random.default_rng(2)
    pool = rng.integers(-60, 61, (vectors, 8)).astype(np.int8)
    tensors = list(network.tensors)
    for op in network.operators:
        if op.kind in ("conv", "dense") and tensors[op.inputs[1]].shape[-1] % 8 == 0:
            weights = tensors[op.inputs[1]]
            codes = pool[rng.integers(0, vectors, weights.size // 8)].reshape(weights.shape)
            tensors[op.inputs[1]] = replace(weights, data=codes)
    return replace(network, tensors=tuple(tensors))


@pytest.mark.parametrize("board", ["nucleo-f446", "esp32-c3-devkitm"])
def test_few_vectors_become_a_pool(board: str) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    system = resolve_system(board)
    pooled, plain = (build_firmware(pooled_network(count), system) for count in (16, 400))
    kernels = [use.kernel.symbol for use in pooled.uses]
    assert [symbol for symbol in kernels if "pool" in symbol.removesuffix("_pool_s8")]
    assert not any(use.call.layer.storage for use in plain.uses if use.call.layer.kind in ("conv", "dense"))
    assert pooled.source.arrays < plain.source.arrays / 3
    run = run_firmware(pooled)  # compares every byte with the runner of the same weights
    assert run.compared["runner"] == pooled.vectors.outputs.size


def test_binary_weights_become_indices_of_one_bit_a_weight() -> None:
    for needed in ("ziglang", "unicorn"):
        pytest.importorskip(needed)
    torch = pytest.importorskip("torch")
    from slipstick.trained.torch import module

    digits = slipstick.data_set("digits")
    network = module("resnet-8", digits)
    texts = ("binary;first=int8:axis=0;last=int8:axis=0", "int8:axis=0")
    binary, plain = (
        slipstick.emit(network, "nucleo-f446", data=digits, formats=text, run=text == texts[0]) for text in texts
    )
    assert binary.value("equal.runner") > 0
    kernels = [str(row[2]) for row in binary.breakdowns["layers"].rows if row[1] == "conv"]
    assert ["pool" in symbol for symbol in kernels] == [False] + [True] * 8  # the first layer has int8
    weights = sum(
        layer.weight.numel()
        for layer in network.modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.in_channels >= 8
    )
    saved = plain.value("memory.weights") - binary.value("memory.weights")
    assert saved > weights * (1 - 1 / 8) - 8 * 256 * 8  # at most all 256 vectors of signs for each layer
