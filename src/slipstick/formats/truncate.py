"""Truncate and Round: only a magnitude's upper bits are kept, the baselines of shared weight bit sparsity.

Weights are int8 under a scale of each filter: a sign and 7 bits of magnitude. `bits` positions of them remain, the
same for the whole layer: the uppermost. A schedule may give each filter bits of its own, which is the fair baseline of
scheduled shifts. Source: the baselines that Li et al., arXiv 2103.01308, name in their abstract; schedules of them are
our own.

A record is a sign and the remaining bits of one weight. Truncated or rounded magnitudes are counted in steps of the
lowest position that remains.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slipstick.core.arrays import ByteArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.formats.scheduled import _ScheduledEncoding

_POSITIONS = 7  # of an int8 magnitude


@dataclass(frozen=True)
class _UpperBits(_ScheduledEncoding):
    """int8 with a scale per filter, of whose magnitudes the upper `bits` bits are kept. Abstract: `steps`."""

    family: ClassVar[str]
    max_shifts: ClassVar[int] = _POSITIONS

    bits: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= _POSITIONS:
            allowed = f"1 to {_POSITIONS}"
            raise SlipstickError("out of range", path=f"{self.family}.bits", value=self.bits, allowed=allowed)

    @staticmethod
    @abstractmethod
    def steps(magnitudes: IntArray, shifts: int) -> IntArray:
        """Return magnitudes up to 127 in units of the lowest kept bit."""

    @property
    def name(self) -> str:
        """``truncate:4``: the family and the number of kept bits."""
        return f"{self.family}:{self.bits}"

    @property
    def weight_shifts(self) -> int:
        """Number of kept bits per weight, one shift each."""
        return self.bits

    def record_bits(self, shifts: int) -> int:
        """Bits of a weight: its sign and the kept bits."""
        return 1 + shifts

    def nearest_kept(self, rows: IntArray, shifts: int) -> IntArray:
        """Return multiples of the lowest kept bit, with the signs of `rows`."""
        return np.asarray(np.sign(rows) * (self.steps(np.abs(rows), shifts) << _POSITIONS - shifts), np.int64)

    def to_records(self, rows: IntArray, shifts: int) -> ByteArray:
        """Return sign and magnitude of each weight as an array of bits."""
        steps = self.steps(np.abs(rows), shifts)
        signed = steps << 1 | ((rows < 0) & (steps > 0))
        return (signed[..., None] >> np.arange(1 + shifts) & 1).astype(np.uint8).reshape(len(rows), -1)

    def from_records(self, bits: ByteArray, shifts: int, groups: int) -> IntArray:
        """Return the whole numbers [rows, groups] of records, given as arrays of bits."""
        records = bits.reshape(len(bits), groups, 1 + shifts).astype(np.int64)
        steps = (records[..., 1:] << np.arange(shifts)).sum(axis=-1)
        return np.asarray((1 - 2 * records[..., 0]) * (steps << _POSITIONS - shifts), np.int64)


@dataclass(frozen=True)
class Truncate(_UpperBits):
    """int8 with a scale per filter, magnitudes truncated (towards zero) to their upper `bits` bits.

    Examples
    --------
    >>> Truncate(4).recode([[127, -9, 7, 24]]).tolist()
    [[120, -8, 0, 24]]
    """

    family = "truncate"

    @staticmethod
    def steps(magnitudes: IntArray, shifts: int) -> IntArray:
        """Return magnitudes up to 127 in units of the lowest kept bit, truncated towards zero."""
        return magnitudes >> _POSITIONS - shifts


@dataclass(frozen=True)
class Round(_UpperBits):
    """Rounding to fewer bits: int8 weights with a scale per filter, rounded to the `bits` highest magnitude bits.

    Magnitudes become the nearest multiple of the lowest bit that stays. Ties go away from zero, as adding half and
    cutting does; magnitudes that would need a position above saturate.

    Examples
    --------
    >>> Round(4).recode([[127, -9, 4, 24]]).tolist()
    [[120, -8, 8, 24]]
    """

    family = "round"

    @staticmethod
    def steps(magnitudes: IntArray, shifts: int) -> IntArray:
        """Return magnitudes up to 127 in units of the lowest kept bit, half a unit added before truncation."""
        low = _POSITIONS - shifts
        return np.asarray(np.minimum((magnitudes + (1 << low >> 1)) >> low, (1 << shifts) - 1), np.int64)
