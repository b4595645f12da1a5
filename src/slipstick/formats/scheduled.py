"""Scheduled encodings: magnitudes of which each filter keeps as many bit positions (shifts) as a schedule gives it.

Weights are a sign and a magnitude under a scale of each filter. Records of `group` weights follow each other without
gaps, least significant bit first; filters follow each other, each with the records of its own number of shifts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import ByteArray, Float32Array, IntArray, NamedArrays
from slipstick.core.encoding import Encoded, Encoding, Operand, check_bytes, check_side
from slipstick.core.errors import SlipstickError
from slipstick.formats.bits import _packed_bytes
from slipstick.formats.integer_rows import _row_operand, _scaled_rows, _times_scale, _whole_codes, rows_of


class _ScheduledEncoding(Encoding):
    """Encoding whose filters keep `weight_shifts` of `max_shifts` positions, or as many as a schedule gives each.

    ``encode(w, {"shifts": shifts})`` and ``recode`` take the schedule. `record_bits` is called for every estimate of
    bytes, `nearest_kept` by ``recode``, `to_records` by ``encode`` and `from_records` by ``decode``, each for all
    filters of one number of shifts at once.
    """

    whole_numbers = True  # signed magnitudes
    keeps_scales = True  # positions of int8 codes can be kept at their scales

    @property
    @abstractmethod
    def weight_shifts(self) -> int:
        """Number of bit positions that every weight keeps without a schedule."""

    @abstractmethod
    def record_bits(self, shifts: int) -> int:
        """Bits of one group's record at `shifts` shifts."""

    @property
    @abstractmethod
    def max_shifts(self) -> int:
        """Number of bit positions in a magnitude: the most shifts that a filter can keep."""

    @abstractmethod
    def nearest_kept(self, rows: IntArray, shifts: int) -> IntArray:
        """Return the whole numbers of `shifts` bit positions nearest to rows [rows, k]."""

    @abstractmethod
    def to_records(self, rows: IntArray, shifts: int) -> ByteArray:
        """Return the records of rows [rows, k] as an array of bits, [rows, bits per row]."""

    @abstractmethod
    def from_records(self, bits: ByteArray, shifts: int, groups: int) -> IntArray:
        """Return the whole numbers [rows, groups * group] of records, given as arrays of bits."""

    @property
    def serial_bits(self) -> int:
        """Number of bit positions that every weight keeps without a schedule, its sign excluded."""
        return self.weight_shifts

    @property
    def bits_per_element(self) -> float:
        """Bits of a group's record divided by its number of weights."""
        return self.record_bits(self.weight_shifts) / self.group

    def storage_bytes(self, shape: tuple[int, ...], shifts: ArrayLike | None = None) -> int:
        """Bytes of the records and an fp32 scale per filter; with a schedule, a byte more per filter."""
        filters, weights = rows_of(shape)
        counts = np.full(filters, self.weight_shifts) if shifts is None else np.asarray(shifts)
        bits = sum(int(np.sum(counts == n)) * self.record_bits(n) for n in range(1, self.max_shifts + 1))
        return _packed_bytes(bits * -(-weights // self.group), 1) + 4 * filters + (0 if shifts is None else filters)

    def side_layout(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the layout of the scale per filter, and of a schedule's shifts per filter if given."""
        return {"scale": ("float32", rows_of(shape)[:1])}

    def check(self, encoded: Encoded) -> None:
        """Raise SlipstickError unless codes, scales and a schedule's shifts have the sizes of the shape."""
        layout, shifts = self.side_layout(encoded.shape), None
        if "shifts" in encoded.side:
            layout["shifts"] = ("uint8", rows_of(encoded.shape)[:1])
        check_side(encoded, layout)
        if "shifts" in encoded.side:
            shifts = self._filter_shifts(encoded.side, rows_of(encoded.shape)[0])
        check_bytes(encoded, self.storage_bytes(encoded.shape, shifts))

    def encode(self, values: ArrayLike, side: NamedArrays | None = None) -> Encoded:
        """Return finite values [filters, ...] encoded; `side` may give scales, and shifts per filter.

        Errors
        ------
        SlipstickError for values that are not finite, shifts out of range, or not one for each filter.
        """
        rows, scale = _scaled_rows(values, side, self._top)
        shifts = self._filter_shifts(side, len(rows))
        records: list[ByteArray] = [np.zeros(0, np.uint8)] * len(rows)
        for count, filters in _by_shifts(shifts):
            for row, record in zip(filters, self.to_records(rows[filters], count), strict=True):
                records[row] = record
        bits = np.concatenate([*records, np.zeros(0, np.uint8)])
        arrays = {"scale": scale} | ({"shifts": shifts} if side is not None and "shifts" in side else {})
        return Encoded(self, np.shape(values), np.packbits(bits, bitorder="little"), arrays)

    def decode(self, encoded: Encoded) -> Float32Array:
        """Return scale * code, rounded once to fp32."""
        return _times_scale(self.integers(encoded), encoded)

    def integers(self, encoded: Encoded) -> IntArray:
        """Return the signed magnitude of every weight, in the tensor's shape, before scaling."""
        filters, weights = rows_of(encoded.shape)
        groups, shifts = -(-weights // self.group), self._filter_shifts(encoded.side, filters)
        widths = np.array([self.record_bits(int(n)) for n in shifts], np.int64) * groups
        starts = np.concatenate([[0], np.cumsum(widths)])
        bits = np.unpackbits(encoded.codes, bitorder="little", count=int(starts[-1]))
        whole = np.zeros((filters, groups * self.group), np.int64)
        for count, rows in _by_shifts(shifts):
            width = self.record_bits(count) * groups
            whole[rows] = self.from_records(bits[starts[rows][:, None] + np.arange(width)], count, groups)
        return whole[:, :weights].reshape(encoded.shape)

    def operand(self, encoded: Encoded) -> Operand:
        """Return the signed magnitudes, with the scale of each row."""
        return _row_operand(encoded)

    def recode(self, codes: ArrayLike, side: NamedArrays | None = None) -> IntArray:
        """Return the nearest codes with as many positions as the filter keeps; `side` may give shifts of each filter.

        Errors
        ------
        SlipstickError as `encode` raises it for shifts.
        """
        whole = np.clip(_whole_codes(codes), -self._top, self._top)
        rows = whole.reshape(rows_of(whole.shape))
        nearest = np.empty_like(rows)
        for count, filters in _by_shifts(self._filter_shifts(side, len(rows))):
            nearest[filters] = self.nearest_kept(rows[filters], count)
        return nearest.reshape(whole.shape)

    @property
    def _top(self) -> int:
        return (1 << self.max_shifts) - 1

    def _filter_shifts(self, side: NamedArrays | None, filters: int) -> ByteArray:
        """Return the shifts per filter: from the schedule in `side`, else `weight_shifts`."""
        if side is None or "shifts" not in side:
            return np.full(filters, self.weight_shifts, np.uint8)
        path = f"{self.name.partition(':')[0]}.shifts"
        shifts = np.asarray(side["shifts"])
        allowed = f"{filters} numbers from 1 to {self.max_shifts}"
        if shifts.shape != (filters,) or shifts.dtype.kind not in "iu":
            raise SlipstickError("not shifts of each filter", path=path, value=shifts.shape, allowed=allowed)
        if filters and not 1 <= shifts.min() <= shifts.max() <= self.max_shifts:
            raise SlipstickError("out of range", path=path, value=int(shifts.max()), allowed=allowed)
        return shifts.astype(np.uint8)


def _by_shifts(shifts: ByteArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each number of shifts with the filters that keep so many."""
    for count in np.unique(shifts):
        yield int(count), np.flatnonzero(shifts == count)
