"""Sums of a layer whose products a table gives: by the fastest kernel of this machine that the table allows.

Tables of rank 1 in bytes are byte products (AVX-512 VNNI, or AVX2), others look-ups by byte permutes (AVX-512 VBMI, or
AVX2), both in C that this machine's compiler builds; else matrix products of floats that hold all sums, or a look-up in
numba. All give the same integers.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.kernels.native_library import native_library
from slipstick.formats.arithmetic.table_oracle import _table_layer_oracle
from slipstick.formats.multipliers.layer_tables import _factors, _look_up
from slipstick.formats.multipliers.multiplier import Multiplier
from slipstick.formats.multipliers.product_algorithms import _factored_sums, _table_sums

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray

_AVX2, _VBMI, _VNNI = 1, 2, 4  # bits of table_vectors() in native/table_product.c
_INT32 = 2**31
_BIAS = 128  # inputs of byte products are unsigned


def _table_layer(multiplier: Multiplier, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> AnyArray:
    """Return a layer's sums [b, n, rows, columns]: inputs [b, c, h, w], weights [n, c / groups, rows, columns].

    Zeros of the padding are multiplied like others: a table with products of zero other than zero adds them.

    Errors
    ------
    SlipstickError for shapes that cannot be multiplied, or numbers beyond their full scale.
    """
    window.check(inputs.elements, weights.elements)
    spans = _span(inputs), _span(weights)
    if inputs.elements.shape[2:] == weights.elements.shape[2:] == (1, 1) and window == Window():  # places side by side
        turned = WholeNumbers(inputs.elements[None, :, :, 0, 0].transpose(0, 2, 1)[:, :, None, :], inputs.full)
        sums: AnyArray = _layer(multiplier, turned, weights, window, spans)
        return sums[0, :, 0, :].T[:, :, None, None]
    return _layer(multiplier, inputs, weights, window, spans)


def _span(numbers: WholeNumbers) -> tuple[int, int]:
    """Return bounds of the numbers that occur: zero or -full, and full - 1 or full."""
    low, high = int(numbers.elements.min(initial=0)), int(numbers.elements.max(initial=0))
    if max(-low, high) > numbers.full:
        allowed = f"magnitudes up to {numbers.full}"
        raise SlipstickError("numbers beyond their full scale", path="format", value=max(-low, high), allowed=allowed)
    return (0 if low == 0 else -numbers.full), (numbers.full if high == numbers.full else numbers.full - 1)


def _layer(
    multiplier: Multiplier,
    inputs: WholeNumbers,
    weights: WholeNumbers,
    window: Window,
    spans: tuple[tuple[int, int], tuple[int, int]],
) -> AnyArray:
    library = native_library("table_product", _agrees)
    if library is not None:
        sums = _native(library, multiplier, inputs, weights, window, spans)
        if sums is not None:
            return sums
    patches = window.patches(inputs.elements, (weights.elements.shape[2], weights.elements.shape[3]))
    batch, _, rows, columns = patches.shape[:4]
    filters, channels = weights.elements.shape[:2]
    share, blocks = filters // window.groups, []
    inside = spans[0][1] < inputs.full and spans[1][1] < weights.full
    kernel = _factored_sums if inside and _factors(multiplier, (inputs.full, weights.full)) else _table_sums
    for group in range(window.groups):
        taps = patches[:, group * channels : (group + 1) * channels].transpose(0, 2, 3, 1, 4, 5)
        own = weights.elements[group * share : (group + 1) * share].reshape(share, -1)
        blocks.append(kernel(multiplier, taps.reshape(batch * rows * columns, -1), own))
    return np.concatenate(blocks, axis=1).reshape(batch, rows, columns, filters).transpose(0, 3, 1, 2)


def _native(
    library: Any,
    multiplier: Multiplier,
    inputs: WholeNumbers,
    weights: WholeNumbers,
    window: Window,
    spans: tuple[tuple[int, int], tuple[int, int]],
) -> AnyArray | None:
    """Return a layer's sums by a native kernel; None where there is none for this processor, table or size."""
    x, w = inputs.elements, weights.elements
    full, vectors = (inputs.full, weights.full), _vectors(library)
    x = np.ascontiguousarray(x if x.dtype == np.int8 else x.astype(np.int16))
    filters, taps = len(w), int(np.prod(w.shape[1:]))
    rows, columns = window.output((x.shape[2], x.shape[3]), (w.shape[2], w.shape[3]))
    sums = np.empty((len(x), filters, rows, columns), np.int32)
    sizes = [*x.shape, *window.padding[0], *window.padding[1], filters, w.shape[2], w.shape[3], rows, columns]
    sizes += [*window.stride, *window.dilation, window.groups]
    codes = np.add(w.reshape(filters, taps), full[1], dtype=np.intp)
    pair = _factors(multiplier, full) if vectors & (_VNNI | _AVX2) else None
    if pair is not None and spans[0][1] < full[0] and spans[1][1] < full[1] and taps * _BIAS * 255 < _INT32:
        padded = np.zeros((filters, -(-taps // 4) * 4), np.int8)
        padded[:, :taps] = pair.weights[codes]
        offsets = -_BIAS * padded.sum(axis=1, dtype=np.int32)
        classes = (pair.inputs.astype(np.int16) + _BIAS).astype(np.uint8)
        numbers = np.array([*sizes, vectors & _VNNI, 0, 0, 0, full[0], x.itemsize, 1, vectors & _VBMI], np.int64)
        failed = library.byte_layer(*map(_address, (numbers, x, classes, padded, offsets, sums)))
        return None if failed else sums
    table = _look_up(multiplier, full, spans[0]) if vectors & (_AVX2 | _VBMI) else None
    if table is None or taps * 2 * max(table.largest, 1) >= _INT32:
        return None
    offsets = table.offsets[codes].sum(axis=1).astype(np.int32)
    numbers = np.array(
        [*sizes, *table.planes.shape, table.shift, full[0], x.itemsize, table.scale, vectors & _VBMI], np.int64
    )
    arrays = (numbers, x, table.inputs, table.planes, table.empty, table.weights[codes], offsets, sums)
    return None if library.table_layer(*map(_address, arrays)) else sums


def _vectors(library: Any) -> int:
    vectors: int = library.table_vectors()
    return vectors & _AVX2 if os.environ.get("SLIPSTICK_KERNELS") == "avx2" else vectors


def _address(array: AnyArray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _agrees(library: Any) -> bool:
    """Return whether a library's kernels give what the oracle gives, on small layers of tables of every kind."""
    draw = np.random.default_rng(0)
    window = Window((2, 1), ((1, 0), (0, 2)), (1, 2), 2)
    tables = [
        Multiplier("coarse", draw.integers(0, 2**14, (16, 16)).repeat(8, 0).repeat(8, 1)),
        Multiplier("fine", draw.integers(0, 2**16, (128, 128))),
        Multiplier("signed", draw.integers(-(2**15), 2**15, (256, 256)), "signed"),
        Multiplier.of(lambda a, b: (a & ~1) * (b & ~3), bits=8, operands="signed", name="mask"),
    ]
    for multiplier in tables:
        x = WholeNumbers(draw.integers(-128, 128, (2, 6, 8, 8)).astype(np.int8), 128)
        w = WholeNumbers(draw.integers(-128, 128, (4, 3, 3, 2)).astype(np.int8), 128)
        sums = _native(library, multiplier, x, w, window, (_span(x), _span(w)))
        if sums is not None and (sums != _table_layer_oracle(multiplier, x, w, window)).any():
            return False
    return True
