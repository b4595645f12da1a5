"""Layers of table products in whole numbers and plain numpy: each product is read, then added exactly.

Rows of the table are bit patterns of inputs, columns those of weights. ``signed``: two's complement.
``sign-magnitude``: magnitudes are multiplied, the signs beside them. ``unsigned``: x + F is multiplied, and the exact
share of the offsets F is subtracted. Numbers that no pattern has saturate.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def patterns(layer: Any, values: Any) -> Any:
    """Return the bit pattern of each value, and the sign by which its products are multiplied."""
    top = len(layer["products"]) - 1
    if layer["operands"] == "sign-magnitude":
        return np.minimum(np.abs(values), top), np.where(values < 0, -1, 1)
    half = (top + 1) // 2
    within = np.clip(values, -half, half - 1)
    return within & top if layer["operands"] == "signed" else within + half, np.ones_like(values)


def expected(layer: Any) -> Any:
    """Return the sums of a layer, and the products of every tap of the traced outputs."""
    w, table = layer["weights"], layer["products"].astype(np.int64)
    if layer["operands"] == "unsigned":
        value = np.arange(len(table))
        centred = value - len(table) // 2
        table = table - np.multiply.outer(value, value) + np.multiply.outer(centred, centred)
    (a, a_sign), (b, b_sign) = patterns(layer, layer["padded"]), patterns(layer, w)
    sums, traced = np.zeros(layer["shape"], np.int64), layer["outputs"]
    products = np.zeros((len(traced), w[0].size), np.int64)
    for n in range(len(w)):
        for tap, place in enumerate(np.ndindex(w.shape[1:])):
            read = layer["read"](n, *place)
            product = table[a[read], b[n][place]] * a_sign[read] * b_sign[n][place]
            sums[:, n] += product
            for number in np.flatnonzero(traced[:, 1] == n):
                image, _, row, column = traced[number]
                products[number, tap] = product[image, row, column]
    return {"sums": sums, "tap_products": products}
