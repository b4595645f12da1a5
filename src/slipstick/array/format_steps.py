"""What an array makes of a format: the positions that an element steps through, and who shares them."""

from __future__ import annotations

from slipstick.core.device_kinds import Array
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats.integer import Int
from slipstick.formats.pool import Pool
from slipstick.formats.swis import Swis
from slipstick.formats.truncate import Window

BITS = 8  # of an activation, and the most positions that a weight has
_SHIFTING = ("single-shift", "double-shift")


def steps_of(form: Format, array: Array) -> tuple[int, bool]:
    """Return the positions or bits that an element steps through for a weight, and whether it makes use of the format.

    Shifting elements step through the shared positions; serial ones and bit bricks through a layer's bits, but not
    through positions that differ from group to group; multipliers take 8 bits. What is not made use of is turned back
    into 8 bits before the array.

    Errors
    ------
    SlipstickError for formats that are no whole numbers, integers of more than 8 bits, and groups that do not fill an
    element's lanes.
    """
    if isinstance(form, Pool):  # an index is looked up before the array
        return BITS, False
    count, group = _positions(form)
    if array.element == "parallel":
        return BITS, count == BITS
    if group is None:
        return count, True
    if array.element not in _SHIFTING:
        return BITS, False
    if group % array.group:
        raise SlipstickError(
            f"an element's {array.group} lanes share their positions", path="plan.formats", value=form.name,
            allowed=f"groups of a multiple of {array.group}",
        )  # fmt: skip
    return count, True


def _positions(form: Format) -> tuple[int, int | None]:
    """Return the positions of a weight, and the group that chooses them; None where a whole layer has the same."""
    if isinstance(form, Swis):
        return form.shifts, form.group
    if isinstance(form, Window):
        return form.bits, None
    if not isinstance(form, Int):
        raise SlipstickError(
            "not of whole numbers", path="plan.formats", value=form.name, allowed="int2 to int8, swis, pool"
        )
    if form.bits > BITS:
        raise SlipstickError("wider than the array", path="plan.formats", value=form.name, allowed="up to int8")
    return form.bits, None
