"""Dense layers: two filters and four inputs at a time, on cores with DSP instructions and on others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.overlap import window_overlap
from slipstick.edge.kernels.streams import moved_bias, raw_sums_fit
from slipstick.edge.layers import ConvLayer


def _filled(layer: ConvLayer) -> int:
    return -(-layer.input[2] // 4) * 4


def _pack(layer: ConvLayer) -> dict[str, NDArray[Any]]:
    """Return rows of weights filled up to four inputs, and the biases with the products of the input's offset."""
    weights = np.pad(layer.weights, ((0, 0), (0, _filled(layer) - layer.input[2])))
    return {"weights": weights, "bias": moved_bias(layer)}


DENSE_PAIRS = Kernel(
    "nn_dense_s8_pairs",
    "nn_conv",
    ("dense",),
    {"c": ("nn_dense_s8_pairs.c",)},
    applies=raw_sums_fit,
    requires=frozenset({"dsp"}),
    scratch_bytes=lambda layer: 2 * _filled(layer),
    overlap=window_overlap(1),
    pack=_pack,
    header="nn_dsp.h",
)

DENSE_PLAIN = Kernel(
    "nn_dense_s8_plain",
    "nn_conv",
    ("dense",),
    {"c": ("nn_dense_s8_plain.c",)},
    applies=raw_sums_fit,
    scratch_bytes=lambda layer: _filled(layer) if layer.input[2] % 4 else 0,
    overlap=window_overlap(0),
    pack=_pack,
)
