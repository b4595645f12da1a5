"""Errors of a multiplier over all pairs of operands, alike or weighted by what a layer multiplies.

Sources: EvoApprox8b, Mrazek et al., DATE 2017, for MAE, WCE, MRE, EP; the weighted mean error (WMED) is that of Mrazek
et al., "ALWANN", ICCAD 2019, from memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipstick.formats.multipliers.multiplier import Multiplier

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slipstick.core.arrays import FloatArray


@dataclass(frozen=True)
class ErrorStatistics:
    """Errors of products, less the exact ones, in units of the product; shares from 0 to 1.

    Attributes
    ----------
    mae, wce, mse, bias : mean absolute, worst absolute, mean squared and mean error.
    mre, wcre : mean and worst relative error, over pairs whose exact product is not zero.
    wrong : share of pairs with a wrong product (error probability, EP).
    scale : 2**(2 * bits), of which `mae` and `wce` are published as percentages.
    """

    mae: float
    wce: float
    mse: float
    bias: float
    mre: float
    wcre: float
    wrong: float
    scale: int


def error_statistics(
    multiplier: Multiplier, inputs: ArrayLike | None = None, weights: ArrayLike | None = None
) -> ErrorStatistics:
    """Return the errors of a multiplier over all pairs of operands.

    Parameters
    ----------
    inputs, weights : whole numbers that a layer multiplies: each pair counts as often as both occur, taken to be
        independent; None: all operands are alike.

    Examples
    --------
    >>> from slipstick.formats.multipliers.find_multiplier import find_multiplier
    >>> round(error_statistics(find_multiplier("mul7u_09Y")).mae, 6)
    185.625122
    """
    pairs = np.multiply.outer(_shares(multiplier, inputs), _shares(multiplier, weights))
    errors = multiplier.errors.astype(np.float64)
    exact = np.abs(np.multiply.outer(multiplier.values, multiplier.values))
    occurs, product = pairs > 0, exact > 0
    relative = np.abs(errors) / np.maximum(exact, 1)
    whole = float(pairs[product].sum())
    return ErrorStatistics(
        mae=float((pairs * np.abs(errors)).sum()),
        wce=float(np.abs(errors[occurs]).max()),
        mse=float((pairs * errors**2).sum()),
        bias=float((pairs * errors).sum()),
        mre=float((pairs * relative)[product].sum()) / whole if whole else 0.0,
        wcre=float(relative[occurs & product].max(initial=0.0)),
        wrong=float(pairs[errors != 0].sum()),
        scale=1 << 2 * multiplier.bits,
    )


def _shares(multiplier: Multiplier, elements: ArrayLike | None) -> FloatArray:
    """Return the share of each bit pattern in a tensor of whole numbers; None: all alike."""
    count = 1 << multiplier.bits
    if elements is None:
        return np.full(count, 1 / count)
    counts = np.bincount(multiplier.patterns(np.ravel(np.asarray(elements)))[0], minlength=count)
    return np.asarray(counts / counts.sum())
