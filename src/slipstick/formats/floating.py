"""Floating point from 32 to 4 bits, alone or in blocks that share a scale.

Rounding is to the nearest, ties to even, exact for every float64. What does not fit: fp32, tf32, bf16 and fp16 follow
IEEE 754 and overflow to infinity; fp8 and fp4 saturate at their largest number, as OCP's specifications allow (OFP8
1.0, section 5.2; MX 1.0, section 6.3; both recalled). E4M3 has NaN and no infinity, E5M2 has both, E2M1 neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Cost, Encoded, Format, Surrogate
from slipstick.formats.bits import check_product, finite, operation_energy, pack, packed_bytes, unpack

Codes = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Layout:
    """One element: sign, `exponent` and `mantissa` bits, `bias`, the largest number, how overflow ends."""

    exponent: int
    mantissa: int
    bias: int
    largest: float
    saturates: bool
    container: int  # bits in memory; tf32 has 19 and lives in 32

    @property
    def smallest_exponent(self) -> int:
        """The exponent of subnormal numbers, and of the smallest normal one."""
        return 1 - self.bias

    @property
    def largest_exponent(self) -> int:
        """The exponent of the largest number."""
        return int(np.floor(np.log2(self.largest)))


@dataclass(frozen=True, slots=True)
class Block:
    """Elements along the last axis that share one scale: `power` of two (E8M0) or an E4M3 number under an fp32 one."""

    size: int
    power: bool


_LAYOUTS = {  # IEEE 754; OCP 8-bit floating point 1.0, table 1; OCP microscaling 1.0, table 5
    "fp32": Layout(8, 23, 127, float(np.finfo(np.float32).max), False, 32),
    "tf32": Layout(8, 10, 127, (2 - 2.0**-10) * 2.0**127, False, 32),
    "bf16": Layout(8, 7, 127, (2 - 2.0**-7) * 2.0**127, False, 16),
    "fp16": Layout(5, 10, 15, 65504.0, False, 16),
    "fp8": Layout(4, 3, 7, 448.0, True, 8),
    "fp8_e5m2": Layout(5, 2, 15, 57344.0, True, 8),
    "fp4": Layout(2, 1, 1, 6.0, True, 4),
}
_BLOCKS = {"nvfp4": ("fp4", Block(16, False)), "mxfp4": ("fp4", Block(32, True)), "mxfp8": ("fp8", Block(32, True))}
NAMES = (*_LAYOUTS, *_BLOCKS)

_E8M0_BIAS = 127  # OCP microscaling 1.0, section 5.4


@dataclass(frozen=True)
class Float(Format):
    """Floating point by its common name; fp8 is E4M3.

    nvfp4 (E2M1): blocks of 16 along the last axis with an E4M3 scale = max / 6, under one fp32 scale for the tensor
    that puts the largest block scale at 448. mxfp4 (E2M1) and mxfp8 (E4M3): blocks of 32 with a power of two, the
    exponent of the largest element minus the format's largest (OCP MX 1.0, section 6.3).

    Examples
    --------
    >>> Float("bf16").round([3.14159, 1e-3]).tolist()
    [3.140625, 0.00099945068359375]
    >>> Float("nvfp4").bits_per_element
    4.5
    """

    kind: str = "bf16"

    def __post_init__(self) -> None:
        if self.kind not in NAMES:
            raise SlipstickError("no such floating point format", path="float.kind", value=self.kind, allowed=NAMES)

    @property
    def name(self) -> str:
        """The common name."""
        return self.kind

    @property
    def layout(self) -> Layout:
        """The layout of one element."""
        return _LAYOUTS[_BLOCKS[self.kind][0] if self.block else self.kind]

    @property
    def block(self) -> Block | None:
        """What shares a scale, or None."""
        return _BLOCKS[self.kind][1] if self.kind in _BLOCKS else None

    @property
    def bits_per_element(self) -> float:
        """The element's bits and its share of the block's scale."""
        return self.layout.container + (8 / self.block.size if self.block else 0.0)

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the elements, and of the block and tensor scales."""
        elements = packed_bytes(int(np.prod(shape)), self.layout.container)
        if self.block is None:
            return elements
        rows = int(np.prod(shape[:-1]))
        return elements + rows * -(-(shape[-1] if shape else 1) // self.block.size) + (0 if self.block.power else 4)

    def beside(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """A scale for each block, and nvfp4's scale of the tensor."""
        if self.block is None:
            return {}
        blocks = -(-(shape[-1] if shape else 1) // self.block.size)
        found: dict[str, tuple[str, tuple[int, ...]]] = {"scale": ("uint8", (*shape[:-1], blocks))}
        return found if self.block.power else {**found, "tensor_scale": ("float32", (1,))}

    def encode(self, values: ArrayLike, side: Mapping[str, NDArray[Any]] | None = None) -> Encoded:
        """Represent finite values, with scales where the format has blocks; `side` may give those."""
        x = finite(values)
        if self.block is None:
            return Encoded(self, x.shape, pack(to_codes(x, self.layout), self.layout.container))
        blocks = _blocks(x, self.block.size)
        largest = np.abs(blocks).max(axis=-1, initial=0.0)
        if side is None:
            side = _power_scale(largest, self.layout) if self.block.power else _e4m3_scale(largest, self.layout)
        scale = self._scales(side)
        scaled = np.divide(blocks, scale[..., None], out=np.zeros_like(blocks), where=scale[..., None] > 0)
        codes = to_codes(_unblocked(scaled, x.shape), self.layout)
        return Encoded(self, x.shape, pack(codes, self.layout.container), side)

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Return the values of an encoded tensor, rounded to fp32 once (exact unless the scales are extreme)."""
        elements = self.elements(encoded)
        if self.block is not None:
            blocks = _blocks(elements, self.block.size) * self.scales(encoded)[..., None]
            elements = _unblocked(blocks, encoded.shape)
        return elements.astype(np.float32)

    def elements(self, encoded: Encoded) -> FloatArray:
        """Return the elements without their scales, of the tensor's shape."""
        codes = unpack(encoded.codes, self.layout.container, int(np.prod(encoded.shape)))
        return from_codes(codes, self.layout).reshape(encoded.shape)

    def scales(self, encoded: Encoded) -> FloatArray:
        """Return the scale of every block: [..., blocks of the last axis]."""
        return self._scales(encoded.side)

    def _scales(self, side: Mapping[str, NDArray[Any]]) -> FloatArray:
        codes = side["scale"].astype(np.uint32)
        if self.block is None or self.block.power:
            return np.ldexp(1.0, codes.astype(np.int64) - _E8M0_BIAS)
        return from_codes(codes, _LAYOUTS["fp8"]) * np.float64(side["tensor_scale"][0])

    def matmul(self, inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
        """Multiply and sum in fp32, in the order of k, each operation rounded once; blocks are summed exactly first.

        This is the arithmetic that the formats promise. Real tensor cores align several products before they add and
        may differ in the last bits of fp32; no vendor publishes how.
        """
        check_product(inputs, weights)
        if inputs.format != self or weights.format != self:
            raise SlipstickError("both tensors must be in this format", path="format", allowed=self.name)
        a, b = self.elements(inputs), self.elements(weights)
        total = np.zeros((a.shape[0], b.shape[0]), np.float32)
        if self.block is None:
            for column_a, column_b in zip(a.T.astype(np.float32), b.T.astype(np.float32), strict=True):
                total += column_a[:, None] * column_b[None, :]
            return total
        a, b, size = _blocks(a, self.block.size), _blocks(b, self.block.size), a.shape[1]
        scales_a, scales_b = self.scales(inputs), self.scales(weights)
        for block in range(-(-size // self.block.size)):  # at most 41 bits a block: exact in float64
            exact = a[:, block] @ b[:, block].T
            total += (exact * (scales_a[:, block, None] * scales_b[None, :, block])).astype(np.float32)
        return total

    @property
    def surrogate(self) -> Surrogate:
        """Straight-through, between the largest numbers unless a scale follows the tensor."""
        if self.block is not None:
            return Surrogate()
        return Surrogate(low=-self.layout.largest, high=self.layout.largest)

    def cost(self) -> Cost:
        """One multiplication, scaled from fp16 by the square of the significand's width, and one fp32 addition."""
        add, source = operation_energy("fp32_add")
        multiply, _ = operation_energy("fp32_multiply" if self.kind == "fp32" else "fp16_multiply")
        if self.kind in ("fp32", "fp16"):
            return Cost(self.bits_per_element, 1.0, multiply + add, source)
        share = ((self.layout.mantissa + 1) / (_LAYOUTS["fp16"].mantissa + 1)) ** 2
        note = f"{source}; scaled from fp16 by the square of the significand's width: assumed"
        return Cost(self.bits_per_element, 1.0, multiply * share + add, note)


def to_codes(x: FloatArray, layout: Layout) -> Codes:
    """Round finite values to a layout and return the bit patterns (in the low bits of the container).

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


def from_codes(codes: Codes, layout: Layout) -> FloatArray:
    """Return the values of bit patterns: the inverse of `to_codes`, infinities and NaN included."""
    whole = codes.astype(np.int64)
    if layout.container == 32:
        whole >>= 31 - layout.exponent - layout.mantissa  # the sign stands in bit 31
    mantissa = whole & ((1 << layout.mantissa) - 1)
    field = (whole >> layout.mantissa) & ((1 << layout.exponent) - 1)
    negative = (whole >> (layout.mantissa + layout.exponent)) & 1
    significand = np.where(field > 0, mantissa + (1 << layout.mantissa), mantissa).astype(np.float64)
    values = np.ldexp(significand, np.maximum(field, 1) - layout.bias - layout.mantissa)
    beyond = (field << layout.mantissa | mantissa) - _largest_code(layout)
    special = np.where((beyond == 1) & (mantissa == 0), np.inf, np.nan)  # E4M3 has NaN there, and no infinity
    return np.asarray(np.where(beyond > 0, special, values) * np.where(negative == 1, -1.0, 1.0))


def _largest_code(layout: Layout) -> int:
    significand = int(layout.largest / 2.0 ** (layout.largest_exponent - layout.mantissa))
    return ((layout.largest_exponent - layout.smallest_exponent) << layout.mantissa) + significand


def _power_scale(largest: FloatArray, layout: Layout) -> dict[str, NDArray[Any]]:
    """Return E8M0 codes of the scales: 2**(exponent of the block's largest - exponent of the format's largest)."""
    exponent = np.where(largest > 0, np.frexp(largest)[1] - 1, -_E8M0_BIAS) - layout.largest_exponent
    exponent = np.clip(exponent, -_E8M0_BIAS, _E8M0_BIAS).astype(np.int64)
    return {"scale": (exponent + _E8M0_BIAS).astype(np.uint8)}


def _e4m3_scale(largest: FloatArray, layout: Layout) -> dict[str, NDArray[Any]]:
    """Return E4M3 codes of the scales, with the fp32 scale of the tensor."""
    scale_layout = _LAYOUTS["fp8"]
    top = float(largest.max(initial=0.0)) / (layout.largest * scale_layout.largest)
    tensor = np.float32(max(top, float(np.finfo(np.float32).tiny)) if top else 1.0)
    if not np.isfinite(tensor):
        raise SlipstickError("the scale does not fit fp32", path="format")
    codes = to_codes(largest / layout.largest / np.float64(tensor), scale_layout)
    return {"scale": codes.astype(np.uint8), "tensor_scale": np.array([tensor], np.float32)}


def _blocks(x: FloatArray, size: int) -> FloatArray:
    """Return x as [..., blocks, size], the last block filled with zeros."""
    flat = x if x.ndim else x.reshape(1)
    missing = -flat.shape[-1] % size
    padded = np.concatenate([flat, np.zeros((*flat.shape[:-1], missing))], axis=-1)
    return padded.reshape(*flat.shape[:-1], -1, size) if flat.size else padded.reshape(*flat.shape[:-1], 0, size)


def _unblocked(blocks: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    last = shape[-1] if shape else 1
    return blocks.reshape(*blocks.shape[:-2], -1)[..., :last].reshape(shape)
