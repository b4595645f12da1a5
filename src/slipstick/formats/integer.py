"""Integers with a scale, x = scale * (code - zero): the format of post-training quantisation and edge kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.arrays import Float32Array, FloatArray, IntArray, NamedArrays
from slipstick.core.encoding import Encoded, Encoding, Operand
from slipstick.core.errors import SlipstickError
from slipstick.formats.bits import _finite, _pack, _packed_bytes, _unpack
from slipstick.formats.integer_rows import MIN_SCALE, _row_operand, _whole_codes

_CODE_BITS = 8  # of the codes that `recode` takes


@dataclass(frozen=True)
class Int(Encoding):
    """Integers of `bits` bits with an fp32 scale per tensor, or per index of `axis`.

    Symmetric: codes from -(2**(bits-1) - 1) to 2**(bits-1) - 1 and scale = max|x| / (2**(bits-1) - 1); the most
    negative code stays unused, so that negation is exact. Otherwise: codes from 0 to 2**bits - 1 with a zero point,
    covering [min(x, 0), max(x, 0)]. Rounding is to the nearest, ties to even. Products are summed exactly in 32 bits.

    Source: Jacob et al., "Quantization and training of neural networks ...", CVPR 2018, section 2.1.

    Examples
    --------
    >>> Int(4).round([7.0, -3.4, 0.5]).tolist()
    [7.0, -3.0, 0.0]
    """

    whole_numbers = True  # codes less their zero point
    keeps_scales = True  # the upper bits of int8 codes can be kept at their scales

    bits: int = 8
    symmetric: bool = True
    axis: int | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise SlipstickError("out of range", path="int.bits", value=self.bits, allowed="2 to 16")
        if self.axis is not None and self.axis < 0:
            raise SlipstickError("out of range", path="int.axis", value=self.axis, allowed="from 0")

    @property
    def name(self) -> str:
        """``int8``, with the arguments that differ from the defaults after a colon."""
        extra = [] if self.symmetric else ["symmetric=false"]
        extra += [] if self.axis is None else [f"axis={self.axis}"]
        return f"int{self.bits}" + (":" + ",".join(extra) if extra else "")

    @property
    def multiplier_bits(self) -> int:
        """Bits of an integer code, its sign included: of a parallel multiplier, and steps of a bit-serial one."""
        return self.bits

    serial_bits = multiplier_bits

    @property
    def full_scale(self) -> int:
        """Power of two above every magnitude: a bit more than that of the code where a zero point is subtracted."""
        return 1 << (self.bits - 1 if self.symmetric else self.bits)

    @property
    def weight_shifts(self) -> int:
        """Bits of an integer code, at most the 7 of an int8 magnitude."""
        return min(self.bits, _CODE_BITS - 1)

    @property
    def per_filter(self) -> Int:
        """The same integers with a scale per index of the first axis."""
        return replace(self, axis=0)

    @property
    def bits_per_element(self) -> float:
        """Bits of an integer code."""
        return float(self.bits)

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the codes, plus an fp32 scale and (if not symmetric) a 16 bit zero point per channel."""
        channels = 1 if self.axis is None else shape[self._axis(len(shape))]
        return _packed_bytes(int(np.prod(shape)), self.bits) + channels * (4 if self.symmetric else 6)

    def side_layout(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the layout of the scale and (if not symmetric) the zero point, both per channel."""
        channels = 1 if self.axis is None else shape[self._axis(len(shape))]
        layout: dict[str, tuple[str, tuple[int, ...]]] = {"scale": ("float32", (channels,))}
        return layout if self.symmetric else {**layout, "zero": ("uint16", (channels,))}

    def encode(self, values: ArrayLike, side: NamedArrays | None = None) -> Encoded:
        """Return finite values as codes and scales; `side` may give the scale, and with it the zero point."""
        x = _finite(values)
        scale, zero = self._scale(x) if side is None or "scale" not in side else self._side_scale(side)
        low, high = self._range()
        codes = np.clip(np.rint(x / self._broadcast(scale, x.ndim)) + self._broadcast(zero, x.ndim), low, high)
        packed = _pack((codes.astype(np.int64) & (2**self.bits - 1)).astype(np.uint32), self.bits)
        arrays: dict[str, NDArray[Any]] = {"scale": scale}
        if not self.symmetric:
            arrays["zero"] = zero.astype(np.uint16)
        return Encoded(self, x.shape, packed, arrays)

    def decode(self, encoded: Encoded) -> Float32Array:
        """Return scale * (code - zero), rounded to fp32 once."""
        scale = self._broadcast(encoded.side["scale"].astype(np.float64), len(encoded.shape))
        return np.asarray(self.integers(encoded) * scale, dtype=np.float32)

    def integers(self, encoded: Encoded) -> IntArray:
        """Return code - zero point as whole numbers, in the tensor's shape."""
        codes = _unpack(encoded.codes, self.bits, int(np.prod(encoded.shape))).astype(np.int64).reshape(encoded.shape)
        if self.symmetric:
            return np.where(codes >= 2 ** (self.bits - 1), codes - 2**self.bits, codes)
        zero = self._broadcast(encoded.side["zero"].astype(np.int64), len(encoded.shape))
        return np.asarray(codes - zero, dtype=np.int64)

    def operand(self, encoded: Encoded) -> Operand:
        """Return the whole numbers of a matrix, with the scale of the tensor or of each row.

        Errors
        ------
        SlipstickError for a scale of each column.
        """
        if self.axis not in (None, 0):
            allowed = "axis=0, or one scale"
            raise SlipstickError("scales vary along the summed axis", path="format", value=self.name, allowed=allowed)
        return _row_operand(encoded)

    def recode(self, codes: ArrayLike, side: NamedArrays | None = None) -> IntArray:
        """Return the upper `bits` bits of int8 codes: multiples of 2**(8 - bits), to the nearest, ties to even.

        Examples
        --------
        >>> Int(4).recode([[127, -9, 8, 24]]).tolist()
        [[112, -16, 0, 32]]
        """
        whole = _whole_codes(codes)
        step = 2 ** max(0, _CODE_BITS - self.bits)
        top = 2 ** (self.bits - 1) - 1 if self.symmetric else 2**self.bits - 1  # centred codes may have either sign
        return np.asarray(np.clip(np.rint(whole / step), -top, top) * step, np.int64)

    def _range(self) -> tuple[int, int]:
        top = 2 ** (self.bits - 1) - 1
        return (-top, top) if self.symmetric else (0, 2**self.bits - 1)

    def _side_scale(self, side: NamedArrays) -> tuple[Float32Array, FloatArray]:
        scale = np.asarray(side["scale"], np.float32).reshape(-1)
        return scale, np.asarray(side.get("zero", np.zeros(len(scale))), np.float64)

    def _axis(self, ndim: int) -> int:
        if self.axis is None or self.axis >= ndim:
            raise SlipstickError("no such axis", path="int.axis", value=self.axis, allowed=f"0 to {ndim - 1}")
        return self.axis

    def _scale(self, x: FloatArray) -> tuple[Float32Array, FloatArray]:
        rows = x.reshape(1, -1) if self.axis is None else np.moveaxis(x, self._axis(x.ndim), 0)
        rows = rows.reshape(rows.shape[0], -1) if rows.size else np.zeros((rows.shape[0], 1))
        low, high = self._range()
        bottom, top = rows.min(axis=1, initial=0.0), rows.max(axis=1, initial=0.0)
        span = np.maximum(top, -bottom) / high if self.symmetric else (top - bottom) / (high - low)
        if span.max(initial=0.0) > np.finfo(np.float32).max:
            raise SlipstickError("the scale does not fit fp32", path="format")
        scale = np.maximum(np.where(span > 0, span, 1.0), MIN_SCALE).astype(np.float32)
        zero = np.zeros_like(bottom) if self.symmetric else np.clip(np.rint(-bottom / scale), low, high)
        return scale, zero

    def _broadcast(self, side: NDArray[Any], ndim: int) -> NDArray[Any]:
        """Return per-channel values reshaped to broadcast along `axis`."""
        shape = [1] * ndim
        if self.axis is not None:
            shape[self._axis(ndim)] = -1
        return side.reshape(shape)
