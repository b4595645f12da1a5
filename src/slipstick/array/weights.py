"""What an array needs to know of a format: positions of a weight's bits, who shares them, and bytes of a layer.

``swis:3`` and its baselines are described by their layout alone, which is all that cycles and bytes depend on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.core.system import Array
from slipstick.formats import format_of
from slipstick.formats.integer import Int

BITS = 8  # of an activation, and the most positions that a weight has
ARGUMENTS = ("group", "consecutive", "alpha")  # alpha chooses other positions, not another layout
_FIELD = 3  # bits of one of 8 positions
_SCALE = 4  # bytes of a filter's fp32 scale
_SHIFTING = ("single-shift", "double-shift")
_TEXT = re.compile(r"(swis|truncate|round):(?:(?:shifts|bits)=)?(\d+)((?:[,;]\w+=[\w.]+)*)")


@dataclass(frozen=True)
class SharedBits:
    """Weights of `shifts` bits and a sign, whose positions a group of `group` shares.

    ``swis``: any positions of 8, a field each, or with `consecutive` one field for the first of them;
    ``truncate`` and ``round``: the same positions in all of a layer, none stored. Source: arXiv 2103.01308, the layout
    as recollected.

    Examples
    --------
    >>> SharedBits("swis", 3).storage_bytes((1, 4)) - 4  # 25 bits and a scale
    4
    """

    kind: Literal["swis", "truncate", "round"]
    shifts: int
    group: int = 4
    consecutive: bool = False

    @property
    def name(self) -> str:
        """The text that describes it."""
        return f"{self.kind}:{self.shifts}"

    @property
    def group_bits(self) -> int:
        """Bits of one group: signs, masks and positions."""
        fields = 0 if self.kind != "swis" else 1 if self.consecutive else self.shifts
        return self.group * (1 + self.shifts) + _FIELD * fields

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of [filters, reduction] weights: packed groups, and a scale for each filter."""
        filters, reduction = shape
        return -(-filters * -(-reduction // self.group) * self.group_bits // BITS) + _SCALE * filters


Kind = Format | SharedBits


def kind_of(text: str) -> Kind:
    """Return what a text such as ``int8`` or ``swis:3;group=8`` names.

    Errors
    ------
    SlipstickError as `slipstick.formats.format_of`, and for arguments that do not fit.
    """
    match = _TEXT.fullmatch(text.strip().casefold())
    if match is None:
        return format_of(text)
    if not 1 <= int(match[2]) <= BITS:
        raise SlipstickError("out of range", path="plan.formats", value=text, allowed=f"1 to {BITS} shifts")
    given = dict(part.split("=") for part in re.split("[,;]", match[3]) if part)
    wrong = [key for key in given if key not in ARGUMENTS]
    group, consecutive = given.get("group", "4"), given.get("consecutive", "false")
    if wrong or not group.isdigit() or int(group) < 1 or consecutive not in ("true", "false"):
        raise SlipstickError("not such a format", path="plan.formats", value=text, allowed="swis:3;group=4")
    kind: Literal["swis", "truncate", "round"] = match[1]  # type: ignore[assignment]
    return SharedBits(kind, int(match[2]), int(group), consecutive == "true")


def steps_of(kind: Kind, array: Array) -> tuple[int, bool]:
    """Return the positions or bits that an element steps through for a weight, and whether it makes use of the format.

    Shifting elements step through the shared positions; serial ones and bit bricks through a layer's bits, but not
    through positions that differ from group to group; multipliers take 8 bits. What is not made use of is turned back
    into 8 bits before the array.

    Errors
    ------
    SlipstickError for formats that are no whole numbers, integers of more than 8 bits, and groups that do not fill an
    element's lanes.
    """
    count, group = _positions(kind)
    if array.element == "parallel":
        return BITS, count == BITS
    if group is None:
        return count, True
    if array.element not in _SHIFTING:
        return BITS, False
    if group % array.group:
        raise SlipstickError(
            f"an element's {array.group} lanes share their positions", path="plan.formats", value=kind.name,
            allowed=f"groups of a multiple of {array.group}",
        )  # fmt: skip
    return count, True


def _positions(kind: Kind) -> tuple[int, int | None]:
    """Return the positions of a weight, and the group that chooses them; None where a whole layer has the same."""
    if isinstance(kind, SharedBits):
        return kind.shifts, kind.group if kind.kind == "swis" else None
    if not isinstance(kind, Int):
        raise SlipstickError("not of whole numbers", path="plan.formats", value=kind.name, allowed="int2 to int8")
    if kind.bits > BITS:
        raise SlipstickError("wider than the array", path="plan.formats", value=kind.name, allowed="up to int8")
    return kind.bits, None
