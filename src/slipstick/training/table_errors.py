"""Errors of a table of products as a few terms of both operands: injection of type 3, our own.

The error of a product, E[a, w], less its mean over the inputs for each weight (a constant of every filter, which the
channel's mean error holds), is sum_r e_r(a) h_r(w) to least squares, weighted by how often operands occur: singular
values of the weighted table. A term costs one more convolution of looked-up operands. What few terms leave is noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import AnyArray, FloatArray
from slipstick.core.window import WholeNumbers

_MOST_TERMS = 4  # as many more convolutions: exact tables cost no more on a processor with byte permutes
_CAPTURED = 0.9  # share of the errors' energy at which no term is added (assumed)
_UNSEEN = (
    1e-3  # share of the weight that all operands have alike, so that terms are defined for those not seen (assumed)
)


@dataclass(frozen=True, eq=False)
class TableTerms:
    """Terms of a table's errors: `inputs` [codes of inputs, r] times `weights` [codes of weights, r], summed over r.

    Codes count from -full to full; `share` is the part of the weighted centred energy that the terms capture.
    """

    inputs: FloatArray
    weights: FloatArray
    share: float


def table_terms(errors: AnyArray, inputs: WholeNumbers, weights: WholeNumbers) -> TableTerms:
    """Return the fewest terms that capture nine tenths of the errors that a layer's operands meet, four at most.

    Parameters
    ----------
    errors : of products of whole numbers, [2 full + 1 of the inputs, 2 full + 1 of the weights].
    """
    first, second = (_shares(numbers) for numbers in (inputs, weights))
    centred = errors - first @ errors
    left, values, right = np.linalg.svd(np.sqrt(first)[:, None] * centred * np.sqrt(second), full_matrices=False)
    total = float((values**2).sum())
    shares = (values**2).cumsum() / total if total else np.ones(len(values))
    terms = min(int(np.searchsorted(shares, _CAPTURED)) + 1, _MOST_TERMS)
    root = np.sqrt(values[:terms])
    factors = left[:, :terms] * root / np.sqrt(first)[:, None], right[:terms].T * root / np.sqrt(second)[:, None]
    return TableTerms(*factors, float(shares[terms - 1]))


def _shares(numbers: WholeNumbers) -> FloatArray:
    """Return how often each whole number from -full to full occurs, as a share of all."""
    size = 2 * numbers.full + 1
    counts = np.bincount(numbers.elements.ravel().astype(np.int64) + numbers.full, minlength=size).astype(np.float64)
    return np.asarray((1 - _UNSEEN) * counts / max(counts.sum(), 1) + _UNSEEN / size)
