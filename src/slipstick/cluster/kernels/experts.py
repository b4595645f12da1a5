"""Number of experts that a batch of tokens visits if their popularity follows Zipf's law."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.constants.model_constants import _model
from slipstick.core.arrays import FloatArray


def _experts_busy(experts: int, active: int, tokens: ArrayLike) -> FloatArray:
    """Return the mean number of `experts` that at least one of `tokens` visits, where each token visits `active`.

    Examples
    --------
    >>> float(_experts_busy(8, 2, 1)), round(float(_experts_busy(8, 2, 1000)), 6)
    (2.0, 8.0)
    >>> float(_experts_busy(128, 8, 32)) < 100
    True
    """
    counts, place = np.unique(np.asarray(tokens, dtype=np.float64), return_inverse=True)  # few, of many plans
    visited = 1.0 - (1.0 - _popularity(experts, active)) ** counts[:, None]
    return np.asarray(visited.sum(axis=-1)[place].reshape(np.shape(tokens)))


@cache
def _popularity(experts: int, active: int) -> FloatArray:
    """Return the probability that a token visits each expert: proportional to 1 / rank, at most 1."""
    chance = np.arange(1.0, experts + 1.0) ** -_model().expert_skew
    certain = 0
    while True:
        share = (active - certain) / chance[certain:].sum()
        more = int((chance[certain:] * share > 1.0).sum())
        if not more:
            return np.concatenate([np.ones(certain), chance[certain:] * share])
        certain += more
