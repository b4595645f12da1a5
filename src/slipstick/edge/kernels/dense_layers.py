"""Layers of which each filter sees the whole input: dense ones, and convolutions with one output pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.kernels.overlap import window_overlap
from slipstick.edge.kernels.streams import (
    _live_bias,
    _live_weights,
    _quad_stream,
    _sharing_fields,
    _words_fit,
    moved_bias,
    raw_sums_fit,
    requant_words,
    streamable,
)
from slipstick.edge.layers import ConvLayer


def _dense_words(layer: ConvLayer) -> NDArray[np.int32]:
    """Return the three words of requantisation of each filter [filters, 3], for one rounding: see nn_quads.h."""
    requant = layer.requant
    shift, offset = requant.shift.astype(np.int64), requant.output_offset
    right = np.maximum(-1 - shift, 0)  # of the product's upper half
    rounding = ((1 << right) >> 1) + (offset << right)
    fits = (right > 0) & _words_fit(layer, right)
    other = (shift << 16) | (offset & (2**16 - 1))
    words = [requant.multiplier, np.where(fits, rounding, other), np.where(fits, right, 0)]
    return np.stack(words, axis=1).astype(np.int32)


def _window_is_input(layer: ConvLayer) -> bool:
    same = layer.kernel == layer.input[:2] and layer.padding == (0, 0) and layer.output[:2] == (1, 1)
    return same and layer.dilation == (1, 1) and streamable(layer)


def _kernel(symbol: str, kind: str, requires: str = "") -> Kernel:
    """Return the row of a kernel that computes four filters at a time, from words of four inputs or from each input."""
    words = requant_words if kind == "conv" else _dense_words
    step = 4 if requires == "dsp" else 1

    def pack(layer: ConvLayer) -> dict[str, NDArray[Any]]:
        rows = _live_weights(layer) if kind == "conv" else layer.weights
        rows = rows.reshape(len(rows), -1)
        steps = np.pad(rows, ((0, 0), (0, -rows.shape[1] % step))).reshape(len(rows), -1, step)
        bias = _live_bias(layer) if kind == "conv" else moved_bias(layer)
        return {"weights": _quad_stream(bias, steps, words(layer), sharing=True)}

    return Kernel(
        symbol,
        "nn_stream_conv",
        (kind,),
        {"c": (f"{symbol}.c",)},
        applies=_window_is_input if kind == "conv" else raw_sums_fit,
        requires=frozenset({requires} if requires else ()),
        overlap=window_overlap(0),
        pack=pack,
        fields=_sharing_fields(words),
        header="nn_quads.h",
    )


DENSE_LAYERS = (
    _kernel("nn_dense_s8_dsp", "dense", "dsp"),
    _kernel("nn_dense_s8_plain", "dense"),
)
POINT_CONVOLUTIONS = (
    _kernel("nn_conv_s8_point_dsp", "conv", "dsp"),
    _kernel("nn_conv_s8_point", "conv"),
)
