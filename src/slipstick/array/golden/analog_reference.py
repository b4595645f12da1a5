"""Layers on analog arrays in whole numbers and plain numpy: sums of arrays of few rows, read by converters.

A converter's code is the number of its thresholds that a sum's magnitude reaches, with the sum's sign. Codes of all
arrays, slices of weights, passes of inputs and columns are added with their factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def driven(layer: Any, inputs: Any) -> Any:
    """Return inputs as their converters give them: multiples of a step, ties to the even one, below full scale."""
    step, full = layer["input_step"], layer["full"]["inputs"]
    if step == 1:
        return inputs
    below = inputs // step
    rest = inputs - below * step
    up = (2 * rest > step) | ((2 * rest == step) & (below % 2 == 1))
    return np.clip((below + up) * step, step - full, full - step)


def slices(layer: Any) -> Any:
    """Return (factor, digits) of the slices of the weights' magnitudes, lowest bits first; digits have the signs."""
    w, count, bits = layer["weights"], layer["slices"], layer["slice_bits"]
    signs, rest, parts = np.sign(w), np.abs(w), []
    for place in range(count):
        digits = rest if place == count - 1 else rest % 2**bits
        parts.append((2 ** (bits * place), signs * digits))
        rest = rest // 2**bits
    return parts


def parts(layer: Any) -> Any:
    """Return (factor, inputs, weights) of everything that is read by itself; columns without sign are read apart."""
    x, read = driven(layer, layer["padded"]), []
    if layer["columns"] == "differential":
        return [(factor, x, digits) for factor, digits in slices(layer)]
    for sign in (1, -1)[: layer["passes"]]:
        for factor, digits in slices(layer):
            for column in (1, -1):
                read.append((sign * column * factor, np.maximum(sign * x, 0), np.maximum(column * digits, 0)))
    return read


def expected(layer: Any) -> Any:
    """Return the codes of a layer, added up, and sum and code of every array of the traced outputs."""
    w, rows, traced = layer["weights"], layer["rows"], layer["outputs"]
    taps, read = list(np.ndindex(w.shape[1:])), parts(layer)
    arrays = range(0, len(taps), rows)
    total = np.zeros(layer["shape"], np.int64)
    partial = np.zeros((len(traced), len(read), len(arrays)), np.int64)
    codes = np.zeros_like(partial)
    for part, (factor, x, digits) in enumerate(read):
        for n in range(len(w)):
            for array, first in enumerate(arrays):
                current = np.zeros((len(x), *total.shape[2:]), np.int64)
                for place in taps[first : first + rows]:
                    current += x[layer["read"](n, *place)] * digits[n][place]
                code = np.sign(current) * np.searchsorted(layer["thresholds"], np.abs(current), side="right")
                total[:, n] += factor * code
                for number in np.flatnonzero(traced[:, 1] == n):
                    image, _, row, column = traced[number]
                    partial[number, part, array] = current[image, row, column]
                    codes[number, part, array] = code[image, row, column]
    return {"sums": total, "partial_sums": partial, "codes": codes}
