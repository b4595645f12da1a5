"""Layers on analog arrays by the native kernel: codes of whole numbers, equal to those of `Converter.codes`."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from slipstick.core.arrays import AnyArray, CodeArray, Float32Array
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.converter import Converter
from slipstick.formats.arithmetic.kernels.native_library import native_library

_MAX_CODE = 2**22  # the kernel rounds by an addition that leaves 22 bits
_FIELDS = (
    "batch", "channels", "height", "width", "filters", "groups", "kernel_height", "kernel_width", "out_height",
    "out_width", "stride_height", "stride_width", "top", "left", "padded_height", "padded_width", "dilation_height",
    "dilation_width", "rows", "separate",
)  # fmt: skip


class _Layer(ctypes.Structure):
    """The C struct ``analog_layer`` of native/analog.c."""

    _fields_ = [*((name, ctypes.c_int32) for name in _FIELDS), ("inverse", ctypes.c_float), ("most", ctypes.c_float)]


def native_codes(
    inputs: AnyArray,
    weights: WholeNumbers,
    window: Window,
    converter: Converter,
    rows: int,
    clips: list[CodeArray] | None = None,
) -> Float32Array | None:
    """Return codes [b, n, rows, columns] added up over arrays and columns; None where the kernel does not give them.

    Parameters
    ----------
    inputs : [b, c, h, w], whole numbers of 8 bits, without negative ones where columns are separate.
    weights : [n, c / groups, kernel rows, kernel columns].
    rows : taps of an array.
    clips : takes the conversions that clip, bits in words [b, n, arrays, columns, panels], as `take_back` reads them.
    """
    if converter.companding or converter.top >= _MAX_CODE or not (_bytes(inputs) and _bytes(weights.elements)):
        return None
    library = native_library("analog", _agrees)
    return None if library is None else _codes(library, inputs, weights.elements, window, converter, rows, clips)


def take_back(
    clips: CodeArray,
    sign: int,
    operands: tuple[Float32Array, Float32Array, Float32Array],
    window: Window,
    converter: Converter,
    rows: int,
    gradients: tuple[Float32Array, Float32Array, Float32Array],
) -> None:
    """Subtract what passed through clipped conversions from gradients, in place, by the kernel that found them.

    Parameters
    ----------
    clips : words of `native_codes`. sign : of the inputs of its pass; 0: there was one pass.
    operands : inputs, weights, and the part of the weights that the slice holds, as fractions of full scale.
    gradients : by the sums, by the inputs, and by the weights; contiguous.

    Errors
    ------
    MemoryError if the kernel finds no memory for a table of taps.
    """
    library: Any = native_library("analog", _agrees)
    layer = _layer(operands[0].shape, operands[1].shape, window, converter, rows)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (clips, gradients[0], *operands, *gradients[1:])]
    if library.analog_take_back(ctypes.byref(layer), ctypes.c_int(sign), *pointers):
        raise MemoryError


def _bytes(elements: AnyArray) -> bool:
    """Return whether there are elements, all of them signed bytes, which the kernel multiplies."""
    if elements.dtype == np.int8 or not elements.size:
        return bool(elements.size)
    limits = np.iinfo(np.int8)
    return bool(elements.min() >= limits.min and elements.max() <= limits.max)


def _codes(
    library: ctypes.CDLL,
    inputs: AnyArray,
    weights: AnyArray,
    window: Window,
    converter: Converter,
    rows: int,
    clips: list[CodeArray] | None = None,
) -> Float32Array | None:
    """Return what the kernel computes; None if it found no memory."""
    layer = _layer(inputs.shape, weights.shape, window, converter, rows)
    whole = np.ascontiguousarray(inputs, np.int8)
    factors = np.ascontiguousarray(weights, np.float32)
    codes = np.empty((layer.batch, layer.filters, layer.out_height, layer.out_width), np.float32)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (whole, factors, codes)]
    words = None
    if clips is not None:
        reads = (-(-weights[0].size // rows), 1 if converter.signed else 2)
        words = np.zeros((layer.batch, layer.filters, *reads, library.analog_panels(ctypes.byref(layer))), np.uint32)
        clips.append(words)
    last = None if words is None else ctypes.c_void_p(words.ctypes.data)
    return None if library.analog_codes(ctypes.byref(layer), *pointers, last) else codes


def _layer(
    inputs: tuple[int, ...], weights: tuple[int, ...], window: Window, converter: Converter, rows: int
) -> _Layer:
    """Return the geometry of inputs [b, c, h, w] and weights [n, c / groups, rows, columns] as the kernel takes it."""
    batch, channels, height, width = inputs
    filters, _, kernel_height, kernel_width = weights
    out_height, out_width = window.output((height, width), (kernel_height, kernel_width))
    (top, bottom), (left, right) = window.padding
    return _Layer(
        batch, channels, height, width, filters, window.groups, kernel_height, kernel_width, out_height, out_width,
        *window.stride, top, left, top + height + bottom, left + width + right, *window.dilation, rows,
        not converter.signed, converter.inverse, converter.top,
    )  # fmt: skip


def _agrees(library: ctypes.CDLL) -> bool:
    """Return whether the kernel gives the codes of `Converter.codes` on layers of every kind.

    Source: the numbers are sizes and ranges of layers drawn at random; they stand for nothing else.
    """
    random = np.random.default_rng(0)
    shapes = (
        (3, 8, 7, (1, 1), 1),
        (6, 6, 5, (2, 1), 6),
        (4, 20, 9, (1, 2), 2),
    )  # channels, filters, rows, stride, groups
    for (channels, filters, rows, stride, groups), signed in zip(shapes * 2, (True,) * 3 + (False,) * 3, strict=True):
        inputs = random.integers(-127 if signed else 0, 128, (2, channels, 9, 11))
        weights = random.integers(-127, 128, (filters, channels // groups, 3, 3))
        window = Window(stride, ((1, 1), (2, 0)), (1, 1), groups)
        converter = Converter(5, signed, 30_000.0)
        codes = _codes(library, inputs, weights, window, converter, rows)
        if codes is None or not np.array_equal(codes, _plain_codes(inputs, weights, window, converter, rows)):
            return False
    return True


def _plain_codes(inputs: AnyArray, weights: AnyArray, window: Window, converter: Converter, rows: int) -> Float32Array:
    """Return the codes of a layer tap by tap: the oracle of the kernel."""
    filters, share, *kernel = weights.shape
    patches = window.patches(inputs, (kernel[0], kernel[1])).astype(np.int64)
    batch, _, height, width = patches.shape[:4]
    codes = np.zeros((batch, filters, height, width), np.float32)
    columns = [weights] if converter.signed else [np.maximum(weights, 0), np.maximum(-weights, 0)]
    for n in range(filters):
        first = n // (filters // window.groups) * share
        taps = patches[:, first : first + share].transpose(0, 2, 3, 1, 4, 5).reshape(batch, height, width, -1)
        for sign, column in zip((1, -1), columns, strict=False):
            for start in range(0, taps.shape[-1], rows):
                array = slice(start, start + rows)
                codes[:, n] += sign * converter.codes(taps[..., array] @ column[n].ravel()[array])
    return codes
