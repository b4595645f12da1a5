"""Formats that keep some positions of a magnitude, as many as each filter is given: what they share.

Weights are a sign and a magnitude under a scale of each filter. Records of `group` weights follow each other without
gaps, least significant bit first; filters follow each other, each with the records of its own number of shifts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Cost, Encoded, Format, Surrogate, check_beside
from slipstick.formats.bits import operation_energy, packed_bytes
from slipstick.formats.integer_rows import product_of_whole, rows_of, scaled_rows, times_scale, whole_codes

Bits = NDArray[np.uint8]  # one in each element
Codes = NDArray[np.int64]
Side = Mapping[str, NDArray[Any]]


class ByFilter(Format):
    """Positions of a magnitude, by default `each_shifts` of `positions`; a schedule gives each filter its own.

    ``encode(w, {"shifts": shifts})`` and ``recode`` take the schedule. A subclass says what a record is.
    """

    @property
    @abstractmethod
    def group(self) -> int:
        """Weights of a record."""

    @property
    @abstractmethod
    def each_shifts(self) -> int:
        """Positions that a filter keeps without a schedule."""

    @property
    @abstractmethod
    def positions(self) -> int:
        """Positions of a magnitude: the most that a filter can keep."""

    @abstractmethod
    def record_bits(self, shifts: int) -> int:
        """Bits of a record."""

    @abstractmethod
    def kept(self, rows: Codes, shifts: int) -> Codes:
        """Return what is kept of rows [rows, k] of whole numbers up to the largest magnitude."""

    @abstractmethod
    def records(self, rows: Codes, shifts: int) -> Bits:
        """Return the records of rows [rows, k], bit by bit: [rows, bits of a row]."""

    @abstractmethod
    def whole(self, bits: Bits, shifts: int, groups: int) -> Codes:
        """Return the whole numbers [rows, groups * group] of records bit by bit."""

    @property
    def whole_numbers(self) -> bool:
        """Signed magnitudes are whole numbers."""
        return True

    @property
    def keeps_scales(self) -> bool:
        """Positions of int8 codes can be kept at their scales."""
        return True

    @property
    def max_shifts(self) -> int:
        """Positions of a magnitude: a schedule gives a filter from 1 to all of them."""
        return self.positions

    @property
    def weight_shifts(self) -> int:
        """Positions that a filter keeps without a schedule."""
        return self.each_shifts

    @property
    def bits_per_element(self) -> float:
        """Bits of a record for each of its weights."""
        return self.record_bits(self.each_shifts) / self.group

    def storage_bytes(self, shape: tuple[int, ...], shifts: ArrayLike | None = None) -> int:
        """Bytes of the records and an fp32 scale of each filter; with `shifts` of each filter, a byte for those."""
        filters, each = rows_of(shape)
        per = np.full(filters, self.each_shifts) if shifts is None else np.asarray(shifts)
        bits = sum(int(np.sum(per == n)) * self.record_bits(n) for n in range(1, self.positions + 1))
        return packed_bytes(bits * -(-each // self.group), 1) + 4 * filters + (0 if shifts is None else filters)

    def beside(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """A scale of each filter; a schedule's shifts too, where they were given."""
        return {"scale": ("float32", rows_of(shape)[:1])}

    def check(self, encoded: Encoded) -> None:
        """Raise SlipstickError unless codes, scales and a schedule's shifts have the sizes that the shape asks for."""
        wanted, shifts = self.beside(encoded.shape), None
        if "shifts" in encoded.side:
            wanted["shifts"] = ("uint8", rows_of(encoded.shape)[:1])
        check_beside(encoded, wanted)
        if "shifts" in encoded.side:
            shifts = self._shifts(encoded.side, rows_of(encoded.shape)[0])
        size = self.storage_bytes(encoded.shape, shifts)
        if encoded.nbytes != size:
            raise SlipstickError("codes of another size", path=self.name, value=encoded.nbytes, allowed=f"{size} bytes")

    def encode(self, values: ArrayLike, side: Side | None = None) -> Encoded:
        """Represent finite values [filters, ...]; `side` may give scales, and the shifts of each filter.

        Errors
        ------
        SlipstickError for values that are not finite, shifts out of range, or not one for each filter.
        """
        rows, scale = scaled_rows(values, side, self._top)
        shifts = self._shifts(side, len(rows))
        records: list[Bits] = [np.zeros(0, np.uint8)] * len(rows)
        for count, chosen in _by_shifts(shifts):
            for row, record in zip(chosen, self.records(rows[chosen], count), strict=True):
                records[row] = record
        bits = np.concatenate([*records, np.zeros(0, np.uint8)])
        beside = {"scale": scale} | ({"shifts": shifts} if side is not None and "shifts" in side else {})
        return Encoded(self, np.shape(values), np.packbits(bits, bitorder="little"), beside)

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Return scale * code, rounded to fp32 once."""
        return times_scale(self.centred(encoded), encoded)

    def centred(self, encoded: Encoded) -> Codes:
        """Return the whole numbers that the scales multiply."""
        filters, each = rows_of(encoded.shape)
        groups, shifts = -(-each // self.group), self._shifts(encoded.side, filters)
        widths = np.array([self.record_bits(int(n)) for n in shifts], np.int64) * groups
        starts = np.concatenate([[0], np.cumsum(widths)])
        bits = np.unpackbits(encoded.codes, bitorder="little", count=int(starts[-1]))
        found = np.zeros((filters, groups * self.group), np.int64)
        for count, rows in _by_shifts(shifts):
            wide = self.record_bits(count) * groups
            found[rows] = self.whole(bits[starts[rows][:, None] + np.arange(wide)], count, groups)
        return found[:, :each].reshape(encoded.shape)

    def recode(self, codes: ArrayLike, side: Side | None = None) -> Codes:
        """Return what is kept of codes [filters, ...]; magnitudes beyond the positions count as the largest.

        Errors
        ------
        SlipstickError as `encode` raises it for shifts.
        """
        whole = np.clip(whole_codes(codes), -self._top, self._top)
        rows = whole.reshape(rows_of(whole.shape))
        found = np.empty_like(rows)
        for count, chosen in _by_shifts(self._shifts(side, len(rows))):
            found[chosen] = self.kept(rows[chosen], count)
        return found.reshape(whole.shape)

    def matmul(self, inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
        """Sum products of whole numbers exactly, then multiply by both scales in fp32."""
        return product_of_whole(inputs, weights)

    @property
    def surrogate(self) -> Surrogate:
        """Straight-through without bound: the scale follows the tensor."""
        return Surrogate()

    def cost(self) -> Cost:
        """One addition for each shift, one after another; ANDs and shifters are left out."""
        add, source = operation_energy("int32_add")
        shifts = self.each_shifts
        return Cost(self.bits_per_element, float(shifts), shifts * add, f"{source}; one addition a shift: assumed")

    @property
    def _top(self) -> int:
        return (1 << self.positions) - 1

    def _shifts(self, side: Side | None, filters: int) -> NDArray[np.uint8]:
        if side is None or "shifts" not in side:
            return np.full(filters, self.each_shifts, np.uint8)
        path = f"{self.name.partition(':')[0]}.shifts"
        given = np.asarray(side["shifts"])
        allowed = f"{filters} numbers from 1 to {self.positions}"
        if given.shape != (filters,) or given.dtype.kind not in "iu":
            raise SlipstickError("not shifts of each filter", path=path, value=given.shape, allowed=allowed)
        if filters and not 1 <= given.min() <= given.max() <= self.positions:
            raise SlipstickError("out of range", path=path, value=int(given.max()), allowed=allowed)
        return given.astype(np.uint8)


def _by_shifts(shifts: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each number of shifts with the filters that have it."""
    for count in np.unique(shifts):
        yield int(count), np.flatnonzero(shifts == count)
