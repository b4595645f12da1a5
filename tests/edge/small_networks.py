"""Integer networks of a few layers with random constants: an image's with a residual branch, and a sound's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.single_layers import tensor
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor, _Options

ROWS, WIDTH, CHANNELS = 12, 3, 4
SAME_WIDTH = _Options(padding="same")


class _Tensors:
    """Tensors of a network in the making: `flow` adds one between layers, `weights` those of a layer."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[IntegerTensor] = []

    def flow(self, *shape: int, zero: int = 3, scale: float = 0.05) -> int:
        self.tensors.append(tensor((1, *shape), np.int8, scale, zero))
        return len(self.tensors) - 1

    def weights(self, *shape: int, axis: int = 0, per_filter: bool = True) -> list[int]:
        rng, place = self.rng, len(self.tensors)
        scales = rng.uniform(0.002, 0.006, shape[axis] if per_filter else 1).astype(np.float32)
        codes = rng.integers(-127, 128, shape).astype(np.int8)
        bias = rng.integers(-500, 500, shape[axis]).astype(np.int32)
        self.tensors += [
            tensor(shape, np.int8, scales, 0, axis, codes),
            tensor(bias.shape, np.int32, scales * np.float32(0.05), 0, 0, bias),
        ]
        return [place, place + 1]


def residual_network(side: int = 45) -> IntegerNetwork:
    """Return stride 2, a residual branch of a depth-wise and a point-wise convolution, a max pool and a dense layer."""
    made = _Tensors(5)
    flow, weights = made.flow, made.weights
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
    return IntegerNetwork("residual", tuple(made.tensors), tuple(operators), x, out)


def sound_network(**first: object) -> IntegerNetwork:
    """Return a valid convolution along rows, a dilated depth-wise one, an addition, a pool and a dense layer."""
    made = _Tensors(8)
    flow, weights = made.flow, made.weights
    x = flow(ROWS, WIDTH, CHANNELS)
    high = ROWS - 2
    a = flow(high, WIDTH - 1, 8, zero=1)
    b, both = flow(high, WIDTH - 1, 8, zero=-4), flow(high, WIDTH - 1, 8, zero=0)
    c = flow(high - 4, WIDTH - 1, 8, zero=2)
    pooled = flow(high - 5, WIDTH - 1, 8, zero=2)
    out = flow(5)
    operators = [
        IntegerOperator("conv", (x, *weights(8, 3, 2, CHANNELS)), a, replace(_Options(), **first)),  # type: ignore[arg-type]
        IntegerOperator("conv", (a, *weights(8, 1, 1, 8)), b, _Options(activation="relu")),
        IntegerOperator("add", (a, b), both),
        IntegerOperator("depthwise", (both, *weights(1, 3, 1, 8, axis=3)), c, _Options(dilation=(2, 1))),
        IntegerOperator("max_pool", (c,), pooled, _Options(window=(2, 1))),
        IntegerOperator("dense", (pooled, *weights(5, (high - 5) * (WIDTH - 1) * 8, per_filter=False)), out),
    ]
    return IntegerNetwork("sound", tuple(made.tensors), tuple(operators), x, out)
