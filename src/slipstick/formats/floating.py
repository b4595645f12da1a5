"""Floating point from 32 to 4 bits, alone or in blocks that share a scale: bf16, fp8, nvfp4, mxfp4 and similar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.arrays import Float32Array, FloatArray, NamedArrays
from slipstick.core.encoding import Encoded, Encoding, Operand
from slipstick.core.errors import SlipstickError
from slipstick.formats.bits import _finite, _pack, _packed_bytes, _unpack
from slipstick.formats.float_layout import LAYOUTS, _from_codes, _Layout, _to_codes


@dataclass(frozen=True, slots=True)
class _Block:
    """Elements along the last axis that share one scale: `power` of two (E8M0) or an E4M3 number under an fp32 one."""

    size: int
    power: bool


_BLOCKS = {"nvfp4": ("fp4", _Block(16, False)), "mxfp4": ("fp4", _Block(32, True)), "mxfp8": ("fp8", _Block(32, True))}
NAMES = (*LAYOUTS, *_BLOCKS)

_E8M0_BIAS = 127  # OCP microscaling 1.0, section 5.4


@dataclass(frozen=True)
class Float(Encoding):
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
        """The common name of the format, such as ``bf16``."""
        return self.kind

    @property
    def layout(self) -> _Layout:
        """Bit layout of one element, with its largest number."""
        return LAYOUTS[_BLOCKS[self.kind][0] if self.block else self.kind]

    @property
    def block(self) -> _Block | None:
        """Block of elements that share a scale, or None."""
        return _BLOCKS[self.kind][1] if self.kind in _BLOCKS else None

    @property
    def bits_per_element(self) -> float:
        """Bits of an element and its share of the block's scale."""
        return self.layout.container + (8 / self.block.size if self.block else 0.0)

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the elements, and of the block and tensor scales."""
        elements = _packed_bytes(int(np.prod(shape)), self.layout.container)
        if self.block is None:
            return elements
        rows = int(np.prod(shape[:-1]))
        return elements + rows * -(-(shape[-1] if shape else 1) // self.block.size) + (0 if self.block.power else 4)

    def side_layout(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the layout of the scales: one per block, and for nvfp4 one of the tensor."""
        if self.block is None:
            return {}
        blocks = -(-(shape[-1] if shape else 1) // self.block.size)
        layout: dict[str, tuple[str, tuple[int, ...]]] = {"scale": ("uint8", (*shape[:-1], blocks))}
        return layout if self.block.power else {**layout, "tensor_scale": ("float32", (1,))}

    def encode(self, values: ArrayLike, side: NamedArrays | None = None) -> Encoded:
        """Return finite values encoded, with scales where the format has blocks; `side` may give the scales."""
        x = _finite(values)
        if self.block is None:
            return Encoded(self, x.shape, _pack(_to_codes(x, self.layout), self.layout.container))
        blocks = _blocks(x, self.block.size)
        largest = np.abs(blocks).max(axis=-1, initial=0.0)
        if side is None or "scale" not in side:
            side = _power_scale(largest, self.layout) if self.block.power else _e4m3_scale(largest, self.layout)
        scale = self._scales(side)
        scaled = np.divide(blocks, scale[..., None], out=np.zeros_like(blocks), where=scale[..., None] > 0)
        codes = _to_codes(_unblocked(scaled, x.shape), self.layout)
        return Encoded(self, x.shape, _pack(codes, self.layout.container), side)

    def decode(self, encoded: Encoded) -> Float32Array:
        """Return the values of an encoded tensor, rounded to fp32 once (exact unless the scales are extreme)."""
        elements = self.elements(encoded)
        if self.block is not None:
            blocks = _blocks(elements, self.block.size) * self.scales(encoded)[..., None]
            elements = _unblocked(blocks, encoded.shape)
        return elements.astype(np.float32)

    def elements(self, encoded: Encoded) -> FloatArray:
        """Return the elements before scaling, in the tensor's shape."""
        codes = _unpack(encoded.codes, self.layout.container, int(np.prod(encoded.shape)))
        return _from_codes(codes, self.layout).reshape(encoded.shape)

    def scales(self, encoded: Encoded) -> FloatArray:
        """Return the scale of every block: [..., blocks of the last axis]."""
        return self._scales(encoded.side)

    def _scales(self, side: NamedArrays) -> FloatArray:
        codes = side["scale"].astype(np.uint32)
        if self.block is None or self.block.power:
            return np.ldexp(1.0, codes.astype(np.int64) - _E8M0_BIAS)
        return _from_codes(codes, LAYOUTS["fp8"]) * np.float64(side["tensor_scale"][0])

    def operand(self, encoded: Encoded) -> Operand:
        """Return the elements of a matrix, and per block its scale [rows, blocks] if there are blocks."""
        if self.block is None:
            return Operand(self.elements(encoded))
        return Operand(self.elements(encoded), self.scales(encoded), self.block.size)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The most negative and the largest number; None for blocks, whose scale adapts to the tensor."""
        return None if self.block is not None else (-self.layout.largest, self.layout.largest)

    @property
    def multiplier_bits(self) -> int:
        """Bits of the significand, including the hidden bit."""
        return self.layout.mantissa + 1


def _power_scale(largest: FloatArray, layout: _Layout) -> dict[str, NDArray[Any]]:
    """Return E8M0 codes of block scales: 2**(exponent of the block's largest - exponent of the format's largest)."""
    exponent = np.where(largest > 0, np.frexp(largest)[1] - 1, -_E8M0_BIAS) - layout.largest_exponent
    exponent = np.clip(exponent, -_E8M0_BIAS, _E8M0_BIAS).astype(np.int64)
    return {"scale": (exponent + _E8M0_BIAS).astype(np.uint8)}


def _e4m3_scale(largest: FloatArray, layout: _Layout) -> dict[str, NDArray[Any]]:
    """Return E4M3 codes of the block scales, and the fp32 scale of the tensor."""
    scale_layout = LAYOUTS["fp8"]
    top = float(largest.max(initial=0.0)) / (layout.largest * scale_layout.largest)
    if top > float(np.finfo(np.float32).max):
        raise SlipstickError("the scale does not fit fp32", path="format")
    tensor = np.float32(max(top, float(np.finfo(np.float32).tiny)) if top else 1.0)
    codes = _to_codes(largest / layout.largest / np.float64(tensor), scale_layout)
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
