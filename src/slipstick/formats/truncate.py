"""Truncate and Round: the fixed window of a magnitude's upper bits, the baselines of shared weight bit sparsity.

Weights are int8 under a scale of each filter: a sign and 7 bits of magnitude. `bits` positions of them remain, the
same for the whole layer: the uppermost. A schedule may give each filter bits of its own, which is the fair baseline of
scheduled shifts. Source: the baselines that Li et al., arXiv 2103.01308, name in their abstract; schedules of them are
our own.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.formats.scheduled import Bits, ByFilter, Codes

POSITIONS = 7  # of an int8 magnitude


@dataclass(frozen=True)
class Window(ByFilter):
    """The `bits` uppermost positions of a magnitude; a record is a sign and those bits of one weight."""

    bits: int = 4
    family: ClassVar[str]

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= POSITIONS:
            path = f"{self.family}.bits"
            raise SlipstickError("out of range", path=path, value=self.bits, allowed=f"1 to {POSITIONS}")

    @abstractmethod
    def steps(self, magnitudes: Codes, shifts: int) -> Codes:
        """Return magnitudes up to 127 in steps of the lowest position that remains."""

    @property
    def name(self) -> str:
        """``truncate:4`` or ``round:4``."""
        return f"{self.family}:{self.bits}"

    @property
    def group(self) -> int:
        """Each weight has a record of its own."""
        return 1

    @property
    def each_shifts(self) -> int:
        """The bits that remain, one shift each."""
        return self.bits

    @property
    def positions(self) -> int:
        """Those of an int8 magnitude."""
        return POSITIONS

    def record_bits(self, shifts: int) -> int:
        """The sign and the positions that remain."""
        return 1 + shifts

    def kept(self, rows: Codes, shifts: int) -> Codes:
        """Return the multiples of the lowest position that remains."""
        return np.asarray(np.sign(rows) * (self.steps(np.abs(rows), shifts) << POSITIONS - shifts), np.int64)

    def records(self, rows: Codes, shifts: int) -> Bits:
        """Return sign and steps of each weight, bit by bit."""
        steps = self.steps(np.abs(rows), shifts)
        signed = steps << 1 | ((rows < 0) & (steps > 0))
        return (signed[..., None] >> np.arange(1 + shifts) & 1).astype(np.uint8).reshape(len(rows), -1)

    def whole(self, bits: Bits, shifts: int, groups: int) -> Codes:
        """Return the whole numbers [rows, groups] of records bit by bit."""
        each = bits.reshape(len(bits), groups, 1 + shifts).astype(np.int64)
        steps = (each[..., 1:] << np.arange(shifts)).sum(axis=-1)
        return np.asarray((1 - 2 * each[..., 0]) * (steps << POSITIONS - shifts), np.int64)


@dataclass(frozen=True)
class Truncate(Window):
    """int8 with a scale of each filter, the low magnitude bits cut off (towards zero) but for `bits`.

    Examples
    --------
    >>> Truncate(4).recode([[127, -9, 7, 24]]).tolist()
    [[120, -8, 0, 24]]
    """

    family: ClassVar[str] = "truncate"

    def steps(self, magnitudes: Codes, shifts: int) -> Codes:
        """Cut the low bits."""
        return magnitudes >> POSITIONS - shifts


@dataclass(frozen=True)
class Round(Window):
    """int8 with a scale of each filter, rounded to the nearest multiple of the lowest of `bits` upper positions.

    Ties go away from zero, as adding half and cutting does; what would need a position above is held at the largest.

    Examples
    --------
    >>> Round(4).recode([[127, -9, 4, 24]]).tolist()
    [[120, -8, 8, 24]]
    """

    family: ClassVar[str] = "round"

    def steps(self, magnitudes: Codes, shifts: int) -> Codes:
        """Add half a step and cut."""
        low = POSITIONS - shifts
        return np.asarray(np.minimum((magnitudes + (1 << low >> 1)) >> low, (1 << shifts) - 1), np.int64)
