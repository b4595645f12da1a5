"""Streams of constants: weights and requantisation of each filter in the order in which a core reads them.

Layout: `nn_dsp.h`. A stream is one array of 32-bit words: for each filter its bias, its weights in words of four, and
three words of requantisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.layers import ConvLayer

_LARGEST = 2**31  # of a sum, shifted to the left


def streamable(layer: ConvLayer) -> bool:
    """Whether a layer's sums and rounding keep to the words of a stream."""
    fits = _words_fit(layer, np.maximum(-layer.requant.shift.astype(np.int64), 0)) | ~_alive(layer)
    return raw_sums_fit(layer) and bool(fits.all())


def _alive(layer: ConvLayer) -> NDArray[np.bool_]:
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


def _words_fit(layer: ConvLayer, right: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return flags of the filters whose rounding before a shift to the right, added to a sum, keeps to 32 bits."""
    rounding = np.exp2(right.astype(np.float64)) * (abs(layer.requant.output_offset) + 0.5)
    fits: NDArray[np.bool_] = rounding + _true_sums(layer) < _LARGEST
    return fits


def _true_sums(layer: ConvLayer) -> NDArray[np.float64]:
    """Return the largest magnitude of a filter's sum with its bias, of codes less the zero point."""
    sums: NDArray[np.float64] = weight_sums(layer).astype(np.float64) * (2**8 - 1) + np.abs(
        layer.requant.bias.astype(np.float64)
    )
    return sums


def raw_sums_fit(layer: ConvLayer) -> bool:
    """Whether the weights' offset fits a byte, and sums of codes as they are keep to 32 bits, shifted to the left."""
    left = np.maximum(layer.requant.shift.astype(int), 0)
    return abs(layer.weight_offset) < 2**7 and bool((_largest_sums(layer) * 2.0**left < _LARGEST).all())


def _largest_sums(layer: ConvLayer) -> NDArray[np.float64]:
    """Return the largest magnitude that a filter's sum of codes times weights, or of products and bias, may have."""
    offsets = abs(layer.weight_offset) * _by_filter(layer).shape[1]  # products with codes and with the offset, apart
    weights = (weight_sums(layer) + 2 * offsets).astype(np.float64)
    bias = np.abs(layer.requant.bias.astype(np.float64))
    largest: NDArray[np.float64] = weights * (2**8 - 1 + abs(layer.input_offset)) + bias
    return largest


def weight_sums(layer: ConvLayer) -> NDArray[np.int64]:
    """Return the sum of each filter's magnitudes of weights, their offset included."""
    sums: NDArray[np.int64] = np.abs(_by_filter(layer).astype(np.int64)).sum(axis=1)
    return sums


def _by_filter(layer: ConvLayer) -> NDArray[np.int16]:
    """Return the weights with their offset as rows of filters."""
    depthwise = layer.kind == "depthwise"
    rows: NDArray[np.int8] = layer.weights.reshape(-1, layer.weights.shape[-1]).T if depthwise else layer.weights
    flat: NDArray[np.int16] = rows.reshape(len(rows), -1).astype(np.int16) + np.int16(layer.weight_offset)
    return flat


def moved_bias(layer: ConvLayer) -> NDArray[np.int32]:
    """Return the biases with the products of the input's offset, so that kernels multiply codes as they are."""
    sums = _by_filter(layer).astype(np.int64).sum(axis=1)
    moved: NDArray[np.int32] = (layer.requant.bias + layer.input_offset * sums).astype(np.int32)
    return moved


def _live_bias(layer: ConvLayer) -> NDArray[np.int32]:
    """Return the moved biases, 0 of a filter that is not `_alive`."""
    return np.where(_alive(layer), moved_bias(layer), 0).astype(np.int32)


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


def _live_weights(layer: ConvLayer) -> NDArray[np.int8]:
    """Return the weights, of a filter that is not `_alive` minus the offset, so that its products add up to 0."""
    living = _alive(layer) if layer.kind == "depthwise" else _alive(layer).reshape(-1, *[1] * (layer.weights.ndim - 1))
    weights: NDArray[np.int8] = np.where(living, layer.weights, -layer.weight_offset).astype(np.int8)
    return weights


def stream(layer: ConvLayer, weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the stream of `_live_weights` in the order of the core [filters, bytes], a multiple of four bytes."""
    words = np.ascontiguousarray(weights).view("<i4")
    return np.concatenate([_live_bias(layer)[:, None], words, requant_words(layer)], axis=1).astype(np.int32)


def _shares_words(words: NDArray[np.int32]) -> bool:
    """Whether all filters have the same words of requantisation [filters, 3]."""
    return bool((words == words[0]).all())


def _depthwise_streamable(layer: ConvLayer) -> bool:
    """Whether a depth-wise layer is `streamable`, and its filters share their words if the weights have an offset."""
    return streamable(layer) and (layer.weight_offset == 0 or _shares_words(requant_words(layer)))


def _depthwise_fields(layer: ConvLayer, names: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of nn_stream_conv for `depthwise_stream`."""
    return stream_fields(layer, names) | {"shared": str(int(layer.weight_offset != 0))}


def depthwise_stream(layer: ConvLayer) -> NDArray[np.int32]:
    """Return the stream of a depth-wise 3 x 3 layer; words of requantisation stand once where weights have an offset.

    A filter's taps are a word for each column of the window: its three rows and the weights' offset.
    """
    columns = np.full((layer.output[2], 3, 4), layer.weight_offset, np.int8)
    columns[..., :3] = _live_weights(layer).transpose(2, 1, 0)
    filters = stream(layer, columns.reshape(len(columns), -1))
    words = filters[:, -3:]
    return np.concatenate([words[0], filters[:, :-3].ravel()]) if layer.weight_offset else filters.ravel()


def _quad_stream(
    bias: NDArray[np.int32], weights: NDArray[np.int8], words: NDArray[np.int32], *, sharing: bool = False
) -> NDArray[np.int32]:
    """Return the stream of four filters at a time, a last group filled up: biases, weights, words of requantisation.

    Parameters
    ----------
    weights : `_live_weights` as the core reads a filter's [filters, steps, bytes]; filters alternate behind each step.
    words : of requantisation [filters, 3].
    sharing : whether words that all filters share stand once before them.
    """
    missing, groups = -len(weights) % 4, -(-len(weights) // 4)
    quads = np.pad(weights, ((0, missing), (0, 0), (0, 0))).reshape(groups, 4, *weights.shape[1:])
    alternating = np.ascontiguousarray(quads.transpose(0, 2, 1, 3)).reshape(groups, -1).view("<i4")
    parts = [np.pad(bias, (0, missing)).reshape(groups, 4), alternating]
    if sharing and _shares_words(words):
        return np.concatenate([words[0], np.concatenate(parts, axis=1).ravel()]).astype(np.int32)
    behind = np.pad(words, ((0, missing), (0, 0))).reshape(groups, 3 * 4)
    return np.concatenate([*parts, behind], axis=1).astype(np.int32)


def _sharing_fields(words: Callable[[ConvLayer], NDArray[np.int32]]) -> Callable[..., dict[str, str]]:
    """Return a function like `stream_fields` for streams whose words stand once if all filters share them."""
    return lambda layer, names: stream_fields(layer, names) | {"shared": str(int(_shares_words(words(layer))))}


def stream_fields(layer: ConvLayer, names: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of nn_stream_conv."""
    sides = zip(("height", "width", "channels") * 2, (*layer.input, *layer.output), strict=True)
    fields = {f"{'in' if place < 3 else 'out'}_{name}": size for place, (name, size) in enumerate(sides)}
    for word, pair in (("kernel", layer.kernel), ("stride", layer.stride)):
        fields |= {f"{word}_height": pair[0], f"{word}_width": pair[1]}
    fields |= {"pad_top": layer.padding[0], "pad_left": layer.padding[1], "zero": -layer.input_offset}
    fields |= {"least": layer.requant.least, "most": layer.requant.most}
    fields |= {"weight_offset": layer.weight_offset, "shared": 0}
    return {name: str(value) for name, value in fields.items()}
