"""Packing of integer codes of any width into bytes and back, least significant bit first; check of finite values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import ByteArray, CodeArray, FloatArray
from slipstick.core.errors import SlipstickError

SET_BITS = 7  # bits of a set's number, below the cost in one integer: at most 70 sets


def _pack(codes: CodeArray, bits: int) -> ByteArray:
    """Return unsigned codes of `bits` bits each (1 to 32) as bytes, without gaps between codes.

    Examples
    --------
    >>> _pack(np.array([0x1, 0x2, 0x3], np.uint32), 4).tolist()
    [33, 3]
    """
    flat = np.ascontiguousarray(codes, dtype="<u4").reshape(-1)
    if bits in (8, 16, 32):
        return flat.astype(f"<u{bits // 8}").view(np.uint8)
    rows = np.unpackbits(flat.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")[:, :bits]
    return np.packbits(rows, bitorder="little")


def _unpack(packed: ByteArray, bits: int, count: int) -> CodeArray:
    """Return `count` codes of `bits` bits each from bytes: the inverse of `_pack`."""
    if bits in (8, 16, 32):
        return packed.view(f"<u{bits // 8}")[:count].astype(np.uint32)
    rows = np.unpackbits(packed, bitorder="little", count=count * bits).reshape(count, bits)
    wide = np.zeros((count, 32), np.uint8)
    wide[:, :bits] = rows
    return np.packbits(wide, axis=1, bitorder="little").view("<u4").reshape(-1).astype(np.uint32)


def _packed_bytes(count: int, bits: int) -> int:
    """Return the number of bytes that `count` codes of `bits` bits fill."""
    return -(-count * bits // 8)


def _finite(values: ArrayLike) -> FloatArray:
    """Return `values` as float64.

    Errors
    ------
    SlipstickError if one of them is NaN or infinite, or not a number.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise SlipstickError("not an array of numbers", path="format") from None
    if not np.isfinite(array).all():
        raise SlipstickError("only finite values can be encoded", path="format")
    return array
