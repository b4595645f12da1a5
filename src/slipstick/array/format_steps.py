"""Cost of a weight format on an array: the bit steps that a weight, such as of ``swis:3``, takes in an element.

Their cycles are `BitSerial.cycles` in `formats.arithmetic.bit_serial`, their energy `array.parts` by the coefficients
of data/array/energy.yaml, the stored bytes `array.weight_formats`.
"""

from __future__ import annotations

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.device_kinds import Array
from slipstick.core.errors import SlipstickError
from slipstick.core.format import EXACT, Format
from slipstick.formats.arithmetic import BitSerial, Exact
from slipstick.formats.arithmetic.bit_serial import check_serial

BITS = 8  # of an activation, and the most positions of a weight


def _array_arithmetic(array: Array) -> Arithmetic:
    """Return the arithmetic of an array's elements: exact for parallel multipliers, bit-serial for all others.

    Examples
    --------
    >>> _array_arithmetic(Array(clock=5e8, rows=8, columns=8, group=4, element="double-shift")).name
    'bit_serial:element=double-shift,lanes=4'
    """
    return Exact() if array.element == "parallel" else BitSerial(array.element, array.group)


def _weight_steps(form: Format, array: Array) -> tuple[int, bool]:
    """Return the steps (bits or shift positions) per weight of an element, and whether it exploits the format.

    Weights whose format an element makes no use of are decoded to 8 bits before the array (`Arithmetic.steps`).

    Errors
    ------
    SlipstickError for formats that are no whole numbers, integers of more than 8 bits, groups that do not fill an
    element's lanes, and formats of another arithmetic than the array's.
    """
    encoding, arithmetic = form.encoding, _array_arithmetic(array)
    if form.arithmetic.name not in (EXACT, "bit_serial", arithmetic.name):
        message = f"{array.element} elements multiply by {arithmetic.name}"
        raise SlipstickError(message, path="plan.formats.layers", value=form.name, allowed=f"{encoding.name} alone")
    check_serial(encoding, BITS, "the array", path="plan.formats.layers", value=form.name)
    arithmetic.check(encoding)
    steps = arithmetic.steps(encoding)
    return (BITS, False) if steps is None else (steps, True)
