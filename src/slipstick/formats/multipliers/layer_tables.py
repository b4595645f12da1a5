"""A multiplier's table made ready for kernels: classes of operands with equal products, and bytes to look up."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipstick.formats.multipliers.multiplier import Multiplier

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray, ByteArray, Int8Array, IntArray

_ENTRIES = (64, 128, 256)  # of a byte permute: one, two and twice two registers of 64 bytes
# radix of the planes of bytes by the largest entry: below 2**7 two taps are added before bytes are widened
_PLANES = ((2**7, 1, 7), (2**8, 1, 8), (2**14, 2, 7), (2**16, 2, 8), (2**21, 3, 7))


@dataclass(frozen=True, eq=False)
class _LookUp:
    """Products as scale * U[class of weight, class of input] + offset of the weight, U in planes of bytes.

    Attributes
    ----------
    inputs : class of each input from -full to full.
    weights : class of each weight from -full to full.
    planes : bytes of U [planes, classes of weights, entries], least significant first, in radix 2**shift.
    empty : which classes of weights add nothing to U.
    offsets : of each weight from -full to full.
    largest : largest |product|, by which sums are bounded.
    """

    inputs: ByteArray
    weights: AnyArray
    planes: ByteArray
    empty: ByteArray
    offsets: IntArray
    scale: int
    shift: int
    largest: int


@dataclass(frozen=True, eq=False)
class _Factors:
    """Products as inputs[a + full] * weights[w + full], all bytes: a table of rank 1, such as a truncation's."""

    inputs: Int8Array
    weights: Int8Array


@functools.lru_cache(maxsize=32)  # 64 to 512 KiB each
def _look_up(multiplier: Multiplier, full: tuple[int, int], span: tuple[int, int]) -> _LookUp | None:
    """Return look-ups for inputs and weights of magnitudes up to `full`; None if inputs have more than 256 classes.

    Parameters
    ----------
    span : least and largest input that occurs, zero among them; few classes are looked up faster.
    """
    codes = np.arange(-full[0], full[0] + 1), np.arange(-full[1], full[1] + 1)
    products = multiplier.multiply(np.clip(codes[0], *span)[:, None], codes[1])
    rows, inputs = np.unique(products, axis=0, return_inverse=True)
    columns, weights = np.unique(rows.T, axis=0, return_inverse=True)  # [classes of weights, classes of inputs]
    if len(rows) > _ENTRIES[-1]:
        return None
    least = columns.min(axis=1)
    steps = columns - least[:, None]
    scale = int(np.gcd.reduce(steps, axis=None)) or 1
    top = int(steps.max()) // scale
    count, shift = next((count, shift) for bound, count, shift in _PLANES if top < bound)
    planes = np.zeros((count, len(columns), next(size for size in _ENTRIES if size >= len(rows))), np.uint8)
    for place in range(count):
        planes[place, :, : len(rows)] = (steps // scale) >> place * shift & (1 << shift) - 1
    classes = weights.reshape(-1).astype(np.uint16)
    return _LookUp(
        inputs.reshape(-1).astype(np.uint8), classes, planes, (steps.max(axis=1) == 0).astype(np.uint8),
        least[classes], scale, shift, int(np.abs(products).max()),
    )  # fmt: skip


@functools.lru_cache(maxsize=32)
def _factors(multiplier: Multiplier, full: tuple[int, int]) -> _Factors | None:
    """Return the factors, by operands from -full to full, of a table of rank 1 whose values are bytes; else None.

    An operand of +full, which two's complement has not, is taken for full - 1.
    """
    codes = [np.minimum(np.arange(-size, size + 1), size - 1) for size in full]
    products = multiplier.multiply(codes[0][:, None], codes[1])
    row, column = np.unravel_index(np.argmax(np.abs(products)), products.shape)
    second = products[row] // (int(np.gcd.reduce(products[row])) or 1)
    first = products[:, column] // (second[column] or 1)
    if (np.multiply.outer(first, second) != products).any():
        return None
    shared = int(np.gcd.reduce(first)) or 1
    for share in (sign * size for size in range(1, shared + 1) if shared % size == 0 for sign in (1, -1)):
        pair = first // share, second * share  # the common factor may be either's
        if all(values.min() >= -128 and values.max() <= 127 for values in pair):
            return _Factors(pair[0].astype(np.int8), pair[1].astype(np.int8))
    return None
