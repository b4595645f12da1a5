"""Multiplier: a circuit of up to 8 by 8 bits, as its table of products, with its power and area if known."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.formats.multipliers.multiplier_facts import MultiplierFacts
from slipstick.formats.multipliers.table_file import _write_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from slipstick.core.arrays import AnyArray, IntArray

Operands = Literal["signed", "sign-magnitude", "unsigned"]
MAX_BITS = 8  # of an operand: a table of 256 by 256 products
_PRODUCT_BITS = 2 * MAX_BITS


@dataclass(frozen=True, eq=False)
class Multiplier:
    """Table of products [2**bits, 2**bits]: rows are bit patterns of the first operand (inputs), columns of the second.

    Parameters
    ----------
    operands : how whole numbers become bit patterns. ``signed``: two's complement. ``sign-magnitude``: the table
        multiplies magnitudes, the signs beside it; zero has the positive sign. ``unsigned``: the table multiplies
        x + 2**(bits - 1), and the exact share of the offsets is subtracted from the sum.
    facts : published or own figures of power, area and delay.

    Examples
    --------
    >>> rough = Multiplier.of(lambda a, b: (a & ~3) * b, bits=4, name="rough")
    >>> rough.multiply([7, -7, 3], [5, 5, 5]).tolist()
    [20, -20, 0]
    """

    name: str
    products: IntArray = field(repr=False)
    operands: Operands = "sign-magnitude"
    facts: MultiplierFacts | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "products", _checked(self.products, self.name))
        if self.operands not in get_args(Operands):
            message, allowed = "no such kind of operands", get_args(Operands)
            raise SlipstickError(message, path=f"multiplier {self.name}", value=self.operands, allowed=allowed)
        self.products.flags.writeable = False

    @classmethod
    def of(
        cls, function: Callable[[int, int], int], *, bits: int, operands: Operands = "sign-magnitude", name: str = ""
    ) -> Multiplier:
        """Return the multiplier that a Python function describes, called once for each pair of operands.

        Parameters
        ----------
        function : takes two whole numbers: from -2**(bits - 1) if `operands` is ``signed``, else from 0.

        Errors
        ------
        SlipstickError for bits outside 2 to 8, or a product that is no whole number of 16 bits.
        """
        if bits not in range(2, MAX_BITS + 1):
            raise SlipstickError("out of range", path="multiplier.bits", value=bits, allowed=f"2 to {MAX_BITS}")
        name = name or getattr(function, "__name__", "function")
        values = _pattern_values(int(bits), signed=operands == "signed").tolist()
        try:
            rows = np.array([[operator.index(function(a, b)) for b in values] for a in values], np.int64)
        except TypeError:
            raise SlipstickError("a product is no whole number", path=f"multiplier {name}") from None
        except OverflowError:
            allowed = f"magnitudes below 2**{_PRODUCT_BITS}"
            raise SlipstickError("a product is out of range", path=f"multiplier {name}", allowed=allowed) from None
        return cls(name, rows, operands)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Multiplier)
            and (self.name, self.operands) == (other.name, other.operands)
            and np.array_equal(self.products, other.products)
        )

    def __hash__(self) -> int:
        return hash((self.name, self.operands))

    @property
    def bits(self) -> int:
        """Bits of an operand's pattern: 2 to 8."""
        return len(self.products).bit_length() - 1

    @property
    def full(self) -> int:
        """Power of two that magnitudes of operands do not exceed; one equal to it saturates if no pattern has it."""
        return 1 << (self.bits if self.operands == "sign-magnitude" else self.bits - 1)

    @property
    def values(self) -> IntArray:
        """Value of each bit pattern, by which errors are counted."""
        return _pattern_values(self.bits, signed=self.operands == "signed")

    @property
    def errors(self) -> IntArray:
        """Products less the exact ones [2**bits, 2**bits]."""
        return self.products - np.multiply.outer(self.values, self.values)

    def patterns(self, elements: ArrayLike) -> tuple[IntArray, IntArray]:
        """Return bit patterns of whole numbers, and the signs (1 or -1) by which their products are multiplied.

        Numbers beyond the patterns saturate: -128 has the magnitude 127 of a sign-magnitude operand of 7 bits.
        """
        whole = np.asarray(elements, np.int64)
        top = (1 << self.bits) - 1
        if self.operands == "sign-magnitude":
            return np.minimum(np.abs(whole), top), np.where(whole < 0, -1, 1)
        half = self.full
        centred = np.clip(whole, -half, half - 1)
        return (centred & top if self.operands == "signed" else centred + half), np.ones_like(whole)

    @property
    def centred(self) -> IntArray:
        """Products by bit patterns, with the exact share of the offsets of ``unsigned`` operands subtracted."""
        if self.operands != "unsigned":
            return self.products
        shifted = self.values - self.full
        return np.asarray(self.errors + np.multiply.outer(shifted, shifted))

    def multiply(self, inputs: ArrayLike, weights: ArrayLike) -> IntArray:
        """Return the products of whole numbers, elementwise with broadcasting."""
        (a, a_sign), (w, w_sign) = self.patterns(inputs), self.patterns(weights)
        return np.asarray(self.centred[a, w] * a_sign * w_sign, np.int64)

    def signed_products(self, full: int) -> IntArray:
        """Return the products [2 * full, 2 * full] of all whole numbers from -full to full - 1."""
        codes = np.arange(-full, full)
        return self.multiply(codes[:, None], codes)

    def write(self, path: str | Path) -> None:
        """Write the table of products to a CSV or NPY file, by its suffix.

        Errors
        ------
        SlipstickError for another suffix, or a file that cannot be written.
        """
        _write_table(path, self.products)

    def with_operands(self, operands: Operands) -> Multiplier:
        """Return the same table on whole numbers that are coded in another way."""
        return replace(self, operands=operands)


def _pattern_values(bits: int, *, signed: bool) -> IntArray:
    """Return the values of all bit patterns in their order: from 0 up, or two's complement."""
    values = np.arange(1 << bits)
    return np.where(values >= 1 << (bits - 1), values - (1 << bits), values) if signed else values


def _checked(products: AnyArray, name: str) -> IntArray:
    """Return a table of products as int64; SlipstickError unless it is square, of 2**2 to 2**8 whole numbers a side."""
    path = f"multiplier {name}"
    try:
        table = np.asarray(products)
    except ValueError:
        raise SlipstickError("rows of several lengths", path=path, allowed="[2**bits, 2**bits]") from None
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise SlipstickError("the table is not square", path=path, value=table.shape, allowed="[2**bits, 2**bits]")
    side = len(table)
    if side > 1 << MAX_BITS:
        raise SlipstickError("the operands are too wide", path=path, value=f"{side} rows", allowed="up to 8 bits: 256")
    if side < 4 or side & (side - 1):
        allowed = "4, 8, 16, 32, 64, 128 or 256 rows"
        raise SlipstickError("the rows are no power of two", path=path, value=side, allowed=allowed)
    if table.dtype.kind not in "iu":
        raise SlipstickError("the products are not integers", path=path, value=str(table.dtype), allowed="integers")
    largest = max(int(table.max()), -int(table.min()))  # as Python's integers, which do not overflow
    if largest >= 1 << _PRODUCT_BITS:
        allowed = f"magnitudes below 2**{_PRODUCT_BITS}"
        raise SlipstickError("a product is out of range", path=path, value=largest, allowed=allowed)
    return table.astype(np.int64)
