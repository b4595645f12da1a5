"""Convolutions of cores without DSP instructions: Cortex-M0+ and M3, and RISC-V, whose many registers hold 16 sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.streams import moved_bias, requant_words, stream, stream_fields, streamable
from slipstick.edge.layers import ConvLayer


def _applies(layer: ConvLayer) -> bool:
    shape = layer.kernel == (3, 3) and layer.stride == (1, 1) and layer.dilation == (1, 1)
    return shape and layer.input[2] % 4 == 0 and streamable(layer)


def _taps(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the three taps of each channel of each row [filters, rows, channels, taps]."""
    return layer.weights.transpose(0, 1, 3, 2)


def _quad_stream(layer: ConvLayer) -> NDArray[np.int32]:
    """Return the stream of four filters at a time; a filter whose multiplier is 0 gets no weights."""
    groups = layer.output[2] // 4
    alive = (layer.requant.multiplier != 0).astype(np.int8)
    taps = _taps(layer) * alive[:, None, None, None]
    bytes_ = taps.reshape(groups, 4, -1).transpose(0, 2, 1).reshape(groups, -1)
    parts = [
        (moved_bias(layer) * alive).reshape(groups, 4),
        np.ascontiguousarray(bytes_).view("<i4"),
        requant_words(layer).reshape(groups, 12),
    ]
    return np.concatenate(parts, axis=1).astype(np.int32)


def _scratch(layer: ConvLayer) -> int:
    return 72 * layer.input[2] + 4 * layer.output[2]


CONV3X3 = Kernel(
    "nn_conv3x3_s8",
    "nn_stream_conv",
    ("conv",),
    {
        "c": ("nn_conv3x3_s8.c", "nn_conv3x3_words.c", "nn_conv3x3_core.c"),
        "thumbv7m": ("nn_conv3x3_s8.c", "nn_conv3x3_words.c", "nn_conv3x3_core.S"),
    },
    applies=_applies,
    requires=frozenset({"thumb"}),
    scratch_bytes=_scratch,
    pack=lambda layer: {"weights": stream(layer, _taps(layer).reshape(layer.output[2], -1))},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,
)

CONV3X3_QUAD = Kernel(
    "nn_conv3x3_s8_quad",
    "nn_stream_conv",
    ("conv",),
    {"c": ("nn_conv3x3_s8_quad.c", "nn_conv3x3_words.c", "nn_conv3x3_quad_core.c")},
    applies=lambda layer: _applies(layer) and layer.output[2] % 4 == 0,
    requires=frozenset({"rv32"}),
    scratch_bytes=_scratch,
    pack=lambda layer: {"weights": _quad_stream(layer)},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,
)
