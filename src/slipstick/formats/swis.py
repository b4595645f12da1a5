"""Swis: shared weight bit sparsity, in which groups of weights share the bit positions of their magnitudes.

The record of a group, least significant bit first: its positions (the rank of their set among all sets, or each
position), a sign of each weight, a mask of `shifts` bits of each weight. Source: Li et al., "SWIS - Shared Weight bIt
Sparsity ...", arXiv 2103.01308; positions in place of a rank are that paper's layout as we recollect it, ranks are our
own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from slipstick.core.arrays import ByteArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.formats.decompose import MAX_GROUP, MAX_SIGNED_GROUP, _decompose, _Decomposition, _position_sets
from slipstick.formats.scheduled import _ScheduledEncoding


@dataclass(frozen=True)
class Swis(_ScheduledEncoding):
    """Sign and `bits` bits of magnitude with a scale per filter; each group keeps `shifts` bit positions.

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

    chooses_positions = True

    shifts: int = 3
    group: int = 4
    consecutive: bool = False
    alpha: float = 0.0
    bits: int = 7
    layout: Literal["rank", "positions"] = "rank"

    def __post_init__(self) -> None:
        most = MAX_SIGNED_GROUP if self.alpha else MAX_GROUP
        _position_sets(self.bits, self.shifts)
        if not 1 <= self.group <= most:
            raise SlipstickError("out of range", path="swis.group", value=self.group, allowed=f"1 to {most}")
        if not 0 <= self.alpha < math.inf:
            raise SlipstickError("out of range", path="swis.alpha", value=self.alpha, allowed="from 0")
        if self.layout not in ("rank", "positions"):
            raise SlipstickError("no such", path="swis.layout", value=self.layout, allowed=["rank", "positions"])

    @property
    def name(self) -> str:
        """``swis:3,group=4``, and the arguments that differ from the defaults."""
        extra = ",consecutive=true" if self.consecutive else ""
        extra += f",alpha={self.alpha!r}" if self.alpha else ""
        extra += f",bits={self.bits}" if self.bits != Swis.bits else ""
        extra += f",layout={self.layout}" if self.layout != "rank" else ""
        return f"swis:{self.shifts},group={self.group}{extra}"

    @property
    def weight_shifts(self) -> int:
        """Number of shifts (bit positions of the magnitude) that every group of weights keeps without a schedule."""
        return self.shifts

    @property
    def max_shifts(self) -> int:
        """Number of bit positions in a magnitude: the most shifts that a filter can keep."""
        return self.bits

    @property
    def full_scale(self) -> int:
        """Power of two above every magnitude."""
        return 1 << self.bits

    def record_bits(self, shifts: int) -> int:
        """Bits of a group's record: its positions, signs and masks."""
        return self._set_bits(shifts) + self.group * (1 + shifts)

    def nearest_kept(self, rows: IntArray, shifts: int) -> IntArray:
        """Return the numbers of least error whose groups share bit positions."""
        groups, sets = self._decomposed(rows, shifts)
        return np.asarray((np.sign(groups) * sets.magnitudes).reshape(len(rows), -1)[:, : rows.shape[1]], np.int64)

    def to_records(self, rows: IntArray, shifts: int) -> ByteArray:
        """Return positions, signs and masks of each group as an array of bits."""
        groups, sets = self._decomposed(rows, shifts)
        signs = (groups < 0) & (sets.magnitudes > 0)
        masks = (sets.masks[..., None] >> np.arange(shifts)) & 1
        fields = [self._set_fields(sets.sets, shifts), signs, masks.reshape(len(groups), self.group * shifts)]
        return np.concatenate(fields, axis=1).astype(np.uint8).reshape(len(rows), -1)

    def from_records(self, bits: ByteArray, shifts: int, groups: int) -> IntArray:
        """Return the whole numbers [rows, groups * group] of records, given as arrays of bits."""
        records = bits.reshape(-1, self.record_bits(shifts)).astype(np.int64)
        width = self._set_bits(shifts)
        positions = self._positions(records[:, :width], shifts)
        signs = records[:, width : width + self.group]
        masks = records[:, width + self.group :].reshape(-1, self.group, shifts)
        magnitudes = (masks << positions[:, None, :]).sum(axis=-1)
        return np.asarray((magnitudes * (1 - 2 * signs)).reshape(len(bits), groups * self.group), np.int64)

    def _set_bits(self, shifts: int) -> int:
        """Bits of the field that identifies a group's set of positions."""
        position = (self.bits - 1).bit_length()
        if self.layout == "positions":
            return position * (1 if self.consecutive else shifts)
        return (len(_position_sets(self.bits, shifts, consecutive=self.consecutive)) - 1).bit_length()

    def _decomposed(self, rows: IntArray, shifts: int) -> tuple[IntArray, _Decomposition]:
        """Return the groups [groups of all rows, group], filled with zeros, and their decomposition."""
        padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % self.group)))
        groups = padded.reshape(-1, self.group)
        sets = _decompose(groups, bits=self.bits, shifts=shifts, consecutive=self.consecutive, alpha=self.alpha)
        return groups, sets

    def _set_fields(self, sets: ByteArray, shifts: int) -> IntArray:
        """Return the fields [groups, bits] that name each group's set of positions."""
        width = self._set_bits(shifts)
        if self.layout == "rank":
            return (sets[:, None].astype(np.int64) >> np.arange(width)) & 1
        table = np.array(_position_sets(self.bits, shifts, consecutive=self.consecutive))
        positions = table[sets, :1] if self.consecutive else table[sets]
        places = np.arange((self.bits - 1).bit_length())
        return ((positions[..., None] >> places) & 1).reshape(len(sets), width)

    def _positions(self, fields: IntArray, shifts: int) -> IntArray:
        """Return the positions [groups, shifts] that the fields identify: the inverse of `_set_fields`."""
        table = np.array(_position_sets(self.bits, shifts, consecutive=self.consecutive))
        if self.layout == "rank":
            ranks = (fields << np.arange(fields.shape[1])).sum(axis=1)
            if ranks.size and ranks.max() >= len(table):
                raise SlipstickError("no such set of positions", path="swis", value=int(ranks.max()))
            return np.asarray(table[ranks], np.int64)
        width = (self.bits - 1).bit_length()
        positions = (fields.reshape(len(fields), -1, width) << np.arange(width)).sum(axis=-1)
        if self.consecutive:
            positions = positions + np.arange(shifts)
        if positions.size and positions.max() >= self.bits:
            raise SlipstickError("no such position", path="swis", value=int(positions.max()))
        return np.asarray(positions, np.int64)
