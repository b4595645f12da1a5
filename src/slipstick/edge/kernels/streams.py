"""Streams of constants: weights and requantisation of each filter in the order in which a core reads them.

Layout: `nn_dsp.h`. A stream is one array of 32-bit words: for each filter its bias, its weights in words of four, and
three words of requantisation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.layers import ConvLayer

_LARGEST = 2**31  # of a sum, shifted to the left


def streamable(layer: ConvLayer) -> bool:
    """Whether a layer's sums and rounding keep to the words of a stream, and its weights have no zero point."""
    fits = (_rounding(layer) + _true_sums(layer) < _LARGEST) | ~alive(layer)
    return raw_sums_fit(layer) and bool(fits.all())


def alive(layer: ConvLayer) -> NDArray[np.bool_]:
    """Return flags of the filters that have more than one code: the others have next to no weights, or a factor near 0.

    Converters leave such filters behind where a channel was dead. They get no weights in a stream, and their code.
    """
    low, high = _extreme_codes(layer)
    living: NDArray[np.bool_] = low != high
    return living


def _extreme_codes(layer: ConvLayer) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each filter's codes of its least and its largest sum; codes rise with sums."""
    requant = layer.requant
    reach, bias = (2**8 - 1) * weight_sums(layer), requant.bias.astype(np.int64)
    left, right = (np.maximum(sign * requant.shift.astype(np.int64), 0) for sign in (1, -1))
    codes: list[NDArray[np.int64]] = []
    for sums in (bias - reach, bias + reach):
        high = ((sums << left) * requant.multiplier.astype(np.int64) + 2**30) // 2**31
        rounded = (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right
        codes.append(np.clip(rounded + requant.output_offset, requant.least, requant.most).astype(np.int64))
    return codes[0], codes[1]


def _rounding(layer: ConvLayer) -> NDArray[np.float64]:
    """Return the magnitude of the word that rounds before a shift to the right and holds the output's offset."""
    right = np.maximum(-layer.requant.shift.astype(int), 0)
    magnitude: NDArray[np.float64] = np.exp2(right.astype(np.float64)) * (abs(layer.requant.output_offset) + 0.5)
    return magnitude


def _true_sums(layer: ConvLayer) -> NDArray[np.float64]:
    """Return the largest magnitude of a filter's sum with its bias, of codes less the zero point."""
    sums: NDArray[np.float64] = weight_sums(layer).astype(np.float64) * (2**8 - 1) + np.abs(
        layer.requant.bias.astype(np.float64)
    )
    return sums


def raw_sums_fit(layer: ConvLayer) -> bool:
    """Whether the weights have no zero point, and sums of codes as they are keep to 32 bits, shifted to the left."""
    left = np.maximum(layer.requant.shift.astype(int), 0)
    return layer.weight_offset == 0 and bool((_largest_sums(layer) * 2.0**left < _LARGEST).all())


def _largest_sums(layer: ConvLayer) -> NDArray[np.float64]:
    """Return the largest magnitude that a filter's sum of codes times weights, or of products and bias, may have."""
    weights = weight_sums(layer).astype(np.float64)
    bias = np.abs(layer.requant.bias.astype(np.float64))
    largest: NDArray[np.float64] = weights * (2**8 - 1 + abs(layer.input_offset)) + bias
    return largest


def weight_sums(layer: ConvLayer) -> NDArray[np.int64]:
    """Return the sum of each filter's magnitudes of weights."""
    sums: NDArray[np.int64] = np.abs(_by_filter(layer).astype(np.int64)).sum(axis=1)
    return sums


def _by_filter(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the weights as rows of filters."""
    depthwise = layer.kind == "depthwise"
    rows: NDArray[np.int8] = layer.weights.reshape(-1, layer.weights.shape[-1]).T if depthwise else layer.weights
    flat: NDArray[np.int8] = rows.reshape(len(rows), -1)
    return flat


def moved_bias(layer: ConvLayer) -> NDArray[np.int32]:
    """Return the biases with the products of the input's offset, so that kernels multiply codes as they are."""
    sums = _by_filter(layer).astype(np.int64).sum(axis=1)
    moved: NDArray[np.int32] = (layer.requant.bias + layer.input_offset * sums).astype(np.int32)
    return moved


def requant_words(layer: ConvLayer) -> NDArray[np.int32]:
    """Return the three words of requantisation of each filter [filters, 3]."""
    requant = layer.requant
    shift, offset = requant.shift.astype(np.int64), requant.output_offset
    right, left = np.maximum(-shift, 0), np.maximum(shift, 0)
    rounding = np.where(right > 0, ((1 << right) >> 1) + (offset << right), (left << 16) | (offset & (2**16 - 1)))
    doubled = (2 * requant.multiplier.astype(np.int64)).astype(np.int32)  # less 2**32, by the sign's bit
    low, high = _extreme_codes(layer)
    constant = np.stack([0 * low, low & (2**16 - 1), 0 * low], axis=1)
    words = np.where((low != high)[:, None], np.stack([doubled, rounding, right], axis=1), constant)
    return words.astype(np.int32)


def stream(layer: ConvLayer, weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the stream of weights ordered as the core reads them [filters, bytes], a multiple of four bytes.

    A filter that is not `alive` gets no weights: its sums stay 0.
    """
    words = np.ascontiguousarray(weights).view("<i4")
    sums = np.concatenate([moved_bias(layer)[:, None], words], axis=1) * alive(layer)[:, None]
    return np.concatenate([sums, requant_words(layer)], axis=1).astype(np.int32)


def depthwise_taps(layer: ConvLayer) -> NDArray[np.int8]:
    """Return each filter's 3 x 3 taps, a word for each column of the window: its three rows and 0."""
    filters = layer.weights.shape[-1]
    columns = np.zeros((filters, 3, 4), np.int8)
    columns[..., :3] = layer.weights.transpose(2, 1, 0)
    return columns.reshape(filters, -1)


def stream_fields(layer: ConvLayer, names: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of nn_stream_conv."""
    sides = zip(("height", "width", "channels") * 2, (*layer.input, *layer.output), strict=True)
    fields = {f"{'in' if place < 3 else 'out'}_{name}": size for place, (name, size) in enumerate(sides)}
    for word, pair in (("kernel", layer.kernel), ("stride", layer.stride)):
        fields |= {f"{word}_height": pair[0], f"{word}_width": pair[1]}
    fields |= {"pad_top": layer.padding[0], "pad_left": layer.padding[1], "zero": -layer.input_offset}
    fields |= {"least": layer.requant.least, "most": layer.requant.most}
    return {name: str(value) for name, value in fields.items()}
