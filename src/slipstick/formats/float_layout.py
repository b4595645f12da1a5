"""Bit layouts of floating point elements from 32 to 4 bits, with conversion of values to bit patterns and back.

Rounding is to the nearest, ties to even, exact for every float64. Overflow: fp32, tf32, bf16 and fp16 follow IEEE 754
and go to infinity; fp8 and fp4 saturate at their largest number, as OCP's specifications allow (OFP8 1.0, section 5.2;
MX 1.0, section 6.3; both recalled). E4M3 has NaN and no infinity, E5M2 has both, E2M1 neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import CodeArray, FloatArray


@dataclass(frozen=True, slots=True)
class _Layout:
    """Bit layout of one float: sign, `exponent` and `mantissa` bits, exponent `bias`, largest number, overflow."""

    exponent: int
    mantissa: int
    bias: int
    largest: float
    saturates: bool
    container: int  # bits in memory; tf32 has 19 and lives in 32

    @property
    def smallest_exponent(self) -> int:
        """Exponent of subnormal numbers, and of the smallest normal one."""
        return 1 - self.bias

    @property
    def largest_exponent(self) -> int:
        """Exponent of the largest number."""
        return int(np.floor(np.log2(self.largest)))


LAYOUTS = {  # IEEE 754; OCP 8-bit floating point 1.0, table 1; OCP microscaling 1.0, table 5
    "fp32": _Layout(8, 23, 127, float(np.finfo(np.float32).max), False, 32),
    "tf32": _Layout(8, 10, 127, (2 - 2.0**-10) * 2.0**127, False, 32),
    "bf16": _Layout(8, 7, 127, (2 - 2.0**-7) * 2.0**127, False, 16),
    "fp16": _Layout(5, 10, 15, 65504.0, False, 16),
    "fp8": _Layout(4, 3, 7, 448.0, True, 8),
    "fp8_e5m2": _Layout(5, 2, 15, 57344.0, True, 8),
    "fp4": _Layout(2, 1, 1, 6.0, True, 4),
}


def _to_codes(x: FloatArray, layout: _Layout) -> CodeArray:
    """Return the bit patterns (in the low bits of the container) of finite values rounded to a layout.

    The step between neighbours at x is 2**(exponent - mantissa); dividing by a power of two is exact in float64, and
    `rint` ties to even, so this rounds once.
    """
    magnitude = np.abs(x)
    exponent = np.where(magnitude > 0, np.frexp(magnitude)[1].astype(np.int64) - 1, layout.smallest_exponent)
    exponent = np.maximum(exponent, layout.smallest_exponent)
    steps = np.rint(np.ldexp(magnitude, layout.mantissa - exponent)).astype(np.int64)
    # one carry past the mantissa runs into the exponent field by itself; a subnormal has exponent field 0
    biased = exponent - layout.smallest_exponent
    codes = (biased << layout.mantissa) + steps
    over = np.ldexp(steps.astype(np.float64), exponent - layout.mantissa) > layout.largest
    infinity = ((1 << layout.exponent) - 1) << layout.mantissa
    codes = np.where(over, _largest_code(layout) if layout.saturates else infinity, codes)
    codes |= np.signbit(x).astype(np.int64) << (layout.exponent + layout.mantissa)
    if layout.container == 32:  # left aligned, as in memory: tf32 is an fp32 with 13 zero bits below
        codes <<= 31 - layout.exponent - layout.mantissa
    return codes.astype(np.uint32)


def _from_codes(codes: CodeArray, layout: _Layout) -> FloatArray:
    """Return the values of bit patterns: the inverse of `_to_codes`, infinities and NaN included."""
    whole = codes.astype(np.int64)
    if layout.container == 32:
        whole >>= 31 - layout.exponent - layout.mantissa  # the sign is bit 31
    mantissa = whole & ((1 << layout.mantissa) - 1)
    field = (whole >> layout.mantissa) & ((1 << layout.exponent) - 1)
    negative = (whole >> (layout.mantissa + layout.exponent)) & 1
    significand = np.where(field > 0, mantissa + (1 << layout.mantissa), mantissa).astype(np.float64)
    values = np.ldexp(significand, np.maximum(field, 1) - layout.bias - layout.mantissa)
    beyond = (field << layout.mantissa | mantissa) - _largest_code(layout)
    special = np.where((beyond == 1) & (mantissa == 0), np.inf, np.nan)  # E4M3 has NaN there, and no infinity
    return np.asarray(np.where(beyond > 0, special, values) * np.where(negative == 1, -1.0, 1.0))


def _largest_code(layout: _Layout) -> int:
    significand = int(layout.largest / 2.0 ** (layout.largest_exponent - layout.mantissa))
    return ((layout.largest_exponent - layout.smallest_exponent) << layout.mantissa) + significand
