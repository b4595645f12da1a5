"""Signals of each family of arithmetics: the sums as hardware counts them, and what is inside traced outputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.array.golden.golden_layer import Signals, TracedLayer, VectorArray, signed_array
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers
from slipstick.formats.arithmetic.bit_streams import _DRAWN, Role, _numbers
from slipstick.formats.arithmetic.stochastic_oracle import _drawn_taps, _streams

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray
    from slipstick.formats.arithmetic.analog import Analog
    from slipstick.formats.arithmetic.converter import Converter

_SUM = ("image", "filter", "row", "column")
_ACCUMULATOR = 32  # bits
_MAX_ADC_BITS = 16  # whose thresholds are listed, one for each code
_NOISE = ("read_noise", "weight_noise", "drift", "companding")


def _stochastic(layer: TracedLayer) -> Signals:
    """Return counts of streams: sums are ones of positive products less ones of negative."""
    arithmetic, w = layer.arithmetic, layer.weights.elements
    taps, length = w[0].size, arithmetic.length
    mux = arithmetic.count == "mux"
    value = float(layer.inputs.full * layer.weights.full * (taps if mux else 1) / length)
    sums = _whole(arithmetic.layer_sums(layer.inputs, layer.weights, layer.window), value)
    groups = arithmetic.tap_groups(w.shape[1:])
    most = (arithmetic.counted or (1 if mux else taps)) * (int(groups.max()) + 1)
    arguments = {
        "length": length, "generator": arithmetic.generator, "counted": 0 if mux else arithmetic.counted or 0,
        "multiplexed": mux, "seeds": arithmetic.seeds, "binary": arithmetic.binary, "depth": arithmetic.depth,
        "unit": arithmetic.unit, "wait": arithmetic.wait,
    }  # fmt: skip
    arrays = {"sums": signed_array(sums, _SUM, (most * length).bit_length() + 1)}
    return arguments, value, {**arrays, **_drawn(arithmetic, taps), **_stream_signals(layer, groups)}


def _stream_signals(layer: TracedLayer, groups: AnyArray) -> dict[str, VectorArray]:
    """Return streams of the operands of traced outputs, and what is counted of each sign in every cycle."""
    arithmetic, w, x = layer.arithmetic, layer.weights.elements, layer.window.padded(layer.inputs.elements)
    taps, length, mux = w[0].size, arithmetic.length, arithmetic.count == "mux"
    index = np.arange(w.size).reshape(w.shape)
    places = index if arithmetic.seeds == "separate" else index % taps
    a = _streams(arithmetic, WholeNumbers(x, layer.inputs.full), "input", np.arange(x[0].size).reshape(x[0].shape))
    b = _streams(arithmetic, layer.weights, "weight", places)
    count, of_tap = int(groups.max()) + 1, groups.ravel()
    streams = np.zeros((2, len(layer.outputs), taps, length), np.bool_)
    counts = np.zeros((2, len(layer.outputs), count, length), np.int64)
    for number, output in enumerate(layer.outputs):
        n = output[1]
        streams[0, number] = layer.taps(a, output).reshape(taps, length)
        streams[1, number] = b[n].reshape(taps, length)
        products = streams[0, number] & streams[1, number]
        if mux:
            products &= _drawn_taps(length, taps) == np.arange(taps)[:, None]
        signs = np.sign(layer.taps(x, output)).ravel() * np.sign(w[n]).ravel()
        for group, (place, sign) in itertools.product(range(count), enumerate((1, -1))):
            ones = products[(of_tap == group) & (signs == sign)].sum(axis=0)
            counts[place, number, group] = ones if arithmetic.counted is None else np.minimum(ones, arithmetic.counted)
    of_stream, of_count = ("output", "tap", "cycle"), ("output", "group", "cycle")
    bits = max(1, int(counts.max(initial=0)).bit_length())
    return {
        "input_streams": VectorArray(streams[0], of_stream, length, packed=True),
        "weight_streams": VectorArray(streams[1], of_stream, length, packed=True),
        "positive": VectorArray(counts[0], of_count, bits), "negative": VectorArray(counts[1], of_count, bits),
    }  # fmt: skip


def _drawn(arithmetic: Any, taps: int) -> dict[str, VectorArray]:
    """Return what no register makes: random numbers, draws of streams with exactly v ones, taps of a multiplexer."""
    arrays: dict[str, VectorArray] = {}
    length, axes = arithmetic.length, ("seed", "cycle")
    roles: dict[str, Role] = {"inputs": "input", "weights": "weight"}
    for name, role in roles.items():
        if arithmetic.generator == "random":
            numbers = _numbers("random", length, role)
            arrays[f"{name}_numbers"] = VectorArray(numbers, axes, (length - 1).bit_length())
        elif arithmetic.generator == "accurate":  # the draws of `bit_streams._drawn_exactly`
            draws = np.random.default_rng([length, role == "weight", 1]).random((_DRAWN, length))
            arrays[f"{name}_draws"] = VectorArray(draws, axes, 0)
    if arithmetic.count == "mux":
        drawn = _drawn_taps(length, taps)
        arrays["drawn_taps"] = VectorArray(drawn, ("cycle",), max(1, (taps - 1).bit_length()))
    return arrays


def _approximate(layer: TracedLayer) -> Signals:
    """Return exact sums of a table's products."""
    multiplier, w = layer.arithmetic.multiplier, layer.weights.elements
    sums = np.asarray(layer.arithmetic.layer_sums(layer.inputs, layer.weights, layer.window), np.int64)
    x = layer.window.padded(layer.inputs.elements)
    products = [multiplier.multiply(layer.taps(x, output), w[output[1]]).ravel() for output in layer.outputs]
    traced = np.array(products, np.int64).reshape(len(layer.outputs), w[0].size)
    arrays = {
        "products": signed_array(multiplier.products, ("input", "weight"), 2 * multiplier.bits),
        "sums": signed_array(sums, _SUM, _ACCUMULATOR),
        "tap_products": signed_array(traced, ("output", "tap"), 2 * multiplier.bits),
    }
    return {"operands": multiplier.operands}, 1.0, arrays


def _analog(layer: TracedLayer) -> Signals:
    """Return codes of converters, added up, and sum and code of every array of traced outputs.

    Errors
    ------
    SlipstickError for noise, drift and growing steps, and converters of more than 16 bits.
    """
    arithmetic: Analog = layer.arithmetic
    _check_converters(arithmetic)
    converter = arithmetic.converter(layer.inputs, layer.weights)
    sums = _whole(arithmetic.layer_sums(layer.inputs, layer.weights, layer.window), float(converter.step))
    slices = arithmetic.digits(layer.weights)
    passes = arithmetic._passes(WholeNumbers(layer.inputs.elements, layer.inputs.full))
    partial, codes = _array_signals(layer, converter)
    most = arithmetic.rows * layer.inputs.full * max(digits.full for _, digits in slices)
    step = 1 << max(0, layer.inputs.full.bit_length() - arithmetic.dac_bits)
    arguments = {
        "rows": arithmetic.rows, "columns": arithmetic.columns, "slices": arithmetic.slices, "input_step": step,
        "slice_bits": slices[0][1].full.bit_length() - 1, "passes": len(passes), "adc_bits": arithmetic.adc_bits,
    }  # fmt: skip
    of_array = ("output", "part", "array")
    arrays = {
        "thresholds": VectorArray(_thresholds(converter, most), ("code",), most.bit_length()),
        "sums": signed_array(sums, _SUM, _ACCUMULATOR),
        "partial_sums": signed_array(partial, of_array, most.bit_length() + 1),
        "codes": signed_array(codes, of_array, arithmetic.adc_bits + (not converter.signed)),
    }
    return arguments, float(converter.step), arrays


def _check_converters(arithmetic: Analog) -> None:
    """Raise SlipstickError for arrays whose sums are not the same whole numbers each time."""
    for name in _NOISE:
        value = getattr(arithmetic, name)
        if value:
            message = "golden vectors are whole numbers, the same each time"
            raise SlipstickError(message, path=f"analog.{name}", value=value, allowed="0, or left out")
    if arithmetic.adc_bits > _MAX_ADC_BITS:
        message = "golden vectors list a threshold for each code"
        allowed = f"up to {_MAX_ADC_BITS} bits"
        raise SlipstickError(message, path="analog.adc_bits", value=arithmetic.adc_bits, allowed=allowed)


def _thresholds(converter: Converter, most: int) -> AnyArray:
    """Return the least whole sum of each code from 1 up, of those that sums up to `most` reach."""
    codes = converter.codes(np.arange(most + 1))  # monotone
    return np.searchsorted(codes, np.arange(1, int(codes[-1]) + 1)).astype(np.int64)


def _array_signals(layer: TracedLayer, converter: Converter) -> tuple[AnyArray, AnyArray]:
    """Return sums and codes [output, part, array] of traced outputs: parts are passes, slices and columns."""
    arithmetic: Analog = layer.arithmetic
    x = layer.window.padded(layer.inputs.elements)
    passes = arithmetic._passes(WholeNumbers(x, layer.inputs.full))
    columns = [1] if converter.signed else [1, -1]
    parts = list(itertools.product(passes, arithmetic.digits(layer.weights), columns))
    taps = layer.weights.elements[0].size
    arrays = range(0, taps, arithmetic.rows)
    partial = np.zeros((len(layer.outputs), len(parts), len(arrays)), np.int64)
    for number, output in enumerate(layer.outputs):
        for part, ((_, driven), (_, digits), column) in enumerate(parts):
            own = digits.elements[output[1]].ravel()
            own = own if converter.signed else np.maximum(column * own, 0)
            products = layer.taps(driven, output).ravel().astype(np.int64) * own
            partial[number, part] = [products[first : first + arithmetic.rows].sum() for first in arrays]
    return partial, converter.codes(partial).astype(np.int64)


def _whole(sums: AnyArray, value: float) -> AnyArray:
    """Return float32 sums as the whole numbers of counts that they stand for.

    Errors
    ------
    SlipstickError for sums that are none, so that no golden vector is a rounded figure.
    """
    counts = np.rint(np.asarray(sums, np.float64) / value).astype(np.int64)
    if not np.array_equal(counts.astype(np.float32) * np.float32(value), np.asarray(sums, np.float32)):
        raise SlipstickError("the sums are no whole counts", path="formats", allowed="fewer bits, or fewer taps")
    return counts


FAMILIES: dict[str, Callable[[TracedLayer], Signals]] = {
    "stochastic": _stochastic, "approximate": _approximate, "analog": _analog,
}  # fmt: skip
