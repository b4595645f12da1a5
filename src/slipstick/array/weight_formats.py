"""Which format each layer's weights are in, and what an array's elements make of it: shifts, and bits stored.

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
from numpy.typing import NDArray

from slipstick.array.format_steps import steps_of
from slipstick.array.matrix_products import Product
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.core.system import Array
from slipstick.formats import format_of
from slipstick.formats.layer_patterns import DEFAULT, Layer, formats_of
from slipstick.formats.shift_schedule import lockstep_order

_SCHEDULED = re.compile(r"(?P<head>[a-z_]+:(?:shifts=|bits=)?)(?P<number>\d{1,2}\.\d{1,6})(?P<rest>(?:[,;].*)?)")


@dataclass(frozen=True, eq=False)
class Held:
    """A product's weights as the array holds them: shifts of every filter of one group, [filters], and their bytes.

    Where groups differ in their shifts, `shifts` is of the groups, [groups]. `text` is what reports print.
    """

    text: str
    shifts: NDArray[np.int64]
    storage: float
    decoded: bool = False  # turned back into 8 bit weights before the array: its elements know nothing of the format


def held(text: str, products: Sequence[Product], array: Array) -> list[Held]:
    """Return the weights of every product in the formats that `text` gives them.

    Errors
    ------
    SlipstickError for an unknown format, a pattern that fits no layer, and formats that are no whole numbers.

    Examples
    --------
    >>> layers = [Product("conv1", "conv", 64, 27, 16, 192, 1024), Product("fc", "linear", 1, 64, 10, 64, 10)]
    >>> [h.text for h in held("int4;last=int8", layers, Array(rows=8, columns=8, element="serial", group=4))]
    ['int4', 'int8']
    """
    layers = [Layer(product.name, product.kind) for product in products]
    texts = formats_of(text, layers, path="plan.formats")
    return [_held(chosen, product, array) for chosen, product in zip(texts, products, strict=True)]


def held_encoded(encoded: Mapping[str, Encoded], products: Sequence[Product], array: Array) -> list[Held]:
    """Return the weights of every product as they were encoded, by the products' names; others are int8.

    Filters are taken in the order of their shifts, so that those in lockstep have the same ones (`lockstep_order`).

    Errors
    ------
    SlipstickError for weights of a name that no product has, or of another shape.

    Examples
    --------
    >>> weights = format_of("swis:3").encode(np.ones((2, 8)), {"shifts": np.array([3, 1])})
    >>> array = Array(rows=8, columns=8, element="single-shift", group=4)
    >>> [held] = held_encoded({"fc": weights}, [Product("fc", "linear", 1, 8, 2, 8, 2)], array)
    >>> held.shifts.tolist(), held.storage
    ([1, 3], 19.0)
    """
    names = [product.name for product in products]
    for name in encoded:
        if name not in names:
            raise SlipstickError("no such product", path="weights", value=name, allowed=names)
    return [
        _encoded(encoded[product.name], product, array) if product.name in encoded else _held(DEFAULT, product, array)
        for product in products
    ]


def _encoded(encoded: Encoded, product: Product, array: Array) -> Held:
    if math.prod(encoded.shape) != product.weights or encoded.shape[0] != product.groups * product.filters:
        allowed = f"{product.groups * product.filters} filters, {product.weights} weights"
        raise SlipstickError("weights of another shape", path=product.name, value=encoded.shape, allowed=allowed)
    steps, used = steps_of(encoded.format, array)
    shifts = np.full(encoded.shape[0], steps)
    if used and "shifts" in encoded.side:
        shifts = encoded.side["shifts"].astype(np.int64)
    if product.groups > 1:  # the filters of one group run together
        shifts = shifts.reshape(product.groups, -1).max(axis=1)
    return Held(encoded.format.name, shifts[lockstep_order(shifts)], float(encoded.nbytes), not used)


def _held(text: str, product: Product, array: Array) -> Held:
    scheduled = _SCHEDULED.fullmatch(text.strip().casefold())
    if scheduled is None:
        return _mixed(text, product, array, format_of(text), format_of(text), 0.0)
    step, wanted = (2 if array.element == "double-shift" else 1), float(scheduled["number"])
    low = max(1, math.floor(wanted / step) * step)
    high = math.ceil(wanted / step) * step
    share = (wanted - low) / (high - low) if high > low else 0.0
    few, many = (format_of(f"{scheduled['head']}{count}{scheduled['rest']}") for count in (low, max(low, high)))
    return _mixed(text, product, array, few, many, share)


def _mixed(text: str, product: Product, array: Array, few: Format, many: Format, share: float) -> Held:
    """Give `share` of the filters, rounded up to whole folds, the format `many`, and the others `few`."""
    lanes = product.groups if product.groups > 1 else product.filters
    fold = 1 if product.groups > 1 else array.columns
    count = min(lanes, math.ceil(math.ceil(lanes / fold) * share - 1e-9) * fold)
    steps, used = steps_of(few, array)
    shifts = np.full(lanes, steps)
    shifts[:count] = steps_of(many, array)[0]  # whole folds from the first: the last one may not be full
    rows = product.filters if product.groups > 1 else 1
    parts = ((few, lanes - count), (many, count))
    storage = sum(form.storage_bytes((rows * number, product.reduction)) for form, number in parts if number)
    return Held(text, shifts, float(storage), not used)
