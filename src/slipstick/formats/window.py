"""Truncate and Round: the fixed window of a magnitude's upper bits, the baselines of shared weight bit sparsity.

Weights are int8 under a scale of each filter: a sign and 7 bits of magnitude. `bits` positions of them remain, the
same for the whole layer: the uppermost. Source: the baselines that Li et al., arXiv 2103.01308, name in their abstract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Cost, Encoded, Format, Surrogate
from slipstick.formats.packing import operation_energy, pack, packed_bytes, unpack
from slipstick.formats.whole import product_of_whole, rows_of, scaled_rows, times_scale, whole_codes

POSITIONS = 7  # of an int8 magnitude
Codes = NDArray[np.int64]
Side = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Truncate(Format):
    """int8 with a scale of each filter, the low magnitude bits cut off (towards zero) but for `bits`.

    Examples
    --------
    >>> Truncate(4).recode([[127, -9, 7, 24]]).tolist()
    [[120, -8, 0, 24]]
    """

    bits: int = 4

    def __post_init__(self) -> None:
        _check(self.bits, "truncate.bits")

    @property
    def name(self) -> str:
        """``truncate:4``."""
        return f"truncate:{self.bits}"

    @property
    def bits_per_element(self) -> float:
        """The sign and the positions that remain."""
        return float(self.bits + 1)

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the codes, and an fp32 scale of each filter."""
        return _storage(self.bits, shape)

    def beside(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """A scale of each filter."""
        return {"scale": ("float32", rows_of(shape)[:1])}

    def encode(self, values: ArrayLike, side: Side | None = None) -> Encoded:
        """Represent finite values [filters, ...]; `side` may give the scales."""
        return _encode(self, self.bits, values, side)

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Return scale * code, rounded to fp32 once."""
        return times_scale(self.centred(encoded), encoded)

    def centred(self, encoded: Encoded) -> Codes:
        """Return the whole numbers that the scales multiply."""
        return _centred(self.bits, encoded)

    def recode(self, codes: ArrayLike, side: Side | None = None) -> Codes:
        """Cut the low bits of magnitudes up to 127; what is above counts as 127."""
        whole = whole_codes(codes)
        return np.asarray(np.sign(whole) * (_magnitudes(whole) >> _low(self.bits) << _low(self.bits)), np.int64)

    def matmul(self, inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
        """Sum products of whole numbers exactly, then multiply by both scales in fp32."""
        return product_of_whole(inputs, weights)

    @property
    def surrogate(self) -> Surrogate:
        """Straight-through without bound: the scale follows the tensor."""
        return Surrogate()

    def cost(self) -> Cost:
        """One addition for each position that remains, one after another."""
        return serial_cost(self.bits_per_element, self.bits)


@dataclass(frozen=True)
class Round(Format):
    """int8 with a scale of each filter, rounded to the nearest multiple of the lowest of `bits` upper positions.

    Ties go away from zero, as adding half and cutting does; what would need a position above is held at the largest.

    Examples
    --------
    >>> Round(4).recode([[127, -9, 4, 24]]).tolist()
    [[120, -8, 8, 24]]
    """

    bits: int = 4

    def __post_init__(self) -> None:
        _check(self.bits, "round.bits")

    @property
    def name(self) -> str:
        """``round:4``."""
        return f"round:{self.bits}"

    @property
    def bits_per_element(self) -> float:
        """The sign and the positions that remain."""
        return float(self.bits + 1)

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the codes, and an fp32 scale of each filter."""
        return _storage(self.bits, shape)

    def beside(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """A scale of each filter."""
        return {"scale": ("float32", rows_of(shape)[:1])}

    def encode(self, values: ArrayLike, side: Side | None = None) -> Encoded:
        """Represent finite values [filters, ...]; `side` may give the scales."""
        return _encode(self, self.bits, values, side)

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Return scale * code, rounded to fp32 once."""
        return times_scale(self.centred(encoded), encoded)

    def centred(self, encoded: Encoded) -> Codes:
        """Return the whole numbers that the scales multiply."""
        return _centred(self.bits, encoded)

    def recode(self, codes: ArrayLike, side: Side | None = None) -> Codes:
        """Round magnitudes up to 127; what is above counts as 127."""
        whole, low = whole_codes(codes), _low(self.bits)
        steps = (_magnitudes(whole) + (1 << low >> 1)) >> low
        return np.asarray(np.sign(whole) * (np.minimum(steps, 2**self.bits - 1) << low), np.int64)

    def matmul(self, inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
        """Sum products of whole numbers exactly, then multiply by both scales in fp32."""
        return product_of_whole(inputs, weights)

    @property
    def surrogate(self) -> Surrogate:
        """Straight-through without bound: the scale follows the tensor."""
        return Surrogate()

    def cost(self) -> Cost:
        """One addition for each position that remains, one after another."""
        return serial_cost(self.bits_per_element, self.bits)


def serial_cost(bits: float, shifts: int) -> Cost:
    """Return the cost of a multiplication by `shifts` additions; ANDs and shifters are left out."""
    add, source = operation_energy("int32_add")
    return Cost(bits, float(shifts), shifts * add, f"{source}; one addition a shift: assumed")


def _check(bits: int, path: str) -> None:
    if not 1 <= bits <= POSITIONS:
        raise SlipstickError("out of range", path=path, value=bits, allowed=f"1 to {POSITIONS}")


def _low(bits: int) -> int:
    return POSITIONS - bits


def _magnitudes(whole: Codes) -> Codes:
    return np.asarray(np.minimum(np.abs(whole), 2**POSITIONS - 1), np.int64)


def _storage(bits: int, shape: tuple[int, ...]) -> int:
    filters, each = rows_of(shape)
    return packed_bytes(filters * each, bits + 1) + 4 * filters


def _encode(form: Format, bits: int, values: ArrayLike, side: Side | None) -> Encoded:
    whole, scale = scaled_rows(values, side, 2**POSITIONS - 1)
    kept = form.recode(whole)
    stored = (np.abs(kept) >> _low(bits)) << 1 | (kept < 0)
    return Encoded(form, np.shape(values), pack(stored.astype(np.uint32), bits + 1), {"scale": scale})


def _centred(bits: int, encoded: Encoded) -> Codes:
    stored = unpack(encoded.codes, bits + 1, int(np.prod(encoded.shape))).astype(np.int64).reshape(encoded.shape)
    return np.asarray(np.where(stored & 1, -1, 1) * (stored >> 1 << _low(bits)), np.int64)
