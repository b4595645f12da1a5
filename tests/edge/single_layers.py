"""Integer networks of one operator with random constants, and what the bit-true runner makes of random inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.edge.firmware.lowering import lower
from slipstick.trained.integer.execute import run_integers
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor, _Options
from slipstick.trained.integer.window_geometry import window_slides

_INT32 = np.dtype(np.int32)


@dataclass
class Single:
    """Network of one operator: its layer as kernels take it, an input of int8 codes, and the output expected."""

    network: IntegerNetwork
    layer: Any
    inputs: list[np.ndarray]
    expected: np.ndarray


def tensor(shape: Any, dtype: Any, scale: Any, zero: int = 0, axis: int = 0, data: Any = None) -> IntegerTensor:
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    zeros = np.full(scales.size, zero, np.int64)
    return IntegerTensor("t", tuple(shape), np.dtype(dtype), scales, zeros, axis, data)


def _single(rng: np.random.Generator, tensors: list[IntegerTensor], op: IntegerOperator, count: int = 1) -> Single:
    """Return the network from the first `count` tensors to the last; several inputs come as one, through an ADD."""
    network = IntegerNetwork("single", tuple(tensors), (op,), 0, len(tensors) - 1)
    (call,) = lower(network).calls
    shape, info = tensors[0].shape, np.iinfo(tensors[0].dtype)
    codes = rng.integers(info.min, info.max + 1, shape).astype(tensors[0].dtype)
    corner = rng.random(shape) < 0.2  # extreme codes meet extreme codes
    codes[corner] = rng.choice(np.array([info.min, info.max]), int(corner.sum()))
    expected = run_integers(network, codes)
    return Single(network, call.layer, [_int8(codes)], _int8(expected))


def _int8(codes: np.ndarray) -> np.ndarray:
    return (codes.astype(np.int16) - (128 if codes.dtype == np.uint8 else 0)).astype(np.int8)


def convolution(
    rng: np.random.Generator,
    kind: str,
    shape: tuple[int, int, int],
    filters: int,
    kernel: tuple[int, int] = (3, 3),
    *,
    dtype: Any = np.int8,
    x_zero: int | None = None,
    extreme: bool = False,
    plain: bool = False,
    narrow: bool = False,
    **options: Any,
) -> Single:
    """Return a convolution or depth-wise convolution; `filters` counts outputs.

    `plain` leaves out odd scales, `narrow` halves the weights.
    """
    info, options = np.iinfo(dtype), _Options(**options)
    x = tensor((1, *shape), dtype, 0.05, int(rng.integers(info.min, info.max + 1)) if x_zero is None else x_zero)
    full = (filters, *kernel, shape[2]) if kind == "conv" else (1, *kernel, filters)
    low = -127 if dtype == np.int8 else 0
    codes = rng.choice([low, 127], full) if extreme else rng.integers(low, info.max + 1, full)
    codes = codes // 2 if narrow else codes
    many = dtype == np.int8
    scales = rng.uniform(0.5, 3, filters if many else 1) * 4.6 / np.sqrt(np.prod(kernel) * shape[2]) / 128
    # some filters are shifted to the left or not at all, some have a multiplier of 0
    scales *= 1 if plain else rng.choice([1, 150, 500, 1e-12], scales.size, p=[0.8, 0.08, 0.07, 0.05])
    w = tensor(
        full, dtype, scales, 0 if many else int(rng.integers(0, 256)), 0 if kind == "conv" else 3, codes.astype(dtype)
    )
    bias = tensor((filters,), _INT32, 1.0, data=rng.integers(-3000, 3000, filters).astype(np.int32))
    (height, *_), (width, *_) = window_slides(x.shape, kernel, options)
    y = tensor((1, height, width, filters), dtype, 0.11, int(rng.integers(info.min, info.max + 1)))
    return _single(rng, [x, w, bias, y], IntegerOperator(kind, (0, 1, 2), 3, options))  # type: ignore[arg-type]


def dense(
    rng: np.random.Generator, rows: int, inputs: int, outputs: int, dtype: Any = np.int8, **options: Any
) -> Single:
    info = np.iinfo(dtype)
    x = tensor((1, rows, inputs), dtype, 0.05, int(rng.integers(info.min, info.max + 1)))
    codes = rng.integers(-127 if dtype == np.int8 else 0, info.max + 1, (outputs, inputs)).astype(dtype)
    many = dtype == np.int8 and rng.random() < 0.5
    scales = rng.uniform(0.5, 3, outputs if many else 1) * 4 / np.sqrt(inputs) / 128
    w = tensor(codes.shape, dtype, scales, 0 if dtype == np.int8 else 117, 0, codes)
    bias = tensor((outputs,), _INT32, 1.0, data=rng.integers(-3000, 3000, outputs).astype(np.int32))
    y = tensor((1, rows, outputs), dtype, 0.11, int(rng.integers(info.min, info.max + 1)))
    return _single(rng, [x, w, bias, y], IntegerOperator("dense", (0, 1, 2), 3, _Options(**options)))


def window_pool(
    rng: np.random.Generator, kind: str, shape: Any, window: Any, dtype: Any = np.int8, **options: Any
) -> Single:
    options = _Options(window=window, **options)
    x = tensor((1, *shape), dtype, 0.05, 3)
    (height, *_), (width, *_) = window_slides(x.shape, window, options)
    y = tensor((1, height, width, shape[2]), dtype, 0.05, 3)
    return _single(rng, [x, y], IntegerOperator(kind, (0,), 1, options))  # type: ignore[arg-type]


def spatial_mean(rng: np.random.Generator, shape: Any, dtype: Any = np.int8) -> Single:
    x, axes = tensor((1, *shape), dtype, 0.05, 5), tensor((2,), _INT32, (), data=np.array([1, 2], np.int32))
    y = tensor((1, shape[2]), dtype, 0.023, 9)
    return _single(rng, [x, axes, y], IntegerOperator("mean", (0, 1), 2))


def zero_pad(rng: np.random.Generator, shape: Any, around: Any) -> Single:
    pads = np.array([(0, 0), *around], np.int32)
    x = tensor((1, *shape), np.int8, 0.05, -7)
    y = tensor(np.array(x.shape) + pads.sum(axis=1), np.int8, 0.05, -7)
    y = tensor(tuple(int(size) for size in y.shape), np.int8, 0.05, -7)
    return _single(rng, [x, tensor((4, 2), _INT32, (), data=pads), y], IntegerOperator("pad", (0, 1), 2))


def softmax(rng: np.random.Generator, rows: int, columns: int, scale: float, dtype: Any = np.int8) -> Single:
    x = tensor((1, rows, columns), dtype, scale, 3)
    y = tensor((1, rows, columns), dtype, 1 / 256, int(np.iinfo(dtype).min))
    return _single(rng, [x, y], IntegerOperator("softmax", (0,), 1))


def requantize(rng: np.random.Generator, size: int, from_scale: float, to_scale: float) -> Single:
    x, y = tensor((1, size), np.int8, from_scale, -9), tensor((1, size), np.int8, to_scale, 17)
    return _single(rng, [x, y], IntegerOperator("quantize", (0,), 1))


def addition(rng: np.random.Generator, size: int, scales: Any, dtype: Any = np.int8, **options: Any) -> Single:
    """Return an addition of two tensors of random codes."""
    from slipstick.trained.integer.elementwise import add

    zeros = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, 3)
    a, b, y = (tensor((1, size), dtype, scale, int(zero)) for scale, zero in zip(scales, zeros, strict=True))
    op = IntegerOperator("add", (0, 1), 2, _Options(**options))
    network = IntegerNetwork("single", (a, b, y), (op,), 0, 2)
    (call,) = lower(network).calls
    info = np.iinfo(dtype)
    left, right = (rng.integers(info.min, info.max + 1, (1, size)).astype(dtype) for _ in range(2))
    expected = add(op, [a, b], y)(left, right)
    return Single(network, call.layer, [_int8(left), _int8(right)], _int8(expected))
