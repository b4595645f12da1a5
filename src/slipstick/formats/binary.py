"""Binary weights: a sign of one bit, and a scale per filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import Float32Array, FloatArray, IntArray, NamedArrays
from slipstick.core.encoding import Encoded, Encoding, Operand
from slipstick.core.errors import SlipstickError
from slipstick.formats.bits import _finite, _pack, _packed_bytes, _unpack
from slipstick.formats.integer_rows import _row_operand, _times_scale, rows_of


@dataclass(frozen=True)
class Binary(Encoding):
    """Binary weights, -s or s: the sign of each weight, and s the mean magnitude of its filter.

    Of all scales the mean magnitude leaves the least squared error. Weights of zero count as positive. Source:
    Rastegari et al., "XNOR-Net", ECCV 2016, section 3.1 (binary weight networks).

    Examples
    --------
    >>> Binary().round([[1.0, -3.0], [0.5, 0.5]]).tolist()
    [[2.0, -2.0], [0.5, 0.5]]
    """

    name = "binary"
    bits_per_element = 1.0
    multiplier_bits = 1
    full_scale = 1
    serial_bits = 1
    whole_numbers = True  # -1 and 1
    stores_zero = False

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of a bit for each weight, and an fp32 scale for each filter."""
        filters, size = rows_of(shape)
        return _packed_bytes(filters * size, 1) + 4 * filters

    def side_layout(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the layout of the scale per filter."""
        return {"scale": ("float32", (rows_of(shape)[0],))}

    def encode(self, values: ArrayLike, side: NamedArrays | None = None) -> Encoded:
        """Return the signs of finite values; `side` may give the scale of each filter.

        Errors
        ------
        SlipstickError for values that are not finite, or too large for a scale in fp32.
        """
        x = _finite(values)
        rows = x.reshape(rows_of(x.shape))
        if side is not None and "scale" in side:
            scale = np.asarray(side["scale"], np.float32).reshape(-1)
        else:
            scale = _mean_magnitudes(rows)
        return Encoded(self, x.shape, _pack((rows >= 0).astype(np.uint32), 1), {"scale": scale})

    def decode(self, encoded: Encoded) -> Float32Array:
        """Return each weight's sign times the scale of its filter."""
        return _times_scale(self.integers(encoded), encoded)

    def integers(self, encoded: Encoded) -> IntArray:
        """Return -1 and 1, in the tensor's shape."""
        positive = _unpack(encoded.codes, 1, int(np.prod(encoded.shape))).astype(np.int64)
        return (2 * positive - 1).reshape(encoded.shape)

    def operand(self, encoded: Encoded) -> Operand:
        """Return the signs of a matrix, with the scale of each row."""
        return _row_operand(encoded)


def _mean_magnitudes(rows: FloatArray) -> Float32Array:
    """Return the mean magnitude [filters] of filters [filters, k]; 0 for a filter of zeros, and one without weights."""
    mean = np.abs(rows).sum(axis=1) / max(1, rows.shape[1])
    if mean.max(initial=0.0) > np.finfo(np.float32).max:
        raise SlipstickError("the scale does not fit fp32", path="format")
    return np.asarray(mean, np.float32)
