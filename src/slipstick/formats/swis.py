"""Swis: groups of weights that share the positions of their magnitudes' bits, packed to the bit.

A group's record, least significant bit first: which positions (the set's rank among all sets, or each position), a
sign for each weight, a mask of `shifts` bits for each weight. Groups follow each other without gaps; filters follow
each other, each with the groups of its own number of shifts. Source: Li et al., arXiv 2103.01308; positions in place
of a rank are that paper's layout as we recollect it, ranks are our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Cost, Encoded, Format, Surrogate, check_beside
from slipstick.formats.decompose import LARGEST_GROUP, LARGEST_SIGNED_GROUP, decompose, position_sets
from slipstick.formats.packing import packed_bytes
from slipstick.formats.whole import product_of_whole, rows_of, scaled_rows, times_scale, whole_codes
from slipstick.formats.window import serial_cost

Codes = NDArray[np.int64]
Side = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Swis(Format):
    """Sign and `bits` bits of magnitude under a scale of each filter; each group keeps `shifts` positions of them.

    Groups are `group` consecutive weights of a filter in the order of the tensor, the last one of a filter filled with
    zeros. A schedule gives each filter shifts of its own: ``encode(w, {"shifts": shifts})``.

    Parameters
    ----------
    consecutive : positions next to each other (SWIS-C).
    alpha : weight of the squared sum of a group's signed errors.
    bits : positions of a magnitude; int8 has 7.
    layout : "rank" (of the set among all sets) or "positions" (each of them).

    Examples
    --------
    >>> Swis(shifts=2).recode([[100, -36, 4, 0]]).tolist()
    [[96, -32, 0, 0]]
    >>> Swis(shifts=2).bits_per_element, Swis(shifts=2, layout="positions").bits_per_element
    (4.25, 4.5)
    """

    shifts: int = 3
    group: int = 4
    consecutive: bool = False
    alpha: float = 0.0
    bits: int = 7
    layout: Literal["rank", "positions"] = "rank"

    def __post_init__(self) -> None:
        most = LARGEST_SIGNED_GROUP if self.alpha else LARGEST_GROUP
        position_sets(self.bits, self.shifts)
        if not 1 <= self.group <= most:
            raise SlipstickError("out of range", path="swis.group", value=self.group, allowed=f"1 to {most}")
        if not 0 <= self.alpha < math.inf:
            raise SlipstickError("out of range", path="swis.alpha", value=self.alpha, allowed="from 0")
        if self.layout not in ("rank", "positions"):
            raise SlipstickError("no such", path="swis.layout", value=self.layout, allowed=["rank", "positions"])

    @property
    def name(self) -> str:
        """``swis:3,group=4``, with what differs from the defaults."""
        extra = ",consecutive=true" if self.consecutive else ""
        extra += f",alpha={self.alpha!r}" if self.alpha else ""
        extra += f",bits={self.bits}" if self.bits != Swis.bits else ""
        extra += f",layout={self.layout}" if self.layout != "rank" else ""
        return f"swis:{self.shifts},group={self.group}{extra}"

    @property
    def bits_per_element(self) -> float:
        """Bits of a group's record for each of its weights."""
        return self.record_bits(self.shifts) / self.group

    def record_bits(self, shifts: int) -> int:
        """Bits of a group's record: its positions, signs and masks."""
        return self._set_bits(shifts) + self.group * (1 + shifts)

    def storage_bytes(self, shape: tuple[int, ...], shifts: ArrayLike | None = None) -> int:
        """Bytes of the records and an fp32 scale of each filter; with `shifts` of each filter, a byte for those."""
        filters, each = rows_of(shape)
        per = np.full(filters, self.shifts) if shifts is None else np.asarray(shifts)
        bits = sum(int(np.sum(per == n)) * self.record_bits(n) for n in range(1, self.bits + 1))
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
        whole, scale = scaled_rows(values, side, 2**self.bits - 1)
        shifts = self._shifts(side, len(whole))
        records: list[NDArray[np.uint8]] = [np.zeros(0, np.uint8)] * len(whole)
        for count, rows in _by_shifts(shifts):
            found = self._records(whole[rows], count)
            for row, record in zip(rows, found, strict=True):
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
        whole = np.zeros((filters, groups * self.group), np.int64)
        for count, rows in _by_shifts(shifts):
            wide = self.record_bits(count) * groups
            whole[rows] = self._whole(bits[starts[rows][:, None] + np.arange(wide)], count, groups)
        return whole[:, :each].reshape(encoded.shape)

    def recode(self, codes: ArrayLike, side: Side | None = None) -> Codes:
        """Decompose codes [filters, ...]; magnitudes beyond the positions count as the largest.

        Errors
        ------
        SlipstickError as `encode` raises it for shifts.
        """
        top = 2**self.bits - 1
        whole = np.clip(whole_codes(codes), -top, top)
        rows = whole.reshape(rows_of(whole.shape))
        kept = np.empty_like(rows)
        for count, chosen in _by_shifts(self._shifts(side, len(rows))):
            groups, found = self._decomposed(rows[chosen], count)
            kept[chosen] = (np.sign(groups) * found.magnitudes).reshape(len(chosen), -1)[:, : rows.shape[1]]
        return kept.reshape(whole.shape)

    def matmul(self, inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
        """Sum products of whole numbers exactly, then multiply by both scales in fp32."""
        return product_of_whole(inputs, weights)

    @property
    def surrogate(self) -> Surrogate:
        """Straight-through without bound: the scale follows the tensor."""
        return Surrogate()

    def cost(self) -> Cost:
        """One addition for each shift, one after another."""
        return serial_cost(self.bits_per_element, self.shifts)

    def _set_bits(self, shifts: int) -> int:
        position = (self.bits - 1).bit_length()
        if self.layout == "positions":
            return position * (1 if self.consecutive else shifts)
        return (len(position_sets(self.bits, shifts, consecutive=self.consecutive)) - 1).bit_length()

    def _shifts(self, side: Side | None, filters: int) -> NDArray[np.uint8]:
        if side is None or "shifts" not in side:
            return np.full(filters, self.shifts, np.uint8)
        given = np.asarray(side["shifts"])
        allowed = f"{filters} numbers from 1 to {self.bits}"
        if given.shape != (filters,) or given.dtype.kind not in "iu":
            raise SlipstickError("not shifts of each filter", path="swis.shifts", value=given.shape, allowed=allowed)
        if filters and not 1 <= given.min() <= given.max() <= self.bits:
            raise SlipstickError("out of range", path="swis.shifts", value=int(given.max()), allowed=allowed)
        return given.astype(np.uint8)

    def _decomposed(self, rows: Codes, shifts: int) -> tuple[Codes, Any]:
        """Return the groups [groups of all rows, group], filled with zeros, and their decomposition."""
        padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % self.group)))
        groups = padded.reshape(-1, self.group)
        found = decompose(groups, bits=self.bits, shifts=shifts, consecutive=self.consecutive, alpha=self.alpha)
        return groups, found

    def _records(self, rows: Codes, shifts: int) -> NDArray[np.uint8]:
        """Return the bits [rows, bits of a row] of the records of rows with one number of shifts."""
        groups, found = self._decomposed(rows, shifts)
        signs = (groups < 0) & (found.magnitudes > 0)
        masks = (found.masks[..., None] >> np.arange(shifts)) & 1
        bits = np.concatenate(
            [self._set_fields(found.sets, shifts), signs, masks.reshape(len(groups), self.group * shifts)], axis=1
        )
        return bits.astype(np.uint8).reshape(len(rows), -1)

    def _set_fields(self, sets: NDArray[np.uint8], shifts: int) -> NDArray[np.int64]:
        width = self._set_bits(shifts)
        if self.layout == "rank":
            return (sets[:, None].astype(np.int64) >> np.arange(width)) & 1
        every = np.array(position_sets(self.bits, shifts, consecutive=self.consecutive))
        chosen = every[sets, :1] if self.consecutive else every[sets]
        each = np.arange((self.bits - 1).bit_length())
        return ((chosen[..., None] >> each) & 1).reshape(len(sets), width)

    def _whole(self, bits: NDArray[np.uint8], shifts: int, groups: int) -> Codes:
        """Return the whole numbers [rows, padded weights] of the bits [rows, bits of a row] of their records."""
        records = bits.reshape(-1, self.record_bits(shifts)).astype(np.int64)
        width = self._set_bits(shifts)
        positions = self._positions(records[:, :width], shifts)
        signs = records[:, width : width + self.group]
        masks = records[:, width + self.group :].reshape(-1, self.group, shifts)
        magnitudes = (masks << positions[:, None, :]).sum(axis=-1)
        whole: Codes = (magnitudes * (1 - 2 * signs)).reshape(len(bits), groups * self.group)
        return whole

    def _positions(self, fields: NDArray[np.int64], shifts: int) -> NDArray[np.int64]:
        every = np.array(position_sets(self.bits, shifts, consecutive=self.consecutive))
        if self.layout == "rank":
            ranks = (fields << np.arange(fields.shape[1])).sum(axis=1)
            if ranks.size and ranks.max() >= len(every):
                raise SlipstickError("no such set of positions", path="swis", value=int(ranks.max()))
            return np.asarray(every[ranks], np.int64)
        wide = (self.bits - 1).bit_length()
        found = (fields.reshape(len(fields), -1, wide) << np.arange(wide)).sum(axis=-1)
        if self.consecutive:
            found = found + np.arange(shifts)
        if found.size and found.max() >= self.bits:
            raise SlipstickError("no such position", path="swis", value=int(found.max()))
        return np.asarray(found, np.int64)


def _by_shifts(shifts: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each number of shifts with the filters that have it."""
    for count in np.unique(shifts):
        yield int(count), np.flatnonzero(shifts == count)
