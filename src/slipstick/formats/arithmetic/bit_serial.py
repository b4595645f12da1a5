"""Bit-serial arithmetic: a multiplier steps through the bits or kept positions of a weight, adding up shifted inputs.

Sources: Li et al., "SWIS - Shared Weight bIt Sparsity ...", arXiv 2103.01308, as we recollect its elements; Stripes:
Judd et al., MICRO 2016; BitFusion: Sharma et al., ISCA 2018, section III.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arithmetic import Arithmetic, Cost
from slipstick.core.arrays import Float32Array, FloatArray, IntArray
from slipstick.core.device_kinds import Element
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers
from slipstick.formats.arithmetic.exact import Exact
from slipstick.formats.arithmetic.operation_costs import _multiplier_area, _operation_energy
from slipstick.formats.arithmetic.products import whole_product

_OPERAND_BITS = 8  # of an activation, and the most positions of a weight
_BRICK_BITS = 2  # of each operand in BitFusion's smallest multiplier
_SHIFTING = ("single-shift", "double-shift")  # elements that are told each group's positions
_ELEMENTS = tuple(element for element in get_args(Element) if element != "parallel")


@dataclass(frozen=True)
class BitSerial(Arithmetic):
    """Serial multipliers, of weights up to 8 bits: exact sums, in as many cycles as a weight has steps.

    Parameters
    ----------
    element : ``single-shift``: one kept position a cycle, N cycles. ``double-shift``: two, ceil(N/2) cycles.
        ``serial``: every one of N bits, zeros too (Stripes). ``bit-fusion``: as many 2 bit by 2 bit products as 8 by N
        bits have, one a cycle.
    lanes : weights of an element that share their positions: groups of the encoding are a multiple of it.

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> format_of("swis:3@bit_serial:element=double-shift").arithmetic.cycles([1, 2, 3, 4]).tolist()
    [1, 1, 2, 2]
    >>> format_of("swis:3@bit_serial").operations((16, 3, 3, 8)) / (16 * 9 * 8)
    3.0
    """

    exact_products = True

    element: Element = "single-shift"
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.element not in _ELEMENTS:
            path = "bit_serial.element"
            raise SlipstickError("no such serial element", path=path, value=self.element, allowed=_ELEMENTS)
        if self.lanes < 1:
            raise SlipstickError("out of range", path="bit_serial.lanes", value=self.lanes, allowed="from 1")

    @property
    def name(self) -> str:
        """``bit_serial``, with the arguments that differ from the defaults behind a colon."""
        arguments = [] if self.element == BitSerial.element else [f"element={self.element}"]
        arguments += [] if self.lanes == BitSerial.lanes else [f"lanes={self.lanes}"]
        return "bit_serial" + (":" + ",".join(arguments) if arguments else "")

    def check(self, encoding: Encoding) -> None:
        """Raise SlipstickError unless weights are whole numbers of up to 8 bits whose groups fill the lanes."""
        check_serial(encoding, _OPERAND_BITS, "a serial element", path="format", value=encoding.name)
        if encoding.chooses_positions and self.element in _SHIFTING and encoding.group % self.lanes:
            message = f"an element's {self.lanes} lanes share their positions"
            allowed = f"groups of a multiple of {self.lanes}"
            raise SlipstickError(message, path="format", value=encoding.name, allowed=allowed)

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return inputs [m, k] times weights [n, k], bit plane by bit plane: exact sums, then both scales in fp32.

        Errors
        ------
        SlipstickError if a sum leaves the 32 bit accumulator, scales vary along the summed axis, or a tensor is none of
        whole numbers.
        """
        return whole_product(self, inputs, weights)

    def sums(self, inputs: WholeNumbers, weights: WholeNumbers) -> FloatArray:
        """Return the sums [m, n] of whole numbers [m, k] by [n, k], bit plane by bit plane of the weights."""
        return _serial_dot(inputs.elements, weights.elements)

    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the straight-through estimator, since bit-serial products are exact."""
        return Exact().stand_in(encoding)

    def cost(self, encoding: Encoding) -> Cost:
        """Return the cycles and additions per weight, one each per step; gates and shifters are assumed to be free.

        Elements of BitFusion multiply 2 by 2 bits before each addition. The area is that of an element of one lane.
        """
        add, source = _operation_energy("int32_add")
        steps = self.steps(encoding) or _OPERAND_BITS
        cycles, area = int(self.cycles(steps)), _multiplier_area(self.element)
        if self.element == "bit-fusion":
            brick = _operation_energy("int8_multiply")[0] * (_BRICK_BITS / _OPERAND_BITS) ** 2
            note = f"{source}; a 2 bit product and an addition a cycle: assumed"
            return Cost(float(cycles), cycles * (brick + add), area, note)
        return Cost(float(cycles), steps * add, area, f"{source}; one addition a shift: assumed")

    def steps(self, encoding: Encoding) -> int | None:
        """Return the number of kept bit positions per weight, or of all its bits.

        None where the positions differ from group to group and the element is not told them, and for indices of a pool,
        which are looked up before: such weights arrive as 8 bits.
        """
        if encoding.chooses_positions and self.element not in _SHIFTING:
            return None
        return encoding.serial_bits

    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return the cycles of a processing element per weight, for weights of 1 to 8 steps."""
        count = np.asarray(steps, np.int64)
        if (count < 1).any() or (count > _OPERAND_BITS).any():
            allowed = f"1 to {_OPERAND_BITS}"
            raise SlipstickError("out of range", path="bit_serial.shifts", value=count.tolist(), allowed=allowed)
        if self.element == "double-shift":
            return -(-count // 2)
        if self.element == "bit-fusion":
            return _OPERAND_BITS // _BRICK_BITS * -(-count // _BRICK_BITS)
        return count


def _serial_dot(inputs: IntArray, weights: IntArray) -> FloatArray:
    """Return the sums [m, n] of whole numbers [m, k] by [n, k], computed per bit plane of the weights' magnitudes."""
    activations, magnitudes, signs = inputs.astype(np.float64), np.abs(weights), np.sign(weights)
    total = np.zeros((len(inputs), len(weights)))
    for place in range(int(magnitudes.max(initial=0)).bit_length()):
        plane = signs * (magnitudes >> place & 1)
        total += (activations @ plane.astype(np.float64).T) * 2.0**place
    return total


def check_serial(encoding: Encoding, bits: int, device: str, *, path: str, value: str) -> None:
    """Raise SlipstickError unless weights are whole numbers of at most `bits` bits, as `device` requires."""
    if not encoding.whole_numbers:
        allowed = "int2 to int8, swis, truncate, round, pool"
        raise SlipstickError("not of whole numbers", path=path, value=value, allowed=allowed)
    if (encoding.serial_bits or 0) > bits:
        raise SlipstickError(f"wider than {device}", path=path, value=value, allowed=f"up to int{bits}")
