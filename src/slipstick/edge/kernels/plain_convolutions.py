"""Convolutions of cores without DSP instructions: Cortex-M0+ and M3, and RISC-V, whose many registers hold 16 sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.overlap import _row_ring_overlap, window_overlap
from slipstick.edge.kernels.streams import (
    _depthwise_fields,
    _depthwise_streamable,
    _live_bias,
    _live_weights,
    _quad_stream,
    depthwise_stream,
    requant_words,
    stream,
    stream_fields,
    streamable,
    weight_sums,
)
from slipstick.edge.layers import ConvLayer

_AFTER = 5 * 4  # bytes of the words behind a window of pairs: NN_AFTER in nn_pairs.h


def _windows_inside(layer: ConvLayer) -> bool:
    """Whether all windows lie inside the image."""
    ends = zip(layer.output[:2], layer.stride, layer.kernel, layer.input[:2], strict=True)
    return layer.padding == (0, 0) and all((out - 1) * step + taps <= size for out, step, taps, size in ends)


def _applies(layer: ConvLayer) -> bool:
    shape = layer.kernel == (3, 3) and layer.stride == (1, 1) and layer.dilation == (1, 1)
    return shape and layer.input[2] % 4 == 0 and not layer.weight_offset and streamable(layer)


def _taps(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the three taps of each channel of each row [filters, rows x channels x taps]."""
    return _live_weights(layer).transpose(0, 1, 3, 2).reshape(layer.output[2], -1)


def _values(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the weights of a window of any size [filters, values], filled up to four values."""
    rows = _live_weights(layer).reshape(layer.output[2], -1)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))


def _quads(layer: ConvLayer, weights: NDArray[np.int8]) -> dict[str, NDArray[np.int32]]:
    """Return the stream of four filters at a time, whose weights alternate."""
    return {"weights": _quad_stream(_live_bias(layer), weights[..., None], requant_words(layer))}


def _window_applies(layer: ConvLayer) -> bool:
    return layer.dilation == (1, 1) and not layer.weight_offset and streamable(layer)


def _window_scratch(layer: ConvLayer) -> int:
    height, width = layer.kernel
    return 16 * (-(-height * width * layer.input[2] // 4) * 4) + 4 * layer.output[2]


def _pairs_apply(layer: ConvLayer) -> bool:
    """Whether the products of two taps with two codes add up to 16 bits, and twice the biases fit a word."""
    fits = bool((np.abs(_live_bias(layer)) < 2**30).all()) and bool((_tap_sums(layer, 2) < 2**8).all())
    return layer.dilation == (1, 1) and fits and streamable(layer)


def _eights(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the weights of a window of any size [filters, values], filled up to eight values."""
    rows = _live_weights(layer).reshape(layer.output[2], -1)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8)))


def _tap_sums(layer: ConvLayer, taps: int) -> NDArray[np.int64]:
    """Return the largest sum of magnitudes of a filter's next few taps [filters]."""
    sums = np.abs(_eights(layer).astype(np.int64)).reshape(layer.output[2], -1, taps).sum(axis=2)
    largest: NDArray[np.int64] = sums.max(axis=1)
    return largest


def _pairs_bias(layer: ConvLayer) -> NDArray[np.int32]:
    """Return twice the biases, plus 1 where the products of four taps add up to 16 bits."""
    return 2 * _live_bias(layer) + (_tap_sums(layer, 4) < 2**8).astype(np.int32)


def _pairs(layer: ConvLayer) -> NDArray[np.int32]:
    words = np.ascontiguousarray(_eights(layer)).view("<i4")
    return np.concatenate([_pairs_bias(layer)[:, None], words, requant_words(layer)], axis=1).astype(np.int32)


def _pairs_scratch(layer: ConvLayer) -> int:
    (height, width), pixels = layer.kernel, layer.output[0] * layer.output[1]
    row = width * layer.input[2]
    window, after = 8 * (-(-height * row // 8) * 8), _AFTER if _windows_inside(layer) else max(_AFTER, 2 * row)
    return window + after + (4 * layer.output[2] if pixels < 4 else 0)


CONV_PAIRS = Kernel(
    "nn_conv_s8_pairs",
    "nn_stream_conv",
    ("conv",),
    {
        "c": ("nn_conv_s8_pairs.c", "nn_conv_pairs.c", "nn_conv_pairs_core.c"),
        "thumbv7m": ("nn_conv_s8_pairs.c", "nn_conv_pairs.c", "nn_conv_pairs_core.S"),
        "thumbv6m": ("nn_conv_s8_pairs.c", "nn_conv_pairs.c", "nn_conv_pairs_thumb_core.c", "nn_pairs_sums.S"),
    },
    applies=_pairs_apply,
    scratch_bytes=_pairs_scratch,
    overlap=window_overlap(4),
    pack=lambda layer: {"weights": _pairs(layer)},
    fields=stream_fields,
    header="nn_pairs.h",
)

CONV_PAIRS_QUAD = Kernel(
    "nn_conv_s8_pairs_quad",
    "nn_stream_conv",
    ("conv",),
    {"c": ("nn_conv_s8_pairs_quad.c", "nn_conv_pairs.c", "nn_conv_pairs_quad_core.c")},
    applies=lambda layer: _pairs_apply(layer) and layer.output[2] % 4 == 0,
    requires=frozenset({"rv32"}),
    scratch_bytes=_pairs_scratch,
    overlap=window_overlap(4),
    pack=lambda layer: {"weights": _quad_stream(_pairs_bias(layer), _eights(layer)[..., None], requant_words(layer))},
    fields=stream_fields,
    header="nn_pairs.h",
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
)


def _long_applies(layer: ConvLayer) -> bool:
    """Whether sums of codes as they are keep to 23 bits."""
    return _applies(layer) and bool((weight_sums(layer) * 2**7 < 2**22).all())


CONV3X3_LONG = Kernel(  # fewer instructions than CONV_PAIRS and more cycles, where SMLAL takes 4 to 7
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
)


def _depthwise_applies(layer: ConvLayer) -> bool:
    shape = layer.kernel == (3, 3) and layer.dilation == (1, 1) and max(layer.stride) <= 3
    return shape and layer.output[2] == layer.input[2] and _depthwise_streamable(layer)


DEPTHWISE3X3 = Kernel(
    "nn_depthwise3x3_s8",
    "nn_stream_conv",
    ("depthwise",),
    {"c": ("nn_depthwise3x3_s8.c",)},
    applies=_depthwise_applies,
    overlap=_row_ring_overlap,
    scratch_bytes=lambda layer: 3 * ((layer.output[1] - 1) * layer.stride[1] + 3) * layer.input[2],
    pack=lambda layer: {"weights": depthwise_stream(layer)},
    fields=_depthwise_fields,
    header="nn_words.h",
)


def _valid_applies(layer: ConvLayer) -> bool:
    inside, channels = _windows_inside(layer), layer.input[2]
    fitting = channels % 4 == 0 and layer.output[2] == channels and layer.dilation == (1, 1) and not layer.weight_offset
    return inside and fitting and streamable(layer)


DEPTHWISE_VALID = Kernel(
    "nn_depthwise_s8_valid",
    "nn_stream_conv",
    ("depthwise",),
    {"c": ("nn_depthwise_s8_valid.c",)},
    applies=_valid_applies,
    overlap=window_overlap(0),
    pack=lambda layer: _quads(layer, _live_weights(layer).reshape(-1, layer.output[2]).T),
    fields=stream_fields,
    header="nn_words.h",
)
