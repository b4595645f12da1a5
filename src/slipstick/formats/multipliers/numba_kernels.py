"""numba kernel of table products, the portable path; compared with the oracle in tests/formats."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_BLOCK = 1024  # places whose sums and inputs of a tap stay in the first cache


@njit(cache=True)
def _table_sums(
    inputs: NDArray[np.uint16], weights: NDArray[np.uint16], table: NDArray[np.int32], sums: NDArray[np.int32]
) -> None:
    """Add table[weights[n, k], inputs[k, m]] over the taps k to sums [n, m]."""
    taps, places = inputs.shape
    for start in range(0, places, _BLOCK):
        end = min(places, start + _BLOCK)
        for n in range(len(weights)):
            total = sums[n, start:end]
            for tap in range(taps):
                row, own = table[weights[n, tap]], inputs[tap, start:end]
                for place in range(len(own)):
                    total[place] += row[own[place]]
