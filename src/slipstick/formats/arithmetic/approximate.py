"""Approximate multipliers: every product is read from a table, sums are exact.

Sources: EvoApprox8b, Mrazek et al., DATE 2017 (the catalogue's circuits); Li et al., arXiv 2304.04125, as we recollect
it, for magnitudes of 7 bits with the signs beside them and the exact product as stand-in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arithmetic import Arithmetic, Cost
from slipstick.core.arrays import AnyArray, Float32Array, IntArray
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.exact import Exact
from slipstick.formats.arithmetic.operation_costs import _operation_energy, array_parts
from slipstick.formats.arithmetic.products import whole_product
from slipstick.formats.multipliers.find_multiplier import find_multiplier
from slipstick.formats.multipliers.multiplier import Multiplier
from slipstick.formats.multipliers.multiplier_facts import multiplier_facts

_EXACT_CIRCUITS = {"signed": "mul8s_1KV8", "sign-magnitude": "mul8u_1JFF", "unsigned": "mul8u_1JFF"}


@dataclass(frozen=True)
class Approximate(Arithmetic):
    """Table of a multiplier of up to 8 by 8 bits; inputs are its first operand, weights its second; exact 32 bit sums.

    Operands of a signed table are two's complement; of a table of magnitudes, the signs are multiplied apart, zero
    being positive; unsigned ones are offset by 2**(bits - 1), and the exact share of the offsets is subtracted. Numbers
    that an operand cannot hold saturate (-128 of a magnitude of 7 bits). Zeros of the padding are multiplied too.

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> form = format_of("int8@mul8s_1L2H")
    >>> x = form.encoding.encode([[3.0, 127.0]])
    >>> form.matmul(x, x).tolist()
    [[15880.0]]
    """

    multiplier: Multiplier

    @classmethod
    def of(cls, text: str, operands: str = "") -> Approximate:
        """Return the arithmetic of a multiplier by its name in the catalogue or its file."""
        return cls(find_multiplier(text, operands))

    @property
    def name(self) -> str:
        """Name of the multiplier or its file, followed by its operands where they are not its own."""
        facts, products = self.multiplier.facts, self.multiplier.products
        own = facts.operands if facts else "signed" if products.min() < 0 else "sign-magnitude"
        suffix = "" if self.multiplier.operands == own else f":operands={self.multiplier.operands}"
        return self.multiplier.name + suffix

    @property
    def family(self) -> str:
        """``approximate``, whichever the multiplier."""
        return "approximate"

    def check(self, encoding: Encoding) -> None:
        """Raise SlipstickError unless weights are whole numbers that the multiplier's operands hold."""
        full = self.multiplier.full
        if not encoding.whole_numbers or encoding.full_scale > full:
            allowed = f"whole numbers of magnitudes up to {full}, such as int{min(8, full.bit_length())}"
            message = f"{self.multiplier.name} does not multiply such weights"
            raise SlipstickError(message, path="format", value=encoding.name, allowed=allowed)

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return inputs [m, k] times weights [n, k]: sums of the table's products, times both scales in fp32."""
        return whole_product(self, inputs, weights)

    def sums(self, inputs: WholeNumbers, weights: WholeNumbers) -> AnyArray:
        """Return sums [m, n] of the table's products of inputs [m, k] and weights [n, k]."""
        a, b = (WholeNumbers(part.elements[:, :, None, None], part.full) for part in (inputs, weights))
        return self.layer_sums(a, b, Window())[:, :, 0, 0]

    def layer_sums(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> AnyArray:
        """Return a layer's sums of the table's products, by the fastest kernel that the table allows."""
        from slipstick.formats.arithmetic.table_layer import _table_layer

        return _table_layer(self.multiplier, inputs, weights, window)

    def error_table(self, full: tuple[int, int]) -> IntArray:
        """Return the table's products less the exact ones, by whole numbers from -full to full."""
        a, w = (np.arange(-size, size + 1) for size in full)
        return self.multiplier.multiply(a[:, None], w) - np.multiply.outer(a, w)

    def product_error(self, encoding: Encoding) -> float:
        """Return the worst relative error of a product; infinite if a product of zero is not zero."""
        codes = np.arange(-encoding.full_scale, encoding.full_scale + 1)
        exact = np.abs(np.multiply.outer(codes, codes))
        errors = np.abs(self.error_table((encoding.full_scale, encoding.full_scale)))
        return np.inf if errors[exact == 0].any() else float((errors / np.maximum(exact, 1)).max())

    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the straight-through estimator: gradients are those of the exact product."""
        return Exact().stand_in(encoding)

    def cost(self, encoding: Encoding) -> Cost:
        """Return the cost of one cycle, one multiplication and one 32 bit addition.

        The library states powers, not energies: an exact 8 bit multiplication's energy is scaled by the power of the
        circuit over that of the library's exact one. The energy of a multiplier of unknown power is unknown.
        """
        multiply, source = _operation_energy("int8_multiply")
        add, facts = _operation_energy("int32_add")[0], self.multiplier.facts
        if facts is None or facts.power is None:
            area = facts.area if facts else None
            note = f"power of {self.multiplier.name} unknown; a YAML file of facts gives it (`power`, `table`)"
            return Cost(1.0, None, area and area + _adder_area(), note)
        exact = multiplier_facts.entry(_EXACT_CIRCUITS[self.multiplier.operands])
        share = facts.power / (exact.power or facts.power)
        note = f"{source}; times power over that of {exact.name} ({facts.source_of('power')}): assumed"
        return Cost(1.0, multiply * share + add, facts.area and facts.area + _adder_area(), note)

    def steps(self, encoding: Encoding) -> int | None:
        """Return None: a parallel multiplier takes whole operands."""
        return None

    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return one cycle per weight, whatever its steps."""
        return np.ones_like(np.asarray(steps, np.int64))


def _adder_area() -> float:
    """Return the area [m2] of the 32 bit adder behind a multiplier."""
    return array_parts.entry("energy").area["add32"]
