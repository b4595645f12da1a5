"""Swis: groups of weights that share the positions of their magnitudes' bits, packed to the bit.

A group's record, least significant bit first: which positions (the set's rank among all sets, or each position), a
sign for each weight, a mask of `shifts` bits for each weight. Source: Li et al., arXiv 2103.01308; positions in place
of a rank are that paper's layout as we recollect it, ranks are our own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.formats.decompose import LARGEST_GROUP, LARGEST_SIGNED_GROUP, decompose, position_sets
from slipstick.formats.scheduled import Bits, ByFilter, Codes


@dataclass(frozen=True)
class Swis(ByFilter):
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
    def each_shifts(self) -> int:
        """Positions of every group, without a schedule."""
        return self.shifts

    @property
    def positions(self) -> int:
        """Those of a magnitude."""
        return self.bits

    def record_bits(self, shifts: int) -> int:
        """Bits of a group's record: its positions, signs and masks."""
        return self._set_bits(shifts) + self.group * (1 + shifts)

    def kept(self, rows: Codes, shifts: int) -> Codes:
        """Return the nearest numbers of least error that share positions in their groups."""
        groups, found = self._decomposed(rows, shifts)
        return np.asarray((np.sign(groups) * found.magnitudes).reshape(len(rows), -1)[:, : rows.shape[1]], np.int64)

    def records(self, rows: Codes, shifts: int) -> Bits:
        """Return which positions, the signs and the masks of each group, bit by bit."""
        groups, found = self._decomposed(rows, shifts)
        signs = (groups < 0) & (found.magnitudes > 0)
        masks = (found.masks[..., None] >> np.arange(shifts)) & 1
        bits = np.concatenate(
            [self._set_fields(found.sets, shifts), signs, masks.reshape(len(groups), self.group * shifts)], axis=1
        )
        return bits.astype(np.uint8).reshape(len(rows), -1)

    def whole(self, bits: Bits, shifts: int, groups: int) -> Codes:
        """Return the whole numbers [rows, groups * group] of records bit by bit."""
        records = bits.reshape(-1, self.record_bits(shifts)).astype(np.int64)
        width = self._set_bits(shifts)
        positions = self._positions(records[:, :width], shifts)
        signs = records[:, width : width + self.group]
        masks = records[:, width + self.group :].reshape(-1, self.group, shifts)
        magnitudes = (masks << positions[:, None, :]).sum(axis=-1)
        whole: Codes = (magnitudes * (1 - 2 * signs)).reshape(len(bits), groups * self.group)
        return whole

    def _set_bits(self, shifts: int) -> int:
        position = (self.bits - 1).bit_length()
        if self.layout == "positions":
            return position * (1 if self.consecutive else shifts)
        return (len(position_sets(self.bits, shifts, consecutive=self.consecutive)) - 1).bit_length()

    def _decomposed(self, rows: Codes, shifts: int) -> tuple[Codes, Any]:
        """Return the groups [groups of all rows, group], filled with zeros, and their decomposition."""
        padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % self.group)))
        groups = padded.reshape(-1, self.group)
        found = decompose(groups, bits=self.bits, shifts=shifts, consecutive=self.consecutive, alpha=self.alpha)
        return groups, found

    def _set_fields(self, sets: NDArray[np.uint8], shifts: int) -> NDArray[np.int64]:
        width = self._set_bits(shifts)
        if self.layout == "rank":
            return (sets[:, None].astype(np.int64) >> np.arange(width)) & 1
        every = np.array(position_sets(self.bits, shifts, consecutive=self.consecutive))
        chosen = every[sets, :1] if self.consecutive else every[sets]
        each = np.arange((self.bits - 1).bit_length())
        return ((chosen[..., None] >> each) & 1).reshape(len(sets), width)

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
