"""Choice of the fastest exact algorithm for a multiplier's products, by the structure of its table, with its cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.table_layer import _table_layer
from slipstick.formats.multipliers.multiplier import Multiplier
from slipstick.formats.multipliers.product_algorithms import (
    _error_table_sums,
    _factored_sums,
    _low_rank_sums,
    _monomial_sums,
    _operands,
    _table_sums,
)
from slipstick.formats.multipliers.table_structure import TableStructure, table_structure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slipstick.core.arrays import AnyArray

_MAX_RANK = 32  # above it a low-rank product costs more than a look-up
# Costs over an fp32 convolution: measured with benchmarks/multiplier_speed.py, a layer of 64 to 64 channels, 3 by 3, on
# an AMD EPYC of 512 bit, one thread; of low rank and monomials: a float64 and an fp32 product each, counted
_MASKS, _ERRORS, _TABLE, _RANK, _MONOMIAL = 0.7, 31.0, 30.0, 2.5, 1.3
_PERMUTES = ((64, 1.7), (128, 2.2), (256, 4.4))  # by distinct rows: one, two or four registers


@dataclass(frozen=True)
class _Algorithm:
    """One way to compute sums of table products.

    Attributes
    ----------
    cost : predicted time over that of an fp32 convolution of the same shape, of a table's structure; None: it does not
        compute such tables.
    sums : of a multiplier, inputs [m, k] and weights [n, k]: [m, n].
    native : whether a compiled kernel of the layer does it, faster than `sums`.
    """

    name: str
    cost: Callable[[TableStructure], float | None]
    sums: Callable[[Multiplier, ArrayLike, ArrayLike], AnyArray]
    native: bool = False


def _permuted_sums(multiplier: Multiplier, inputs: ArrayLike, weights: ArrayLike) -> AnyArray:
    """Return the sums by the layer kernel, which permutes bytes where the processor can."""
    a, w, full = _operands(inputs, weights)
    dense = WholeNumbers(a[:, :, None, None], full[0]), WholeNumbers(w[:, :, None, None], full[1])
    return _table_layer(multiplier, *dense, Window())[:, :, 0, 0]


ALGORITHMS = (
    _Algorithm(
        "masks and one int8 matrix product", lambda s: _MASKS if s.truncation else None, _factored_sums, native=True
    ),
    _Algorithm("byte permutes", lambda s: _permute_cost(s.distinct[0]), _permuted_sums, native=True),
    _Algorithm("low rank", lambda s: _RANK * s.rank if s.rank <= _MAX_RANK else None, _low_rank_sums),
    _Algorithm("bit monomials", lambda s: _MONOMIAL * s.monomials + 1, _monomial_sums),
    _Algorithm("exact product and table of errors", lambda s: _ERRORS, _error_table_sums),
    _Algorithm("table", lambda s: _TABLE, _table_sums),
)


def best_algorithm(multiplier: Multiplier, *, native: bool = True) -> tuple[_Algorithm, float]:
    """Return the fastest exact algorithm of a table and its predicted cost, over an fp32 convolution.

    Parameters
    ----------
    native : whether compiled kernels with AVX-512 are there.
    """
    structure = table_structure(multiplier)
    costs = [(cost, known) for known in ALGORITHMS if (cost := known.cost(structure)) is not None]
    allowed = [(cost, known) for cost, known in costs if native or not known.native or known.name.startswith("masks")]
    cost, known = min(allowed, key=lambda pair: pair[0])
    return known, cost


def _permute_cost(rows: int) -> float:
    """Return the cost of byte permutes by the distinct rows of non-negative inputs: one, two or four registers."""
    return next(cost for most, cost in _PERMUTES if rows <= most)
