"""Codes of any width to bytes and back, least significant bit first; and what every format checks and charges."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Encoded


class _OperationCost(Entry):
    """Cost of one arithmetic operation of a number format, without memory."""

    energy: units.Joules = Field(description="Energy of one operation at 45 nm and 0.9 V")


operation_costs = Catalogue(_OperationCost, "formats/operations.yaml", noun="arithmetic operation")


def pack(codes: NDArray[np.uint32], bits: int) -> NDArray[np.uint8]:
    """Return unsigned codes of `bits` bits each (1 to 32) as bytes, without gaps between codes.

    Examples
    --------
    >>> pack(np.array([0x1, 0x2, 0x3], np.uint32), 4).tolist()
    [33, 3]
    """
    flat = np.ascontiguousarray(codes, dtype="<u4").reshape(-1)
    if bits in (8, 16, 32):
        return flat.astype(f"<u{bits // 8}").view(np.uint8)
    each = np.unpackbits(flat.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")[:, :bits]
    return np.packbits(each, bitorder="little")


def unpack(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint32]:
    """Return `count` codes of `bits` bits each from bytes: the inverse of `pack`."""
    if bits in (8, 16, 32):
        return packed.view(f"<u{bits // 8}")[:count].astype(np.uint32)
    each = np.unpackbits(packed, bitorder="little", count=count * bits).reshape(count, bits)
    wide = np.zeros((count, 32), np.uint8)
    wide[:, :bits] = each
    return np.packbits(wide, axis=1, bitorder="little").view("<u4").reshape(-1).astype(np.uint32)


def packed_bytes(count: int, bits: int) -> int:
    """Return the bytes that `count` codes of `bits` bits fill."""
    return -(-count * bits // 8)


def finite(values: ArrayLike) -> NDArray[np.float64]:
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


def check_product(inputs: Encoded, weights: Encoded) -> None:
    """Raise SlipstickError unless inputs [m, k] and weights [n, k] can be multiplied."""
    shapes = inputs.shape, weights.shape
    if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
        raise SlipstickError("shapes cannot be multiplied", value=shapes, allowed="inputs [m, k] and weights [n, k]")


def operation_energy(name: str) -> tuple[float, str]:
    """Return (joules, source) of one arithmetic operation of ``data/formats/operations.yaml``."""
    cost = operation_costs.entry(name)
    return cost.energy, cost.sources["energy"]
