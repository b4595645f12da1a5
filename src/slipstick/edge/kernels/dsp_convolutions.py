"""Convolutions of cores with DSP instructions (Cortex-M4, M7, M33): two products of 16 bits at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.arena.arena_problem import Overlap
from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.overlap import window_overlap
from slipstick.edge.kernels.streams import (
    _depthwise_fields,
    _depthwise_streamable,
    _live_weights,
    depthwise_stream,
    stream,
    stream_fields,
    streamable,
)
from slipstick.edge.layers import ConvLayer

_DSP = frozenset({"dsp"})
_TAPS = [(0, 0), (0, 1), (2, 0), (2, 1), (0, 2), (1, 0), (2, 2), (3, 0), (1, 1), (1, 2), (3, 1), (3, 2)]


def _square_applies(layer: ConvLayer) -> bool:
    shape = layer.kernel == (3, 3) and layer.stride == (1, 1) and layer.dilation == (1, 1)
    return shape and layer.input[2] % 4 == 0 and not layer.weight_offset and streamable(layer)


def _square_weights(layer: ConvLayer) -> NDArray[np.int8]:
    """Return weights in the order of the core: rows, fours of channels, then (channel, column) of three words."""
    filters, _, _, channels = layer.weights.shape
    fours = _live_weights(layer).reshape(filters, 3, 3, channels // 4, 4).transpose(0, 1, 3, 4, 2)
    ordered = np.stack([fours[..., channel, column] for channel, column in _TAPS], axis=-1)
    return ordered.reshape(filters, -1)


CONV3X3_DSP = Kernel(
    "nn_conv3x3_s8_dsp",
    "nn_stream_conv",
    ("conv",),
    {
        "c": ("nn_conv3x3_s8_dsp.c", "nn_conv3x3_dsp_core.c"),
        "thumbv7em": ("nn_conv3x3_s8_dsp.c", "nn_conv3x3_dsp_core.S"),
    },
    applies=_square_applies,
    requires=_DSP,
    scratch_bytes=lambda layer: 3 * 6 * 2 * layer.input[2] + 4 * layer.output[2],
    overlap=window_overlap(4, by_row=True),
    pack=lambda layer: {"weights": stream(layer, _square_weights(layer))},
    fields=stream_fields,
    header="nn_dsp.h",
)


def _window_applies(layer: ConvLayer) -> bool:
    return layer.dilation == (1, 1) and streamable(layer)


def _filled(layer: ConvLayer) -> tuple[int, int]:
    """Return the values of a window's row, filled up to four, and of the window, filled up to eight."""
    row = -(-layer.kernel[1] * layer.input[2] // 4) * 4
    return row, -(-layer.kernel[0] * row // 8) * 8


def _window_weights(layer: ConvLayer) -> NDArray[np.int8]:
    """Return weights in the order of the core: fours of values as (0, 1, 2, 3), of which (0, 2) and (1, 3) pair."""
    filters, height, width, channels = layer.weights.shape
    row, size = _filled(layer)
    rows = np.zeros((filters, height, row), np.int8)
    rows[:, :, : width * channels] = _live_weights(layer).reshape(filters, height, -1)
    ordered = np.zeros((filters, size), np.int8)
    ordered[:, : height * row] = rows.reshape(filters, -1)
    return ordered


def _window_scratch(layer: ConvLayer) -> int:
    row, size = _filled(layer)
    pixels = layer.output[0] * layer.output[1]
    return 8 * size + max(row, 16) + (4 * layer.output[2] if pixels < 4 else 0)


CONV_DSP = Kernel(
    "nn_conv_s8_dsp",
    "nn_stream_conv",
    ("conv",),
    {
        "c": ("nn_conv_s8_dsp.c", "nn_conv_dsp_core.c"),
        "thumbv7em": ("nn_conv_s8_dsp.c", "nn_conv_dsp_core.S"),
    },
    applies=_window_applies,
    requires=_DSP,
    scratch_bytes=_window_scratch,
    overlap=window_overlap(4),
    pack=lambda layer: {"weights": stream(layer, _window_weights(layer))},
    fields=stream_fields,
    header="nn_dsp.h",
)


def _depthwise_applies(layer: ConvLayer) -> bool:
    shape = layer.kernel == (3, 3) and layer.stride == (1, 1) and layer.dilation == (1, 1)
    channels = layer.input[2]
    return shape and layer.output[2] == channels and channels % 4 == 0 and _depthwise_streamable(layer)


def _depthwise_overlap(layer: ConvLayer) -> Overlap | None:
    """Return that the output may be the input: four channels at a time are read before they are written."""
    smaller = layer.output[0] <= layer.input[0] and layer.output[1] <= layer.input[1]
    return Overlap(exact=True) if smaller and layer.padding[0] <= 1 else None


DEPTHWISE3X3_DSP = Kernel(
    "nn_depthwise3x3_s8_dsp",
    "nn_stream_conv",
    ("depthwise",),
    {
        "c": ("nn_depthwise3x3_s8_dsp.c", "nn_depthwise3x3_dsp_core.c"),
        "thumbv7em": ("nn_depthwise3x3_s8_dsp.c", "nn_depthwise3x3_dsp_core.S"),
    },
    applies=_depthwise_applies,
    requires=_DSP,
    scratch_bytes=lambda layer: 32 * (layer.output[1] + 2),
    overlap=_depthwise_overlap,
    pack=lambda layer: {"weights": depthwise_stream(layer)},
    fields=_depthwise_fields,
    header="nn_dsp.h",
)
