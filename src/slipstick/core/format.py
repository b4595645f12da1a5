"""Format: the pair of an encoding, which stores numbers, and an arithmetic, which multiplies them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.stand_in import StandIn

if TYPE_CHECKING:
    from slipstick.core.arrays import Float32Array

EXACT = "exact"  # the arithmetic of formats whose text names none


@dataclass(frozen=True, slots=True)
class Format:
    """Number format of weights: `encoding` says how they are stored, `arithmetic` how products are computed.

    Its text is that of the encoding, followed by ``@`` and the arithmetic unless that is exact:
    ``int8``, ``swis:3,group=4``, ``int8@bit_serial:element=serial``.

    Errors
    ------
    SlipstickError if the arithmetic does not multiply weights of the encoding.
    """

    encoding: Encoding
    arithmetic: Arithmetic

    def __post_init__(self) -> None:
        self.arithmetic.check(self.encoding)

    @property
    def name(self) -> str:
        """The text from which `slipstick.formats.format_of` builds the same format."""
        suffix = "" if self.arithmetic.name == EXACT else f"@{self.arithmetic.name}"
        return f"{self.encoding.name}{suffix}"

    @property
    def stand_in(self) -> StandIn:
        """Smooth stand-in of the arithmetic, by which gradients pass through it in training."""
        return self.arithmetic.stand_in(self.encoding)

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return the product [m, n] of inputs [m, k] by weights [n, k], with the rounding of the arithmetic."""
        return self.arithmetic.matmul(inputs, weights)

    def operations(self, shape: tuple[int, ...], positions: int = 1) -> float:
        """Return the number of multiplier operations of a layer with weights [filters, ...], over `positions` outputs.

        A multiply-accumulate counts as many as the cycles of one multiplier that it takes: 1 with exact arithmetic, one
        for each shift or bit with bit-serial arithmetic.
        """
        return self.encoding.products(shape) * positions * self.arithmetic.cost(self.encoding).cycles
