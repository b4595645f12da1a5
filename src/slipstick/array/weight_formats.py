"""Weights of every layer as an array stores them: their format, the shifts of each filter, their bytes.

``formats=swis:3`` is one format for all; ``formats=swis:3;depthwise=int8;features.0.*=int8`` adds patterns (see
`slipstick.formats.layer_patterns`).

A fraction, such as ``swis:2.5`` or ``swis:3.0``, is an average by scheduling: whole folds of filters that advance
together take the next number of shifts below or above (even ones in double-shift elements), never fewer on average than
asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slipstick.array.format_steps import _weight_steps
from slipstick.array.matrix_products import Product
from slipstick.core.arrays import IntArray
from slipstick.core.device_kinds import Array
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats import format_of
from slipstick.formats.layer_patterns import DEFAULT, PatternLayer, formats_of
from slipstick.formats.shift_schedule import lockstep_order

_FRACTION = re.compile(r"(?P<head>[a-z_]+:(?:shifts=|bits=)?)(?P<number>\d{1,2}\.\d{1,6})(?P<rest>(?:[,;@].*)?)")


@dataclass(frozen=True, eq=False)
class _StoredWeights:
    """Weights of a product as the array stores them: shifts of every filter of one group, [filters], and their bytes.

    Where groups differ in their shifts, `shifts` is of the groups, [groups]. `format` is the text that reports print;
    `decoded` weights are turned back into 8 bits before the array, whose elements make no use of the format.
    """

    format: str
    shifts: IntArray
    nbytes: float
    decoded: bool = False


def _planned_weights(text: str, products: Sequence[Product], array: Array) -> list[_StoredWeights]:
    """Return the weights of every product in the formats that `text` gives the layers.

    Errors
    ------
    SlipstickError for an unknown format, a pattern that fits no layer, and formats that are no whole numbers.

    Examples
    --------
    >>> layers = [Product("conv1", "conv", 64, 27, 16, 192, 1024), Product("fc", "linear", 1, 64, 10, 64, 10)]
    >>> array = Array(clock=5e8, rows=8, columns=8, element="serial", group=4)
    >>> [weights.format for weights in _planned_weights("int4;last=int8", layers, array)]
    ['int4', 'int8']
    """
    layers = [PatternLayer(product.name, product.kind) for product in products]
    texts = formats_of(text, layers, path="plan.formats.layers")
    return [_planned(layer, product, array) for layer, product in zip(texts, products, strict=True)]


def _weights_as_encoded(
    encoded: Mapping[str, Encoded], products: Sequence[Product], array: Array
) -> list[_StoredWeights]:
    """Return the weights of every product as they were encoded, by the products' names; others are int8.

    Filters are taken in the order of their shifts, so that those in lockstep have the same ones (`lockstep_order`).

    Errors
    ------
    SlipstickError for weights of a name that no product has, or of another shape.

    Examples
    --------
    >>> encoded = format_of("swis:3").encoding.encode(np.ones((2, 8)), {"shifts": np.array([3, 1])})
    >>> array = Array(clock=5e8, rows=8, columns=8, element="single-shift", group=4)
    >>> [weights] = _weights_as_encoded({"fc": encoded}, [Product("fc", "linear", 1, 8, 2, 8, 2)], array)
    >>> weights.shifts.tolist(), weights.nbytes
    ([1, 3], 19.0)
    """
    names = [product.name for product in products]
    for name in encoded:
        if name not in names:
            raise SlipstickError("no such product", path="weights", value=name, allowed=names)
    return [
        _as_encoded(encoded[product.name], product, array)
        if product.name in encoded
        else _planned(DEFAULT, product, array)
        for product in products
    ]


def _as_encoded(encoded: Encoded, product: Product, array: Array) -> _StoredWeights:
    """Return one product's weights as they were encoded."""
    if math.prod(encoded.shape) != product.weights or encoded.shape[0] != product.groups * product.filters:
        allowed = f"{product.groups * product.filters} filters, {product.weights} weights"
        raise SlipstickError("weights of another shape", path=product.name, value=encoded.shape, allowed=allowed)
    steps, used = _weight_steps(format_of(encoded.encoding), array)
    shifts = np.full(encoded.shape[0], steps)
    if used and "shifts" in encoded.side:
        shifts = encoded.side["shifts"].astype(np.int64)
    if product.groups > 1:  # the filters of one group run together
        shifts = shifts.reshape(product.groups, -1).max(axis=1)
    return _StoredWeights(encoded.encoding.name, shifts[lockstep_order(shifts)], float(encoded.nbytes), not used)


def _planned(text: str, product: Product, array: Array) -> _StoredWeights:
    """Return one product's weights in a format, its shifts perhaps an average."""
    fraction = _FRACTION.fullmatch(text.strip().casefold())
    if fraction is None:
        return _mixed(text, product, array, (format_of(text), format_of(text)), 0.0)
    step, average = (2 if array.element == "double-shift" else 1), float(fraction["number"])
    low = max(1, math.floor(average / step) * step)
    high = math.ceil(average / step) * step
    share = (average - low) / (high - low) if high > low else 0.0
    few, many = (format_of(f"{fraction['head']}{count}{fraction['rest']}") for count in (low, max(low, high)))
    return _mixed(text, product, array, (few, many), share)


def _mixed(text: str, product: Product, array: Array, formats: tuple[Format, Format], share: float) -> _StoredWeights:
    """Return weights of which `share` of the filters, rounded up to whole folds, have the second format."""
    few, many = formats
    lanes = product.groups if product.groups > 1 else product.filters
    fold = 1 if product.groups > 1 else array.columns
    count = min(lanes, math.ceil(math.ceil(lanes / fold) * share - 1e-9) * fold)
    steps, used = _weight_steps(few, array)
    shifts = np.full(lanes, steps)
    shifts[:count] = _weight_steps(many, array)[0]  # whole folds from the first: the last one may not be full
    rows = product.filters if product.groups > 1 else 1
    parts = ((few, lanes - count), (many, count))
    nbytes = sum(form.encoding.storage_bytes((rows * number, product.reduction)) for form, number in parts if number)
    return _StoredWeights(text, shifts, float(nbytes), not used)
