"""Convolutions of cores without DSP instructions: Cortex-M0+ and M3, and RISC-V, whose many registers hold 16 sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.overlap import _row_ring_overlap, window_overlap
from slipstick.edge.kernels.streams import (
    alive,
    depthwise_taps,
    moved_bias,
    requant_words,
    stream,
    stream_fields,
    streamable,
    weight_sums,
)
from slipstick.edge.layers import ConvLayer


def _applies(layer: ConvLayer) -> bool:
    shape = layer.kernel == (3, 3) and layer.stride == (1, 1) and layer.dilation == (1, 1)
    return shape and layer.input[2] % 4 == 0 and streamable(layer)


def _taps(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the three taps of each channel of each row [filters, rows x channels x taps]."""
    return layer.weights.transpose(0, 1, 3, 2).reshape(layer.output[2], -1)


def _values(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the weights of a window of any size [filters, values], filled up to four values."""
    rows = layer.weights.reshape(layer.output[2], -1)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))


def _quad_stream(layer: ConvLayer, weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the stream of four filters at a time; a filter that is not `alive` gets no weights."""
    groups = layer.output[2] // 4
    living = alive(layer).astype(np.int8)
    interleaved = (weights * living[:, None]).reshape(groups, 4, -1).transpose(0, 2, 1).reshape(groups, -1)
    parts = [
        (moved_bias(layer) * living).reshape(groups, 4),
        np.ascontiguousarray(interleaved).view("<i4"),
        requant_words(layer).reshape(groups, 3 * 4),
    ]
    return np.concatenate(parts, axis=1).astype(np.int32)


def _window_applies(layer: ConvLayer) -> bool:
    return layer.dilation == (1, 1) and streamable(layer)


def _window_scratch(layer: ConvLayer) -> int:
    height, width = layer.kernel
    return 16 * (-(-height * width * layer.input[2] // 4) * 4) + 4 * layer.output[2]


def _scratch(layer: ConvLayer) -> int:
    window = 3 * 6 * 4  # bytes a channel: three rows of six pixels
    return window * layer.input[2] + 4 * layer.output[2]


CONV3X3 = Kernel(
    "nn_conv3x3_s8",
    "nn_stream_conv",
    ("conv",),
    {
        "c": ("nn_conv3x3_s8.c", "nn_conv3x3_words.c", "nn_conv3x3_core.c"),
        "thumbv7m": ("nn_conv3x3_s8.c", "nn_conv3x3_words.c", "nn_conv3x3_core.S"),
    },
    applies=_applies,
    scratch_bytes=_scratch,
    overlap=window_overlap(4, by_row=True),
    pack=lambda layer: {"weights": stream(layer, _taps(layer))},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,  # of nn_conv in nn.h
)

CONV3X3_QUAD = Kernel(
    "nn_conv3x3_s8_quad",
    "nn_stream_conv",
    ("conv",),
    {"c": ("nn_conv3x3_s8_quad.c", "nn_conv3x3_words.c", "nn_conv3x3_quad_core.c")},
    applies=lambda layer: _applies(layer) and layer.output[2] % 4 == 0,
    requires=frozenset({"rv32"}),
    scratch_bytes=_scratch,
    overlap=window_overlap(4, by_row=True),
    pack=lambda layer: {"weights": _quad_stream(layer, _taps(layer))},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,  # of nn_conv in nn.h
)

CONV_WORDS = Kernel(
    "nn_conv_s8_words",
    "nn_stream_conv",
    ("conv",),
    {
        "c": ("nn_conv_s8_words.c", "nn_conv_words.c", "nn_conv_core.c"),
        "thumbv7m": ("nn_conv_s8_words.c", "nn_conv_words.c", "nn_conv_core.S"),
    },
    applies=_window_applies,
    scratch_bytes=_window_scratch,
    overlap=window_overlap(4),
    pack=lambda layer: {"weights": stream(layer, _values(layer))},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,  # of nn_conv in nn.h
)

CONV_QUAD = Kernel(
    "nn_conv_s8_quad",
    "nn_stream_conv",
    ("conv",),
    {"c": ("nn_conv_s8_quad.c", "nn_conv_words.c", "nn_conv_quad_core.c")},
    applies=lambda layer: _window_applies(layer) and layer.output[2] % 4 == 0,
    requires=frozenset({"rv32"}),
    scratch_bytes=_window_scratch,
    overlap=window_overlap(4),
    pack=lambda layer: {"weights": _quad_stream(layer, _values(layer))},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,  # of nn_conv in nn.h
)


def _long_applies(layer: ConvLayer) -> bool:
    """Whether sums of codes as they are keep to 23 bits."""
    return _applies(layer) and bool((weight_sums(layer) * 2**7 < 2**22).all())


CONV3X3_LONG = Kernel(  # fewer instructions than CONV3X3 and more cycles, where SMLAL takes 4 to 7
    "nn_conv3x3_s8_long",
    "nn_stream_conv",
    ("conv",),
    {
        "c": ("nn_conv3x3_s8_long.c", "nn_conv3x3_long_core.c"),
        "thumbv7m": ("nn_conv3x3_s8_long.c", "nn_conv3x3_long_core.S"),
    },
    applies=_long_applies,
    requires=frozenset({"thumb2"}),
    scratch_bytes=lambda layer: 60 * layer.input[2] + 4 * layer.output[2],
    overlap=window_overlap(4, by_row=True),
    pack=lambda layer: {"weights": stream(layer, _taps(layer))},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,  # of nn_conv in nn.h
)


def _depthwise_applies(layer: ConvLayer) -> bool:
    shape = layer.kernel == (3, 3) and layer.dilation == (1, 1) and max(layer.stride) <= 3
    return shape and layer.output[2] == layer.input[2] and streamable(layer)


DEPTHWISE3X3 = Kernel(
    "nn_depthwise3x3_s8",
    "nn_stream_conv",
    ("depthwise",),
    {"c": ("nn_depthwise3x3_s8.c",)},
    applies=_depthwise_applies,
    overlap=_row_ring_overlap,
    scratch_bytes=lambda layer: 3 * ((layer.output[1] - 1) * layer.stride[1] + 3) * layer.input[2],
    pack=lambda layer: {"weights": stream(layer, depthwise_taps(layer))},
    fields=stream_fields,
    header="nn_words.h",
    struct_bytes=22,  # of nn_conv in nn.h
)
