"""Structure of a multiplier's table, by which it is emulated fast: rank, ignored bits, distinct rows, monomials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipstick.formats.multipliers.multiplier import Multiplier

if TYPE_CHECKING:
    from slipstick.core.arrays import IntArray


@dataclass(frozen=True)
class TableStructure:
    """Structure of a table of products [inputs, weights].

    Attributes
    ----------
    rank, error_rank : of the table, and of its errors: so many matrix products give all sums.
    ignored : low bits of the first and second operand that no product depends on.
    truncation : the circuit multiplies exactly what the ignored bits leave.
    distinct : numbers of distinct rows and columns: the entries that look-ups need.
    monomials : products of bits of the first operand in the multilinear form, each with a function of the second.
    zero_inputs, zero_weights : whether every product of a zero is zero; if not, padding adds what the table says.
    """

    rank: int
    error_rank: int
    ignored: tuple[int, int]
    truncation: bool
    distinct: tuple[int, int]
    monomials: int
    zero_inputs: bool
    zero_weights: bool


def table_structure(multiplier: Multiplier) -> TableStructure:
    """Return the structure of a multiplier's table of products.

    Examples
    --------
    >>> from slipstick.formats.multipliers.find_multiplier import find_multiplier
    >>> structure = table_structure(find_multiplier("mul7u_09Y"))
    >>> structure.rank, structure.ignored, structure.distinct, structure.monomials
    (15, (1, 2), (64, 32), 17)
    """
    table = multiplier.products
    ignored = _ignored_bits(table), _ignored_bits(table.T)
    first, second = (multiplier.values >> bits << bits for bits in ignored)
    zero = multiplier.full if multiplier.operands == "unsigned" else 0
    centred = multiplier.centred
    return TableStructure(
        rank=int(np.linalg.matrix_rank(table.astype(np.float64))),
        error_rank=int(np.linalg.matrix_rank(multiplier.errors.astype(np.float64))),
        ignored=ignored,
        truncation=bool((table == np.multiply.outer(first, second)).all()),
        distinct=(len(np.unique(table, axis=0)), len(np.unique(table, axis=1).T)),
        monomials=int(_monomial_coefficients(table).any(axis=1).sum()),
        zero_inputs=not centred[zero].any(),
        zero_weights=not centred[:, zero].any(),
    )


def _monomial_coefficients(table: IntArray) -> IntArray:
    """Return c [2**bits, n] with table[a] = sum of c[s] over all subsets s of the bits of a (Moebius transform).

    Examples
    --------
    >>> _monomial_coefficients(np.array([[0], [5], [6], [12]])).ravel().tolist()
    [0, 5, 6, 1]
    """
    c = table.copy()
    step = 1
    while step < len(c):
        halves = c.reshape(-1, 2, step, c.shape[1])
        halves[:, 1] -= halves[:, 0]
        step *= 2
    return c


def _ignored_bits(table: IntArray) -> int:
    """Return how many low bits of the row's number make no difference."""
    bits = 0
    while 2 << bits <= len(table):
        blocks = table.reshape(-1, 2 << bits, table.shape[1])
        if (blocks != blocks[:, :1]).any():
            break
        bits += 1
    return bits
